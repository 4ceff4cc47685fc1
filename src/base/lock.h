/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_LOCK_H
#define MMB_BASE_LOCK_H
/* struct mmb_lock: for sections of a few hundred instructions that do not block. A holder that was
 * descheduled costs its waiters time, never a busy processor: they spin, then yield, then sleep. It
 * knows no owner and may be released by another thread than the one that acquired it, or by the
 * child after a fork. struct mmb_mutex: for sections that wait, call backends or run user code. */

#include "src/base/debug.h"
#include "src/base/owned.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mmb_lock {
    atomic_uint held; /* 0 or 1 */
};

#define MMB_LOCK_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

/* For a loop that waits for another thread: spins at first, then yields, then sleeps, longer and
 * longer. Starts as zeroes. Leaves errno alone. */
struct mmb_backoff {
    unsigned round;
    long sleep_ns;
};
void mmb_backoff(struct mmb_backoff *backoff);

/* Returns with the lock held. */
void mmb_lock_acquire_contended(struct mmb_lock *lock);

static inline void mmb_lock_init(struct mmb_lock *lock)
{
    atomic_init(&lock->held, 0);
}

/* The acquire exchange reads the 0 that a release stored, so everything the former holder wrote is
 * visible here, and nothing of this section moves before it. Acquire is enough on the failing
 * exchange too: nothing is read from it. */
static inline void mmb_lock_acquire(struct mmb_lock *lock)
{
    if (__builtin_expect(atomic_exchange_explicit(&lock->held, 1, memory_order_acquire) != 0, 0))
        mmb_lock_acquire_contended(lock);
}

/* The load in front keeps a failing try from taking the cache line away from the holder. */
static inline bool mmb_lock_try_acquire(struct mmb_lock *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&lock->held, 1, memory_order_acquire) == 0;
}

/* One plain store: nobody is woken, since waiters look again by themselves. */
static inline void mmb_lock_release(struct mmb_lock *lock)
{
    MMB_ASSERT(atomic_load_explicit(&lock->held, memory_order_relaxed) == 1);
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

/* For assertions: true while anybody holds it. */
static inline bool mmb_lock_is_held(struct mmb_lock *lock)
{
    return atomic_load_explicit(&lock->held, memory_order_relaxed) != 0;
}

/* ---- marks: a thread tells that it is at work on what is mostly its own ----
 *
 * Set, then look whether one may, work, clear: plain stores. Whoever wants to keep it out makes the
 * look fail, lets every thread pass a barrier (barrier.h) and waits for the mark: it was visible
 * before the barrier, or the look comes after it. */

static inline void mmb_mark_set(uint32_t *mark)
{
    __atomic_store_n(mark, 1, __ATOMIC_RELAXED);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void mmb_mark_clear(uint32_t *mark)
{
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n(mark, 0, __ATOMIC_RELEASE);
}

/* Returns when it is clear, and all that was done under it is visible. Waits as for a lock. */
void mmb_mark_wait(const uint32_t *mark);

/* ---- tallies: marks that count what was done ----
 *
 * Odd while its only writer is at work: two stores instead of a mark set, one cleared, and a count.
 * Where the processor keeps stores in order the second one is a plain addition, and the fences
 * around it keep the compiler from moving or joining it. */

static inline void mmb_tally_begin(uint64_t *tally)
{
    MMB_OWNED_ADD(*tally, 1);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void mmb_tally_leave(uint64_t *tally, uint64_t step)
{
    atomic_signal_fence(memory_order_seq_cst);
#if defined(__x86_64__) && !defined(MMB_OWNED_ATOMIC)
    *tally += step;
#else
    __atomic_store_n(tally, __atomic_load_n(tally, __ATOMIC_RELAXED) + step, __ATOMIC_RELEASE);
#endif
    atomic_signal_fence(memory_order_seq_cst);
}

/* It was done. */
static inline void mmb_tally_end(uint64_t *tally)
{
    mmb_tally_leave(tally, 1);
}

/* It was not, and does not count. */
static inline void mmb_tally_undo(uint64_t *tally)
{
    mmb_tally_leave(tally, (uint64_t)-1);
}

static inline uint64_t mmb_tally_count(const uint64_t *tally)
{
    return __atomic_load_n(tally, __ATOMIC_RELAXED) / 2;
}

/* As mmb_mark_wait: returns when it has been even. */
void mmb_tally_wait(const uint64_t *tally);

struct mmb_mutex {
    pthread_mutex_t native;
};

#define MMB_MUTEX_INIT                                                                             \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

/* Default attributes: none of these can fail when they are used in pairs, and debug builds check
 * that. */
void mmb_mutex_init(struct mmb_mutex *mutex);
void mmb_mutex_destroy(struct mmb_mutex *mutex);
void mmb_mutex_lock(struct mmb_mutex *mutex);
void mmb_mutex_unlock(struct mmb_mutex *mutex);

/* Tells the processor that this is a waiting loop. */
static inline void mmb_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

#endif
