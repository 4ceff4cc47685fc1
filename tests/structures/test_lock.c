/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a mutex and a reader-writer lock between processes exclude each other's
 * holders, and outlive them: the next one learns that a holder died, until somebody repairs. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/suite.h"

#define N_CHILDREN 3
#define N_ROUNDS   3000

static mmbSharedMutex mutex;
static mmbSharedRwlock rwlock;

static void make_mutex(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_shared_mutex_create(objects_heap, &mutex), MMB_OK);
    objects_talk->pointer[0] = mutex.object.pointer;
}

static void make_rwlock(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_shared_rwlock_create(objects_heap, &rwlock), MMB_OK);
    objects_talk->pointer[0] = rwlock.object.pointer;
}

/* ---- the mutex ---- */

/* Two words that only the holder changes, and never between two instructions of others. */
static int add_with_mutex(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = objects_attach();
    mmbSharedMutex own;
    if (!mine || mmb_shared_mutex_open(mine, objects_talk->pointer[0], &own) != MMB_OK)
        return 1;
    for (int i = 0; i < N_ROUNDS; i++) {
        bool died = true;
        if (mmb_shared_mutex_lock(&own, &died) != MMB_OK || died)
            return 2;
        uint64_t before = atomic_load_explicit(&objects_talk->words[1], memory_order_relaxed);
        if (i % 64 == 0)
            sched_yield();
        atomic_store_explicit(&objects_talk->words[1], before + 1, memory_order_relaxed);
        if (mmb_shared_mutex_unlock(&own) != MMB_OK)
            return 3;
    }
    return 0;
}

static void test_mutex_excludes_processes(void)
{
    pid_t pids[N_CHILDREN];
    make_mutex();
    for (size_t i = 0; i < N_CHILDREN; i++)
        pids[i] = objects_spawn(add_with_mutex, NULL);
    for (size_t i = 0; i < N_CHILDREN; i++)
        objects_ended(pids[i]);
    CU_ASSERT_EQUAL(atomic_load(&objects_talk->words[1]), N_CHILDREN * N_ROUNDS);
    CU_ASSERT_EQUAL(mmb_shared_mutex_destroy(&mutex), MMB_OK);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static void *add_in_thread(void *unused)
{
    for (int i = 0; i < N_ROUNDS; i++) {
        mmb_shared_mutex_lock(&mutex, NULL);
        uint64_t before = atomic_load_explicit(&objects_talk->words[1], memory_order_relaxed);
        atomic_store_explicit(&objects_talk->words[1], before + 1, memory_order_relaxed);
        mmb_shared_mutex_unlock(&mutex);
    }
    return unused;
}

static void test_mutex_excludes_threads(void)
{
    pthread_t threads[N_CHILDREN];
    make_mutex();
    for (size_t i = 0; i < N_CHILDREN; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, add_in_thread, NULL), 0);
    for (size_t i = 0; i < N_CHILDREN; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&objects_talk->words[1]), N_CHILDREN * N_ROUNDS);
}

static int try_in_vain(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = objects_attach();
    mmbSharedMutex own;
    if (!mine || mmb_shared_mutex_open(mine, objects_talk->pointer[0], &own) != MMB_OK)
        return 1;
    if (mmb_shared_mutex_try_lock(&own, NULL) != MMB_BUSY)
        return 2;
    if (mmb_shared_mutex_unlock(&own) != MMB_NOT_FOUND)
        return 3;
    return mmb_shared_mutex_repaired(&own) == MMB_NOT_FOUND ? 0 : 4;
}

/* covers: mmb_shared_mutex_try_lock MMB_BUSY, mmb_shared_mutex_unlock MMB_NOT_FOUND,
   mmb_shared_mutex_repaired MMB_NOT_FOUND */
static void test_mutex_is_its_process(void)
{
    bool died = true;
    make_mutex();
    CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
    CU_ASSERT_EQUAL(mmb_shared_mutex_try_lock(&mutex, NULL), MMB_BUSY);
    objects_run(try_in_vain, NULL);
    CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_mutex_try_lock(&mutex, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
}

static int lock_mutex_and_stay(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = objects_attach();
    mmbSharedMutex own;
    if (!mine || mmb_shared_mutex_open(mine, objects_talk->pointer[0], &own) != MMB_OK ||
        mmb_shared_mutex_lock(&own, NULL) != MMB_OK)
        return 1;
    atomic_store(&objects_talk->words[0], 1);
    for (;;)
        pause();
}

static pid_t holder(int (*body)(void *))
{
    atomic_store(&objects_talk->words[0], 0);
    pid_t pid = objects_spawn(body, NULL);
    CU_ASSERT_TRUE(objects_await(&objects_talk->words[0], 1));
    return pid;
}

static void test_mutex_outlives_its_holder(void)
{
    bool died = false;
    make_mutex();
    pid_t pid = holder(lock_mutex_and_stay);
    CU_ASSERT_EQUAL(mmb_shared_mutex_try_lock(&mutex, &died), MMB_BUSY);
    objects_kill(pid);
    CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, &died), MMB_OK);
    CU_ASSERT_TRUE(died);
    CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, &died), MMB_OK);
    CU_ASSERT_TRUE(died);
    CU_ASSERT_EQUAL(mmb_shared_mutex_repaired(&mutex), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
}

