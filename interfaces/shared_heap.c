/* SPDX-License-Identifier: BSD-3-Clause */
/* The scalable page and thread-local strategies over a shared segment: their tables (shared.h).
 *
 * Owns the heap: its caches, shadows and the one chunk, which is the whole segment. Order in an
 * allocation: charge, take a block (private), make its handle, commit. In a free: the handle ends
 * and the charge goes back before the block is free for others. */
#include "interfaces/shared_hot.h"
#include "src/base/barrier.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"

static atomic_uint_least64_t last_serial;

/* ---- life ---- */

mmbError mmb_shared_heap_open(const struct mmb_allocator_request *request,
                              struct mmb_shared_heap *heap)
{
    struct mmb_shared_segment *segment = request->segment;
    heap->base = request->base;
    heap->serial = atomic_fetch_add(&last_serial, 4) + 4;
    heap->segment = segment;
    mmb_lock_init(&heap->shadows_lock);
    mmbError error = mmb_shared_heap_register(heap);
    if (error != MMB_OK)
        return error;
    size_t n_bytes = segment->layout.n_bytes;
    error = mmb_source_obtain(heap->base.source, n_bytes, n_bytes, 0, &heap->chunk);
    if (error != MMB_OK) {
        mmb_shared_heap_unregister(heap);
        return error;
    }
    heap->chunk->allocator = &heap->base;
    return MMB_OK;
}

void mmb_shared_heap_close(struct mmb_shared_heap *heap)
{
    mmb_shared_pay(heap);
    mmb_source_return(heap->chunk);
    mmb_shared_heap_unregister(heap);
}

static mmbError open_tables(struct mmb_shared_heap *heap)
{
    size_t n_granules = heap->segment->layout.n_granules;
    heap->table_bytes = n_granules * (sizeof *heap->shadows + sizeof *heap->owned);
    heap->shadows = mmb_os_map(heap->table_bytes);
    if (!heap->shadows)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a shared heap");
    heap->owned = (uint16_t *)(heap->shadows + n_granules);
    mmbError error = mmb_shared_caches_open(heap);
    if (error != MMB_OK)
        mmb_os_unmap(heap->shadows, heap->table_bytes);
    return error;
}

static mmbError heap_open(const struct mmb_allocator_request *request, struct mmb_allocator **out)
{
    struct mmb_shared_heap *heap = mmb_meta_alloc(sizeof *heap);
    if (!heap)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a shared heap");
    heap->collect = mmb_shared_heap_collect;
    heap->per_thread = request->base.ops->strategy == MMB_STRATEGY_THREAD_LOCAL;
    mmbError error = mmb_shared_heap_open(request, heap);
    if (error == MMB_OK) {
        error = open_tables(heap);
        if (error != MMB_OK)
            mmb_shared_heap_close(heap);
    }
    if (error != MMB_OK) {
        mmb_meta_free(heap, sizeof *heap);
        return error;
    }
    *out = &heap->base;
    return MMB_OK;
}

/* Blocks stay; the slots go with the backend. */
static void heap_close(struct mmb_allocator *allocator)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    mmb_shared_heap_collect(heap);
    atomic_fetch_add(&heap->debt, mmb_shadows_close(heap));
    mmb_shared_caches_close(heap);
    mmb_os_unmap(heap->shadows, heap->table_bytes);
    mmb_shared_heap_close(heap);
    mmb_meta_free(heap, sizeof *heap);
}

/* ---- allocating ---- */

static mmbError no_handle(size_t n_bytes)
{
    return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: no metadata for a handle", n_bytes);
}

static mmbError publish(struct mmb_shared_heap *heap, const struct mmb_request *request,
                        const struct mmb_shared_block *block, mmbAllocation **out)
{
    mmbAllocation *record = mmb_shadow_record(heap, block);
    if (!record)
        return no_handle(request->n_bytes);
    mmbError error =
        mmb_record_publish(record, MMB_RECORD_SHARED, request->n_bytes, 0, request->alignment);
    if (error != MMB_OK)
        return error;
    __atomic_fetch_or(&record->home, MMB_SHARED_CHARGED, __ATOMIC_RELEASE);
    mmb_shared_block_commit(block);
    *out = record;
    return MMB_OK;
}

/* MMB_NOT_FOUND without words: no room. */
static mmbError allocate_in(struct mmb_shared_cache *cache, const struct mmb_request *request,
                            const struct mmb_shared_want *want, struct mmb_shared_lack *lack,
                            mmbAllocation **out)
{
    struct mmb_shared_block block;
    mmbError error = MMB_NOT_FOUND;
    mmb_shared_cache_lock(cache);
    if (mmb_shared_block_take(cache, want, &block, lack)) {
        error = publish(cache->heap, request, &block, out);
        if (error != MMB_OK)
            mmb_shared_block_untake(cache, &block);
    }
    mmb_shared_cache_unlock(cache);
    return error;
}

