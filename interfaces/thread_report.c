/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of a thread-local allocator, and giving its empty memory back.
 *
 * Owns nothing. Counts are put together from the caches' own, which run on meanwhile: exact when no
 * thread is inside a call. Lock order: see thread_cache.c. */
#include "interfaces/thread.h"

static struct mmb_thread_allocator *thread_of(struct mmb_allocator *allocator)
{
    return (struct mmb_thread_allocator *)allocator;
}

bool mmb_thread_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                       struct mmb_block *out_block)
{
    (void)allocator;
    mmb_heap_locate(record, out_block);
    return true;
}

mmbAllocation *mmb_thread_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                               uintptr_t address)
{
    return mmb_heap_find(chunk, &thread_of(allocator)->heap, address);
}

void mmb_thread_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    mmb_biased_acquire(&self->heap.lock);
    mmb_heap_for_each(&self->heap, visit, user);
    mmb_biased_release(&self->heap.lock);
}

static size_t stored(struct mmb_thread_allocator *self)
{
    size_t n = 0;
    for (uint32_t c = 0; c < MMB_CLASSES; c++)
        n += __atomic_load_n(&self->central[c].n, __ATOMIC_RELAXED);
    return n;
}

/* What a scalable page uses is in one account at a time. */
static size_t highest_used(const struct mmb_thread_allocator *self,
                           const struct mmb_caches_sum *sum)
{
    int64_t shared = __atomic_load_n(&self->account.base.peak, __ATOMIC_RELAXED);
    if (!self->is_single)
        return (size_t)(sum->peak + shared);
    return (size_t)(sum->highest > shared ? sum->highest : shared);
}

/* Threads need not have had their highest at one time; but together they never had more than the
 * space. */
void mmb_thread_keep_peak(struct mmb_thread_allocator *self, const struct mmb_caches_sum *sum)
{
    size_t peak = highest_used(self, sum), most = mmb_quota_peak(self->base.quota);
    if (peak > most)
        peak = most;
    if (peak > self->peak_bytes)
        self->peak_bytes = peak;
}

void mmb_thread_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    struct mmb_caches_sum sum;
    mmb_caches_sum(self, &sum);
    mmb_biased_acquire(&self->heap.lock);
    int64_t bytes = sum.used + mmb_account_used(&self->account.base) +
                    __atomic_load_n(&self->moved_bytes, __ATOMIC_RELAXED);
    out_stats->live_bytes = bytes > 0 ? (size_t)bytes : 0;
    size_t idle = self->n_vacated + sum.n_cached + stored(self); /* read one after the other */
    out_stats->live_count = self->heap.n_out > idle ? self->heap.n_out - idle : 0;
    out_stats->total_allocations = self->n_allocated + sum.n_allocated;
    out_stats->total_frees = out_stats->total_allocations - out_stats->live_count;
    mmb_thread_keep_peak(self, &sum);
    if (out_stats->live_bytes > self->peak_bytes)
        self->peak_bytes = out_stats->live_bytes;
    out_stats->peak_bytes = self->peak_bytes;
    mmb_biased_release(&self->heap.lock);
}

void mmb_thread_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    mmb_caches_flush(self);
    mmb_heap_trim(&self->heap, keep_bytes);
}

void mmb_thread_fork_lock(struct mmb_allocator *allocator)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    for (uint32_t c = 0; c < MMB_CLASSES; c++)
        mmb_lock_acquire(&self->central[c].lock);
    mmb_biased_acquire(&self->heap.lock);
}

void mmb_thread_fork_unlock(struct mmb_allocator *allocator)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    mmb_biased_release(&self->heap.lock);
    for (uint32_t c = 0; c < MMB_CLASSES; c++)
        mmb_lock_release(&self->central[c].lock);
}
