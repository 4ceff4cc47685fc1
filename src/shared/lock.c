/* SPDX-License-Identifier: BSD-3-Clause */
/* The segment's central lock: a futex word that names its holder's slot, so that a waiter can see
 * whether the holder still lives and take the lock from a dead one. What it guards is right after
 * every instruction, so there is nothing to repair.
 *
 * word = ticket << 12 | slot + 1, or ticket << 12 when free. The ticket changes with every owner: a
 * waiter that found a holder dead must not take the lock from a process that got the same slot
 * meanwhile. Inside a process a mutex comes first, so a word that names one of our own slots, or no
 * slot at all, is left over or damaged, and is taken over too. A waiter never sleeps for long: the
 * holder may have died between its store and its wake-up call.
 *
 * A word that was damaged may name a process that lives and knows nothing of it. Who attaches
 * therefore does not wait for ever on a word that does not change; whoever has had the lock once,
 * and with it a right word, does. */
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "src/shared/segment.h"

#define SLOT_BITS 12
#define SLOT_MASK ((1u << SLOT_BITS) - 1)
#define SPINS     64
#define FIRST_NAP 1000000L /* ns */
#define LAST_NAP  50000000L

/* A section is some microseconds long; only a stopped holder takes longer. */
long mmb_shared_patience_ns = 3000000000L;

static uint32_t *word_of(struct mmb_shared_segment *segment)
{
    return &mmb_shared_dynamic(segment)->lock;
}

static bool try_from(uint32_t *word, uint32_t seen, uint32_t slot)
{
    uint32_t mine = ((seen >> SLOT_BITS) + 1) << SLOT_BITS | (slot + 1);
    return __atomic_compare_exchange_n(word, &seen, mine, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static bool is_abandoned(struct mmb_shared_segment *segment, uint32_t seen)
{
    uint32_t holder = seen & SLOT_MASK;
    if (holder == 0 || holder > segment->layout.n_slots ||
        mmb_shared_slot_is_own(segment, holder - 1))
        return true;
    return mmb_shared_slot_is_dead(segment, holder - 1);
}

static bool spin(uint32_t *word, uint32_t slot)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
        if ((seen & SLOT_MASK) == 0 && try_from(word, seen, slot))
            return true;
        mmb_pause();
    }
    return false;
}

/* Waits until the word may have changed, and longer each time. The wait in ns. */
static long sleep_on(uint32_t *word, uint32_t seen, long *nap)
{
    long waited = *nap;
    struct timespec timeout = {0, waited};
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
    *nap = waited * 2 < LAST_NAP ? waited * 2 : LAST_NAP;
    return waited;
}

/* The mutex is held. patience_ns 0: endless. */
static bool take(struct mmb_shared_segment *segment, uint32_t slot, long patience_ns)
{
    uint32_t *word = word_of(segment), last = 0;
    long nap = FIRST_NAP, waited = 0;
    while (!spin(word, slot)) {
        uint32_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
        if (is_abandoned(segment, seen)) {
            if (try_from(word, seen, slot))
                return true;
            continue;
        }
        if (seen != last)
            waited = 0;
        last = seen;
        if (patience_ns && waited >= patience_ns)
            return false;
        waited += sleep_on(word, seen, &nap);
    }
    return true;
}

void mmb_shared_lock(struct mmb_shared_segment *segment, uint32_t slot)
{
    mmb_mutex_lock(&segment->central);
    take(segment, slot, 0);
}

bool mmb_shared_lock_first(struct mmb_shared_segment *segment, uint32_t slot)
{
    mmb_mutex_lock(&segment->central);
    if (take(segment, slot, mmb_shared_patience_ns))
        return true;
    mmb_mutex_unlock(&segment->central);
    return false;
}

void mmb_shared_unlock(struct mmb_shared_segment *segment)
{
    uint32_t *word = word_of(segment);
    uint32_t held = __atomic_load_n(word, __ATOMIC_RELAXED);
    __atomic_store_n(word, held & ~SLOT_MASK, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    mmb_mutex_unlock(&segment->central);
}