/* Everything empty has been given back; what is left is a span of the least length, and blocks in
 * the spans of this process's other caches. */
static mmbError allocate_at_last(struct mmb_shared_cache *cache, const struct mmb_request *request,
                                 struct mmb_shared_want *want, struct mmb_shared_lack *lack,
                                 mmbAllocation **out)
{
    struct mmb_shared_heap *heap = cache->heap;
    mmb_shared_heap_collect(heap);
    mmbError error = allocate_in(cache, request, want, lack, out);
    if (error == MMB_NOT_FOUND && want->class_index != MMB_SHARED_CLASS_LARGE) {
        want->n_granules = mmb_shared_granules(heap, mmb_shared_class_bytes(want->class_index));
        error = allocate_in(cache, request, want, lack, out);
    }
    mmb_lock_acquire(&heap->caches_lock);
    struct mmb_list *node = heap->caches.next;
    while (error == MMB_NOT_FOUND && node != &heap->caches) {
        struct mmb_shared_cache *other = MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
        node = node->next;
        mmb_lock_release(&heap->caches_lock);
        if (other != cache)
            error = allocate_in(other, request, want, lack, out);
        mmb_lock_acquire(&heap->caches_lock);
    }
    mmb_lock_release(&heap->caches_lock);
    return error;
}

static mmbError no_room(const struct mmb_shared_heap *heap, size_t n_bytes, uint32_t largest)
{
    return mmb_fail(MMB_OUT_OF_MEMORY,
                    "allocate %zu B: shared heap %u of %llu B is exhausted or fragmented, its "
                    "largest free run has %llu B",
                    n_bytes, heap->segment->id, (unsigned long long)heap->segment->layout.n_bytes,
                    (unsigned long long)largest << heap->segment->layout.granule_log2);
}

static mmbError no_block(const struct mmb_shared_heap *heap, size_t n_bytes,
                         const struct mmb_shared_lack *lack)
{
    return lack->of_metadata ? no_handle(n_bytes) : no_room(heap, n_bytes, lack->largest);
}

static mmbError allocate(struct mmb_shared_heap *heap, const struct mmb_request *request,
                         mmbAllocation **out)
{
    struct mmb_shared_want want;
    struct mmb_shared_lack lack = {0, false};
    mmbError error = mmb_shared_ensure_slot(heap->segment);
    if (error == MMB_OK)
        error = mmb_shared_plan(heap, request, &want);
    if (error != MMB_OK)
        return error;
    struct mmb_shared_cache *cache = mmb_shared_cache_for(heap, request->thread);
    error = mmb_shared_charge(heap, request->n_bytes);
    if (error != MMB_OK)
        return error;
    error = allocate_in(cache, request, &want, &lack, out);
    if (__builtin_expect(error == MMB_NOT_FOUND, 0))
        error = allocate_at_last(cache, request, &want, &lack, out);
    if (__builtin_expect(error != MMB_OK, 0)) {
        mmb_shared_uncharge(heap, request->n_bytes);
        return error == MMB_NOT_FOUND ? no_block(heap, request->n_bytes, &lack) : error;
    }
    mmb_shared_count_in(heap);
    return MMB_OK;
}

static mmbError heap_allocate(struct mmb_allocator *allocator, const struct mmb_request *request,
                              mmbAllocation **out_record)
{
    return allocate(mmb_shared_heap_of(allocator), request, out_record);
}

/* ---- where a block is ---- */

static bool find_block(const struct mmb_shared_heap *heap, const mmbAllocation *record,
                       const void *host, struct mmb_shared_span *span, uint32_t *index)
{
    uint32_t home = __atomic_load_n(&record->home, __ATOMIC_ACQUIRE);
    return mmb_shared_span_find(heap->segment, mmb_shared_offset_of(heap, host), span, index) &&
           mmb_shared_generation(span, *index) == (home & MMB_SHARED_GENERATION) &&
           mmb_shared_block_is_live(span, *index);
}

static bool heap_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                        struct mmb_block *out_block)
{
    const struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    uint32_t bit, home = __atomic_load_n(&record->home, __ATOMIC_ACQUIRE);
    const struct mmb_shared_word *word = mmb_shared_word_of(record, &bit);
    if (!word || !mmb_shared_is_of_now(word, bit, home))
        return false;
    const struct mmb_shared_span *span = &word->shadow->span;
    uint32_t index = word->number * MMB_SHARED_WORD_BLOCKS + bit;
    out_block->chunk = heap->chunk;
    out_block->offset = mmb_shared_block_offset(heap->segment, span, index);
    out_block->usable = span->block_bytes;
    return true;
}

