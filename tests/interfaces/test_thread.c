/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread-local strategy: counts and limits stay exact whatever threads come, go, hand blocks
 * over, or do without caches. */
#include <mmb.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include "interfaces/thread_cache.h"
#include "src/base/barrier.h"
#include "tests/support/suite.h"

#define LIMIT ((size_t)8 << 20)

static mmbMemSpace *space;
static mmbMemInterface *interface;

static mmbMemSpace *make_space(size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    mmbMemSpace *made = NULL;
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &made), MMB_OK);
    return made;
}

static mmbMemInterface *make_interface(mmbMemSpace *in, mmbStrategy strategy)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_MMAP;
    config.strategy = strategy;
    mmbMemInterface *made = NULL;
    CU_ASSERT_EQUAL(mmb_create_interface(in, &config, &made), MMB_OK);
    return made;
}

static void set_up(void)
{
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    space = make_space(LIMIT);
    interface = make_interface(space, MMB_STRATEGY_THREAD_LOCAL);
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    mmb_barrier_forbid(false);
}

static size_t used(mmbMemSpace *of)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_info(of, &info), MMB_OK);
    return info.used;
}

static mmbMemInterfaceStats stats_of(mmbMemInterface *of)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_stats(of, &stats), MMB_OK);
    return stats;
}

/* ---- one thread ---- */

static void test_thread_counts_are_exact(void)
{
    mmbAllocation *held[300];
    size_t sum = 0;
    for (size_t i = 0; i < 300; i++) {
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(1 + i * 7, interface, &held[i]), MMB_OK);
        sum += 1 + i * 7;
    }
    for (size_t i = 0; i < 100; i++) {
        sum -= mmb_allocation_size(held[i]);
        CU_ASSERT_EQUAL(mmb_free(held[i]), MMB_OK);
    }
    mmbMemInterfaceStats stats = stats_of(interface);
    CU_ASSERT_EQUAL(stats.live_bytes, sum);
    CU_ASSERT_EQUAL(stats.live_count, 200);
    CU_ASSERT_EQUAL(stats.total_allocations, 300);
    CU_ASSERT_EQUAL(stats.total_frees, 100);
    CU_ASSERT_EQUAL(used(space), sum);
    for (size_t i = 100; i < 300; i++)
        CU_ASSERT_EQUAL(mmb_free(held[i]), MMB_OK);
    CU_ASSERT_EQUAL(stats_of(interface).live_count, 0);
    CU_ASSERT_EQUAL(used(space), 0);
}

static void test_thread_peak_is_exact(void)
{
    mmbMemInterface *other = make_interface(space, MMB_STRATEGY_SCALABLE_PAGE);
    mmbAllocation *a, *b, *c;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(500, other, &b), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(800, other, &c), MMB_OK);
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.peak, 1500);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(3000, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.peak, 4300);
    CU_ASSERT_EQUAL(stats_of(interface).peak_bytes, 3000);
    CU_ASSERT_EQUAL(stats_of(other).peak_bytes, 1300);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(b), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(c), MMB_OK);
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.peak, 4300);
}

