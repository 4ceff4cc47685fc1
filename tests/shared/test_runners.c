/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the thread that runs a cache of a shared heap without its lock is stopped
 * whenever another one needs what it has, be it blocks, credit or the heap itself, and nothing is
 * lost or counted wrong by that. */
#include <pthread.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB   ((size_t)1 << 20)
#define LIMIT ((size_t)256 << 10)

enum { THREADS = 3, LIVE = 64, ROUNDS = 20000, TURNS = 20, VISITS = 200 };

static mmbMemInterface *heap;
static mmbMemSpace *space;
static pthread_barrier_t turn;

static mmbMemInterfaceStats stats_of(mmbMemInterface *interface)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
    return stats;
}

static void close_heap(void)
{
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
}

/* Replaces a block, of which the first byte says whose it is. False: it was somebody else's. */
static bool replace(mmbAllocation **block, size_t n_bytes, unsigned char mark)
{
    bool right = true;
    if (*block)
        right = *(unsigned char *)mmb_allocation_ptr(*block) == mark && mmb_free(*block) == MMB_OK;
    *block = NULL;
    if (!right || mmb_allocate(n_bytes, heap, block) != MMB_OK)
        return false;
    memset(mmb_allocation_ptr(*block), mark, n_bytes);
    return true;
}

static void *work(void *argument)
{
    mmbAllocation *blocks[LIVE] = {NULL};
    unsigned char mark = *(unsigned char *)argument;
    uint32_t number = mark;
    bool right = true;
    for (size_t i = 0; right && i < ROUNDS; i++) {
        number = number * 1664525u + 1013904223u;
        right = replace(&blocks[(number >> 8) % LIVE], 1 + (number >> 16) % 600, mark);
    }
    for (size_t i = 0; i < LIVE; i++)
        right = (!blocks[i] || mmb_free(blocks[i]) == MMB_OK) && right;
    return right ? argument : NULL;
}

static void work_while_visited(mmbStrategy strategy)
{
    static unsigned char marks[THREADS];
    pthread_t threads[THREADS];
    heap = segment_interface(space, strategy, 4 * MIB);
    for (size_t i = 0; i < THREADS; i++) {
        marks[i] = (unsigned char)(i + 1);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &marks[i]), 0);
    }
    for (int i = 0; i < VISITS; i++)
        CU_ASSERT_EQUAL(mmb_interface_trim(heap, 0), MMB_OK);
    for (size_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        CU_ASSERT_PTR_EQUAL(result, &marks[i]);
    }
    mmbMemInterfaceStats stats = stats_of(heap);
    CU_ASSERT_EQUAL(stats.live_count, 0);
    CU_ASSERT_EQUAL(stats.total_allocations, stats.total_frees);
    CU_ASSERT(stats.total_frees >= THREADS * (ROUNDS - LIVE));
    CU_ASSERT_EQUAL(control_used(space), 0);
    close_heap();
}

static void test_runners_are_visited_by_others(void)
{
    work_while_visited(MMB_STRATEGY_THREAD_LOCAL);
    work_while_visited(MMB_STRATEGY_SCALABLE_PAGE);
}

/* Takes all of the space in blocks of 1 KiB and gives it back. */
static bool take_all(void)
{
    static mmbAllocation *blocks[LIMIT / 1024];
    bool right = true;
    for (size_t i = 0; right && i < N_ROWS(blocks); i++)
        right = mmb_allocate(1024, heap, &blocks[i]) == MMB_OK;
    right = right && control_used(space) == LIMIT;
    for (size_t i = 0; right && i < N_ROWS(blocks); i++)
        right = mmb_free(blocks[i]) == MMB_OK;
    return right && control_used(space) == 0;
}

static void *take_in_turn(void *argument)
{
    bool right = true;
    for (int i = 0; i < TURNS; i++) {
        pthread_barrier_wait(&turn);
        right = take_all() && right;
        pthread_barrier_wait(&turn);
    }
    return right ? argument : NULL;
}

static void fill_in_turn(mmbStrategy strategy)
{
    pthread_t thread;
    void *result = NULL;
    mmbMemSpace *other = space;
    space = control_space(LIMIT);
    heap = segment_interface(space, strategy, 4 * MIB);
    pthread_barrier_init(&turn, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, take_in_turn, &turn), 0);
    for (int i = 0; i < TURNS; i++) {
        SUITE_CHECK(take_all(), "turn %d: %s", i, mmb_error_detail());
        pthread_barrier_wait(&turn);
        pthread_barrier_wait(&turn);
    }
    pthread_join(thread, &result);
    CU_ASSERT_PTR_EQUAL(result, &turn);
    pthread_barrier_destroy(&turn);
    close_heap();
    space = other;
}

static void test_runners_credit_is_called_back(void)
{
    fill_in_turn(MMB_STRATEGY_THREAD_LOCAL);
    fill_in_turn(MMB_STRATEGY_SCALABLE_PAGE);
}

static void *use_in_turn(void *argument)
{
    bool right = true;
    for (int i = 0; i < TURNS; i++) {
        mmbAllocation *block = NULL;
        pthread_barrier_wait(&turn);
        for (int k = 0; right && k < 100; k++)
            right = replace(&block, 100, 7);
        right = right && mmb_free(block) == MMB_OK;
        pthread_barrier_wait(&turn);
    }
    return right ? argument : NULL;
}

static void test_runners_outlive_heaps(void)
{
    pthread_t thread;
    void *result = NULL;
    pthread_barrier_init(&turn, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, use_in_turn, &turn), 0);
    for (int i = 0; i < TURNS; i++) {
        heap = segment_interface(
            space, i % 3 ? MMB_STRATEGY_THREAD_LOCAL : MMB_STRATEGY_SCALABLE_PAGE, MIB);
        pthread_barrier_wait(&turn);
        pthread_barrier_wait(&turn);
        CU_ASSERT_EQUAL(stats_of(heap).total_frees, 100);
        CU_ASSERT_EQUAL(control_used(space), 0);
        close_heap();
    }
    pthread_join(thread, &result);
    CU_ASSERT_PTR_EQUAL(result, &turn);
    pthread_barrier_destroy(&turn);
}

static void set_up(void)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
}

MMB_SUITE_WITH("shared/runners", set_up, segment_tear_down, T(test_runners_are_visited_by_others),
               T(test_runners_credit_is_called_back), T(test_runners_outlive_heaps))