/* ---- freeing ---- */

/* False: it is not a span of the cache. *out_freed is valid otherwise. */
static bool free_own(struct mmb_shared_cache *cache, uint32_t granule, uint32_t index,
                     bool *out_freed)
{
    struct mmb_shared_heap *heap = cache->heap;
    if (__atomic_load_n(&heap->owned[granule], __ATOMIC_ACQUIRE) != cache->number)
        return false;
    mmb_shared_cache_lock(cache);
    bool is_own = heap->owned[granule] == cache->number;
    if (is_own) {
        struct mmb_shadow *shadow = heap->shadows[granule];
        *out_freed = index < shadow->span.n_blocks && mmb_shared_block_free(cache, shadow, index);
    }
    mmb_shared_cache_unlock(cache);
    return is_own;
}

static bool free_for_owner(const struct mmb_shared_span *span, uint32_t index)
{
    uint64_t bit = (uint64_t)1 << index % 64;
    if (!mmb_shared_block_is_live(span, index))
        return false;
    uint64_t before = __atomic_fetch_or(&span->words[index / 64 * 2 + 1], bit, __ATOMIC_ACQ_REL);
    return !(before & bit);
}

static mmbError give_back(struct mmb_shared_heap *heap, const struct mmb_shared_span *span,
                          uint32_t index, uint64_t thread)
{
    bool freed = false;
    struct mmb_shared_cache *cache = mmb_shared_cache_for(heap, thread);
    if (!free_own(cache, span->granule, index, &freed))
        freed = free_for_owner(span, index);
    atomic_fetch_add_explicit(&heap->n_frees, freed, memory_order_relaxed);
    if (freed)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ALLOCATION, "free: another process freed the block before");
}

static mmbError heap_free_for(struct mmb_allocator *allocator, mmbAllocation *record,
                              size_t n_bytes, uint64_t thread)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_span span;
    uint32_t index;
    bool is_live = find_block(heap, record, record->host, &span, &index);
    if (mmb_shared_uncharge_once(record))
        mmb_shared_uncharge(heap, n_bytes);
    mmb_shared_record_end(record);
    if (!is_live)
        return mmb_fail(MMB_INVALID_ALLOCATION, "free: another process freed the block before");
    return give_back(heap, &span, index, thread);
}

static mmbError heap_free(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                          size_t keep_charged)
{
    (void)keep_charged;
    return heap_free_for(allocator, record, n_bytes, 0);
}

/* Its host pointer leads to the new block already, its home object still here. */
static void heap_vacate(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                        size_t keep_charged)
{
    (void)keep_charged;
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_span span;
    uint64_t offset;
    uint32_t index;
    bool is_live = mmb_shadow_detach(heap, record, &offset) &&
                   find_block(heap, record, heap->segment->base + offset, &span, &index);
    if (mmb_shared_uncharge_once(record))
        mmb_shared_uncharge(heap, n_bytes);
    if (is_live)
        give_back(heap, &span, index, 0);
}

static void heap_reclaim(struct mmb_allocator *allocator, mmbAllocation *record)
{
    (void)allocator;
    (void)record;
}

static mmbError heap_resize(struct mmb_allocator *allocator, mmbAllocation *record,
                            size_t old_bytes, size_t new_bytes)
{
    struct mmb_block block;
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    if (!heap_locate(allocator, record, &block) || new_bytes > block.usable)
        return MMB_UNSUPPORTED;
    bool is_charged = __atomic_load_n(&record->home, __ATOMIC_ACQUIRE) & MMB_SHARED_CHARGED;
    mmbError error = MMB_OK;
    if (is_charged && new_bytes > old_bytes)
        error = mmb_shared_charge(heap, new_bytes - old_bytes);
    if (error != MMB_OK)
        return error;
    error = mmb_record_set_bytes(record, new_bytes);
    if (error != MMB_OK)
        new_bytes = old_bytes < new_bytes ? new_bytes : old_bytes;
    if (is_charged && error != MMB_OK && new_bytes > old_bytes)
        mmb_shared_uncharge(heap, new_bytes - old_bytes);
    else if (is_charged && new_bytes < old_bytes)
        mmb_shared_uncharge(heap, old_bytes - new_bytes);
    return error;
}

/* ---- asking ---- */

