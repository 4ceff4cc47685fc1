/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a stack gives one block after the other; freed singly they stay charged until
 * what lies above them is gone; release and reset free what lies above a mark; handles above the
 * top are dead; and what is charged is what lives, to the byte, whatever was resized, moved or
 * released. */
#include <string.h>
#include <mmb.h>
#include "src/base/meta.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *stack, *page;

static void set_up(void)
{
    lab_open();
    space = lab_space(MMB_NO_LIMIT);
    stack = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    page = lab_interface(lab_space(MMB_NO_LIMIT), MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
}

static mmbStackMark mark(void)
{
    mmbStackMark made;
    CU_ASSERT_EQUAL_FATAL(mmb_stack_mark(stack, &made), MMB_OK);
    return made;
}

static void expect_state(size_t n_live, size_t live_bytes, size_t charged)
{
    mmbMemInterfaceStats stats = lab_stats(stack);
    CU_ASSERT_EQUAL(stats.live_count, n_live);
    CU_ASSERT_EQUAL(stats.live_bytes, live_bytes);
    CU_ASSERT_EQUAL(lab_used(space), charged);
}

static void expect_dead(mmbAllocation *handle)
{
    CU_ASSERT_EQUAL(mmb_allocation_size(handle), 0);
    CU_ASSERT_EQUAL(mmb_free(handle), MMB_INVALID_ALLOCATION);
}

/* ---- singly ---- */

static void test_stack_blocks_lie_side_by_side(void)
{
    char *a = mmb_allocation_ptr(lab_new(stack, 16)), *b = mmb_allocation_ptr(lab_new(stack, 1)),
         *c = mmb_allocation_ptr(lab_new(stack, 100));
    CU_ASSERT_PTR_EQUAL(b, a + 16);
    CU_ASSERT_PTR_EQUAL(c, b + 16);
}

static void test_stack_gives_the_top_again(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 50);
    void *ptr = mmb_allocation_ptr(b);
    lab_free(b);
    expect_dead(b);
    mmbAllocation *c = lab_new(stack, 70);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(c), ptr);
    lab_free(c);
    lab_free(a);
    expect_state(0, 0, 0);
}

static void test_stack_below_the_top_stays_charged(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 50), *c = lab_new(stack, 10);
    lab_free(a);
    expect_state(2, 60, 160);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_INVALID_ALLOCATION);
    lab_free(b);
    expect_state(1, 10, 160);
    lab_free(c);
    expect_state(0, 0, 0);
}

/* Thousands of blocks over many segments, freed in an order that makes no sense. */
static void test_stack_of_many_blocks(void)
{
    enum { N = 5000 };
    static mmbAllocation *blocks[N];
    size_t live_bytes = 0;
    for (size_t i = 0; i < N; i++) {
        blocks[i] = lab_new(stack, 1 + i % 3000);
        live_bytes += 1 + i % 3000;
        memset(mmb_allocation_ptr(blocks[i]), (int)i, 1 + i % 3000);
    }
    expect_state(N, live_bytes, live_bytes);
    size_t n_wrong = 0;
    for (size_t i = 0; i < N; i++) {
        const unsigned char *bytes = mmb_allocation_ptr(blocks[i]);
        n_wrong += bytes[0] != (unsigned char)i || bytes[i % 3000] != (unsigned char)i;
    }
    CU_ASSERT_EQUAL(n_wrong, 0);
    for (size_t i = 0; i < N; i++)
        lab_free(blocks[i * 1237 % N]);
    expect_state(0, 0, 0);
}

/* ---- changing size ---- */

static void test_stack_top_changes_size_in_place(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 100);
    void *ptr = mmb_allocation_ptr(b);
    CU_ASSERT_EQUAL(mmb_reallocate(b, 5000), MMB_OK);
    expect_state(2, 5100, 5100);
    CU_ASSERT_EQUAL(mmb_reallocate(b, 10), MMB_OK);
    expect_state(2, 110, 110);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(b), ptr);
    mmbAllocation *c = lab_new(stack, 10);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(c), (char *)ptr + 16);
    lab_free(c);
    lab_free(b);
    lab_free(a);
    expect_state(0, 0, 0);
}

