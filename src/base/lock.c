/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow half of struct mmb_lock, and struct mmb_mutex. Owns no lock of its own.
 *
 * A futex would wake waiters sooner, but then every release is an atomic exchange, and a release is
 * on the path of every page-strategy call. The sections are so short that a waiter rarely gets past
 * spinning unless the holder was descheduled, and then it has to wait for the scheduler in any
 * case. */
#include "src/base/lock.h"
#include <errno.h>
#include <sched.h>
#include <time.h>

/* 6 rounds of 1, 2, 4 .. 32 pauses: 63 of them, between 0.5 and 3 us, which is some ten sections'
 * time. */
#define SPIN_ROUNDS 6
/* Then the processor is offered to the holder; with more runnable threads than this it takes the
 * sleeps. */
#define YIELD_ROUNDS 16
/* A yield does not help when the holder has a lower real-time priority. 20 us is less than a time
 * slice, and 1 ms bounds how late a sleeper notices. */
#define SLEEP_FIRST_NS   20000
#define SLEEP_LONGEST_NS 1000000

void mmb_backoff(struct mmb_backoff *backoff)
{
    int saved_errno = errno; /* malloc, which may be us, must not change it when it succeeds */
    unsigned round = backoff->round++;

    if (round < SPIN_ROUNDS) {
        for (unsigned i = 0; i < 1u << round; i++)
            mmb_pause();
    } else if (round < SPIN_ROUNDS + YIELD_ROUNDS) {
        sched_yield();
    } else {
        long sleep_ns = backoff->sleep_ns ? backoff->sleep_ns : SLEEP_FIRST_NS;
        struct timespec request = {0, sleep_ns};
        int cancel_state; /* a thread must not end here, in the midst of what it waits for */
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
        nanosleep(&request, NULL); /* a signal only makes it look sooner */
        pthread_setcancelstate(cancel_state, NULL);
        backoff->sleep_ns = sleep_ns * 2 < SLEEP_LONGEST_NS ? sleep_ns * 2 : SLEEP_LONGEST_NS;
    }
    errno = saved_errno;
}

/* Waiters read until the lock looks free, so that the cache line stays shared and the holder's
 * release is not slowed by their exchanges. The reads are relaxed: only the exchange that wins has
 * to see what the holder wrote. */
void mmb_lock_acquire_contended(struct mmb_lock *lock)
{
    struct mmb_backoff backoff = {0, 0};

    do {
        while (atomic_load_explicit(&lock->held, memory_order_relaxed) != 0)
            mmb_backoff(&backoff);
    } while (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire) != 0);
}

void mmb_mark_wait(const uint32_t *mark)
{
    struct mmb_backoff backoff = {0, 0};

    while (__atomic_load_n(mark, __ATOMIC_ACQUIRE) != 0)
        mmb_backoff(&backoff);
}

void mmb_tally_wait(const uint64_t *tally)
{
    struct mmb_backoff backoff = {0, 0};

    while (__atomic_load_n(tally, __ATOMIC_ACQUIRE) & 1)
        mmb_backoff(&backoff);
}

static void expect_success(int result)
{
    MMB_ASSERT(result == 0);
    (void)result;
}

void mmb_mutex_init(struct mmb_mutex *mutex)
{
    expect_success(pthread_mutex_init(&mutex->native, NULL));
}

void mmb_mutex_destroy(struct mmb_mutex *mutex)
{
    expect_success(pthread_mutex_destroy(&mutex->native));
}

void mmb_mutex_lock(struct mmb_mutex *mutex)
{
    expect_success(pthread_mutex_lock(&mutex->native));
}

void mmb_mutex_unlock(struct mmb_mutex *mutex)
{
    expect_success(pthread_mutex_unlock(&mutex->native));
}
