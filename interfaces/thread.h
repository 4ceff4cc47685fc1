/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread-local strategy: magazines per thread in front of a store per class in front of a heap.
 */
#ifndef MMB_INTERFACES_THREAD_H
#define MMB_INTERFACES_THREAD_H
#include "interfaces/central.h"
#include "interfaces/locked_account.h"
#include "interfaces/thread_cache.h"

extern const struct mmb_allocator_ops mmb_thread_allocator_ops;

/* `account` pays for what threads without a cache allocate, and inherits from caches that end.
 * Under heap.lock: the account and all counts below it. Under the lock of thread_cache.c: caches.
 */
struct mmb_thread_allocator {
    struct mmb_allocator base;
    struct mmb_heap heap;
    struct mmb_locked_account account;
    struct mmb_central central[MMB_CLASSES];
    struct mmb_list caches;
    size_t batch_bytes;
    uint64_t n_allocated; /* by threads without a cache, by caches that ended, without a magazine */
    size_t n_vacated;     /* small blocks that idle because their handle moved away */
    size_t peak_bytes;    /* the highest seen when somebody asked */
    int64_t moved_bytes;  /* live here but charged where they came from, less the reverse; atomic */
    uint32_t slot_base;   /* 0: beyond the slots with magazines */
    size_t cached_bytes;  /* the largest block that magazines hold; 0: none */
};

/* Blocks that move between a magazine and the store in one go; a magazine holds two such batches.
 */
uint32_t mmb_thread_batch(const struct mmb_thread_allocator *allocator, uint32_t class_index);
static inline uint32_t mmb_thread_capacity(const struct mmb_thread_allocator *allocator,
                                           uint32_t class_index)
{
    return 2 * mmb_thread_batch(allocator, class_index);
}

/* Sums over an allocator's caches. */
struct mmb_caches_sum {
    int64_t used, peak;
    size_t n_cached;
    uint64_t n_allocated;
};
void mmb_caches_sum(struct mmb_thread_allocator *allocator, struct mmb_caches_sum *out_sum);

/* Members of the table, in thread_report.c. */
bool mmb_thread_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                       struct mmb_block *out_block);
mmbAllocation *mmb_thread_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                               uintptr_t address);
void mmb_thread_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user);
void mmb_thread_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats);
void mmb_thread_trim(struct mmb_allocator *allocator, size_t keep_bytes);
void mmb_thread_fork_lock(struct mmb_allocator *allocator);
void mmb_thread_fork_unlock(struct mmb_allocator *allocator);

#endif
