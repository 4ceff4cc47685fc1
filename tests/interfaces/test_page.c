/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what of the scalable page strategy is its own: blocks change size in place
 * within their class, empty memory of one class or interface never stands in the way of another,
 * and memory is taken in chunks and given back in whole ones. The rest is in tests/contract. */
#include <string.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
}

static void test_page_resizes_in_place_within_a_class(void)
{
    mmbAllocation *block = lab_new(page, 97);
    void *ptr = mmb_allocation_ptr(block);
    size_t usable = lab_info(block).usable_bytes;
    CU_ASSERT_EQUAL(usable, 112);
    CU_ASSERT_EQUAL(mmb_reallocate(block, usable), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 1), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 112), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(block), ptr);
    CU_ASSERT_EQUAL(lab_used(space), 112);
    CU_ASSERT_EQUAL(lab_stats(page).total_allocations, 1);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 113), MMB_OK);
    CU_ASSERT_PTR_NOT_EQUAL(mmb_allocation_ptr(block), ptr);
    lab_free(block);
}

/* What alignment skipped is not there to grow into. */
static void test_page_resizes_behind_the_skipped_bytes(void)
{
    mmbMemInterface *on_malloc = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MALLOC, 0);
    for (size_t n_bytes = 16; n_bytes < 3000; n_bytes += 111) {
        mmbAllocation *blocks[8];
        for (unsigned int i = 0; i < 8; i++)
            blocks[i] = lab_new_aligned(on_malloc, n_bytes, 256);
        for (unsigned int i = 0; i < 8; i++) {
            CU_ASSERT_EQUAL(mmb_reallocate(blocks[i], lab_info(blocks[i]).usable_bytes), MMB_OK);
            lab_fill(blocks[i], i);
        }
        for (unsigned int i = 0; i < 8; i++)
            SUITE_CHECK(lab_is_filled(blocks[i], mmb_allocation_size(blocks[i]), i), "%zu B",
                        n_bytes);
        for (unsigned int i = 0; i < 8; i++)
            lab_free(blocks[i]);
    }
}

/* An array cannot grow: what small blocks have given back must serve large ones, and the reverse.
 */
static void test_page_empty_classes_serve_others(void)
{
    mmbMemInterface *array =
        lab_array_interface(lab_space(MMB_NO_LIMIT), MMB_STRATEGY_SCALABLE_PAGE, (size_t)1 << 20);
    static mmbAllocation *blocks[20000];
    static const size_t sizes[] = {64, 900000, 3000, 500000, 20000, 1000000, 16};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = 0;
        while (n < 20000 && mmb_allocate(sizes[s], array, &blocks[n]) == MMB_OK)
            n++;
        SUITE_CHECK(n == 20000 || n * sizes[s] > 800000 || n * 2 * sizes[s] > 1 << 20,
                    "only %zu blocks of %zu B", n, sizes[s]);
        for (size_t i = 0; i < n; i++)
            lab_free(blocks[i]);
    }
}

/* The limit counts what lives, not what an interface has in reserve. */
static void test_page_empty_interfaces_take_nothing_from_others(void)
{
    mmbMemInterface *others[4];
    for (size_t i = 0; i < 4; i++) {
        others[i] = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
        mmbAllocation *all = lab_new(others[i], (size_t)1 << 20), *more = NULL;
        CU_ASSERT_EQUAL(mmb_allocate(1, page, &more), MMB_OUT_OF_MEMORY);
        lab_free(all);
    }
    lab_free(lab_new(page, (size_t)1 << 20));
}

static void test_page_takes_memory_in_chunks(void)
{
    mmbAllocation *blocks[1000];
    for (size_t i = 0; i < 1000; i++)
        blocks[i] = lab_new(page, 1000);
    mmbMemInterfaceStats stats = lab_stats(page);
    CU_ASSERT(stats.chunks >= 1 && stats.chunks <= 8);
    CU_ASSERT(stats.reserved_bytes >= 1000000);
    for (size_t i = 0; i < 1000; i += 2)
        lab_free(blocks[i]);
    CU_ASSERT_EQUAL(mmb_interface_trim(page, 0), MMB_OK);
    for (unsigned int i = 1; i < 1000; i += 2)
        memset(mmb_allocation_ptr(blocks[i]), 1, 1000);
    for (size_t i = 1; i < 1000; i += 2)
        lab_free(blocks[i]);
    CU_ASSERT_EQUAL(mmb_interface_trim(page, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(page).reserved_bytes, 0);
}

/* covers: mmb_interface_trim MMB_INVALID_INTERFACE */
static void test_page_trim_keeps_what_it_is_told(void)
{
    mmbAllocation *block = lab_new(page, 100000);
    lab_free(block);
    size_t reserved = lab_stats(page).reserved_bytes;
    CU_ASSERT_EQUAL(mmb_interface_trim(page, reserved), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(page).reserved_bytes, reserved);
    CU_ASSERT_EQUAL(mmb_interface_trim(NULL, 0), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_interface_trim(page, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(page).reserved_bytes, 0);
}

MMB_SUITE_WITH("interfaces/page", set_up, lab_close, T(test_page_resizes_in_place_within_a_class),
               T(test_page_resizes_behind_the_skipped_bytes),
               T(test_page_empty_classes_serve_others),
               T(test_page_empty_interfaces_take_nothing_from_others),
               T(test_page_takes_memory_in_chunks), T(test_page_trim_keeps_what_it_is_told))
