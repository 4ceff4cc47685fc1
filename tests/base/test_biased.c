/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the biased lock excludes whoever holds it any way; a thread that has it to
 * itself for long becomes its owner, any other ends that; and the owner's shortest way is open only
 * while it is allowed. */
#include "src/base/biased.h"
#include <pthread.h>
#include "tests/support/suite.h"

#define LONG  ((size_t)2000)
#define STEPS ((size_t)200000)

static struct mmb_biased lock;
static size_t counter, last_seen;

static void set_up(void)
{
    mmb_biased_init(&lock);
    counter = last_seen = 0;
}

static void tear_down(void)
{
    mmb_barrier_forbid(false);
}

static void use_for_long(void)
{
    for (size_t i = 0; i < LONG; i++) {
        mmb_biased_acquire(&lock);
        mmb_biased_release(&lock);
    }
}

static void allow(bool may_enter)
{
    mmb_biased_acquire(&lock);
    mmb_biased_set_quick(&lock, may_enter);
    mmb_biased_release(&lock);
}

static bool enters(void)
{
    if (!mmb_biased_enter(&lock))
        return false;
    mmb_biased_leave(&lock);
    return true;
}

static void *acquire_once(void *unused)
{
    CU_ASSERT(!enters());
    mmb_biased_acquire(&lock);
    mmb_biased_release(&lock);
    return unused;
}

static void elsewhere(void *(*function)(void *))
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, function, NULL), 0);
    pthread_join(thread, NULL);
}

static void test_biased_owner_enters_while_allowed(void)
{
    use_for_long();
    CU_ASSERT_EQUAL(lock.owner != NULL, mmb_barrier_open());
    CU_ASSERT(!enters());
    allow(true);
    CU_ASSERT_EQUAL(enters(), mmb_barrier_open());
    allow(false);
    CU_ASSERT(!enters());
}

static void test_biased_allowed_before_there_is_an_owner(void)
{
    allow(true);
    CU_ASSERT(!enters());
    use_for_long();
    CU_ASSERT_EQUAL(enters(), mmb_barrier_open());
}

static void test_biased_another_thread_ends_it(void)
{
    allow(true);
    use_for_long();
    elsewhere(acquire_once);
    CU_ASSERT_PTR_NULL(lock.owner);
    CU_ASSERT(!enters());
    use_for_long(); /* not long enough for a second time */
    CU_ASSERT_PTR_NULL(lock.owner);
    for (int i = 0; i < 8; i++)
        use_for_long();
    CU_ASSERT_EQUAL(enters(), mmb_barrier_open());
}

static void test_biased_without_barrier_has_no_owner(void)
{
    mmb_barrier_forbid(true);
    allow(true);
    use_for_long();
    CU_ASSERT_PTR_NULL(lock.owner);
    CU_ASSERT(!enters());
}

/* Both words are one number unless two threads are inside. */
static void count(void)
{
    CU_ASSERT_EQUAL(counter, last_seen);
    counter++;
    last_seen = counter;
}

static void *count_both_ways(void *unused)
{
    for (size_t i = 0; i < STEPS; i++) {
        if (mmb_biased_enter(&lock)) {
            count();
            mmb_biased_leave(&lock);
            continue;
        }
        mmb_biased_acquire(&lock);
        if (i % 1000 == 0)
            mmb_biased_set_quick(&lock, i % 3000 != 0);
        count();
        mmb_biased_release(&lock);
    }
    return unused;
}

static void test_biased_excludes_each_way(void)
{
    pthread_t threads[3];
    allow(true);
    count_both_ways(NULL);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count_both_ways, NULL), 0);
    count_both_ways(NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    count_both_ways(NULL);
    CU_ASSERT_EQUAL(counter, 6 * STEPS);
}

/* ---- an owner that says who may enter while his time ends ---- */

#define ENDINGS 2000

static pthread_barrier_t met;
static _Atomic bool is_ended;
static size_t n_left_open;

static void *allow_until_ended(void *unused)
{
    for (int i = 0; i < ENDINGS; i++) {
        use_for_long();
        pthread_barrier_wait(&met);
        while (!is_ended)
            allow(true);
        pthread_barrier_wait(&met);
        pthread_barrier_wait(&met);
    }
    return unused;
}

static void test_biased_end_closes_the_owners_way(void)
{
    pthread_t thread;
    n_left_open = 0;
    pthread_barrier_init(&met, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, allow_until_ended, NULL), 0);
    for (int i = 0; i < ENDINGS; i++) {
        pthread_barrier_wait(&met);
        mmb_biased_acquire(&lock);
        n_left_open += __atomic_load_n(&lock.quick, __ATOMIC_RELAXED) != NULL;
        is_ended = true;
        mmb_biased_release(&lock);
        pthread_barrier_wait(&met);
        set_up(); /* so that the next owner need not be one for longer */
        is_ended = false;
        pthread_barrier_wait(&met);
    }
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&met);
    CU_ASSERT_EQUAL(n_left_open, 0);
}

MMB_SUITE_WITH("base/biased", set_up, tear_down, T(test_biased_owner_enters_while_allowed),
               T(test_biased_allowed_before_there_is_an_owner),
               T(test_biased_another_thread_ends_it), T(test_biased_without_barrier_has_no_owner),
               T(test_biased_excludes_each_way), T(test_biased_end_closes_the_owners_way))
