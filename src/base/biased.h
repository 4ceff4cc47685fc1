/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_BIASED_H
#define MMB_BASE_BIASED_H
/* A short lock that costs its habitual user two stores instead of two locked instructions. The
 * first thread that acquires it many times in a row becomes its owner and then only marks itself
 * busy. Whoever else comes ends that: he makes every thread pass a barrier, waits until the owner
 * is not busy, and from then on the lock is an ordinary one, until the same thread has it to itself
 * for long again. It is never another one: a former owner that is late to look would clear its
 * successor's mark.
 *
 * Owner:   busy = 1; still the owner? then it is held; release: busy = 0.
 * Other:   acquire the ordinary lock; owner = quick = none; barrier; wait for busy == 0; again, if
 *          quick was set meanwhile; slow = 1.
 * The owner's check comes after his mark. Either the mark was visible before the barrier, and the
 * other waits, or the check comes after it and fails. `slow` tells the holder how to release: it is
 * set only while no owner holds the lock, so neither kind of holder can see the other's.
 *
 * What a lock guards may have states in which its shortest ways must not be taken at all, by the
 * owner neither. They compare with `quick`, which is the owner but in such states, and so look at
 * one word for both. */

#include "src/base/barrier.h"
#include "src/base/lock.h"
#include "src/base/owned.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mmb_biased {
    const void *quick;     /* owner, or NULL: he may not enter */
    uint32_t busy;         /* the owner holds it, or looks whether he may */
    uint32_t slow;         /* held through `lock` */
    const void *owner;     /* thread pointer, or NULL; changes under `lock` */
    bool no_quick;         /* quick stays NULL */
    const void *candidate; /* the only thread that can be owner; NULL: not known yet */
    const void *last;      /* who held it last through `lock` */
    uint32_t in_a_row;     /* how often since somebody else did */
    uint32_t needed;       /* that many make the candidate the owner */
    struct mmb_lock lock;
};

void mmb_biased_init(struct mmb_biased *biased);
void mmb_biased_acquire_slowly(struct mmb_biased *biased);
void mmb_biased_release_slowly(struct mmb_biased *biased);
/* Lock held: may the owner enter? Not at first. */
void mmb_biased_set_quick(struct mmb_biased *biased, bool may_enter);

static inline void mmb_biased_acquire(struct mmb_biased *biased)
{
    const void *self = __builtin_thread_pointer();
    if (__builtin_expect(MMB_OWNED_LOAD(biased->owner) == self, 1)) {
        mmb_mark_set(&biased->busy);
        if (__builtin_expect(MMB_OWNED_LOAD(biased->owner) == self, 1))
            return;
        mmb_mark_clear(&biased->busy);
    }
    mmb_biased_acquire_slowly(biased);
}

/* The owner's shortest way: takes the lock or gives false. Then leave; the others release it. */
static inline bool mmb_biased_enter(struct mmb_biased *biased)
{
    const void *self = __builtin_thread_pointer();
    if (__builtin_expect(MMB_OWNED_LOAD(biased->quick) != self, 0))
        return false;
    mmb_mark_set(&biased->busy);
    if (__builtin_expect(MMB_OWNED_LOAD(biased->quick) == self, 1))
        return true;
    mmb_mark_clear(&biased->busy);
    return false;
}

static inline void mmb_biased_leave(struct mmb_biased *biased)
{
    mmb_mark_clear(&biased->busy);
}

/* The release store pairs with the acquire load of whoever waits for busy == 0. */
static inline void mmb_biased_release(struct mmb_biased *biased)
{
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(__atomic_load_n(&biased->slow, __ATOMIC_RELAXED) == 0, 1))
        mmb_mark_clear(&biased->busy);
    else
        mmb_biased_release_slowly(biased);
}

#endif
