/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: objects that own no memory. A slice is a part of its parent and keeps it
 * where it is; a wrapped object stands for memory of the user's. Freeing either leaves the data
 * alone. */
#include <string.h>
#include <mmb.h>
#include "src/base/meta.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page, *device;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    device = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_DEVICE, MMB_INTERFACE_FINDABLE);
}

static mmbAllocation *slice_of(mmbAllocation *parent, size_t offset, size_t n_bytes)
{
    mmbAllocation *slice = NULL;
    mmbError error = mmb_allocation_slice(parent, offset, n_bytes, &slice);
    if (!SUITE_CHECK(error == MMB_OK, "slice: %s", mmb_error_detail()))
        CU_FAIL_FATAL("no slice");
    return slice;
}

/* ---- slices ---- */

/* covers: mmb_allocation_slice MMB_INVALID_ALLOCATION MMB_INVALID_ARG MMB_INVALID_SIZE */
static void test_slice_checks_its_arguments(void)
{
    static const struct {
        size_t offset, n_bytes;
    } rows[] = {{0, 0},        {100, 0},      {101, 0},
                {0, 101},      {100, 1},      {50, 51},
                {SIZE_MAX, 1}, {1, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}};
    mmbAllocation *block = lab_new(page, 100), *dead = lab_new(page, 100), *out = NULL;
    lab_free(dead);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        SUITE_CHECK(mmb_allocation_slice(block, rows[i].offset, rows[i].n_bytes, &out) ==
                        MMB_INVALID_SIZE,
                    "%zu B at %zu", rows[i].n_bytes, rows[i].offset);
    CU_ASSERT_EQUAL(mmb_allocation_slice(block, 0, 10, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_slice(NULL, 0, 10, &out), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_slice(dead, 0, 10, &out), MMB_INVALID_ALLOCATION);
    CU_ASSERT_PTR_NULL(out);
    lab_free(block);
}

/* On the device too: the offset is the device's. */
static void test_slice_is_a_part_of_its_parent(void)
{
    mmbMemInterface *const interfaces[] = {page, device};
    for (size_t i = 0; i < 2; i++) {
        mmbAllocation *block = lab_new(interfaces[i], 5000);
        mmbAllocation *slice = slice_of(block, 1000, 3000), *inner = slice_of(slice, 500, 100);
        mmbAllocationInfo whole = lab_info(block), part = lab_info(slice), deep = lab_info(inner);
        CU_ASSERT_PTR_EQUAL(part.native, (char *)whole.native + 1000);
        CU_ASSERT_PTR_EQUAL(deep.native, (char *)whole.native + 1500);
        CU_ASSERT_EQUAL(!part.ptr, i == 1);
        CU_ASSERT_PTR_EQUAL(part.ptr, i == 1 ? NULL : part.native);
        CU_ASSERT_PTR_EQUAL(part.parent, block);
        CU_ASSERT_EQUAL(part.parent_offset, 1000);
        CU_ASSERT_PTR_EQUAL(deep.parent, slice);
        CU_ASSERT_EQUAL(deep.parent_offset, 500);
        CU_ASSERT_FALSE(part.owned);
        CU_ASSERT_EQUAL(part.n_bytes, 3000);
        CU_ASSERT_EQUAL(part.usable_bytes, 3000);
        CU_ASSERT_EQUAL(part.alignment, 1);
        CU_ASSERT_PTR_EQUAL(part.interface, interfaces[i]);
        CU_ASSERT_EQUAL(lab_used(space), 5000);
        CU_ASSERT_EQUAL(lab_stats(interfaces[i]).live_count, 1);
        lab_free(inner);
        lab_free(slice);
        lab_free(block);
    }
}

static void test_slice_keeps_its_parent(void)
{
    mmbAllocation *block = lab_new(page, 100), *slice = slice_of(block, 0, 100);
    mmbAllocation *inner = slice_of(slice, 10, 10);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_BUSY);
    lab_free(inner);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_BUSY);
    memset(mmb_allocation_ptr(slice), 7, 100);
    lab_free(slice);
    CU_ASSERT_EQUAL(*(char *)mmb_allocation_ptr(block), 7);
    lab_free(block);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_INVALID_ALLOCATION);
}

/* A size beyond the record's own word, and slices of it. */
static void test_slice_of_a_large_block(void)
{
    mmbMemSpace *large_space = lab_space(MMB_NO_LIMIT);
    mmbMemInterface *interface =
        lab_interface(large_space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    size_t n_bytes = (size_t)40 << 20;
    mmbAllocation *block = lab_new(interface, n_bytes);
    mmbAllocation *slice = slice_of(block, 1, n_bytes - 1);
    CU_ASSERT_EQUAL(mmb_allocation_size(slice), n_bytes - 1);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_BUSY);
    lab_free(slice);
    CU_ASSERT_EQUAL(mmb_allocation_size(block), n_bytes);
    lab_free(block);
    CU_ASSERT_EQUAL(lab_used(large_space), 0);
}

/* A record whose stack was released is dead, whatever its word says. */
static void test_slice_of_a_released_block_is_refused(void)
{
    mmbMemInterface *stack = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    mmbAllocation *block = lab_new(stack, 100), *out = NULL;
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_slice(block, 0, 10, &out), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_region_hold(block), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 50), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_migrate(block, page), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_size(block), 0);
    CU_ASSERT_EQUAL(mmb_memset(block, 0, 1, 1), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(lab_stats(stack).live_bytes, 0);
}