/* A block that shrank below others has more charged than it is large. When it is the top again, it
 * grows into that before it is charged anew. */
static void test_stack_block_that_shrank_below_others(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 10);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 50), MMB_OK);
    expect_state(2, 60, 110);
    lab_free(b);
    expect_state(1, 50, 100);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 80), MMB_OK);
    expect_state(1, 80, 80);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 120), MMB_OK);
    expect_state(1, 120, 120);
    lab_free(a);
    expect_state(0, 0, 0);
}

static void test_stack_growth_within_a_charge_is_not_refused(void)
{
    mmbMemSpace *small = lab_space(100);
    mmbMemInterface *narrow = lab_interface(small, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    mmbAllocation *a = lab_new(narrow, 90), *b = lab_new(narrow, 10);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 40), MMB_OK);
    lab_free(b);
    mmbAllocation *other =
        lab_new(lab_interface(small, MMB_STRATEGY_PASSTHROUGH, LAB_MALLOC, 0), 10);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 80), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 91), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 90), MMB_OK);
    lab_free(other);
    lab_free(a);
    CU_ASSERT_EQUAL(lab_used(small), 0);
}

/* The one below the top cannot grow where it is: it moves to the top, and its handle stays. */
static void test_stack_block_below_the_top_moves_to_grow(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 100);
    lab_fill(a, 1);
    lab_fill(b, 2);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 1000), MMB_OK);
    CU_ASSERT(lab_is_filled(a, 100, 1) && lab_is_filled(b, 100, 2));
    expect_state(2, 1100, 1200);
    lab_free(b);
    expect_state(1, 1000, 1200);
    lab_free(a);
    expect_state(0, 0, 0);
}

/* When what lies in an upper segment goes, the last block of the lower one is the top again; its
 * segment ends where it always did. */
static void test_stack_grows_inside_its_segment_only(void)
{
    mmbAllocation *filler = lab_new(stack, 1000);
    size_t segment = lab_stats(stack).reserved_bytes;
    mmbAllocation *last = lab_new(stack, segment - 2000);
    lab_fill(last, 1);
    mmbAllocation *upper = lab_new(stack, 5000);
    CU_ASSERT_EQUAL(lab_stats(stack).chunks, 2);
    char *ptr = mmb_allocation_ptr(last);
    lab_free(upper);
    CU_ASSERT_EQUAL(mmb_reallocate(last, segment), MMB_OK);
    CU_ASSERT_PTR_NOT_EQUAL(mmb_allocation_ptr(last), ptr);
    lab_fill(last, 2);
    CU_ASSERT_EQUAL(mmb_reallocate(last, 10), MMB_OK);
    mmbAllocation *next = lab_new(stack, 3000);
    lab_fill(next, 3);
    CU_ASSERT(lab_is_filled(last, 10, 2) && lab_is_filled(next, 3000, 3));
    lab_free(next);
    lab_free(last);
    lab_free(filler);
    expect_state(0, 0, 0);
}

static void test_stack_shrinks_out_of_an_upper_segment(void)
{
    mmbAllocation *first = lab_new(stack, 1000), *upper = lab_new(stack, (size_t)1 << 20);
    CU_ASSERT_EQUAL(lab_stats(stack).chunks, 2);
    lab_free(upper);
    CU_ASSERT_EQUAL(mmb_reallocate(first, 500), MMB_OK);
    mmbAllocation *next = lab_new(stack, 100);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(next), (char *)mmb_allocation_ptr(first) + 512);
    lab_free(next);
    lab_free(first);
    expect_state(0, 0, 0);
}

/* ---- marks ---- */

