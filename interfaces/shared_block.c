/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of a cache's spans: taking, freeing, collecting what others freed (shared.h).
 *
 * All under the cache's lock. What is free is known from private masks, made from A and F when a
 * word comes into use; the segment changes by one store per block, so a process may die anywhere.
 * Spans with room stand first in the list of their class. A span that is empty goes back when its
 * class has another one to allocate from. */
#include "interfaces/shared.h"

/* Spans that are looked through for what others freed before a new one is made. */
#define COLLECT_AT_ONCE 4u

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static struct mmb_shared_segment *segment_of(const struct mmb_shared_cache *cache)
{
    return cache->heap->segment;
}

static uint32_t list_of(const struct mmb_shadow *shadow)
{
    uint32_t class_index = shadow->span.class_index;
    return class_index == MMB_SHARED_CLASS_LARGE ? MMB_SHARED_LIST_LARGE : class_index;
}

static struct mmb_shadow *shadow_at(struct mmb_list *node)
{
    return MMB_CONTAINER_OF(node, struct mmb_shadow, link);
}

/* ---- collecting ---- */

static void expire(struct mmb_shared_cache *cache, struct mmb_shadow *shadow, uint32_t w,
                   uint64_t freed)
{
    for (; freed; freed &= freed - 1) {
        mmbAllocation *record = shadow->records[w * 64 + (uint32_t)__builtin_ctzll(freed)];
        if (record && mmb_record_is_live(record))
            cache->owed += mmb_shadow_expire(record);
    }
}

/* Idempotent, so it may be cut off anywhere: A first, then F. */
static void collect_word(struct mmb_shared_cache *cache, struct mmb_shadow *shadow, uint32_t w)
{
    uint64_t *words = &shadow->span.words[2 * w];
    uint64_t marks = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
    if (__builtin_expect(marks == 0, 1))
        return;
    uint64_t allocated = load(&words[0]), freed = allocated & marks;
    freed &= mmb_shared_span_mask(&shadow->span, w);
    __atomic_store_n(&words[0], allocated & ~marks, __ATOMIC_RELEASE);
    __atomic_fetch_and(&words[1], ~marks, __ATOMIC_ACQ_REL);
    expire(cache, shadow, w, freed);
    uint32_t n = (uint32_t)__builtin_popcountll(freed);
    shadow->n_taken -= n < shadow->n_taken ? n : shadow->n_taken;
    if (freed)
        shadow->open |= (uint64_t)1 << w;
}

static void collect_span(struct mmb_shared_cache *cache, struct mmb_shadow *shadow)
{
    for (uint32_t w = 0; w < mmb_shared_span_words(&shadow->span); w++)
        collect_word(cache, shadow, w);
    if (shadow->open) {
        mmb_list_remove(&shadow->link);
        mmb_list_push_front(&cache->spans[list_of(shadow)], &shadow->link);
    }
}

static void release_span(struct mmb_shared_cache *cache, struct mmb_shadow *shadow)
{
    struct mmb_shared_segment *segment = segment_of(cache);
    struct mmb_shared_span now;
    if (list_of(shadow) != MMB_SHARED_LIST_LARGE) {
        struct mmb_shared_bin *bin = &cache->bins[shadow->span.class_index];
        if (bin->shadow == shadow)
            *bin = (struct mmb_shared_bin){NULL, 0, 0};
    }
    struct mmb_shared_span span = shadow->span;
    mmb_shadow_drop(cache->heap, shadow);
    mmb_shared_lock(segment, cache->slot);
    bool is_ours = mmb_shared_span_at(segment, span.granule, &now) &&
                   now.owner == cache->slot + 1 && mmb_shared_span_live(&now) == 0;
    if (is_ours)
        mmb_shared_span_free(segment, &now);
    mmb_shared_unlock(segment);
}