/* ---- wrapped pointers ---- */

/* covers: mmb_allocation_create_wrapped MMB_INVALID_INTERFACE MMB_INVALID_ARG MMB_INVALID_SIZE */
static void test_wrapped_checks_its_arguments(void)
{
    char bytes[100];
    mmbAllocation *out = NULL;
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, 100, NULL, &out), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(NULL, 100, page, &out), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, 100, page, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, 0, page, &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, SIZE_MAX, page, &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped((void *)(UINTPTR_MAX - 10), 12, page, &out),
                    MMB_INVALID_SIZE);
    CU_ASSERT_PTR_NULL(out);
}

static void test_wrapped_is_not_charged_and_keeps_its_interface(void)
{
    char bytes[100];
    mmbAllocation *wrapped = NULL;
    mmbMemInterface *interface = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes, 100, interface, &wrapped), MMB_OK);
    mmbAllocationInfo info = lab_info(wrapped);
    CU_ASSERT_PTR_EQUAL(info.ptr, bytes);
    CU_ASSERT_PTR_EQUAL(info.native, bytes);
    CU_ASSERT_PTR_EQUAL(info.interface, interface);
    CU_ASSERT_FALSE(info.owned);
    CU_ASSERT_PTR_NULL(info.parent);
    CU_ASSERT_EQUAL(info.usable_bytes, 100);
    CU_ASSERT_EQUAL(lab_used(space), 0);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_BUSY);
    mmbAllocation *slice = slice_of(wrapped, 40, 20);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(slice), bytes + 40);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_BUSY);
    lab_free(slice);
    bytes[99] = 5;
    lab_free(wrapped);
    CU_ASSERT_EQUAL(bytes[99], 5);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
}

static void test_wrapped_is_copied_like_any_other(void)
{
    char from_bytes[100];
    memset(from_bytes, 9, sizeof from_bytes);
    mmbAllocation *wrapped = NULL, *block = lab_new(device, 100);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(from_bytes, 100, page, &wrapped), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(block, wrapped), MMB_OK);
    CU_ASSERT_EQUAL(lab_bytes(block)[99], 9);
    lab_free(block);
    lab_free(wrapped);
}

/* Memory of a device has no host pointer, wrapped or not. */
static void test_wrapped_device_memory(void)
{
    mmbAllocation *block = lab_new(device, 1000), *wrapped = NULL, *found = NULL;
    char *address = lab_info(block).native;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(address + 10, 100, device, &wrapped),
                          MMB_OK);
    CU_ASSERT_PTR_NULL(mmb_allocation_ptr(wrapped));
    CU_ASSERT_PTR_EQUAL(mmb_device_ptr(wrapped), address + 10);
    CU_ASSERT_EQUAL(mmb_allocation_find(address + 20, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, wrapped);
    lab_free(wrapped);
    CU_ASSERT_EQUAL(mmb_allocation_find(address + 20, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, block);
    lab_free(block);
}

/* One that may not be found hides none that may. */
static void test_wrapped_of_an_interface_that_is_not_findable_hides_nothing(void)
{
    mmbMemInterface *hidden = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    char bytes[100];
    mmbAllocation *outer = NULL, *inner = NULL, *found = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes, 100, page, &outer), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes + 10, 10, hidden, &inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_find(bytes + 15, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, outer);
    lab_free(outer);
    CU_ASSERT_EQUAL(mmb_allocation_find(bytes + 15, &found), MMB_NOT_FOUND);
    lab_free(inner);
}

/* ---- metadata ---- */

static void test_views_leak_no_metadata(void)
{
    char bytes[100];
    size_t after_first = 0;
    for (int round = 0; round < 4; round++) {
        mmbAllocation *block = lab_new(page, 1000), *views[200];
        for (size_t i = 0; i < 200; i++) {
            views[i] = slice_of(i % 2 ? block : i > 1 ? views[i - 2] : block, 1, 100 - i / 2);
        }
        for (size_t i = 200; i > 0; i--)
            lab_free(views[i - 1]);
        for (size_t i = 0; i < 200; i++)
            CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes, 100, page, &views[i]),
                                  MMB_OK);
        for (size_t i = 0; i < 200; i++)
            lab_free(views[i]);
        lab_free(block);
        if (round == 0)
            after_first = mmb_meta_bytes();
        CU_ASSERT_EQUAL(mmb_meta_bytes(), after_first);
    }
}

MMB_SUITE_WITH("core/allocation_view", set_up, lab_close, T(test_slice_checks_its_arguments),
               T(test_slice_is_a_part_of_its_parent), T(test_slice_keeps_its_parent),
               T(test_slice_of_a_large_block), T(test_slice_of_a_released_block_is_refused),
               T(test_wrapped_checks_its_arguments),
               T(test_wrapped_is_not_charged_and_keeps_its_interface),
               T(test_wrapped_is_copied_like_any_other), T(test_wrapped_device_memory),
               T(test_wrapped_of_an_interface_that_is_not_findable_hides_nothing),
               T(test_views_leak_no_metadata))
