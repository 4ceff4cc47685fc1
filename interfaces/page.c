/* SPDX-License-Identifier: BSD-3-Clause */
/* The scalable page strategy: size classes in spans of pages behind one lock. For general use where
 * threads are few or objects are large; memory comes and goes in chunks.
 *
 * Owns the heap, its counts and its account, all under the heap's lock. Where the credit does not
 * do, the quota is asked without it. */
#include "interfaces/page.h"
#include "interfaces/heap_block.h"
#include "interfaces/locked_account.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* All under heap.lock. n_taken - n_put blocks and live_bytes are handed out with their bytes here.
 * The account's credit pays for blocks without asking the quota. */
struct page_allocator {
    struct mmb_allocator base;
    struct mmb_heap heap;
    struct mmb_locked_account account;
    uint64_t n_taken, n_put;
    size_t live_bytes, peak_bytes;
};

static struct page_allocator *page_of(struct mmb_allocator *allocator)
{
    return (struct page_allocator *)allocator;
}

static mmbError page_open(const struct mmb_allocator_request *request, struct mmb_allocator **out)
{
    mmbError error = mmb_heap_check(request->base.source);
    if (error)
        return error;
    struct page_allocator *page = mmb_meta_alloc(sizeof *page);
    if (!page)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a page allocator");
    page->base = request->base;
    mmb_heap_open(&page->heap, &page->base);
    mmb_locked_account_open(&page->account, page->base.quota, &page->heap.lock);
    *out = &page->base;
    return MMB_OK;
}

static void page_close(struct mmb_allocator *allocator)
{
    struct page_allocator *page = page_of(allocator);
    mmb_locked_account_close(&page->account);
    mmb_heap_close(&page->heap);
    mmb_meta_free(page, sizeof *page);
}

/* A block that replaces another is no higher peak until the other one's part is gone. */
static inline void count_in(struct page_allocator *page, size_t n_bytes, size_t prepaid)
{
    page->n_taken++;
    page->live_bytes += n_bytes;
    if (page->live_bytes - prepaid > page->peak_bytes)
        page->peak_bytes = page->live_bytes - prepaid;
}

static inline void count_out(struct page_allocator *page, size_t n_bytes)
{
    page->n_put++;
    page->live_bytes -= n_bytes;
}

/* Lock held. NULL when there is no room. */
static mmbAllocation *take_block(struct page_allocator *page, const struct mmb_request *request,
                                 size_t need)
{
    mmbAllocation *record = mmb_heap_take(&page->heap, need);
    if (!record)
        return NULL;
    count_in(page, request->n_bytes, request->prepaid);
    return record;
}

/* Charges and takes a block; in one step where credit and room are at hand. */
static mmbError take(struct page_allocator *page, const struct mmb_request *request, size_t need,
                     mmbAllocation **out)
{
    size_t charge = request->n_bytes - request->prepaid;
    mmb_biased_acquire(&page->heap.lock);
    bool charged = mmb_locked_account_take(&page->account, charge);
    mmbAllocation *record = charged ? take_block(page, request, need) : NULL;
    mmb_biased_release(&page->heap.lock);
    mmbError error = MMB_OK;
    if (!charged) {
        error = mmb_account_charge(page->base.quota, &page->account.base, charge);
        if (error)
            return error;
    }
    while (!record) {
        mmb_biased_acquire(&page->heap.lock);
        record = take_block(page, request, need);
        mmb_biased_release(&page->heap.lock);
        if (!record)
            error = mmb_heap_grow(&page->heap, need);
        if (error) {
            mmb_locked_account_uncharge(&page->account, charge);
            return error;
        }
    }
    *out = record;
    return MMB_OK;
}

