/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread-local strategy's slow ways (thread.h): what the first instructions could not do.
 *
 * An allocation is charged first, from the thread's credit or by asking the quota, and then finds
 * its block: in the magazine, in the class's store, in the heap, in a new chunk. Nothing is asked
 * while an operation on the cache is under way, so whoever revokes never waits for somebody who
 * waits for him. Lock order: see thread_cache.c. */
#include "interfaces/thread.h"
#include <string.h>
#include "interfaces/thread_hot.h"
#include "src/base/barrier.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* Blocks per batch: 64, or as many as make 256 KiB, and less where the space is small. */
#define BATCH_BLOCKS   64u
#define BATCH_BYTES    ((size_t)256 << 10)
#define BATCH_OF_LIMIT 16u
/* A magazine holds up to 256 blocks while they make no more than 32 KiB. It gives half away when it
 * is full, so that this many may come and go without the store: 128. */
#define MAGAZINE_BLOCKS 256u
#define MAGAZINE_BYTES  ((size_t)32 << 10)
/* Batches that a class's store holds. */
#define STORE_BATCHES 8u
/* What the one cache of a scalable page keeps is in nobody else's way for long, but stays when the
 * interface is left alone: an eighth of a batch, and nothing in the store. */
#define SINGLE_BATCH_BYTES ((size_t)32 << 10)

static struct mmb_thread_allocator *thread_of(struct mmb_allocator *allocator)
{
    return (struct mmb_thread_allocator *)allocator;
}

uint32_t mmb_thread_batch(const struct mmb_thread_allocator *allocator, uint32_t class_index)
{
    size_t n = allocator->batch_bytes / mmb_class_bytes[class_index];
    size_t most = class_index >= MMB_CLASS_FIRST_LARGE ? 1 : BATCH_BLOCKS;
    return (uint32_t)(n < 1 ? 1 : n > most ? most : n);
}

uint32_t mmb_thread_capacity(const struct mmb_thread_allocator *allocator, uint32_t class_index)
{
    size_t bytes = allocator->batch_bytes;
    size_t n = (bytes < MAGAZINE_BYTES ? bytes : MAGAZINE_BYTES) / mmb_class_bytes[class_index];
    uint32_t least = 2 * mmb_thread_batch(allocator, class_index);
    return n < least ? least : n > MAGAZINE_BLOCKS ? MAGAZINE_BLOCKS : (uint32_t)n;
}

/* ---- life ---- */

/* Where memory cannot grow, blocks in a scalable page's magazines would be in the way of large
 * ones; and it would be as well without them as with those that nobody can be asked to give up. */
static bool has_magazines(const struct mmb_thread_allocator *self)
{
    if (self->base.slot >= MMB_THREAD_SLOTS)
        return false;
    return !self->is_single ||
           (mmb_barrier_open() && mmb_source_bounded(self->base.source) == SIZE_MAX);
}

static void set_magazines(struct mmb_thread_allocator *self)
{
    if (!has_magazines(self))
        return;
    bool small_only = self->is_single || self->heap.large_from < MMB_CLASS_SMALL_BYTES;
    self->slot_base = self->base.slot * MMB_SLOT_BYTES;
    self->cached_bytes = small_only ? self->heap.large_from : MMB_CLASS_MAX_BYTES;
}

mmbError mmb_thread_open(const struct mmb_allocator_request *request, struct mmb_allocator **out)
{
    mmbError error = mmb_heap_check(request->base.source);
    if (!error)
        error = mmb_caches_open();
    if (error)
        return error;
    struct mmb_thread_allocator *self = mmb_meta_alloc(sizeof *self);
    if (!self)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for an allocator");
    self->base = request->base;
    self->is_single = request->base.ops->strategy == MMB_STRATEGY_SCALABLE_PAGE;
    self->needed = MMB_SINGLE_NEEDED;
    mmb_heap_open(&self->heap, &self->base);
    mmb_list_init(&self->caches);
    set_magazines(self);
    size_t share = mmb_quota_limit(self->base.quota) / BATCH_OF_LIMIT;
    size_t most = self->is_single ? SINGLE_BATCH_BYTES : BATCH_BYTES;
    self->batch_bytes = share < most ? share : most;
    for (uint32_t c = 0; c < MMB_CLASSES && !self->is_single; c++)
        self->central[c].capacity = STORE_BATCHES * mmb_thread_batch(self, c);
    mmb_locked_account_open(&self->account, self->base.quota, &self->heap.lock);
    *out = &self->base;
    return MMB_OK;
}