void mmb_shared_cache_collect(struct mmb_shared_cache *cache)
{
    for (uint32_t list = 0; list < MMB_SHARED_LISTS; list++)
        MMB_LIST_FOR_EACH_SAFE (node, next, &cache->spans[list]) {
            struct mmb_shadow *shadow = shadow_at(node);
            for (uint32_t w = 0; w < mmb_shared_span_words(&shadow->span); w++)
                collect_word(cache, shadow, w);
            if (shadow->n_taken == 0)
                release_span(cache, shadow);
        }
}

void mmb_shared_heap_collect(struct mmb_shared_heap *heap)
{
    mmb_lock_acquire(&heap->caches_lock);
    MMB_LIST_FOR_EACH (node, &heap->caches) {
        struct mmb_shared_cache *cache = MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
        mmb_shared_cache_lock(cache);
        mmb_shared_cache_collect(cache);
        size_t owed = cache->owed;
        cache->owed = 0;
        mmb_lock_release(&cache->lock);
        atomic_fetch_add_explicit(&heap->debt, owed, memory_order_relaxed);
    }
    mmb_lock_release(&heap->caches_lock);
    mmb_shared_pay(heap);
    if (mmb_shared_ensure_slot(heap->segment) == MMB_OK)
        mmb_shared_sweep(heap->segment, heap->segment->slot);
}

/* ---- taking ---- */

/* Makes a word of an own span the bin's; false: nothing is free in it. */
static bool use_word(struct mmb_shared_cache *cache, struct mmb_shared_bin *bin,
                     struct mmb_shadow *shadow, uint32_t w)
{
    collect_word(cache, shadow, w);
    shadow->open &= ~((uint64_t)1 << w);
    uint64_t free_bits = ~load(&shadow->span.words[2 * w]) & mmb_shared_span_mask(&shadow->span, w);
    *bin = (struct mmb_shared_bin){shadow, free_bits, w};
    return free_bits != 0;
}

static bool use_span(struct mmb_shared_cache *cache, struct mmb_shared_bin *bin,
                     struct mmb_shadow *shadow)
{
    while (shadow->open)
        if (use_word(cache, bin, shadow, (uint32_t)__builtin_ctzll(shadow->open)))
            return true;
    return false;
}

static uint64_t all_words(const struct mmb_shared_span *span)
{
    uint32_t n_words = mmb_shared_span_words(span);
    return n_words == 64 ? ~(uint64_t)0 : ((uint64_t)1 << n_words) - 1;
}

static struct mmb_shadow *new_span(struct mmb_shared_cache *cache,
                                   const struct mmb_shared_want *want, uint32_t *out_largest)
{
    struct mmb_shared_span span;
    if (cache->slot == MMB_SHARED_NO_SLOT ||
        !mmb_shared_span_take(segment_of(cache), cache->slot, want, &span, out_largest))
        return NULL;
    struct mmb_shadow *shadow = mmb_shadow_make(cache->heap, &span, cache);
    if (!shadow)
        return NULL; /* empty, ours: given back with the slot */
    shadow->open = all_words(&span);
    mmb_list_push_front(&cache->spans[list_of(shadow)], &shadow->link);
    return shadow;
}

/* The spans at the end of the list are those that were looked at longest ago. */
static bool collect_some(struct mmb_shared_cache *cache, struct mmb_shared_bin *bin,
                         struct mmb_list *list)
{
    for (uint32_t i = 0; i < COLLECT_AT_ONCE && !mmb_list_is_empty(list); i++) {
        struct mmb_shadow *shadow = shadow_at(list->prev);
        mmb_list_remove(&shadow->link);
        mmb_list_push_front(list, &shadow->link);
        collect_span(cache, shadow);
        if (use_span(cache, bin, shadow))
            return true;
    }
    return false;
}