static void test_stack_release_frees_what_lies_above(void)
{
    mmbAllocation *below = lab_new(stack, 100);
    mmbStackMark here = mark();
    for (int round = 0; round < 3; round++) {
        mmbAllocation *above[1500];
        for (size_t i = 0; i < 1500; i++)
            above[i] = lab_new(stack, 1 + i);
        CU_ASSERT_EQUAL(mmb_stack_release(stack, here), MMB_OK);
        expect_state(1, 100, 100);
        for (size_t i = 0; i < 1500; i++)
            expect_dead(above[i]);
    }
    CU_ASSERT_EQUAL(mmb_allocation_size(below), 100);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    expect_dead(below);
    expect_state(0, 0, 0);
    CU_ASSERT_EQUAL(lab_stats(stack).total_frees, 4501);
}

/* Of blocks that were freed, shrunk, labelled and aligned. */
static void test_stack_release_of_special_blocks(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *blocks[6];
    mmbStackMark here = mark();
    options.label = "label";
    options.alignment = 4096;
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(1000, stack, &options, &blocks[i]), MMB_OK);
    lab_free(blocks[1]);
    CU_ASSERT_EQUAL(mmb_reallocate(blocks[2], 10), MMB_OK);
    expect_state(5, 4010, 6000);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, here), MMB_OK);
    expect_state(0, 0, 0);
    for (size_t i = 0; i < 6; i++)
        expect_dead(blocks[i]);
}

/* covers: mmb_stack_release MMB_INVALID_ARG */
static void test_stack_release_refuses_marks_of_another_time(void)
{
    mmbMemInterface *other = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    mmbStackMark foreign, garbage = {{1, 2, 3, 4}};
    CU_ASSERT_EQUAL(mmb_stack_mark(other, &foreign), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, foreign), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, garbage), MMB_INVALID_ARG);
    mmbAllocation *a = lab_new(stack, 100);
    mmbStackMark above_a = mark();
    lab_free(a);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, above_a), MMB_INVALID_ARG);
    mmbAllocation *b = lab_new(stack, 100), *c = lab_new(stack, 100);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, above_a), MMB_INVALID_ARG);
    CU_ASSERT(mmb_allocation_size(b) == 100 && mmb_allocation_size(c) == 100);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
}

/* What lies below a mark may change its size, and be freed below others. */
static void test_stack_mark_outlives_changes_below_it(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 100);
    mmbStackMark here = mark();
    CU_ASSERT_EQUAL(mmb_reallocate(b, 300), MMB_OK);
    lab_new(stack, 10);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, here), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(b, 20), MMB_OK);
    lab_new(stack, 10);
    lab_free(b);
    lab_new(stack, 10);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, here), MMB_OK);
    expect_state(1, 100, 100);
    lab_free(a);
}

/* covers: mmb_stack_mark MMB_UNSUPPORTED MMB_INVALID_INTERFACE, mmb_stack_release MMB_UNSUPPORTED
 * MMB_INVALID_INTERFACE, mmb_stack_reset MMB_UNSUPPORTED MMB_INVALID_INTERFACE */
static void test_stack_marks_are_for_stacks(void)
{
    mmbStackMark here = {{0}};
    CU_ASSERT_EQUAL(mmb_stack_mark(page, &here), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_stack_release(page, here), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_stack_reset(page), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_stack_mark(NULL, &here), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_stack_release(NULL, here), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_stack_reset(NULL), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_stack_mark(stack, NULL), MMB_INVALID_ARG);
}

/* ---- what cannot be released ---- */

/* covers: mmb_stack_release MMB_BUSY, mmb_stack_reset MMB_BUSY */
static void test_stack_release_refuses_what_is_in_use(void)
{
    mmbStackMark here = mark();
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 100), *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(a, 10, 10, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, here), MMB_BUSY);
    CU_ASSERT_TRUE(lab_detail_has("1 slices"));
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_BUSY);
    expect_state(2, 200, 200);
    lab_free(slice);
    CU_ASSERT_EQUAL(mmb_region_hold(b), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_unhold(b), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    expect_state(0, 0, 0);
}