void mmb_thread_close(struct mmb_allocator *allocator)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    mmb_caches_close(self);
    mmb_locked_account_close(&self->account);
    for (uint32_t c = 0; c < MMB_CLASSES; c++)
        mmb_central_flush(&self->central[c], &self->heap);
    mmb_heap_close(&self->heap);
    mmb_meta_free(self, sizeof *self);
}

void mmb_thread_fill_hot(struct mmb_allocator *allocator, struct mmb_hot *hot)
{
    const struct mmb_thread_allocator *self = thread_of(allocator);
    size_t most = self->cached_bytes;
    if (!most)
        return;
    for (uint32_t i = 1; i < MMB_HOT_ENTRIES && i * 16u <= most; i++)
        hot->magazine[i] = self->slot_base + MMB_MAGAZINE_OFFSET(mmb_class_of(i * 16u));
    hot->slot_base = self->slot_base;
    hot->cached_bytes = (uint32_t)most;
}

/* ---- charging ---- */

static bool take_credit(struct mmb_thread_cache *cache, struct mmb_quota *quota, int64_t n_bytes)
{
    mmb_cache_enter(cache);
    bool taken =
        mmb_cache_is_running(cache) && (mmb_account_take(&cache->account, n_bytes) ||
                                        mmb_account_take_sole(quota, &cache->account, n_bytes));
    mmb_cache_leave(cache);
    return taken;
}

static mmbError charge(struct mmb_thread_allocator *self, struct mmb_thread_cache *cache,
                       size_t n_bytes)
{
    if (!cache)
        return mmb_locked_account_charge(&self->account, n_bytes);
    if (n_bytes <= INT64_MAX && take_credit(cache, self->base.quota, (int64_t)n_bytes))
        return MMB_OK;
    return mmb_account_charge(self->base.quota, &cache->account, n_bytes);
}

static void uncharge(struct mmb_thread_allocator *self, struct mmb_thread_cache *cache,
                     size_t n_bytes)
{
    if (!cache) {
        mmb_locked_account_uncharge(&self->account, n_bytes);
        return;
    }
    mmb_cache_enter(cache);
    bool given = mmb_cache_is_running(cache);
    if (given)
        mmb_account_give(&cache->account, (int64_t)n_bytes);
    mmb_cache_leave(cache);
    if (!given)
        mmb_account_uncharge(self->base.quota, &cache->account, n_bytes);
}

/* ---- blocks ---- */

static mmbAllocation *pop(struct mmb_thread_cache *cache, uint32_t class_index)
{
    struct mmb_magazine *magazine = mmb_cache_magazine(cache, class_index);
    mmbAllocation *record = NULL;
    mmb_cache_enter(cache);
    mmbAllocation **top = MMB_MAGAZINE_LOAD(magazine->top);
    if (mmb_cache_is_running(cache) && mmb_magazine_has_record(magazine, top)) {
        record = top[-1];
        MMB_MAGAZINE_STORE(magazine->top, top - 1);
    }
    mmb_cache_leave(cache);
    return record;
}

/* Puts records into the magazine as far as it may and has room; returns how many are left. */
static uint32_t fill(struct mmb_thread_cache *cache, uint32_t class_index, mmbAllocation **records,
                     uint32_t n)
{
    struct mmb_magazine *magazine = mmb_cache_magazine(cache, class_index);
    if (!mmb_magazine_open(cache, class_index))
        return n;
    mmb_cache_enter(cache);
    mmbAllocation **top = MMB_MAGAZINE_LOAD(magazine->top);
    if (mmb_cache_is_running(cache)) {
        while (n > 0 && mmb_magazine_has_room(magazine, top))
            *top++ = records[--n];
        MMB_MAGAZINE_STORE(magazine->top, top);
    }
    mmb_cache_leave(cache);
    return n;
}

/* Where blocks without a magazine go. */
static void put_back(struct mmb_thread_allocator *self, mmbAllocation **records, uint32_t n)
{
    mmb_biased_acquire(&self->heap.lock);
    uint32_t n_runs = self->heap.n_runs_put;
    while (n > 0)
        mmb_heap_put(&self->heap, records[--n]);
    bool idle = self->heap.n_runs_put != n_runs;
    mmb_biased_release(&self->heap.lock);
    if (idle)
        mmb_heap_decay(&self->heap);
}

static void put_away(struct mmb_thread_allocator *self, uint32_t class_index,
                     mmbAllocation **records, uint32_t n)
{
    n = mmb_central_put(&self->central[class_index], records, n);
    if (n)
        put_back(self, records, n);
}