static void untake(struct page_allocator *page, mmbAllocation *record,
                   const struct mmb_request *request)
{
    mmb_biased_acquire(&page->heap.lock);
    page->n_taken--;
    page->live_bytes -= request->n_bytes;
    mmb_heap_put(&page->heap, record);
    mmb_locked_account_give(&page->account, request->n_bytes - request->prepaid);
    mmb_locked_account_release(&page->account);
}

/* Makes the block a live, aligned record. */
static mmbError publish(mmbAllocation *record, const struct mmb_request *request)
{
    size_t head = 0;
    if (request->alignment > 16) {
        struct mmb_block block;
        mmb_heap_locate(record, &block);
        head = mmb_align_head(block.chunk->memory.address + block.offset, request->alignment);
    }
    return mmb_record_publish(record, MMB_RECORD_LOCKED, request->n_bytes, head, request->asked);
}

static mmbError page_allocate(struct mmb_allocator *allocator, const struct mmb_request *request,
                              mmbAllocation **out_record)
{
    struct page_allocator *page = page_of(allocator);
    size_t n_bytes = request->n_bytes, need;
    if (!mmb_heap_request(&page->heap, n_bytes, request->alignment, &need))
        return mmb_fail(MMB_INVALID_SIZE, "allocate %zu B aligned to %zu: beyond all addresses",
                        n_bytes, request->alignment);
    mmbAllocation *record;
    mmbError error = take(page, request, need, &record);
    if (error)
        return error;
    error = publish(record, request);
    if (error) {
        untake(page, record, request);
        return error;
    }
    *out_record = record;
    return MMB_OK;
}

static bool page_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                  mmbAllocation **out_record)
{
    struct page_allocator *page = page_of(allocator);
    mmbAllocation *record = NULL;
    mmb_biased_acquire(&page->heap.lock);
    if (mmb_locked_account_take(&page->account, n_bytes)) {
        record = mmb_heap_take_quickly(&page->heap, n_bytes);
        if (!record)
            record = mmb_heap_take(&page->heap, n_bytes);
        if (record) {
            count_in(page, n_bytes, 0);
            __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_LOCKED << 24 | (uint32_t)n_bytes,
                             __ATOMIC_RELAXED);
            *out_record = record;
        } else {
            mmb_locked_account_give(&page->account, n_bytes);
        }
    }
    mmb_locked_account_release(&page->account);
    return record != NULL;
}

/* Lock held, and released. */
static __attribute__((noinline)) void put_block(struct page_allocator *page, mmbAllocation *record,
                                                size_t n_bytes, size_t keep_charged)
{
    uint32_t n_runs = page->heap.n_runs_put;
    count_out(page, n_bytes);
    mmb_heap_put(&page->heap, record);
    mmb_locked_account_give(&page->account, n_bytes - keep_charged);
    bool idle = page->heap.n_runs_put != n_runs;
    mmb_locked_account_release(&page->account);
    if (idle)
        mmb_heap_decay(&page->heap);
}

static bool page_free_quickly(struct mmb_allocator *allocator, mmbAllocation *record,
                              size_t n_bytes)
{
    struct page_allocator *page = page_of(allocator);
    mmb_biased_acquire(&page->heap.lock);
    if (mmb_heap_put_quickly(&page->heap, record)) {
        count_out(page, n_bytes);
        mmb_locked_account_give(&page->account, n_bytes);
        mmb_locked_account_release(&page->account);
    } else {
        put_block(page, record, n_bytes, 0);
    }
    return true;
}

static mmbError page_free(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                          size_t keep_charged)
{
    struct page_allocator *page = page_of(allocator);
    mmb_biased_acquire(&page->heap.lock);
    if (mmb_record_state(mmb_record_word(record)) == MMB_RECORD_INDIRECT)
        mmb_record_drop_extension(record);
    put_block(page, record, n_bytes, keep_charged);
    return MMB_OK;
}