/* Waits while the holder lives, and is let in by its death. */
static int wait_for_mutex(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = objects_attach();
    mmbSharedMutex own;
    bool died = false;
    if (!mine || mmb_shared_mutex_open(mine, objects_talk->pointer[0], &own) != MMB_OK)
        return 1;
    atomic_store(&objects_talk->words[2], 1);
    if (mmb_shared_mutex_lock(&own, &died) != MMB_OK || !died)
        return 2;
    return mmb_shared_mutex_unlock(&own) == MMB_OK ? 0 : 3;
}

static void test_mutex_waiter_is_let_in_by_a_death(void)
{
    make_mutex();
    pid_t pid = holder(lock_mutex_and_stay);
    pid_t waiter = objects_spawn(wait_for_mutex, NULL);
    CU_ASSERT_TRUE(objects_await(&objects_talk->words[2], 1));
    objects_kill(pid);
    objects_ended(waiter);
}

static int lock_and_detach(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = objects_attach();
    mmbSharedMutex own;
    if (!mine || mmb_shared_mutex_open(mine, objects_talk->pointer[0], &own) != MMB_OK ||
        mmb_shared_mutex_lock(&own, NULL) != MMB_OK)
        return 1;
    return mmb_destroy_interface(mine) == MMB_OK &&
                   mmb_shared_mutex_unlock(&own) == MMB_INVALID_INTERFACE
               ? 0
               : 2;
}

/* The slot of the one that is gone is taken by another before anybody looks. */
static void test_mutex_of_a_slot_that_was_used_again(void)
{
    bool died = false;
    make_mutex();
    CU_ASSERT_TRUE(objects_run(lock_and_detach, NULL));
    pid_t pid = objects_spawn(wait_for_mutex, NULL);
    objects_ended(pid);
    CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, &died), MMB_OK);
    CU_ASSERT_TRUE(died);
}

/* A forked child has the view, and is another process. */
static int is_not_the_holder(void *unused)
{
    (void)unused;
    return mmb_shared_mutex_unlock(&mutex) == MMB_NOT_FOUND &&
                   mmb_shared_mutex_try_lock(&mutex, NULL) == MMB_BUSY
               ? 0
               : 1;
}

static void test_mutex_is_not_the_forked_childs(void)
{
    make_mutex();
    CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, NULL), MMB_OK);
    objects_run(is_not_the_holder, NULL);
    CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_OK);
}

/* A lock word that names nobody who lives is taken over. */
static void test_mutex_of_a_damaged_word(void)
{
    static const uint64_t words[] = {~(uint64_t)0,          1,          0x123456789abcdeffull,
                                     0xffffffff00000001ull, 1ull << 32, 0x00000001ffffffffull};
    make_mutex();
    for (size_t i = 0; i < N_ROWS(words); i++) {
        ((uint64_t *)mutex.object.address)[5] = words[i];
        CU_ASSERT_EQUAL(mmb_shared_mutex_lock(&mutex, NULL), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shared_mutex_unlock(&mutex), MMB_OK);
    }
}

/* ---- the reader-writer lock ---- */

static mmbError open_rwlock(mmbSharedRwlock *out)
{
    mmbMemInterface *mine = objects_attach();
    return mine ? mmb_shared_rwlock_open(mine, objects_talk->pointer[0], out) : MMB_ERROR;
}