/* A handle that moved inside the stack goes with it, both ends of it. */
static void test_stack_release_of_what_moved_inside_it(void)
{
    mmbAllocation *a = lab_new(stack, 100), *b = lab_new(stack, 100);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 1000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(b, 2000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    expect_dead(a);
    expect_dead(b);
    expect_state(0, 0, 0);
}

/* One whose handle is older than the mark has its bytes above it now: they stay. */
static void test_stack_release_keeps_the_bytes_of_older_handles(void)
{
    mmbAllocation *a = lab_new(stack, 100);
    mmbStackMark here = mark();
    mmbAllocation *b = lab_new(stack, 100);
    CU_ASSERT_EQUAL(mmb_reallocate(a, 1000), MMB_OK);
    lab_fill(a, 4);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, here), MMB_BUSY);
    CU_ASSERT(lab_is_filled(a, 1000, 4));
    lab_free(a);
    CU_ASSERT_EQUAL(mmb_allocation_size(b), 100);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    expect_state(0, 0, 0);
}

/* Nor are the bytes of another interface's handle dropped, nor a handle that went to another. */
static void test_stack_release_keeps_what_crossed_its_edge(void)
{
    mmbAllocation *in = lab_new(page, 500), *out = lab_new(stack, 300);
    lab_fill(in, 1);
    lab_fill(out, 2);
    CU_ASSERT_EQUAL(mmb_migrate(out, page), MMB_OK);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_BUSY);
    CU_ASSERT(lab_is_filled(out, 300, 2));
    lab_free(out);
    CU_ASSERT_EQUAL(mmb_migrate(in, stack), MMB_OK);
    expect_state(1, 500, 500);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_BUSY);
    CU_ASSERT(lab_is_filled(in, 500, 1));
    lab_free(in);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    expect_state(0, 0, 0);
}

/* Records of moved handles at the top keep neither place nor charge, however many there are. */
static void test_stack_under_moved_handles(void)
{
    enum { N = 1200 };
    static mmbAllocation *moved[N];
    mmbAllocation *bottom = lab_new(stack, 64);
    for (size_t i = 0; i < N; i++)
        moved[i] = lab_new(stack, 640);
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(mmb_migrate(moved[i * 7 % N], page), MMB_OK);
    expect_state(1, 64, 64);
    mmbAllocation *next = lab_new(stack, 100), *found = NULL;
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(next), (char *)mmb_allocation_ptr(bottom) + 64);
    CU_ASSERT_EQUAL(mmb_allocation_find((char *)mmb_allocation_ptr(next) + 99, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, next);
    CU_ASSERT_EQUAL(mmb_allocation_find((char *)mmb_allocation_ptr(bottom) + 63, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, bottom);
    for (size_t i = 0; i < N; i++)
        lab_free(moved[i]);
    expect_state(2, 164, 164);
    lab_free(next);
    lab_free(bottom);
    expect_state(0, 0, 0);
}

/* ---- memory ---- */

static void test_stack_goes_back_to_its_bottom(void)
{
    mmbAllocation *small = lab_new(stack, 100);
    void *bottom = mmb_allocation_ptr(small);
    mmbAllocation *large = lab_new(stack, (size_t)3 << 20);
    CU_ASSERT_EQUAL(lab_stats(stack).chunks, 2);
    lab_free(small);
    lab_free(large);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(lab_new(stack, 100)), bottom);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_trim(stack, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(stack).chunks, 0);
    lab_free(lab_new(stack, 100));
}

