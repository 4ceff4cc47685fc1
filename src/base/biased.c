/* SPDX-License-Identifier: BSD-3-Clause */
/* The ordinary side of biased.h. Owns nothing; `lock` guards everything but busy. */
#include "src/base/biased.h"
#include "src/base/debug.h"

/* A barrier costs some microseconds, an ordinary acquisition some nanoseconds more than a biased
 * one: the bias must last some hundred acquisitions to be worth it. Where two threads fight, either
 * can win a thousand times in a row, so every bias that was ended asks for eight times more before
 * the next. */
#define IN_A_ROW_FIRST 1024u
#define IN_A_ROW_LAST  (1u << 28)

void mmb_biased_init(struct mmb_biased *biased)
{
    biased->owner = NULL;
    biased->quick = NULL;
    biased->no_quick = true;
    biased->busy = 0;
    biased->slow = 0;
    biased->candidate = NULL;
    biased->last = NULL;
    biased->in_a_row = 0;
    biased->needed = IN_A_ROW_FIRST;
    mmb_lock_init(&biased->lock);
}

/* `lock` held. An owner that is setting `quick` right now may set it after it was cleared, having
 * seen himself as the owner; he could then enter once more, but in that way nobody sets it: the
 * second time is the last. */
static void end_bias(struct mmb_biased *biased)
{
    __atomic_store_n(&biased->owner, NULL, __ATOMIC_RELAXED);
    do {
        __atomic_store_n(&biased->quick, NULL, __ATOMIC_RELAXED);
        mmb_barrier_threads();
        mmb_mark_wait(&biased->busy);
    } while (__atomic_load_n(&biased->quick, __ATOMIC_RELAXED));
    if (biased->needed < IN_A_ROW_LAST)
        biased->needed *= 8;
}

void mmb_biased_acquire_slowly(struct mmb_biased *biased)
{
    mmb_lock_acquire(&biased->lock);
    const void *self = __builtin_thread_pointer();
    if (biased->owner)
        end_bias(biased);
    biased->in_a_row = biased->last == self ? biased->in_a_row + 1 : 0;
    biased->last = self;
    __atomic_store_n(&biased->slow, 1, __ATOMIC_RELAXED);
}

void mmb_biased_set_quick(struct mmb_biased *biased, bool may_enter)
{
    biased->no_quick = !may_enter;
    const void *owner = __atomic_load_n(&biased->owner, __ATOMIC_RELAXED); /* may be ended */
    __atomic_store_n(&biased->quick, may_enter ? owner : NULL, __ATOMIC_RELAXED);
}

static void appoint(struct mmb_biased *biased)
{
    biased->in_a_row = 0;
    if (!biased->candidate && mmb_barrier_open())
        biased->candidate = biased->last;
    if (biased->candidate != biased->last)
        return;
    /* After a fork the candidate may be another thread, and the former one's last mark still up. */
    __atomic_store_n(&biased->busy, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&biased->owner, biased->candidate, __ATOMIC_RELAXED);
    mmb_biased_set_quick(biased, !biased->no_quick);
}

void mmb_biased_release_slowly(struct mmb_biased *biased)
{
    MMB_ASSERT(biased->slow == 1);
    __atomic_store_n(&biased->slow, 0, __ATOMIC_RELAXED);
    if (biased->in_a_row >= biased->needed)
        appoint(biased);
    mmb_lock_release(&biased->lock);
}