static mmbAllocation *heap_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                                uintptr_t address)
{
    (void)chunk;
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_span span;
    uint32_t index;
    mmbAllocation *record;
    uint64_t offset = mmb_shared_offset_of(heap, (const void *)address);
    if (!mmb_shared_span_find(heap->segment, offset, &span, &index) ||
        !mmb_shared_block_is_live(&span, index))
        return NULL;
    offset = mmb_shared_block_offset(heap->segment, &span, index);
    return mmb_shadow_import_raw(heap, offset, &record) == MMB_OK ? record : NULL;
}

static mmbError heap_import(struct mmb_allocator *allocator, uint64_t offset,
                            mmbAllocation **out_record)
{
    return mmb_shadow_import(mmb_shared_heap_of(allocator), offset, out_record);
}

static void heap_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user)
{
    mmb_shadows_for_each(mmb_shared_heap_of(allocator), visit, user);
}

static size_t heap_in_use(struct mmb_allocator *allocator)
{
    return mmb_shadows_in_use(mmb_shared_heap_of(allocator));
}

void mmb_shared_fill_stats(struct mmb_shared_heap *heap, size_t live_bytes, size_t live_count,
                           struct mmb_allocator_stats *out)
{
    size_t peak = atomic_load(&heap->peak);
    while (peak < live_bytes && !atomic_compare_exchange_weak(&heap->peak, &peak, live_bytes))
        continue;
    out->live_bytes = live_bytes;
    out->live_count = live_count;
    out->peak_bytes = atomic_load(&heap->peak);
    out->total_allocations = atomic_load(&heap->n_allocations);
    out->total_frees = atomic_load(&heap->n_frees);
}

static void add_runners(struct mmb_shared_heap *heap, struct mmb_allocator_stats *out)
{
    mmb_lock_acquire(&heap->caches_lock);
    MMB_LIST_FOR_EACH (node, &heap->caches) {
        struct mmb_shared_cache *cache = MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
        out->total_allocations += mmb_tally_count(&cache->n_allocated);
        out->total_frees += mmb_tally_count(&cache->n_freed);
    }
    mmb_lock_release(&heap->caches_lock);
}

static void heap_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_usage usage;
    mmb_shared_usage(heap->segment, &usage);
    mmb_shared_fill_stats(heap, usage.live_bytes, usage.live_count, out_stats);
    add_runners(heap, out_stats);
}

static void heap_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    (void)keep_bytes;
    mmb_shared_heap_collect(mmb_shared_heap_of(allocator));
}

/* Instead of magazines there are pockets in a cache; none for blocks with packed generations. */
static void heap_fill_hot(struct mmb_allocator *allocator, struct mmb_hot *hot)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    size_t most = (size_t)1 << heap->segment->layout.granule_log2;
    for (uint32_t i = 1; i < MMB_HOT_ENTRIES && i * 16u <= most; i++)
        hot->magazine[i] = mmb_shared_generation_bits(i * 16u) == 8
                               ? mmb_shared_pocket_offset(mmb_shared_class_of(i * 16u))
                               : (uint32_t)offsetof(struct mmb_shared_cache, no_pocket);
    heap->is_hot = mmb_barrier_open();
    hot->cached_bytes = (uint32_t)most;
    hot->serial = heap->serial;
}

/* A block's bytes may be another process's: nothing of its charge can be kept for another block. */
#define SHARED_HEAP_OPS                                                                            \
    .size = sizeof(struct mmb_allocator_ops), .is_positional = true, .open = heap_open,            \
    .close = heap_close, .allocate = heap_allocate, .free = heap_free, .resize = heap_resize,      \
    .vacate = heap_vacate, .reclaim = heap_reclaim, .locate = heap_locate, .find = heap_find,      \
    .for_each = heap_for_each, .get_stats = heap_get_stats, .trim = heap_trim,                     \
    .fork_lock = mmb_shared_heap_fork_lock, .fork_unlock = mmb_shared_heap_fork_unlock,            \
    .in_use = heap_in_use, .import = heap_import, .free_for = heap_free_for,                       \
    .allocate_quickly = mmb_shared_allocate_quickly, .fill_hot = heap_fill_hot

const struct mmb_allocator_ops mmb_shared_page_ops = {
    .name = "shared scalable page",
    .strategy = MMB_STRATEGY_SCALABLE_PAGE,
    SHARED_HEAP_OPS,
};

const struct mmb_allocator_ops mmb_shared_thread_ops = {
    .name = "shared thread-local",
    .strategy = MMB_STRATEGY_THREAD_LOCAL,
    SHARED_HEAP_OPS,
};

const struct mmb_allocator_ops *mmb_shared_strategy_ops(uint32_t strategy)
{
    if (strategy == MMB_STRATEGY_STACK)
        return &mmb_shared_stack_ops;
    return strategy == MMB_STRATEGY_SCALABLE_PAGE ? &mmb_shared_page_ops : &mmb_shared_thread_ops;
}
