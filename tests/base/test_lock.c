/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: one holder at a time, and it sees what the one before it wrote. The counters are plain
 * memory on purpose: a lock that does not exclude loses counts, and one that does not order is a
 * race that the thread sanitizer reports. */
#include "src/base/lock.h"
#include "tests/support/suite.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define N_THREADS 4
#define N_ROUNDS  20000

static struct mmb_lock lock = MMB_LOCK_INIT;
static struct mmb_mutex mutex = MMB_MUTEX_INIT;
static unsigned long counter;

static void run_threads(void *(*body)(void *), void *argument)
{
    pthread_t threads[N_THREADS];
    int n = 0;

    while (n < N_THREADS && pthread_create(&threads[n], NULL, body, argument) == 0)
        n++;
    CU_ASSERT_EQUAL(n, N_THREADS);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

static void *count_under_lock(void *argument)
{
    (void)argument;
    for (int i = 0; i < N_ROUNDS; i++) {
        mmb_lock_acquire(&lock);
        counter++;
        mmb_lock_release(&lock);
    }
    return NULL;
}

static void test_lock_excludes_and_orders(void)
{
    counter = 0;
    run_threads(count_under_lock, NULL);
    CU_ASSERT_EQUAL(counter, (unsigned long)N_THREADS * N_ROUNDS);
    CU_ASSERT_FALSE(mmb_lock_is_held(&lock));
}

static void *count_under_tried_lock(void *argument)
{
    (void)argument;
    for (int i = 0; i < N_ROUNDS / 10; i++) {
        while (!mmb_lock_try_acquire(&lock))
            sched_yield();
        counter++;
        mmb_lock_release(&lock);
    }
    return NULL;
}

static void test_lock_try_acquire_excludes(void)
{
    counter = 0;
    run_threads(count_under_tried_lock, NULL);
    CU_ASSERT_EQUAL(counter, (unsigned long)N_THREADS * (N_ROUNDS / 10));
}

static void test_lock_try_acquire_says_no_while_held(void)
{
    struct mmb_lock own;

    mmb_lock_init(&own);
    CU_ASSERT_FALSE(mmb_lock_is_held(&own));
    CU_ASSERT_TRUE(mmb_lock_try_acquire(&own));
    CU_ASSERT_TRUE(mmb_lock_is_held(&own));
    CU_ASSERT_FALSE(mmb_lock_try_acquire(&own));
    mmb_lock_release(&own);
    CU_ASSERT_TRUE(mmb_lock_try_acquire(&own));
    mmb_lock_release(&own);
}

/* A waiter that gets as far as sleeping: the holder keeps the lock for many more yields than the
 * waiter spins and yields for. Whether it slept cannot be seen from here without timing; that it
 * comes back with the lock can. */
struct patience {
    struct mmb_lock lock;
    atomic_bool is_waiting;
    bool got_it;
    int errno_after;
};

static void *wait_for_lock(void *argument)
{
    struct patience *patience = argument;

    errno = 4711;
    atomic_store(&patience->is_waiting, true);
    mmb_lock_acquire(&patience->lock);
    patience->got_it = true;
    patience->errno_after = errno;
    mmb_lock_release(&patience->lock);
    return NULL;
}

static void test_lock_waits_for_a_slow_holder(void)
{
    struct patience patience = {.lock = MMB_LOCK_INIT};
    pthread_t thread;

    mmb_lock_acquire(&patience.lock);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_for_lock, &patience), 0);
    while (!atomic_load(&patience.is_waiting))
        sched_yield();
    for (int i = 0; i < 20000; i++)
        sched_yield();
    CU_ASSERT_FALSE(patience.got_it);
    mmb_lock_release(&patience.lock);
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(patience.got_it);
    CU_ASSERT_EQUAL(patience.errno_after, 4711);
}

static int release_unheld(void *argument)
{
    struct mmb_lock own = MMB_LOCK_INIT;

    (void)argument;
    mmb_lock_release(&own);
    return 0;
}

static void test_lock_release_of_a_free_lock_ends_a_debug_build(void)
{
#if defined(MMB_DEBUG) && MMB_DEBUG
    struct suite_child child = suite_run_child(release_unheld, NULL, 60);

    CU_ASSERT_TRUE(child.signalled);
    CU_ASSERT_EQUAL(child.code, SIGABRT);
#else
    CU_ASSERT_EQUAL(release_unheld(NULL), 0);
#endif
}

static void *count_under_mutex(void *argument)
{
    struct mmb_mutex *m = argument;

    for (int i = 0; i < N_ROUNDS; i++) {
        mmb_mutex_lock(m);
        counter++;
        mmb_mutex_unlock(m);
    }
    return NULL;
}

static void test_mutex_excludes_and_orders(void)
{
    struct mmb_mutex own;

    counter = 0;
    run_threads(count_under_mutex, &mutex);
    CU_ASSERT_EQUAL(counter, (unsigned long)N_THREADS * N_ROUNDS);

    mmb_mutex_init(&own);
    counter = 0;
    run_threads(count_under_mutex, &own);
    CU_ASSERT_EQUAL(counter, (unsigned long)N_THREADS * N_ROUNDS);
    mmb_mutex_destroy(&own);
}

MMB_SUITE("base/lock", T(test_lock_excludes_and_orders), T(test_lock_try_acquire_excludes),
          T(test_lock_try_acquire_says_no_while_held), T(test_lock_waits_for_a_slow_holder),
          T(test_lock_release_of_a_free_lock_ends_a_debug_build), T(test_mutex_excludes_and_orders))
