/* SPDX-License-Identifier: BSD-3-Clause */
/* fork while other threads allocate: the child has the heaps as they were, can use and end them,
 * and its counts are exact; the parent notices nothing. */
#include <mmb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/suite.h"

#define THREADS 3
#define HELD    500
#define FORKS   40

static const mmbStrategy strategies[] = {MMB_STRATEGY_THREAD_LOCAL, MMB_STRATEGY_SCALABLE_PAGE,
                                         MMB_STRATEGY_STACK, MMB_STRATEGY_PASSTHROUGH};
#define STRATEGIES (sizeof strategies / sizeof strategies[0])

static mmbMemSpace *space;
static mmbMemInterface *interfaces[STRATEGIES];
static _Atomic bool stop;

static void set_up(void)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = (size_t)256 << 20;
    CU_ASSERT_EQUAL(mmb_logging_set_level(MMB_LOG_NONE),
                    MMB_OK); /* children end with live blocks */
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
    for (size_t i = 0; i < STRATEGIES; i++) {
        mmbMemInterfaceConfig options = MMB_MEMINTERFACE_CONFIG_DEFAULT;
        options.strategy = strategies[i];
        CU_ASSERT_EQUAL(mmb_create_interface(space, &options, &interfaces[i]), MMB_OK);
    }
    atomic_store(&stop, false);
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
}

/* Not the stack: what is freed below its top stays charged, so it would only grow. */
static mmbMemInterface *interface_for(size_t i)
{
    return interfaces[strategies[i % STRATEGIES] == MMB_STRATEGY_STACK ? 0 : i % STRATEGIES];
}

static void *churn(void *seed)
{
    mmbAllocation *held[HELD] = {NULL};
    unsigned state = *(unsigned *)seed;
    while (!atomic_load(&stop)) {
        size_t i = (size_t)rand_r(&state) % HELD;
        mmb_free(held[i]);
        held[i] = NULL;
        if (mmb_allocate(1 + (size_t)rand_r(&state) % 3000, interface_for(i), &held[i]))
            held[i] = NULL;
    }
    for (size_t i = 0; i < HELD; i++)
        mmb_free(held[i]);
    return NULL;
}

/* Returns what went wrong, 0 for nothing. */
static int use_heaps(void *unused)
{
    (void)unused;
    static mmbAllocation *blocks[STRATEGIES][200];
    mmbSpaceInfo before = MMB_SPACE_INFO_INIT, after = MMB_SPACE_INFO_INIT;
    if (mmb_space_get_info(space, &before))
        return 1;
    for (size_t s = 0; s < STRATEGIES; s++)
        for (size_t i = 0; i < 200; i++) {
            if (mmb_allocate(100 + i, interfaces[s], &blocks[s][i]))
                return 2;
            memset(mmb_allocation_ptr(blocks[s][i]), (int)i, 100 + i);
        }
    for (size_t s = 0; s < STRATEGIES; s++)
        for (size_t i = 200; i-- > 0;) {
            if (MMB_PTR(blocks[s][i], unsigned char)[99] != (unsigned char)i)
                return 3;
            if (mmb_free(blocks[s][i]))
                return 4;
        }
    if (mmb_space_get_info(space, &after) || before.used != after.used)
        return 5;
    for (size_t s = 0; s < STRATEGIES; s++)
        if (mmb_interface_trim(interfaces[s], 0))
            return 6;
    return mmb_finalize() ? 7 : 0;
}

static void test_fork_child_has_usable_heaps(void)
{
    pthread_t threads[THREADS];
    unsigned seeds[THREADS] = {1, 2, 3};
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, &seeds[i]), 0);
    for (int i = 0; i < FORKS; i++) {
        struct suite_child child = suite_run_child(use_heaps, NULL, 60);
        SUITE_CHECK(child.exited && child.code == 0, "fork %d: exited %d signalled %d code %d", i,
                    child.exited, child.signalled, child.code);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.used, 0);
}

/* Blocks that the other threads' caches held are the child's to use: its heaps do not grow for
 * them. */
static int free_inherited(void *blocks)
{
    mmbAllocation **inherited = blocks;
    for (size_t i = 0; i < HELD; i++)
        if (mmb_free(inherited[i]))
            return 1;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    if (mmb_interface_get_stats(interfaces[0], &stats))
        return 2;
    return stats.live_count || stats.live_bytes ? 3 : 0;
}

static void test_fork_child_frees_what_it_inherited(void)
{
    static mmbAllocation *blocks[HELD];
    for (size_t i = 0; i < HELD; i++)
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, interfaces[0], &blocks[i]), MMB_OK);
    struct suite_child child = suite_run_child(free_inherited, blocks, 60);
    CU_ASSERT(child.exited);
    CU_ASSERT_EQUAL(child.code, 0);
    for (size_t i = 0; i < HELD; i++)
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
}

MMB_SUITE_WITH("core/fork", set_up, tear_down, T(test_fork_child_has_usable_heaps),
               T(test_fork_child_frees_what_it_inherited))
