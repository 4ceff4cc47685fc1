/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whom the program calls a thread has a cache of its own, be it a fiber, and a
 * thread can be named for whom to allocate and free. */
#include "tests/support/control.h"
#include "tests/support/fibers.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB     ((size_t)1 << 20)
#define GRANULE ((uint64_t)64 << 10)

static mmbMemInterface *heap;
static mmbAllocation *blocks[FIBERS_MOST + 1];
static uint64_t last_granule;

static void set_up(void)
{
    const mmbOptions options = {sizeof options, NULL, &fibers_model};
    CU_ASSERT_EQUAL_FATAL(mmb_init(&options), MMB_OK);
    mmb_shm_unlink(segment_url());
    heap = segment_interface(control_space(MMB_NO_LIMIT), MMB_STRATEGY_THREAD_LOCAL, 16 * MIB);
}

static uint64_t granule_of(mmbAllocation *block)
{
    return (uint64_t)((uintptr_t)mmb_allocation_ptr(block) / GRANULE);
}

static void allocate_and_yield(void)
{
    size_t current = fibers_current();
    blocks[current] = control_allocation(heap, 100);
    fibers_yield();
    CU_ASSERT_EQUAL(mmb_free(blocks[current]), MMB_OK);
}

static void test_threads_fibers_have_caches_of_their_own(void)
{
    fibers_make(allocate_and_yield);
    for (size_t i = 1; i <= FIBERS_MOST; i++)
        CU_ASSERT_TRUE(fibers_run(i));
    for (size_t i = 1; i <= FIBERS_MOST; i++)
        for (size_t other = 1; other < i; other++)
            CU_ASSERT_NOT_EQUAL(granule_of(blocks[i]), granule_of(blocks[other]));
    for (size_t i = 1; i <= FIBERS_MOST; i++)
        CU_ASSERT_FALSE(fibers_run(i));
    CU_ASSERT_EQUAL(segment_live_count(heap), 0);
    fibers_free();
}

static void allocate_and_end(void)
{
    mmbAllocation *block = control_allocation(heap, 100);
    last_granule = granule_of(block);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
}

/* Else some thousand of them would leave the segment without a slot. */
static void test_threads_a_fiber_leaves_its_cache_to_the_next(void)
{
    uint64_t first = 0;
    for (int round = 0; round < 2000; round++) {
        fibers_make(allocate_and_end);
        for (size_t i = 1; i <= FIBERS_MOST; i++) {
            CU_ASSERT_FALSE(fibers_run(i));
            first = first ? first : last_granule;
            CU_ASSERT_EQUAL(last_granule, first);
        }
        fibers_free();
    }
}

static void test_threads_can_be_named(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *own = control_allocation(heap, 100), *named[2] = {NULL, NULL};
    options.thread = 4711;
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(mmb_allocate_opts(100, heap, &options, &named[i]), MMB_OK);
    CU_ASSERT_EQUAL(granule_of(named[0]), granule_of(named[1]));
    CU_ASSERT_NOT_EQUAL(granule_of(named[0]), granule_of(own));
    CU_ASSERT_EQUAL(mmb_free_opts(named[0], &options), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(named[1]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_opts(own, &options), MMB_OK);
    CU_ASSERT_EQUAL(segment_live_count(heap), 0);
}

MMB_SUITE_WITH("shared/threads", set_up, segment_tear_down,
               T(test_threads_fibers_have_caches_of_their_own),
               T(test_threads_a_fiber_leaves_its_cache_to_the_next), T(test_threads_can_be_named))