/* A batch from the store or the heap: one record for the caller, the others for the magazine. */
static mmbError refill(struct mmb_thread_allocator *self, struct mmb_thread_cache *cache,
                       uint32_t class_index, mmbAllocation **out_record)
{
    mmbAllocation *batch[BATCH_BLOCKS];
    bool may_keep = cache && mmb_cache_is_running(cache);
    uint32_t want = may_keep ? mmb_thread_batch(self, class_index) : 1;
    uint32_t n = mmb_central_get(&self->central[class_index], batch, want);
    while (n == 0) {
        mmb_biased_acquire(&self->heap.lock);
        n = mmb_heap_take_batch(&self->heap, class_index, batch, want);
        mmb_biased_release(&self->heap.lock);
        mmbError error = n ? MMB_OK : mmb_heap_grow(&self->heap, mmb_class_bytes[class_index]);
        if (error)
            return error;
    }
    *out_record = batch[--n];
    if (n && cache)
        n = fill(cache, class_index, batch, n);
    if (n)
        put_away(self, class_index, batch, n);
    return MMB_OK;
}

/* A block without a class: not cached. */
static mmbError take_alone(struct mmb_thread_allocator *self, size_t need,
                           mmbAllocation **out_record)
{
    for (;;) {
        mmb_biased_acquire(&self->heap.lock);
        *out_record = mmb_heap_take(&self->heap, need);
        mmb_biased_release(&self->heap.lock);
        if (*out_record)
            return MMB_OK;
        mmbError error = mmb_heap_grow(&self->heap, need);
        if (error)
            return error;
    }
}

static mmbError take_block(struct mmb_thread_allocator *self, struct mmb_thread_cache *cache,
                           size_t need, mmbAllocation **out_record)
{
    if (need > self->cached_bytes)
        return take_alone(self, need, out_record);
    uint32_t class_index = mmb_class_of(need);
    *out_record = cache ? pop(cache, class_index) : NULL;
    return *out_record ? MMB_OK : refill(self, cache, class_index, out_record);
}

static void count_allocated(struct mmb_thread_allocator *self, struct mmb_thread_cache *cache)
{
    if (cache) {
        __atomic_store_n(&cache->n_allocated, cache->n_allocated + 1, __ATOMIC_RELAXED);
        return;
    }
    mmb_biased_acquire(&self->heap.lock);
    mmb_thread_count_shared(self);
    mmb_biased_release(&self->heap.lock);
}

/* Records of a slot without magazines, and of blocks without a class, must not be freed into one.
 */
static mmbError publish(struct mmb_thread_allocator *self, mmbAllocation *record, size_t need,
                        const struct mmb_request *request)
{
    uint32_t state = need > self->cached_bytes ? MMB_RECORD_LOCKED : MMB_RECORD_PLAIN;
    size_t head = 0;
    if (request->alignment > 16) {
        struct mmb_block block;
        mmb_heap_locate(record, &block);
        head = mmb_align_head(block.chunk->memory.address + block.offset, request->alignment);
    }
    return mmb_record_publish(record, state, request->n_bytes, head, request->asked);
}

/* A block that moves takes its charge along: what is live here and what the accounts have used here
 * differ by it. */
static void count_moved(struct mmb_thread_allocator *self, int64_t n_bytes)
{
    if (n_bytes)
        __atomic_fetch_add(&self->moved_bytes, n_bytes, __ATOMIC_RELAXED);
}

mmbError mmb_thread_allocate(struct mmb_allocator *allocator, const struct mmb_request *request,
                             mmbAllocation **out_record)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    size_t n_bytes = request->n_bytes, need;
    if (!mmb_heap_request(&self->heap, n_bytes, request->alignment, &need))
        return mmb_fail(MMB_INVALID_SIZE, "allocate %zu B aligned to %zu: beyond all addresses",
                        n_bytes, request->alignment);
    struct mmb_thread_cache *cache = mmb_cache_get(self);
    mmbError error = charge(self, cache, n_bytes - request->prepaid);
    if (error)
        return error;
    mmbAllocation *record;
    error = take_block(self, cache, need, &record);
    if (error)
        goto uncharge;
    error = publish(self, record, need, request);
    if (error)
        goto put_back;
    count_allocated(self, cache);
    count_moved(self, (int64_t)request->prepaid);
    *out_record = record;
    return MMB_OK;
put_back:
    put_back(self, &record, 1);
