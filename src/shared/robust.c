/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks that survive their holder (robust.h). Owns nothing.
 *
 * A process is named by its owner slot and its incarnation, a number that it drew when it attached
 * and wrote into its slots. A holder is dead when its slot says another incarnation (somebody has
 * the slot now, or nobody) or when the slot is a dead process's (owner.c). A dead process writes no
 * more and no other has its incarnation, so the exchange that takes a word from it cannot take it
 * from somebody else. The word is taken over whatever it says of a process that does not live:
 * damage costs no more than a false alarm.
 *
 * Robust mutexes of pthread would put pointers of one process into memory that others write: the
 * list of what a thread holds runs through the mutexes. They also wait for ever for a holder that a
 * damaged word invents, and leave the list behind when a segment is detached. A process is what
 * dies here, not a thread: a thread that ends with a lock keeps it.
 *
 * A waiter never sleeps for long: the holder may have died between its store and its wake-up call,
 * or while it held the lock, which wakes nobody. */
#include "src/shared/robust.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS    64
#define LAST_NAP 50000000L

/* In a slot's word; below it stands how far the slot is taken. */
#define INCARNATION (~(uint32_t)3)

#define KEPT (MMB_ROBUST_WAITERS | MMB_ROBUST_SUSPECT)

uint64_t mmb_robust_self(const struct mmb_shared_segment *segment)
{
    return (uint64_t)segment->incarnation << 32 | (segment->slot + 1);
}

bool mmb_robust_is_own(const struct mmb_shared_segment *segment, uint64_t word, uint32_t mark)
{
    const uint64_t holder = ~(uint64_t)UINT32_MAX | MMB_ROBUST_SLOT;
    return (word & holder) == mmb_robust_self(segment) && (word & mark) == mark;
}

bool mmb_robust_is_gone(struct mmb_shared_segment *segment, uint32_t slot, uint32_t incarnation,
                        uint32_t mask)
{
    if (slot >= segment->layout.n_slots)
        return true;
    if (mmb_shared_slot_is_own(segment, slot))
        return ((incarnation ^ segment->incarnation) & mask) != 0;
    uint64_t owner = __atomic_load_n(&mmb_shared_slot(segment, slot)->owner, __ATOMIC_ACQUIRE);
    return (((uint32_t)owner ^ incarnation) & mask & INCARNATION) != 0 ||
           mmb_shared_slot_is_dead(segment, slot);
}

static bool holder_is_gone(struct mmb_shared_segment *segment, uint64_t word)
{
    return mmb_robust_is_gone(segment, (uint32_t)(word & MMB_ROBUST_SLOT) - 1,
                              (uint32_t)(word >> 32), UINT32_MAX);
}

/* From nobody, or from a dead holder. */
static bool take_from(const struct mmb_shared_segment *segment, uint64_t *word, uint64_t seen,
                      uint32_t flags)
{
    uint64_t mine = mmb_robust_self(segment) | (seen & KEPT) | flags;
    if (mmb_robust_is_held(seen) && seen & MMB_ROBUST_INSIDE)
        mine |= MMB_ROBUST_SUSPECT;
    return __atomic_compare_exchange_n(word, &seen, mine, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static bool spin(const struct mmb_shared_segment *segment, uint64_t *word, uint32_t flags)
{
    for (int i = 0; i < SPINS; i++) {
        uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (!mmb_robust_is_held(seen) && take_from(segment, word, seen, flags))
            return true;
        mmb_pause();
    }
    return false;
}

/* The half that changes when the word is given back. */
static uint32_t *low_half(const uint64_t *word)
{
    return (uint32_t *)(uintptr_t)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

long mmb_robust_wait(const uint64_t *word, uint64_t seen, long nap)
{
    struct timespec timeout = {0, nap};
    syscall(SYS_futex, low_half(word), FUTEX_WAIT, (uint32_t)seen, &timeout, NULL, 0);
    return nap * 2 < LAST_NAP ? nap * 2 : LAST_NAP;
}

void mmb_robust_wake(const uint64_t *word)
{
    syscall(SYS_futex, low_half(word), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Who has slept takes the lock with the mark of waiters: others may sleep still. */
bool mmb_robust_lock(struct mmb_shared_segment *segment, uint64_t *word, uint32_t mark,
                     uint32_t give_up)
{
    uint32_t flags = mark;
    long nap = MMB_ROBUST_FIRST_NAP;
    while (!spin(segment, word, flags)) {
        uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (!mmb_robust_is_held(seen))
            continue;
        if (holder_is_gone(segment, seen)) {
            if (take_from(segment, word, seen, flags))
                return true;
            continue;
        }
        if (seen & give_up)
            return false;
        uint64_t marked = seen | MMB_ROBUST_WAITERS;
        if (seen != marked && !__atomic_compare_exchange_n(word, &seen, marked, false,
                                                           __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        flags |= MMB_ROBUST_WAITERS;
        nap = mmb_robust_wait(word, marked, nap);
    }
    return true;
}

bool mmb_robust_unlock(struct mmb_shared_segment *segment, uint64_t *word, uint32_t mark)
{
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    do {
        if (!mmb_robust_is_own(segment, seen, mark))
            return false;
    } while (!__atomic_compare_exchange_n(word, &seen, seen & MMB_ROBUST_SUSPECT, false,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (seen & MMB_ROBUST_WAITERS)
        mmb_robust_wake(word);
    return true;
}