/* A first block that does not fit into the first segment leaves an empty one below it. */
static void test_stack_trim_of_an_empty_stack(void)
{
    lab_free(lab_new(stack, 100));
    mmbAllocation *large = lab_new(stack, (size_t)2 << 20);
    lab_free(large);
    for (size_t keep = (size_t)8 << 20; keep > 0; keep /= 4) {
        CU_ASSERT_EQUAL(mmb_interface_trim(stack, keep), MMB_OK);
        mmbAllocation *block = lab_new(stack, 1000), *other = lab_new(stack, (size_t)2 << 20);
        lab_fill(block, 1);
        lab_fill(other, 2);
        CU_ASSERT(lab_is_filled(block, 1000, 1));
        lab_free(block);
        lab_free(other);
    }
    CU_ASSERT_EQUAL(mmb_interface_trim(stack, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(stack).reserved_bytes, 0);
}

static void test_stack_trim_spares_what_is_in_use(void)
{
    mmbAllocation *block = lab_new(stack, 1000);
    mmbAllocation *upper = lab_new(stack, (size_t)1 << 20);
    lab_fill(block, 1);
    lab_free(upper);
    CU_ASSERT_EQUAL(mmb_interface_trim(stack, 0), MMB_OK);
    CU_ASSERT(lab_is_filled(block, 1000, 1));
    lab_free(block);
}

/* Metadata too. */
static void test_stack_gives_its_records_back(void)
{
    size_t after_first = 0;
    mmbMemInterface *over_array = lab_array_interface(space, MMB_STRATEGY_STACK, (size_t)4 << 20);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < 20000; i++)
            lab_new(over_array, 1 + i % 100);
        CU_ASSERT_EQUAL(mmb_stack_reset(over_array), MMB_OK);
        CU_ASSERT_EQUAL(mmb_interface_trim(over_array, 0), MMB_OK);
        if (round == 0)
            after_first = mmb_meta_bytes();
        CU_ASSERT_EQUAL(mmb_meta_bytes(), after_first);
    }
}

/* ---- capacity ---- */

/* covers: mmb_create_interface MMB_OUT_OF_MEMORY */
static void test_stack_with_a_capacity(void)
{
    mmbMemInterfaceConfig config = lab_config(MMB_STRATEGY_STACK, LAB_MMAP, 0);
    mmbMemInterface *fixed = NULL, *faulty = NULL;
    mmbAllocation *more = NULL;
    config.strategy_opts.stack_bytes = 4096;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &fixed), MMB_OK);
    CU_ASSERT(lab_stats(fixed).reserved_bytes >= 4096);
    CU_ASSERT_EQUAL(lab_used(space), 0);
    mmbAllocation *a = lab_new(fixed, 4000);
    CU_ASSERT_EQUAL(mmb_allocate(97, fixed, &more), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(lab_detail_has("largest free run is 96 B of 4096 B"));
    mmbAllocation *b = lab_new(fixed, 96);
    CU_ASSERT_EQUAL(mmb_reallocate(b, 97), MMB_OUT_OF_MEMORY);
    lab_free(b);
    lab_free(a);
    lab_free(lab_new(fixed, 4096));
    CU_ASSERT_EQUAL(mmb_allocate(4097, fixed, &more), MMB_OUT_OF_MEMORY);
    config.backend = lab_faulty_backend;
    lab_fail_maps_after(0, MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &faulty), MMB_OUT_OF_MEMORY);
    lab_fail_no_map();
    CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &faulty), MMB_OK);
}

MMB_SUITE_WITH("interfaces/stack", set_up, lab_close, T(test_stack_blocks_lie_side_by_side),
               T(test_stack_gives_the_top_again), T(test_stack_below_the_top_stays_charged),
               T(test_stack_of_many_blocks), T(test_stack_top_changes_size_in_place),
               T(test_stack_block_that_shrank_below_others),
               T(test_stack_growth_within_a_charge_is_not_refused),
               T(test_stack_block_below_the_top_moves_to_grow),
               T(test_stack_grows_inside_its_segment_only),
               T(test_stack_shrinks_out_of_an_upper_segment),
               T(test_stack_release_frees_what_lies_above), T(test_stack_release_of_special_blocks),
               T(test_stack_release_refuses_marks_of_another_time),
               T(test_stack_mark_outlives_changes_below_it), T(test_stack_marks_are_for_stacks),
               T(test_stack_release_refuses_what_is_in_use),
               T(test_stack_release_of_what_moved_inside_it),
               T(test_stack_release_keeps_the_bytes_of_older_handles),
               T(test_stack_release_keeps_what_crossed_its_edge), T(test_stack_under_moved_handles),
               T(test_stack_goes_back_to_its_bottom), T(test_stack_trim_of_an_empty_stack),
               T(test_stack_trim_spares_what_is_in_use), T(test_stack_gives_its_records_back),
               T(test_stack_with_a_capacity))