static void test_thread_credit_is_recalled(void)
{
    mmbMemInterface *page = make_interface(space, MMB_STRATEGY_SCALABLE_PAGE);
    mmbAllocation *a, *b;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK); /* the thread now has credit */
    CU_ASSERT_EQUAL(mmb_allocate(LIMIT, page, &b), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate(1, interface, &a), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_free(b), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate(1, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
}

static void test_thread_double_free_is_refused(void)
{
    mmbAllocation *a;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free((mmbAllocation *)((char *)a + 8)), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(used(space), 0);
}

static void test_thread_trim_empties_the_caches(void)
{
    static mmbAllocation *held[2000];
    for (size_t i = 0; i < 2000; i++)
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(100 + i, interface, &held[i]), MMB_OK);
    for (size_t i = 0; i < 2000; i++)
        CU_ASSERT_EQUAL(mmb_free(held[i]), MMB_OK);
    CU_ASSERT(stats_of(interface).reserved_bytes > 0);
    CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
    CU_ASSERT_EQUAL(stats_of(interface).reserved_bytes, 0);
    CU_ASSERT_EQUAL(mmb_allocate(100, interface, &held[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(held[0]), MMB_OK);
}

/* ---- many threads ---- */

static void *allocate_one(void *out)
{
    CU_ASSERT_EQUAL(mmb_allocate(100, interface, out), MMB_OK);
    return NULL;
}

static long page_faults(void)
{
    struct rusage usage;
    CU_ASSERT_EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

/* A thread that ends looks at the caches it had, not at each place where it could have had one:
 * these are on 1,023 pages. */
static void test_thread_5000_in_a_row_leave_nothing(void)
{
    long faults = page_faults();
    for (int i = 0; i < 5000; i++) {
        pthread_t thread;
        mmbAllocation *a = NULL;
        if (pthread_create(&thread, NULL, allocate_one, &a))
            break;
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL_FATAL(mmb_free(a), MMB_OK);
    }
    faults = page_faults() - faults;
    SUITE_CHECK(faults < 5000L * 500, "%ld page faults", faults);
    CU_ASSERT_EQUAL(used(space), 0);
    mmbMemInterfaceStats stats = stats_of(interface);
    CU_ASSERT_EQUAL(stats.live_count, 0);
    CU_ASSERT_EQUAL(stats.total_allocations, 5000);
    CU_ASSERT(stats.reserved_bytes <= (size_t)1 << 20);
}

static pthread_key_t late_key;
static mmbAllocation *late;

static void allocate_late(void *value)
{
    (void)value;
    mmbAllocation *a;
    CU_ASSERT_EQUAL(mmb_allocate(200, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(late), MMB_OK);
}

static void *set_late(void *unused)
{
    CU_ASSERT_EQUAL(mmb_allocate(200, interface, &late), MMB_OK);
    pthread_setspecific(late_key, &late);
    return unused;
}

/* The key is made after the library's own, so its destructor runs when the thread's caches are
 * gone. */
static void test_thread_destructors_may_allocate(void)
{
    mmbAllocation *a;
    CU_ASSERT_EQUAL(mmb_allocate(1, interface, &a), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
    CU_ASSERT_EQUAL(pthread_key_create(&late_key, allocate_late), 0);
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, set_late, NULL), 0);
    pthread_join(thread, NULL);
    pthread_key_delete(late_key);
    CU_ASSERT_EQUAL(used(space), 0);
    CU_ASSERT_EQUAL(stats_of(interface).live_count, 0);
}

#define HANDED 20000

static void *free_all(void *handed)
{
    mmbAllocation **blocks = handed;
    for (size_t i = 0; i < HANDED; i++)
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    return NULL;
}

static void test_thread_blocks_freed_elsewhere_come_back(void)
{
    static mmbAllocation *blocks[HANDED];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < HANDED; i++)
            CU_ASSERT_EQUAL_FATAL(mmb_allocate(64 + i % 300, interface, &blocks[i]), MMB_OK);
        pthread_t thread;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, free_all, blocks), 0);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(used(space), 0);
    }
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    size_t one_round = HANDED * 64 + HANDED / 300 * (299 * 300 / 2) + 200 * 199 / 2;
    CU_ASSERT(info.peak >= one_round - 300 * 300 && info.peak <= LIMIT);
    CU_ASSERT(stats_of(interface).reserved_bytes < 2 * LIMIT);
}

/* ---- without caches ---- */

static void test_thread_beyond_the_slots_works(void)
{
    static mmbMemInterface *many[1100];
    static mmbAllocation *blocks[1100];
    for (size_t i = 0; i < 1100; i++) {
        many[i] = make_interface(space, MMB_STRATEGY_THREAD_LOCAL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(many[i]);
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(48, many[i], &blocks[i]), MMB_OK);
        memset(MMB_PTR(blocks[i], char), (int)i, 48);
    }
    CU_ASSERT_EQUAL(used(space), 1100 * 48);
    for (size_t i = 0; i < 1100; i++) {
        CU_ASSERT_EQUAL(MMB_PTR(blocks[i], unsigned char)[47], (unsigned char)i);
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_destroy_interface(many[i]), MMB_OK);
    }
    CU_ASSERT_EQUAL(used(space), 0);
}

static void test_thread_without_barrier_works(void)
{
    mmb_barrier_forbid(true);
    mmbMemSpace *own = make_space(100000);
    mmbMemInterface *locked = make_interface(own, MMB_STRATEGY_THREAD_LOCAL);
    mmbAllocation *blocks[1000];
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 1000; i++)
            CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, locked, &blocks[i]), MMB_OK);
        mmbAllocation *more;
        CU_ASSERT_EQUAL(mmb_allocate(1, locked, &more), MMB_OUT_OF_MEMORY);
        CU_ASSERT_EQUAL(used(own), 100000);
        for (size_t i = 0; i < 1000; i++)
            CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
        CU_ASSERT_EQUAL(used(own), 0);
    }
}

static void test_thread_slot_is_reused_cleanly(void)
{
    for (int round = 0; round < 50; round++) {
        mmbMemInterface *other = make_interface(space, MMB_STRATEGY_THREAD_LOCAL);
        mmbAllocation *a, *b;
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, other, &a), MMB_OK);
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, other, &b), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_interface(other), MMB_BUSY);
        CU_ASSERT_EQUAL(mmb_free(b), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_interface(other), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free(b), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_allocate(64, other, &a), MMB_INVALID_INTERFACE);
    }
    CU_ASSERT_EQUAL(used(space), 0);
}

MMB_SUITE_WITH("interfaces/thread", set_up, tear_down, T(test_thread_counts_are_exact),
               T(test_thread_peak_is_exact), T(test_thread_credit_is_recalled),
               T(test_thread_double_free_is_refused), T(test_thread_trim_empties_the_caches),
               T(test_thread_5000_in_a_row_leave_nothing), T(test_thread_destructors_may_allocate),
               T(test_thread_blocks_freed_elsewhere_come_back),
               T(test_thread_beyond_the_slots_works), T(test_thread_without_barrier_works),
               T(test_thread_slot_is_reused_cleanly))