uncharge:
    uncharge(self, cache, n_bytes - request->prepaid);
    return error;
}

/* ---- freeing ---- */

/* Makes room in a full magazine: the older half, which is the colder one, leaves it. One without
 * blocks, for want of metadata, is full and empty at once. */
static uint32_t drain(struct mmb_thread_cache *cache, uint32_t class_index, mmbAllocation **out)
{
    struct mmb_magazine *magazine = mmb_cache_magazine(cache, class_index);
    uint32_t n = 0;
    mmb_cache_enter(cache);
    mmbAllocation **top = MMB_MAGAZINE_LOAD(magazine->top), **blocks = magazine->blocks;
    if (blocks && mmb_cache_is_running(cache) && top == MMB_MAGAZINE_LOAD(magazine->high)) {
        n = (uint32_t)(top - blocks) / 2;
        memcpy(out, blocks, n * sizeof *out);
        memmove(blocks, blocks + n, (size_t)(top - blocks - n) * sizeof *blocks);
        MMB_MAGAZINE_STORE(magazine->top, top - n);
        mmb_account_settle_mark(&cache->account);
    }
    mmb_cache_leave(cache);
    return n;
}

/* False: the cache does not take it. */
static bool free_to_cache(struct mmb_thread_allocator *self, struct mmb_thread_cache *cache,
                          uint32_t class_index, mmbAllocation *record)
{
    if (fill(cache, class_index, &record, 1) == 0)
        return true;
    mmbAllocation *half[MAGAZINE_BLOCKS / 2];
    uint32_t n = drain(cache, class_index, half);
    bool taken = n && fill(cache, class_index, &record, 1) == 0;
    if (n)
        put_away(self, class_index, half, n);
    return taken;
}

mmbError mmb_thread_free(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                         size_t keep_charged)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    if (mmb_record_state(mmb_record_word(record)) == MMB_RECORD_INDIRECT)
        mmb_record_drop_extension(record);
    struct mmb_thread_cache *cache = mmb_cache_get(self);
    uint32_t offset = record->home % MMB_SLOT_BYTES;
    bool has_class = offset != 0 && self->cached_bytes;
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_FREE << 24, __ATOMIC_RELAXED);
    if (!has_class || !cache || !free_to_cache(self, cache, MMB_CLASS_OF_OFFSET(offset), record))
        put_back(self, &record, 1);
    count_moved(self, -(int64_t)keep_charged);
    uncharge(self, cache, n_bytes - keep_charged);
    return MMB_OK;
}

mmbError mmb_thread_resize(struct mmb_allocator *allocator, mmbAllocation *record, size_t old_bytes,
                           size_t new_bytes)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    struct mmb_block block;
    mmb_heap_locate(record, &block);
    if (mmb_record_head(record) + new_bytes > block.usable)
        return MMB_UNSUPPORTED;
    struct mmb_thread_cache *cache = mmb_cache_get(self);
    size_t more = new_bytes > old_bytes ? new_bytes - old_bytes : 0;
    size_t less = new_bytes < old_bytes ? old_bytes - new_bytes : 0;
    mmbError error = more ? charge(self, cache, more) : MMB_OK;
    if (error)
        return error;
    error = mmb_record_set_bytes(record, new_bytes);
    if (error)
        less = more;
    if (less)
        uncharge(self, cache, less);
    return error;
}

void mmb_thread_vacate(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                       size_t keep_charged)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    mmb_biased_acquire(&self->heap.lock);
    size_t out = self->heap.n_out;
    mmb_heap_vacate(&self->heap, record);
    self->n_vacated += out == self->heap.n_out; /* a large block went at once */
    mmb_biased_release(&self->heap.lock);
    count_moved(self, -(int64_t)keep_charged);
    uncharge(self, mmb_cache_get(self), n_bytes - keep_charged);
}

void mmb_thread_reclaim(struct mmb_allocator *allocator, mmbAllocation *record)
{
    struct mmb_thread_allocator *self = thread_of(allocator);
    mmb_biased_acquire(&self->heap.lock);
    mmb_record_drop_extension(record);
    self->n_vacated--;
    mmb_heap_reclaim(&self->heap, record);
    mmb_biased_release(&self->heap.lock);
}

const struct mmb_allocator_ops mmb_thread_allocator_ops = {
    .size = sizeof mmb_thread_allocator_ops,
    .name = "thread-local",
    .strategy = MMB_STRATEGY_THREAD_LOCAL,
    MMB_THREAD_MEMBERS,
};
