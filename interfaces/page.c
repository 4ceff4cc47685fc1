/* SPDX-License-Identifier: BSD-3-Clause */
/* The scalable page strategy: size classes in spans of pages behind one lock. For general use where
 * threads are few or objects are large; memory comes and goes in chunks.
 *
 * It is the thread-local strategy with magazines for one thread at most (thread.h); here are the
 * short ways of the threads that have none. Charge, block and counts are one section under the
 * heap's lock; where credit or room does not do, or somebody has magazines, nothing is done and the
 * long way is taken. */
#include "interfaces/page.h"
#include "interfaces/heap_block.h"
#include "interfaces/thread.h"

static struct mmb_thread_allocator *page_of(struct mmb_allocator *allocator)
{
    return (struct mmb_thread_allocator *)allocator;
}

static bool is_held(const struct mmb_thread_allocator *page)
{
    return __atomic_load_n(&page->holder, __ATOMIC_RELAXED) != NULL;
}

/* Lock held: may this thread go on without magazines? Not when there is a holder, nor when it ought
 * to become that; then it asks for them, and counts from 0 again. */
static inline bool may_share(struct mmb_thread_allocator *page)
{
    const void *self = __builtin_thread_pointer();
    if (!page->slot_base)
        return true;
    if (__builtin_expect(page->last != self, 0)) {
        page->last = self;
        page->in_a_row = 0;
    }
    return ++page->in_a_row < page->needed && !is_held(page);
}

static mmbAllocation *take(struct mmb_heap *heap, size_t n_bytes)
{
    mmbAllocation *record = mmb_heap_take_quickly(heap, n_bytes);
    return record ? record : mmb_heap_take(heap, n_bytes);
}

static bool page_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                  mmbAllocation **out_record)
{
    struct mmb_thread_allocator *page = page_of(allocator);
    mmbAllocation *record = NULL;
    if (is_held(page))
        return false;
    mmb_biased_acquire(&page->heap.lock);
    if (may_share(page) && mmb_locked_account_take(&page->account, n_bytes)) {
        record = take(&page->heap, n_bytes);
        if (record) {
            uint32_t state = n_bytes > page->cached_bytes ? MMB_RECORD_LOCKED : MMB_RECORD_PLAIN;
            mmb_thread_count_shared(page);
            __atomic_store_n(&record->word, state << 24 | (uint32_t)n_bytes, __ATOMIC_RELAXED);
            *out_record = record;
        } else {
            mmb_locked_account_give(&page->account, n_bytes);
        }
    }
    mmb_locked_account_release(&page->account);
    return record != NULL;
}

/* Lock held, and released: what may empty a span. */
static __attribute__((noinline)) void put(struct mmb_thread_allocator *page, mmbAllocation *record,
                                          size_t n_bytes)
{
    uint32_t n_runs = page->heap.n_runs_put;
    mmb_heap_put(&page->heap, record);
    mmb_locked_account_give(&page->account, n_bytes);
    bool idle = page->heap.n_runs_put != n_runs;
    mmb_locked_account_release(&page->account);
    if (idle)
        mmb_heap_decay(&page->heap);
}

static bool page_free_quickly(struct mmb_allocator *allocator, mmbAllocation *record,
                              size_t n_bytes)
{
    struct mmb_thread_allocator *page = page_of(allocator);
    if (is_held(page))
        return false;
    mmb_biased_acquire(&page->heap.lock);
    bool may = may_share(page);
    if (may && !mmb_heap_put_quickly(&page->heap, record)) {
        put(page, record, n_bytes);
        return true;
    }
    if (may)
        mmb_locked_account_give(&page->account, n_bytes);
    mmb_locked_account_release(&page->account);
    return may;
}

const struct mmb_allocator_ops mmb_page_allocator = {
    .size = sizeof mmb_page_allocator,
    .name = "scalable page",
    .strategy = MMB_STRATEGY_SCALABLE_PAGE,
    MMB_THREAD_MEMBERS,
    .allocate_quickly = page_allocate_quickly,
    .free_quickly = page_free_quickly,
};
