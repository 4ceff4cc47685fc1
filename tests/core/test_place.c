/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: an object tells where its bytes are, whatever it is; and takes advice. */
#include <string.h>
#include <mmb.h>
#include "src/core/place.h"
#include "src/core/ticket.h"
#include "src/spi/record.h"
#include "tests/support/failing_mmap.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page, *device;

static void set_up(void)
{
    failing_mmap_none();
    lab_open();
    space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    device = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_DEVICE, 0);
}

static void tear_down(void)
{
    failing_mmap_none();
    lab_close();
}

/* covers: mmb_allocation_get_info MMB_INVALID_ALLOCATION, mmb_allocation_native
 * MMB_INVALID_ALLOCATION */
static void test_info_needs_a_live_object(void)
{
    mmbAllocation *dead = lab_new(page, 10), *live = lab_new(page, 10);
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    void *native = NULL;
    size_t offset = 1;
    lab_free(dead);
    mmbAllocation *const wrong[] = {NULL, dead, (mmbAllocation *)(void *)&info};
    for (size_t i = 0; i < 3; i++) {
        SUITE_CHECK(mmb_allocation_get_info(wrong[i], &info) == MMB_INVALID_ALLOCATION, "%zu", i);
        SUITE_CHECK(mmb_allocation_native(wrong[i], &native, &offset) == MMB_INVALID_ALLOCATION,
                    "%zu", i);
        SUITE_CHECK(!mmb_device_ptr(wrong[i]) && mmb_allocation_size(wrong[i]) == 0, "%zu", i);
        SUITE_CHECK(lab_detail_has("allocation_size"), "%zu: %s", i, mmb_error_detail());
    }
    CU_ASSERT_PTR_NULL(mmb_allocation_ptr(NULL));
    CU_ASSERT_EQUAL(mmb_allocation_get_info(live, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_native(live, NULL, &offset), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_native(live, &native, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(offset, 1);
    lab_free(live);
}

/* An older caller's smaller struct is filled as far as it goes; one too small is refused. */
static void test_info_fills_what_the_caller_knows(void)
{
    struct {
        mmbAllocationInfo known;
        uint64_t newer;
    } larger = {MMB_ALLOCATION_INFO_INIT, 77};
    mmbAllocation *block = lab_new(page, 10);
    larger.known.size = sizeof larger;
    CU_ASSERT_EQUAL(mmb_allocation_get_info(block, &larger.known), MMB_OK);
    CU_ASSERT_EQUAL(larger.known.n_bytes, 10);
    CU_ASSERT_EQUAL(larger.known.size, sizeof larger);
    larger.known.size = sizeof larger.known - 8;
    CU_ASSERT_EQUAL(mmb_allocation_get_info(block, &larger.known), MMB_INVALID_ARG);
    lab_free(block);
}

static void test_native_is_the_address(void)
{
    for (size_t i = 0; i < 2; i++) {
        mmbAllocation *block = lab_new_aligned(i ? device : page, 3000, 4096);
        void *native = NULL;
        size_t offset = 1;
        CU_ASSERT_EQUAL(mmb_allocation_native(block, &native, &offset), MMB_OK);
        CU_ASSERT_PTR_EQUAL(native, lab_info(block).native);
        CU_ASSERT_PTR_EQUAL(native, mmb_device_ptr(block));
        CU_ASSERT_EQUAL(offset, 0);
        lab_free(block);
    }
}

/* The chunk and the offset in it lead to the very byte. */
static void test_place_leads_to_the_bytes(void)
{
    char bytes[300];
    mmbAllocation *objects[4];
    objects[0] = lab_new_aligned(page, 300, 512);
    objects[1] = lab_new(page, 300);
    CU_ASSERT_EQUAL(mmb_migrate(objects[1], device), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes, 300, page, &objects[2]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(objects[1], 100, 50, &objects[3]), MMB_OK);
    for (size_t i = 0; i < 4; i++) {
        struct mmb_place place;
        CU_ASSERT_EQUAL_FATAL(mmb_place_of(mmb_ticket_record(objects[i]), "test", &place), MMB_OK);
        mmbAllocationInfo info = lab_info(objects[i]);
        SUITE_CHECK(place.memory.address + place.offset == (uintptr_t)info.native, "object %zu", i);
        SUITE_CHECK(place.n_bytes == info.n_bytes && place.usable >= place.n_bytes, "object %zu",
                    i);
        SUITE_CHECK(place.offset + place.usable <= place.memory.n_bytes, "object %zu", i);
        SUITE_CHECK(place.host == info.ptr && !place.chunk == (i == 2), "object %zu", i);
    }
    for (size_t i = 4; i > 0; i--)
        lab_free(objects[i - 1]);
}

/* ---- advice ---- */

/* covers: mmb_advise MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG MMB_UNSUPPORTED */
static void test_advise_checks_its_arguments(void)
{
    mmbAllocation *block = lab_new(page, 10000), *there = lab_new(device, 10000);
    CU_ASSERT_EQUAL(mmb_advise(NULL, 0, 1, MMB_ADVISE_NORMAL), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_advise(block, 0, 10001, MMB_ADVISE_NORMAL), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_advise(block, 10001, 0, MMB_ADVISE_NORMAL), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_advise(block, 1, SIZE_MAX, MMB_ADVISE_NORMAL), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_advise(block, 0, 1, (mmbAdvice)17), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_advise(block, 0, 1, (mmbAdvice)-1), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_advise(there, 0, 10000, MMB_ADVISE_WILL_NEED), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_advise(block, 10000, 0, MMB_ADVISE_RANDOM), MMB_OK);
    lab_free(block);
    lab_free(there);
}

/* covers: mmb_advise MMB_ERROR */
static void test_advise_tells_that_the_system_refused(void)
{
    mmbAllocation *block = lab_new(page, 100000);
    failing_madvise(5);
    CU_ASSERT_EQUAL(mmb_advise(block, 0, 100000, MMB_ADVISE_SEQUENTIAL), MMB_ERROR);
    failing_mmap_none();
    lab_free(block);
}

/* What is not needed any more may be lost, what lies beside it not. */
static void test_advise_spares_the_neighbours(void)
{
    mmbAllocation *blocks[3];
    for (unsigned int i = 0; i < 3; i++) {
        blocks[i] = lab_new(page, 20000);
        lab_fill(blocks[i], i);
    }
    CU_ASSERT_EQUAL(mmb_advise(blocks[1], 0, 20000, MMB_ADVISE_DONT_NEED), MMB_OK);
    CU_ASSERT(lab_is_filled(blocks[0], 20000, 0));
    CU_ASSERT(lab_is_filled(blocks[2], 20000, 2));
    for (size_t i = 0; i < 3; i++)
        lab_free(blocks[i]);
}

MMB_SUITE_WITH("core/place", set_up, tear_down, T(test_info_needs_a_live_object),
               T(test_info_fills_what_the_caller_knows), T(test_native_is_the_address),
               T(test_place_leads_to_the_bytes), T(test_advise_checks_its_arguments),
               T(test_advise_tells_that_the_system_refused), T(test_advise_spares_the_neighbours))
