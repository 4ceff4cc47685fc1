/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: pages are in exactly one run, free neighbours are one run, and what was taken
 * can be had again when it was put back, whatever the order. */
#include <mmb/interface.h>
#include "tests/support/bare_heap.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

#define RUNS_MAX 200

static struct bare_heap bare;

static void set_up(void)
{
    bare_heap_open(&bare, SIZE_MAX, NULL, 0);
}

static void tear_down(void)
{
    bare_heap_close(&bare);
}

/* A chunk of n pages, all free. */
static void add_chunk(size_t n_pages)
{
    struct mmb_chunk *chunk = NULL;
    size_t n_bytes = n_pages * bare.heap.page_bytes;
    CU_ASSERT_EQUAL_FATAL(mmb_source_obtain(bare.source, n_bytes, n_bytes, 0, &chunk), MMB_OK);
    chunk->allocator = &bare.allocator;
    CU_ASSERT_TRUE_FATAL(mmb_run_add_chunk(&bare.heap, chunk));
}

static struct mmb_span *take(size_t n_pages)
{
    struct mmb_span *span = mmb_run_take(&bare.heap, n_pages);
    if (span)
        span->use = MMB_SPAN_LARGE;
    return span;
}

static void check(const char *when)
{
    const char *flaw = bare_heap_flaw(&bare);
    SUITE_CHECK(!flaw, "%s: %s", when, flaw);
}

/* The heap's end wants to see no used runs of ours: they have no records. */
static void put_all(struct mmb_span **spans, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (spans[i])
            mmb_run_put(&bare.heap, spans[i]);
}

static void test_run_of_a_new_chunk_is_all_of_it(void)
{
    add_chunk(100);
    check("new");
    CU_ASSERT_EQUAL(mmb_run_longest(&bare.heap), 100);
    CU_ASSERT_EQUAL(bare.heap.n_empty_chunks, 1);
    CU_ASSERT_PTR_NULL(take(101));
    struct mmb_span *all = take(100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    CU_ASSERT_EQUAL(mmb_run_longest(&bare.heap), 0);
    CU_ASSERT_EQUAL(bare.heap.n_empty_chunks, 0);
    CU_ASSERT_PTR_NULL(take(1));
    mmb_run_put(&bare.heap, all);
    check("put back");
    CU_ASSERT_EQUAL(mmb_run_longest(&bare.heap), 100);
}

/* Runs of both chunks, told apart; the address is that of the pages. */
static void test_run_lies_in_its_chunk(void)
{
    add_chunk(10);
    add_chunk(20);
    struct mmb_span *spans[30];
    for (size_t i = 0; i < 30; i++) {
        spans[i] = take(1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(spans[i]);
        uintptr_t first = spans[i]->chunk->memory.address;
        SUITE_CHECK(spans[i]->address == first + spans[i]->first_page * bare.heap.page_bytes,
                    "run %zu", i);
        SUITE_CHECK(spans[i]->host == (char *)spans[i]->address, "run %zu", i);
    }
    CU_ASSERT_PTR_NULL(take(1));
    for (size_t i = 0; i < 30; i++)
        for (size_t k = 0; k < i; k++)
            SUITE_CHECK(spans[i]->address != spans[k]->address, "runs %zu and %zu", i, k);
    check("full");
    put_all(spans, 30);
    check("empty");
    CU_ASSERT_EQUAL(bare.heap.n_empty_chunks, 2);
}

/* The shortest that will do: a long run is not cut while a short one fits. */
static void test_run_is_cut_from_the_shortest_that_fits(void)
{
    add_chunk(100);
    struct mmb_span *short_one = take(5), *wall = take(1);
    CU_ASSERT(short_one && wall);
    mmb_run_put(&bare.heap, short_one);
    struct mmb_span *again = take(3), *long_one = take(50);
    CU_ASSERT(again && again->first_page == 0);
    CU_ASSERT(long_one && long_one->first_page >= 6);
    check("cut");
    mmb_run_put(&bare.heap, again);
    mmb_run_put(&bare.heap, long_one);
    mmb_run_put(&bare.heap, wall);
    check("joined");
    CU_ASSERT_EQUAL(mmb_run_longest(&bare.heap), 100);
}

static void test_run_takes_and_puts_in_any_order(void)
{
    struct mmb_span *spans[RUNS_MAX] = {NULL};
    uint64_t state = 4711;
    add_chunk(700);
    add_chunk(65);
    add_chunk(1);
    for (size_t step = 0; step < 20000; step++) {
        size_t i = lab_random(&state) % RUNS_MAX;
        if (spans[i]) {
            mmb_run_put(&bare.heap, spans[i]);
            spans[i] = NULL;
        } else {
            spans[i] = take(1 + lab_random(&state) % (step % 7 ? 8 : 90));
        }
        if (step % 101 == 0)
            check("on the way");
    }
    put_all(spans, RUNS_MAX);
    check("at the end");
    CU_ASSERT_EQUAL(mmb_run_longest(&bare.heap), 700);
    CU_ASSERT_EQUAL(bare.heap.n_empty_chunks, 3);
}

static void test_run_chunk_can_be_taken_out(void)
{
    add_chunk(10);
    add_chunk(20);
    struct mmb_chunk *chunk = MMB_CONTAINER_OF(bare.heap.chunks.next, struct mmb_chunk, link);
    mmb_run_remove_chunk(&bare.heap, chunk);
    mmb_source_return(chunk);
    check("one left");
    CU_ASSERT_EQUAL(bare.heap.n_pages, 20);
    CU_ASSERT_EQUAL(mmb_run_longest(&bare.heap), 20);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 1);
}

MMB_SUITE_WITH("interfaces/run", set_up, tear_down, T(test_run_of_a_new_chunk_is_all_of_it),
               T(test_run_lies_in_its_chunk), T(test_run_is_cut_from_the_shortest_that_fits),
               T(test_run_takes_and_puts_in_any_order), T(test_run_chunk_can_be_taken_out))