static mmbError page_resize(struct mmb_allocator *allocator, mmbAllocation *record,
                            size_t old_bytes, size_t new_bytes)
{
    struct page_allocator *page = page_of(allocator);
    struct mmb_block block;
    mmb_heap_locate(record, &block);
    if (mmb_record_head(record) + new_bytes > block.usable)
        return MMB_UNSUPPORTED;
    mmbError error = MMB_OK;
    if (new_bytes > old_bytes)
        error = mmb_locked_account_charge(&page->account, new_bytes - old_bytes);
    if (error)
        return error;
    error = mmb_record_set_bytes(record, new_bytes);
    if (error) {
        mmb_locked_account_uncharge(&page->account, new_bytes - old_bytes);
        return error;
    }
    mmb_biased_acquire(&page->heap.lock);
    page->live_bytes += new_bytes - old_bytes; /* modulo 2^64, so it may shrink */
    if (page->live_bytes > page->peak_bytes)
        page->peak_bytes = page->live_bytes;
    if (new_bytes < old_bytes)
        mmb_locked_account_give(&page->account, old_bytes - new_bytes);
    mmb_locked_account_release(&page->account);
    return MMB_OK;
}

static void page_vacate(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                        size_t keep_charged)
{
    struct page_allocator *page = page_of(allocator);
    mmb_biased_acquire(&page->heap.lock);
    count_out(page, n_bytes);
    mmb_heap_vacate(&page->heap, record);
    mmb_locked_account_give(&page->account, n_bytes - keep_charged);
    mmb_locked_account_release(&page->account);
}

static void page_reclaim(struct mmb_allocator *allocator, mmbAllocation *record)
{
    struct page_allocator *page = page_of(allocator);
    mmb_biased_acquire(&page->heap.lock);
    mmb_record_drop_extension(record);
    mmb_heap_reclaim(&page->heap, record);
    mmb_biased_release(&page->heap.lock);
}

static bool page_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                        struct mmb_block *out_block)
{
    (void)allocator;
    mmb_heap_locate(record, out_block);
    return true;
}

static mmbAllocation *page_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                                uintptr_t address)
{
    return mmb_heap_find(chunk, &page_of(allocator)->heap, address);
}

static void page_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user)
{
    struct page_allocator *page = page_of(allocator);
    mmb_biased_acquire(&page->heap.lock);
    mmb_heap_for_each(&page->heap, visit, user);
    mmb_biased_release(&page->heap.lock);
}

static void page_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats)
{
    struct page_allocator *page = page_of(allocator);
    mmb_biased_acquire(&page->heap.lock);
    out_stats->live_bytes = page->live_bytes;
    out_stats->peak_bytes = page->peak_bytes;
    out_stats->live_count = page->n_taken - page->n_put;
    out_stats->total_allocations = page->n_taken;
    out_stats->total_frees = page->n_put;
    mmb_biased_release(&page->heap.lock);
}

static void page_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    mmb_heap_trim(&page_of(allocator)->heap, keep_bytes);
}

static void page_fork_lock(struct mmb_allocator *allocator)
{
    mmb_biased_acquire(&page_of(allocator)->heap.lock);
}

static void page_fork_unlock(struct mmb_allocator *allocator)
{
    mmb_biased_release(&page_of(allocator)->heap.lock);
}

const struct mmb_allocator_ops mmb_page_allocator = {
    .size = sizeof mmb_page_allocator,
    .name = "scalable page",
    .strategy = MMB_STRATEGY_SCALABLE_PAGE,
    .open = page_open,
    .close = page_close,
    .allocate = page_allocate,
    .free = page_free,
    .resize = page_resize,
    .vacate = page_vacate,
    .reclaim = page_reclaim,
    .locate = page_locate,
    .find = page_find,
    .for_each = page_for_each,
    .get_stats = page_get_stats,
    .trim = page_trim,
    .allocate_quickly = page_allocate_quickly,
    .free_quickly = page_free_quickly,
    .fork_lock = page_fork_lock,
    .fork_unlock = page_fork_unlock,
};