/* Writers change two words one after the other; readers must find them equal. */
static int read_and_write(void *seed)
{
    uint32_t state = *(uint32_t *)seed;
    mmbSharedRwlock own;
    if (open_rwlock(&own) != MMB_OK)
        return 1;
    for (int i = 0; i < N_ROUNDS; i++) {
        bool writes = objects_random(&state) % 4 == 0, died = true;
        mmbError error = writes ? mmb_shared_rwlock_write_lock(&own, &died)
                                : mmb_shared_rwlock_read_lock(&own, &died);
        if (error != MMB_OK || died)
            return 2;
        uint64_t first = atomic_load_explicit(&objects_talk->words[1], memory_order_relaxed);
        if (i % 64 == 0)
            sched_yield();
        uint64_t second = atomic_load_explicit(&objects_talk->words[2], memory_order_relaxed);
        if (first != second)
            return 3;
        if (writes) {
            atomic_store_explicit(&objects_talk->words[1], first + 1, memory_order_relaxed);
            atomic_store_explicit(&objects_talk->words[2], first + 1, memory_order_relaxed);
            atomic_fetch_add(&objects_talk->words[3], 1);
        }
        error = writes ? mmb_shared_rwlock_write_unlock(&own) : mmb_shared_rwlock_read_unlock(&own);
        if (error != MMB_OK)
            return 4;
    }
    return 0;
}

static void test_rwlock_excludes_writers(void)
{
    pid_t pids[N_CHILDREN];
    uint32_t seeds[N_CHILDREN] = {11, 12, 13};
    make_rwlock();
    for (size_t i = 0; i < N_CHILDREN; i++)
        pids[i] = objects_spawn(read_and_write, &seeds[i]);
    for (size_t i = 0; i < N_CHILDREN; i++)
        objects_ended(pids[i]);
    CU_ASSERT_TRUE(atomic_load(&objects_talk->words[3]) > 0);
    CU_ASSERT_EQUAL(atomic_load(&objects_talk->words[1]), atomic_load(&objects_talk->words[3]));
    CU_ASSERT_EQUAL(mmb_shared_rwlock_destroy(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static int read_beside_readers(void *unused)
{
    (void)unused;
    mmbSharedRwlock own;
    if (open_rwlock(&own) != MMB_OK)
        return 1;
    if (mmb_shared_rwlock_try_write_lock(&own, NULL) != MMB_BUSY ||
        mmb_shared_rwlock_read_unlock(&own) != MMB_NOT_FOUND)
        return 2;
    if (mmb_shared_rwlock_try_read_lock(&own, NULL) != MMB_OK)
        return 3;
    return mmb_shared_rwlock_read_unlock(&own) == MMB_OK ? 0 : 4;
}

static int stay_out(void *unused)
{
    (void)unused;
    mmbSharedRwlock own;
    if (open_rwlock(&own) != MMB_OK)
        return 1;
    if (mmb_shared_rwlock_try_read_lock(&own, NULL) != MMB_BUSY ||
        mmb_shared_rwlock_try_write_lock(&own, NULL) != MMB_BUSY)
        return 2;
    return mmb_shared_rwlock_write_unlock(&own) == MMB_NOT_FOUND &&
                   mmb_shared_rwlock_repaired(&own) == MMB_NOT_FOUND
               ? 0
               : 3;
}

/* covers: mmb_shared_rwlock_try_read_lock MMB_BUSY, mmb_shared_rwlock_try_write_lock MMB_BUSY,
   mmb_shared_rwlock_read_unlock MMB_NOT_FOUND, mmb_shared_rwlock_write_unlock MMB_NOT_FOUND,
   mmb_shared_rwlock_repaired MMB_NOT_FOUND */
static void test_rwlock_lets_readers_in_together(void)
{
    make_rwlock();
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_lock(&rwlock, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_lock(&rwlock, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_unlock(&rwlock), MMB_NOT_FOUND);
    objects_run(read_beside_readers, NULL);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_try_write_lock(&rwlock, NULL), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_try_write_lock(&rwlock, NULL), MMB_OK);
    objects_run(stay_out, NULL);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_unlock(&rwlock), MMB_OK);
}

static int stay_with(mmbError (*lock)(const mmbSharedRwlock *, bool *))
{
    mmbSharedRwlock own;
    if (open_rwlock(&own) != MMB_OK || lock(&own, NULL) != MMB_OK)
        return 1;
    atomic_store(&objects_talk->words[0], 1);
    for (;;)
        pause();
}

static int write_and_stay(void *unused)
{
    (void)unused;
    return stay_with(mmb_shared_rwlock_write_lock);
}

static int read_and_stay(void *unused)
{
    (void)unused;
    return stay_with(mmb_shared_rwlock_read_lock);
}

static void test_rwlock_outlives_its_writer(void)
{
    bool died = false;
    make_rwlock();
    objects_kill(holder(write_and_stay));
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_lock(&rwlock, &died), MMB_OK);
    CU_ASSERT_TRUE(died);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_OK);
    died = false;
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_lock(&rwlock, &died), MMB_OK);
    CU_ASSERT_TRUE(died);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_repaired(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_unlock(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_lock(&rwlock, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
}

static void test_rwlock_outlives_its_readers(void)
{
    bool died = true;
    make_rwlock();
    pid_t first = holder(read_and_stay), second = holder(read_and_stay);
    objects_kill(first);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_try_write_lock(&rwlock, &died), MMB_BUSY);
    objects_kill(second);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_lock(&rwlock, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_unlock(&rwlock), MMB_OK);
}

/* It waits for a reader that will never go, and dies at the gate. */
static int wait_to_write(void *unused)
{
    (void)unused;
    mmbSharedRwlock own;
    if (open_rwlock(&own) != MMB_OK)
        return 1;
    atomic_store(&objects_talk->words[2], 1);
    mmb_shared_rwlock_write_lock(&own, NULL);
    return 2;
}

static void test_rwlock_outlives_a_writer_at_the_gate(void)
{
    bool died = true;
    make_rwlock();
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_lock(&rwlock, NULL), MMB_OK);
    pid_t pid = objects_spawn(wait_to_write, NULL);
    CU_ASSERT_TRUE(objects_await(&objects_talk->words[2], 1));
    for (int i = 0; i < 1000000 && mmb_shared_rwlock_try_read_lock(&rwlock, NULL) == MMB_OK; i++) {
        CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_OK);
        sched_yield();
    }
    objects_kill(pid);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_lock(&rwlock, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_read_unlock(&rwlock), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_rwlock_write_lock(&rwlock, &died), MMB_OK);
    CU_ASSERT_FALSE(died);
}

