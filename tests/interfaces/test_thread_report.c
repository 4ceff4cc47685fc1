/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the peak of an interface with magazines is never below what was really live
 * at one time and never above the limit, whatever other threads do in the space, and when they end.
 */
#include <pthread.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

static mmbMemSpace *space;
static mmbMemInterface *other, *interface;

static void set_up(void)
{
    lab_open();
    space = lab_space(8 * MIB);
    other = lab_interface(space, MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP, 0);
}

static void use_at_once(size_t n_blocks, size_t n_bytes)
{
    mmbAllocation *blocks[64];
    for (size_t i = 0; i < n_blocks; i++)
        blocks[i] = lab_new(interface, n_bytes);
    for (size_t i = 0; i < n_blocks; i++)
        lab_free(blocks[i]);
}

static void use_for_long(void)
{
    for (size_t i = 0; i < 1000; i++)
        lab_free(lab_new(interface, 64));
}

static void expect_peak(size_t least, size_t most)
{
    size_t peak = lab_stats(interface).peak_bytes;
    SUITE_CHECK(peak >= least && peak <= most, "%zu B, not %zu to %zu", peak, least, most);
}

/* A thread that is there while something else runs here. */
static struct {
    void (*first)(void);
    pthread_barrier_t met;
} guest;

static void *stay(void *unused)
{
    mmbAllocation *block = lab_new(other, 64);
    if (guest.first)
        guest.first();
    pthread_barrier_wait(&guest.met);
    pthread_barrier_wait(&guest.met);
    lab_free(block);
    return unused;
}

static void beside_another(void (*first)(void), void (*meanwhile)(void))
{
    pthread_t thread;
    guest.first = first;
    pthread_barrier_init(&guest.met, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, stay, NULL), 0);
    pthread_barrier_wait(&guest.met);
    meanwhile();
    pthread_barrier_wait(&guest.met);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&guest.met);
}

static void use_60000(void)
{
    use_for_long();
    use_at_once(60, 1000);
    expect_peak(60000, 8 * MIB);
}

static void test_peak_is_seen_beside_another_thread(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};
    for (size_t i = 0; i < 2; i++) {
        interface = lab_interface(space, strategies[i], LAB_MMAP, 0);
        beside_another(NULL, use_60000);
    }
}

static mmbAllocation *left;

static void *leave_30000(void *unused)
{
    left = lab_new(interface, 30000);
    lab_free(lab_new(interface, 10000));
    return unused;
}

static void test_peak_outlives_its_thread(void)
{
    pthread_t thread;
    interface = lab_interface(space, MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, leave_30000, NULL), 0);
    pthread_join(thread, NULL);
    expect_peak(40000, 8 * MIB);
    use_at_once(1, 20000); /* beside what is left */
    lab_free(left);
    expect_peak(50000, 8 * MIB);
}

static void use_6_mib(void)
{
    use_at_once(6, MIB);
}

static void use_6_mib_more(void)
{
    use_6_mib();
    expect_peak(6 * MIB, 8 * MIB);
}

static void test_peak_of_threads_is_within_the_limit(void)
{
    interface = lab_interface(space, MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP, 0);
    beside_another(use_6_mib, use_6_mib_more);
}

MMB_SUITE_WITH("interfaces/thread_report", set_up, lab_close,
               T(test_peak_is_seen_beside_another_thread), T(test_peak_outlives_its_thread),
               T(test_peak_of_threads_is_within_the_limit))
