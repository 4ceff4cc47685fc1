/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks in the data of a segment that survive their holder: what the objects of src/structures lock
 * with. The central lock (lock.c) guards words that are right after every instruction; these guard
 * a program's data, so whoever takes one from the dead is told. */
#ifndef MMB_SHARED_ROBUST_H
#define MMB_SHARED_ROBUST_H
#include "src/shared/segment.h"

/* incarnation << 32 | marks | slot + 1 of the holding process; only marks when nobody holds it.
 * WAITERS: somebody may sleep. INSIDE: were the holder to die now, the data would be suspect.
 * SUSPECT: a holder died inside, and nobody has repaired what it left. WRITER: it is held for long,
 * else by somebody who will be gone at once. */
#define MMB_ROBUST_SLOT    0xfffu
#define MMB_ROBUST_WAITERS 0x1000u
#define MMB_ROBUST_INSIDE  0x2000u
#define MMB_ROBUST_SUSPECT 0x4000u
#define MMB_ROBUST_WRITER  0x8000u

/* This process as a holder. */
uint64_t mmb_robust_self(const struct mmb_shared_segment *segment);
/* Is the process gone that had the slot, whose number may be anything, in that incarnation? Only
 * the bits of the mask are compared. */
bool mmb_robust_is_gone(struct mmb_shared_segment *segment, uint32_t slot, uint32_t incarnation,
                        uint32_t mask);
/* Takes the lock for this process and marks it: INSIDE, WRITER or 0. False: a living holder's mark
 * is one of `give_up`; with 0 it waits. */
bool mmb_robust_lock(struct mmb_shared_segment *segment, uint64_t *word, uint32_t mark,
                     uint32_t give_up);
/* Does this process hold it with the mark? */
bool mmb_robust_is_own(const struct mmb_shared_segment *segment, uint64_t word, uint32_t mark);
/* False: it does not. */
bool mmb_robust_unlock(struct mmb_shared_segment *segment, uint64_t *word, uint32_t mark);
/* Sleeps until the word's low half changes, is woken, or the nap is over; the next nap, in ns. */
long mmb_robust_wait(const uint64_t *word, uint64_t seen, long nap);
void mmb_robust_wake(const uint64_t *word);
#define MMB_ROBUST_FIRST_NAP 1000000L

/* For the holder. */
static inline bool mmb_robust_is_suspect(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) & MMB_ROBUST_SUSPECT;
}

static inline void mmb_robust_trust(uint64_t *word)
{
    __atomic_fetch_and(word, ~(uint64_t)MMB_ROBUST_SUSPECT, __ATOMIC_RELAXED);
}

static inline void mmb_robust_enter(uint64_t *word)
{
    __atomic_fetch_or(word, MMB_ROBUST_INSIDE, __ATOMIC_RELAXED);
}

/* Any process of this segment holds it, alive or dead. */
static inline bool mmb_robust_is_held(uint64_t word)
{
    return (word & MMB_ROBUST_SLOT) != 0 && word >> 32 != 0;
}

#endif