/* A writer that a reader's death lets in. */
static void test_rwlock_writer_is_let_in_by_a_death(void)
{
    make_rwlock();
    pid_t reader = holder(read_and_stay);
    uint32_t seed = 5;
    pid_t writer = objects_spawn(read_and_write, &seed);
    objects_kill(reader);
    objects_ended(writer);
}

/* ---- kills at random ---- */

static int work_on_mutex(void *seed)
{
    (void)seed;
    for (;;) {
        bool died;
        if (mmb_shared_mutex_lock(&mutex, &died) != MMB_OK)
            return 1;
        if (died)
            mmb_shared_mutex_repaired(&mutex);
        atomic_fetch_add(&objects_talk->words[0], 1);
        if (mmb_shared_mutex_unlock(&mutex) != MMB_OK)
            return 2;
    }
}

static bool mutex_can_be_had(void)
{
    return mmb_shared_mutex_lock(&mutex, NULL) == MMB_OK &&
           mmb_shared_mutex_unlock(&mutex) == MMB_OK;
}

static int work_on_rwlock(void *seed)
{
    uint32_t state = *(uint32_t *)seed;
    for (;;) {
        bool writes = objects_random(&state) % 2;
        if ((writes ? mmb_shared_rwlock_write_lock : mmb_shared_rwlock_read_lock)(&rwlock, NULL) !=
            MMB_OK)
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
        if ((writes ? mmb_shared_rwlock_write_unlock : mmb_shared_rwlock_read_unlock)(&rwlock) !=
            MMB_OK)
            return 2;
    }
}

static bool rwlock_can_be_had(void)
{
    return mmb_shared_rwlock_write_lock(&rwlock, NULL) == MMB_OK &&
           mmb_shared_rwlock_write_unlock(&rwlock) == MMB_OK &&
           mmb_shared_rwlock_read_lock(&rwlock, NULL) == MMB_OK &&
           mmb_shared_rwlock_read_unlock(&rwlock) == MMB_OK;
}

static void test_locks_survive_random_kills(void)
{
    make_mutex();
    make_rwlock();
    objects_kill_many(work_on_mutex, mutex_can_be_had);
    objects_kill_many(work_on_rwlock, rwlock_can_be_had);
}

MMB_SUITE_WITH("structures/lock", objects_set_up, objects_tear_down,
               T(test_mutex_excludes_processes), T(test_mutex_excludes_threads),
               T(test_mutex_is_its_process), T(test_mutex_outlives_its_holder),
               T(test_mutex_waiter_is_let_in_by_a_death),
               T(test_mutex_of_a_slot_that_was_used_again), T(test_mutex_is_not_the_forked_childs),
               T(test_mutex_of_a_damaged_word), T(test_rwlock_excludes_writers),
               T(test_rwlock_lets_readers_in_together), T(test_rwlock_outlives_its_writer),
               T(test_rwlock_outlives_its_readers), T(test_rwlock_outlives_a_writer_at_the_gate),
               T(test_rwlock_writer_is_let_in_by_a_death), T(test_locks_survive_random_kills))
