/* SPDX-License-Identifier: BSD-3-Clause */
/* The marks of a thread's cache: who revokes waits for an operation that is under way, and whoever
 * comes to a revoked magazine leaves it as it is. */
#include <mmb.h>
#include <pthread.h>
#include <sched.h>
#include "interfaces/thread.h"
#include "interfaces/thread_hot.h"
#include "src/base/barrier.h"
#include "src/core/interface.h"
#include "src/core/ticket.h"
#include "tests/support/suite.h"

#define N_BYTES ((size_t)64)
/* So often the revoker gets the processor before it is believed to wait. */
#define YIELDS 1000

static mmbMemInterface *interface;
static struct mmb_thread_cache *cache;
static struct mmb_magazine *magazine;

/* An interface whose magazine of 64 B holds blocks. */
static void set_up(void)
{
    mmbMemSpaceConfig space_config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    mmbAllocation *block;

    config.strategy = MMB_STRATEGY_THREAD_LOCAL;
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_DRAM, MMB_CPU, &space_config, &space), MMB_OK);
    CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate(N_BYTES, interface, &block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    cache = mmb_cache_at(mmb_thread_area, interface->hot.slot_base);
    magazine = mmb_cache_magazine(cache, mmb_class_of(N_BYTES));
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
}

static struct mmb_quota *quota(void)
{
    return cache->allocator->base.quota;
}

static void *revoke(void *is_done)
{
    mmb_quota_stop(quota());
    mmb_quota_go(quota());
    __atomic_store_n((bool *)is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Starts the revoker while the mark is set; returns when it must be waiting for it. */
static void start_revoker(pthread_t *thread, bool *is_done)
{
    CU_ASSERT_EQUAL_FATAL(pthread_create(thread, NULL, revoke, is_done), 0);
    while (mmb_cache_is_running(cache))
        sched_yield();
    for (int i = 0; i < YIELDS; i++)
        sched_yield();
    CU_ASSERT_FALSE(__atomic_load_n(is_done, __ATOMIC_ACQUIRE));
}

static void end_revoker(pthread_t thread, const bool *is_done)
{
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_TRUE(*is_done);
}

static void test_thread_cache_revoker_waits_for_a_magazine(void)
{
    bool is_done = false;
    pthread_t thread;
    if (!mmb_barrier_open())
        suite_skip("threads cannot be stopped here");

    mmbAllocation **top = mmb_magazine_enter(magazine);
    CU_ASSERT_TRUE(top > magazine->low);
    start_revoker(&thread, &is_done);
    mmb_magazine_leave(magazine, top);
    end_revoker(thread, &is_done);
    CU_ASSERT_PTR_EQUAL(mmb_magazine_top(magazine), top);
}

static void test_thread_cache_revoker_waits_for_the_cache(void)
{
    bool is_done = false;
    pthread_t thread;
    if (!mmb_barrier_open())
        suite_skip("threads cannot be stopped here");

    mmb_cache_enter(cache);
    start_revoker(&thread, &is_done);
    mmb_cache_leave(cache);
    end_revoker(thread, &is_done);
}

static void test_thread_cache_that_is_revoked_stays_as_it_is(void)
{
    mmbAllocation *block, *found = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(N_BYTES, interface, &block), MMB_OK);
    mmbAllocation **top = mmb_magazine_top(magazine);

    mmb_quota_stop(quota());
    CU_ASSERT_FALSE(mmb_hot_take(magazine, N_BYTES, &found));
    CU_ASSERT_PTR_NULL(found);
    CU_ASSERT_FALSE(mmb_magazine_is_marked(magazine));
    CU_ASSERT_FALSE(mmb_hot_free(mmb_ticket_record(block)));
    CU_ASSERT_FALSE(mmb_magazine_is_marked(magazine));
    CU_ASSERT_PTR_EQUAL(mmb_magazine_top(magazine), top);
    mmb_quota_go(quota());
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
}

/* A thread that never allocated here, and one that cannot have a cache any more, look into an area
 * that all such threads mark at the same time. */
static void *look_into_nothing(void *unused)
{
    char *area = mmb_thread_area;
    uint32_t offset = interface->hot.slot_base + MMB_MAGAZINE_OFFSET(mmb_class_of(N_BYTES));
    mmbAllocation *found = NULL;

    for (uint32_t base = 0; base <= offset; base += offset) {
        struct mmb_magazine *empty = mmb_magazine_at(area, base);
        mmb_magazine_enter(empty); /* another thread's mark */
        CU_ASSERT_EQUAL(mmb_allocate(0, interface, &found), MMB_INVALID_SIZE);
        for (size_t n = base == 0 ? 0 : 1; n <= N_BYTES; n += N_BYTES)
            CU_ASSERT_FALSE(mmb_hot_take(empty, n, &found));
        mmb_magazine_leave_unchanged(empty);
    }
    CU_ASSERT_PTR_NULL(found);
    return unused;
}

static void test_thread_cache_of_no_thread_is_empty(void)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, look_into_nothing, NULL), 0);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
}

MMB_SUITE_WITH("interfaces/thread_cache", set_up, tear_down,
               T(test_thread_cache_revoker_waits_for_a_magazine),
               T(test_thread_cache_revoker_waits_for_the_cache),
               T(test_thread_cache_that_is_revoked_stays_as_it_is),
               T(test_thread_cache_of_no_thread_is_empty))
