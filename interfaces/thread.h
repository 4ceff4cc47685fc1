/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread-local strategy: magazines per thread in front of a store per class in front of a heap.
 * The scalable page is the same with magazines for one thread at most: the holder, who has the heap
 * to himself. Whoever else comes takes them away first, and then all share the heap's lock until
 * one of them has it to himself for long again. */
#ifndef MMB_INTERFACES_THREAD_H
#define MMB_INTERFACES_THREAD_H
#include "interfaces/central.h"
#include "interfaces/locked_account.h"
#include "interfaces/thread_cache.h"

extern const struct mmb_allocator_ops mmb_thread_allocator_ops;

/* So many calls in a row make a thread the holder. A barrier costs some microseconds, so each
 * holder that is ended makes it eight times more. */
#define MMB_SINGLE_NEEDED      64u
#define MMB_SINGLE_NEEDED_MORE 8u
#define MMB_SINGLE_NEEDED_MOST (1u << 28)

/* `account` pays for what threads without a cache allocate, and inherits from caches that end.
 * Under heap.lock: the account and all counts below it. Under the lock of thread_cache.c: caches.
 * The holder changes under both.
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
    size_t peak_bytes;    /* the highest seen when somebody asked or a cache ended */
    int64_t moved_bytes;  /* live here but charged where they came from, less the reverse; atomic */
    uint32_t slot_base;   /* 0: without magazines, as beyond the slots that have them */
    size_t cached_bytes;  /* the largest block that magazines hold; 0: none */
    /* The scalable page's. While there is a holder, all that is used is in his account. */
    bool is_single;
    struct mmb_thread_cache *holder;
    const void *last;  /* the last thread that had the lock while there was no holder */
    uint32_t in_a_row; /* so often since another one had it */
    uint32_t needed;   /* that many make it the holder, where there are magazines */
};

/* Blocks that a magazine gets in one go, and those that it holds: two such batches at least, and so
 * many small ones that a program may allocate and free a hundred in turns within it. */
uint32_t mmb_thread_batch(const struct mmb_thread_allocator *allocator, uint32_t class_index);
uint32_t mmb_thread_capacity(const struct mmb_thread_allocator *allocator, uint32_t class_index);

/* Sums over an allocator's caches, and the highest of their peaks. */
struct mmb_caches_sum {
    int64_t used, peak, highest;
    size_t n_cached;
    uint64_t n_allocated;
};
void mmb_caches_sum(struct mmb_thread_allocator *allocator, struct mmb_caches_sum *out_sum);

/* Heap lock held: raises peak_bytes to what the accounts, caches' and the allocator's, had. */
void mmb_thread_keep_peak(struct mmb_thread_allocator *allocator, const struct mmb_caches_sum *sum);

/* Heap lock held: a block was allocated without a cache. Nobody else can tell how much that makes,
 * since the quota is told in steps where threads share it; but while the account is suspended it
 * sees every charge, and only it can tell what is used. */
static inline void mmb_thread_count_shared(struct mmb_thread_allocator *allocator)
{
    allocator->n_allocated++;
    if (!allocator->is_single || allocator->account.base.suspended)
        return;
    int64_t live = mmb_account_used(&allocator->account.base) +
                   __atomic_load_n(&allocator->moved_bytes, __ATOMIC_RELAXED);
    if (live > (int64_t)allocator->peak_bytes)
        allocator->peak_bytes = (size_t)live;
}

/* Members of the table; most of the scalable page's too. */
mmbError mmb_thread_open(const struct mmb_allocator_request *request, struct mmb_allocator **out);
void mmb_thread_close(struct mmb_allocator *allocator);
mmbError mmb_thread_allocate(struct mmb_allocator *allocator, const struct mmb_request *request,
                             mmbAllocation **out_record);
mmbError mmb_thread_free(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                         size_t keep_charged);
mmbError mmb_thread_resize(struct mmb_allocator *allocator, mmbAllocation *record, size_t old_bytes,
                           size_t new_bytes);
void mmb_thread_vacate(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                       size_t keep_charged);
void mmb_thread_reclaim(struct mmb_allocator *allocator, mmbAllocation *record);
void mmb_thread_fill_hot(struct mmb_allocator *allocator, struct mmb_hot *hot);
/* In thread_report.c. */
bool mmb_thread_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                       struct mmb_block *out_block);
mmbAllocation *mmb_thread_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                               uintptr_t address);
void mmb_thread_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user);
void mmb_thread_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats);
void mmb_thread_trim(struct mmb_allocator *allocator, size_t keep_bytes);
void mmb_thread_fork_lock(struct mmb_allocator *allocator);
void mmb_thread_fork_unlock(struct mmb_allocator *allocator);

/* What the tables of the two strategies have in common. */
#define MMB_THREAD_MEMBERS                                                                         \
    .open = mmb_thread_open, .close = mmb_thread_close, .allocate = mmb_thread_allocate,           \
    .free = mmb_thread_free, .resize = mmb_thread_resize, .vacate = mmb_thread_vacate,             \
    .reclaim = mmb_thread_reclaim, .locate = mmb_thread_locate, .find = mmb_thread_find,           \
    .for_each = mmb_thread_for_each, .get_stats = mmb_thread_get_stats, .trim = mmb_thread_trim,   \
    .fork_lock = mmb_thread_fork_lock, .fork_unlock = mmb_thread_fork_unlock,                      \
    .fill_hot = mmb_thread_fill_hot, .is_fresh = mmb_heap_is_fresh

#endif
