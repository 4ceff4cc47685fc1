/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what of the passthrough strategy is its own: every block is a range of the
 * backend's, taken and given back at once. The rest is in tests/contract. */
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *straight;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    straight = lab_faulty_interface(space, MMB_STRATEGY_PASSTHROUGH);
}

static void test_passthrough_maps_and_unmaps_every_block(void)
{
    mmbAllocation *blocks[20];
    size_t maps = lab_maps(), unmaps = lab_unmaps();
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = lab_new(straight, 1 + i * 100);
        CU_ASSERT_EQUAL(lab_maps() - maps, i + 1);
        CU_ASSERT_EQUAL(lab_stats(straight).chunks, i + 1);
    }
    for (size_t i = 0; i < 20; i++) {
        lab_free(blocks[i * 7 % 20]);
        CU_ASSERT_EQUAL(lab_unmaps() - unmaps, i + 1);
    }
    CU_ASSERT_EQUAL(lab_stats(straight).reserved_bytes, 0);
}

static void test_passthrough_none_is_its_other_name(void)
{
    CU_ASSERT_EQUAL(MMB_STRATEGY_NONE, MMB_STRATEGY_PASSTHROUGH);
    CU_ASSERT_STRING_EQUAL(mmb_strategy_name(MMB_STRATEGY_NONE), "PASSTHROUGH");
}

/* The backend rounds to OS pages: what that added may be used. */
static void test_passthrough_resizes_within_its_range(void)
{
    mmbMemInterface *on_mmap = lab_interface(space, MMB_STRATEGY_PASSTHROUGH, LAB_MMAP, 0);
    mmbAllocation *block = lab_new(on_mmap, 100);
    void *ptr = mmb_allocation_ptr(block);
    size_t usable = lab_info(block).usable_bytes;
    CU_ASSERT(usable >= 4096);
    CU_ASSERT_EQUAL(mmb_reallocate(block, usable), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(block), ptr);
    lab_fill(block, 1);
    CU_ASSERT_EQUAL(mmb_reallocate(block, usable + 1), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(on_mmap).chunks, 1);
    CU_ASSERT(lab_is_filled(block, usable, 1));
    CU_ASSERT_EQUAL(lab_used(space), usable + 1);
    lab_free(block);
    CU_ASSERT_EQUAL(lab_stats(on_mmap).chunks, 0);
}

/* A handle that moved away leaves nothing behind but itself. */
static void test_passthrough_vacated_range_goes_back_at_once(void)
{
    mmbMemInterface *page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    mmbAllocation *block = lab_new(straight, 100000);
    CU_ASSERT_EQUAL(mmb_migrate(block, page), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(straight).chunks, 0);
    CU_ASSERT_EQUAL(lab_stats(straight).live_count, 0);
    CU_ASSERT_EQUAL(mmb_destroy_interface(straight), MMB_OK);
    lab_free(block);
    CU_ASSERT_EQUAL(lab_used(space), 0);
}

static void test_passthrough_trim_has_nothing_to_give(void)
{
    mmbAllocation *block = lab_new(straight, 1000);
    CU_ASSERT_EQUAL(mmb_interface_trim(straight, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(straight).chunks, 1);
    lab_fill(block, 1);
    lab_free(block);
}

MMB_SUITE_WITH("interfaces/passthrough", set_up, lab_close,
               T(test_passthrough_maps_and_unmaps_every_block),
               T(test_passthrough_none_is_its_other_name),
               T(test_passthrough_resizes_within_its_range),
               T(test_passthrough_vacated_range_goes_back_at_once),
               T(test_passthrough_trim_has_nothing_to_give))