static bool refill(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                   uint32_t *out_largest)
{
    struct mmb_shared_bin *bin = &cache->bins[want->class_index];
    struct mmb_list *list = &cache->spans[want->class_index];
    if (bin->shadow && use_span(cache, bin, bin->shadow))
        return true;
    while (!mmb_list_is_empty(list) && shadow_at(list->next)->open) {
        struct mmb_shadow *shadow = shadow_at(list->next);
        if (use_span(cache, bin, shadow))
            return true;
        mmb_list_remove(&shadow->link);
        mmb_list_push_back(list, &shadow->link);
    }
    if (collect_some(cache, bin, list))
        return true;
    struct mmb_shadow *shadow = new_span(cache, want, out_largest);
    return shadow && use_span(cache, bin, shadow);
}

static bool take_large(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                       struct mmb_shared_block *out, uint32_t *out_largest)
{
    struct mmb_shadow *shadow = new_span(cache, want, out_largest);
    if (!shadow)
        return false;
    shadow->open = 0;
    shadow->n_taken = 1;
    *out = (struct mmb_shared_block){shadow, 0};
    return true;
}

bool mmb_shared_block_take(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                           struct mmb_shared_block *out, uint32_t *out_largest)
{
    if (want->class_index == MMB_SHARED_CLASS_LARGE)
        return take_large(cache, want, out, out_largest);
    struct mmb_shared_bin *bin = &cache->bins[want->class_index];
    if (bin->mask == 0 && !refill(cache, want, out_largest))
        return false;
    *out = (struct mmb_shared_block){bin->shadow,
                                     bin->word * 64 + (uint32_t)__builtin_ctzll(bin->mask)};
    bin->mask &= bin->mask - 1;
    bin->shadow->n_taken++;
    return true;
}

/* A block of an own span can be had again. */
static void open_block(struct mmb_shared_cache *cache, struct mmb_shadow *shadow, uint32_t index)
{
    uint32_t w = index / 64, list = list_of(shadow);
    struct mmb_shared_bin *bin = list == MMB_SHARED_LIST_LARGE ? NULL : &cache->bins[list];
    shadow->n_taken -= shadow->n_taken > 0;
    bool is_current = bin && bin->shadow == shadow;
    if (is_current && bin->word == w) {
        bin->mask |= (uint64_t)1 << index % 64;
        return;
    }
    bool was_closed = shadow->open == 0;
    shadow->open |= (uint64_t)1 << w;
    if (shadow->n_taken == 0 && !is_current) {
        release_span(cache, shadow);
    } else if (was_closed) {
        mmb_list_remove(&shadow->link);
        mmb_list_push_front(&cache->spans[list], &shadow->link);
    }
}

void mmb_shared_block_untake(struct mmb_shared_cache *cache, const struct mmb_shared_block *block)
{
    open_block(cache, block->shadow, block->index);
}

/* A mark that a mistaken free left while the block was free must not make it free again. */
void mmb_shared_block_commit(const struct mmb_shared_block *block)
{
    const struct mmb_shared_span *span = &block->shadow->span;
    uint64_t *words = &span->words[block->index / 64 * 2];
    uint64_t bit = (uint64_t)1 << block->index % 64;
    if (__builtin_expect((load(&words[1]) & bit) != 0, 0))
        __atomic_fetch_and(&words[1], ~bit, __ATOMIC_RELAXED);
    if (__builtin_expect((load(&span->spared[block->index / 64]) & bit) != 0, 0))
        __atomic_fetch_and(&span->spared[block->index / 64], ~bit, __ATOMIC_RELAXED);
    __atomic_store_n(&words[0], load(&words[0]) | bit, __ATOMIC_RELEASE);
}

bool mmb_shared_block_free(struct mmb_shared_cache *cache, struct mmb_shadow *shadow,
                           uint32_t index)
{
    uint64_t *words = &shadow->span.words[index / 64 * 2];
    uint64_t bit = (uint64_t)1 << index % 64, allocated = load(&words[0]);
    if (!(allocated & ~load(&words[1]) & bit))
        return false;
    __atomic_store_n(&words[0], allocated & ~bit, __ATOMIC_RELEASE);
    open_block(cache, shadow, index);
    return true;
}
