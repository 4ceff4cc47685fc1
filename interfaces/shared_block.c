/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of a cache's spans: taking, freeing, collecting what others freed (shared.h).
 *
 * All under the cache's lock, its runner being the caller or stopped. What is free is known from
 * private masks, made from A and F when a word comes into use; the segment changes by one store per
 * block, so a process may die anywhere. Spans with room stand first in the list of their class. A
 * span that is empty goes back when its class has another one to allocate from. */
#include "interfaces/shared.h"

/* Spans that are looked through for what others freed before a new one is made. */
#define COLLECT_AT_ONCE 4u

struct mmb_shared_word mmb_shared_no_word;

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static uint64_t bit_of(uint32_t bit)
{
    return (uint64_t)1 << bit;
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

static uint64_t free_bits(const struct mmb_shared_word *word)
{
    return ~load(&word->bits[0]) & mmb_shared_span_mask(&word->shadow->span, word->number);
}

static bool is_empty(const struct mmb_shadow *shadow)
{
    for (uint32_t w = 0; w < mmb_shared_span_words(&shadow->span); w++)
        if (free_bits(&shadow->words[w]) != mmb_shared_span_mask(&shadow->span, w))
            return false;
    return true;
}

/* Is one of the span's words the bin of its class? */
static bool has_bin(const struct mmb_shared_cache *cache, const struct mmb_shadow *shadow)
{
    uint32_t list = list_of(shadow);
    return list != MMB_SHARED_LIST_LARGE && cache->bins[list]->shadow == shadow;
}

/* ---- words ---- */

/* The bits of those whose records are there and idle. */
static uint64_t ready(const struct mmb_shared_cache *cache, struct mmb_shared_word *word,
                      uint64_t bits)
{
    uint64_t able = 0;
    for (; bits; bits &= bits - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(bits);
        if (mmb_shadow_ready(cache->heap, word, bit))
            able |= bit_of(bit);
    }
    return able;
}

/* A word that was CLOSED has blocks again: its span stands in front. */
static void open_word(struct mmb_shared_cache *cache, struct mmb_shared_word *word)
{
    struct mmb_shadow *shadow = word->shadow;
    bool was_full = shadow->open == 0;
    word->state = MMB_WORD_OPEN;
    shadow->open |= bit_of(word->number);
    if (was_full) {
        mmb_list_remove(&shadow->link);
        mmb_list_push_front(&cache->spans[list_of(shadow)], &shadow->link);
    }
}

/* Blocks of an own span can be had again. */
static void add_free(struct mmb_shared_cache *cache, struct mmb_shared_word *word, uint64_t bits)
{
    if (word->state == MMB_WORD_CURRENT)
        word->mask |= ready(cache, word, bits);
    else if (word->state == MMB_WORD_CLOSED)
        open_word(cache, word);
}

/* ---- collecting ---- */

static void expire(struct mmb_shared_cache *cache, const struct mmb_shared_word *word,
                   uint64_t freed)
{
    for (; freed; freed &= freed - 1) {
        mmbAllocation *record = word->records[__builtin_ctzll(freed)];
        if (record && mmb_record_is_live(record))
            cache->owed += mmb_shadow_expire(record);
    }
}

/* Idempotent, so it may be cut off anywhere: A first, then F. */
static void collect_word(struct mmb_shared_cache *cache, struct mmb_shared_word *word)
{
    uint64_t *bits = word->bits;
    uint64_t marks = __atomic_load_n(&bits[1], __ATOMIC_ACQUIRE);
    if (__builtin_expect(marks == 0, 1))
        return;
    uint64_t allocated = load(&bits[0]), freed = allocated & marks;
    freed &= mmb_shared_span_mask(&word->shadow->span, word->number);
    __atomic_store_n(&bits[0], allocated & ~marks, __ATOMIC_RELEASE);
    __atomic_fetch_and(&bits[1], ~marks, __ATOMIC_ACQ_REL);
    expire(cache, word, freed);
    if (freed)
        add_free(cache, word, freed);
}

static void collect_span(struct mmb_shared_cache *cache, struct mmb_shadow *shadow)
{
    for (uint32_t w = 0; w < mmb_shared_span_words(&shadow->span); w++)
        collect_word(cache, &shadow->words[w]);
}

static void release_span(struct mmb_shared_cache *cache, struct mmb_shadow *shadow)
{
    struct mmb_shared_segment *segment = segment_of(cache);
    struct mmb_shared_span now;
    if (has_bin(cache, shadow))
        cache->bins[list_of(shadow)] = &mmb_shared_no_word;
    if (cache->last_word->shadow == shadow)
        cache->last_word = &mmb_shared_no_word;
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
            collect_span(cache, shadow_at(node));
            if (is_empty(shadow_at(node)))
                release_span(cache, shadow_at(node));
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

/* Makes an OPEN word of an own span the bin's; false: nothing can be had from it. */
static bool use_word(struct mmb_shared_cache *cache, struct mmb_shared_word *word,
                     struct mmb_shared_lack *lack)
{
    struct mmb_shadow *shadow = word->shadow;
    collect_word(cache, word);
    uint64_t bits = free_bits(word), mask = ready(cache, word, bits);
    lack->of_metadata = bits != 0 && mask == 0;
    if (lack->of_metadata)
        return false; /* it stays OPEN */
    shadow->open &= ~bit_of(word->number);
    word->mask = mask;
    word->state = mask ? MMB_WORD_CURRENT : MMB_WORD_CLOSED;
    if (mask)
        cache->bins[shadow->span.class_index] = word;
    return mask != 0;
}

static bool use_span(struct mmb_shared_cache *cache, struct mmb_shadow *shadow,
                     struct mmb_shared_lack *lack)
{
    while (shadow->open && !lack->of_metadata)
        if (use_word(cache, &shadow->words[__builtin_ctzll(shadow->open)], lack))
            return true;
    return false;
}

static uint64_t all_words(const struct mmb_shared_span *span)
{
    uint32_t n_words = mmb_shared_span_words(span);
    return n_words == 64 ? ~(uint64_t)0 : ((uint64_t)1 << n_words) - 1;
}

static struct mmb_shadow *new_span(struct mmb_shared_cache *cache,
                                   const struct mmb_shared_want *want, struct mmb_shared_lack *lack)
{
    struct mmb_shared_span span;
    if (cache->slot == MMB_SHARED_NO_SLOT ||
        !mmb_shared_span_take(segment_of(cache), cache->slot, want, &span, &lack->largest))
        return NULL;
    struct mmb_shadow *shadow = mmb_shadow_make(cache->heap, &span, cache);
    if (!shadow)
        return NULL; /* empty, ours: given back with the slot */
    mmb_list_push_front(&cache->spans[list_of(shadow)], &shadow->link);
    if (want->class_index == MMB_SHARED_CLASS_LARGE)
        return shadow;
    shadow->open = all_words(&span);
    for (uint32_t w = 0; w < mmb_shared_span_words(&span); w++)
        shadow->words[w].state = MMB_WORD_OPEN;
    return shadow;
}

/* The spans at the end of the list are those that were looked at longest ago. */
static bool collect_some(struct mmb_shared_cache *cache, struct mmb_list *list,
                         struct mmb_shared_lack *lack)
{
    for (uint32_t i = 0; i < COLLECT_AT_ONCE && !mmb_list_is_empty(list); i++) {
        struct mmb_shadow *shadow = shadow_at(list->prev);
        mmb_list_remove(&shadow->link);
        mmb_list_push_front(list, &shadow->link);
        collect_span(cache, shadow);
        if (use_span(cache, shadow, lack))
            return true;
    }
    return false;
}

/* The bin's word is used up, but for blocks that had no record when it came into use. */
static void leave_bin(struct mmb_shared_cache *cache, uint32_t class_index)
{
    struct mmb_shared_word *word = cache->bins[class_index];
    cache->bins[class_index] = &mmb_shared_no_word;
    word->state = MMB_WORD_CLOSED;
    if (free_bits(word))
        open_word(cache, word);
}

static bool refill(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                   struct mmb_shared_lack *lack)
{
    struct mmb_list *list = &cache->spans[want->class_index];
    struct mmb_shadow *shadow = cache->bins[want->class_index]->shadow;
    if (shadow) {
        leave_bin(cache, want->class_index);
        if (use_span(cache, shadow, lack))
            return true;
    }
    while (!mmb_list_is_empty(list) && shadow_at(list->next)->open && !lack->of_metadata) {
        shadow = shadow_at(list->next);
        if (use_span(cache, shadow, lack))
            return true;
        mmb_list_remove(&shadow->link);
        mmb_list_push_back(list, &shadow->link);
    }
    if (lack->of_metadata)
        return false;
    if (collect_some(cache, list, lack))
        return true;
    shadow = lack->of_metadata ? NULL : new_span(cache, want, lack);
    return shadow && use_span(cache, shadow, lack);
}

static bool take_large(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                       struct mmb_shared_block *out, struct mmb_shared_lack *lack)
{
    struct mmb_shadow *shadow = new_span(cache, want, lack);
    if (!shadow)
        return false;
    *out = (struct mmb_shared_block){&shadow->words[0], 0};
    return true;
}

bool mmb_shared_block_take(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                           struct mmb_shared_block *out, struct mmb_shared_lack *out_lack)
{
    out_lack->of_metadata = false;
    if (want->class_index == MMB_SHARED_CLASS_LARGE)
        return take_large(cache, want, out, out_lack);
    if (cache->bins[want->class_index]->mask == 0 && !refill(cache, want, out_lack))
        return false;
    struct mmb_shared_word *word = cache->bins[want->class_index];
    *out = (struct mmb_shared_block){word, (uint32_t)__builtin_ctzll(word->mask)};
    word->mask &= word->mask - 1;
    return true;
}

void mmb_shared_block_untake(struct mmb_shared_cache *cache, const struct mmb_shared_block *block)
{
    struct mmb_shared_word *word = block->word;
    if (!has_bin(cache, word->shadow) && is_empty(word->shadow))
        release_span(cache, word->shadow);
    else
        add_free(cache, word, bit_of(block->bit));
}

/* A mark that a mistaken free left while the block was free must not make it free again. */
void mmb_shared_block_commit(const struct mmb_shared_block *block)
{
    const struct mmb_shared_word *word = block->word;
    uint64_t bit = bit_of(block->bit);
    if (__builtin_expect((load(&word->bits[1]) & bit) != 0, 0))
        __atomic_fetch_and(&word->bits[1], ~bit, __ATOMIC_RELAXED);
    if (__builtin_expect((load(word->spared) & bit) != 0, 0))
        __atomic_fetch_and(word->spared, ~bit, __ATOMIC_RELAXED);
    __atomic_store_n(&word->bits[0], load(&word->bits[0]) | bit, __ATOMIC_RELEASE);
}

bool mmb_shared_block_free(struct mmb_shared_cache *cache, struct mmb_shadow *shadow,
                           uint32_t index)
{
    struct mmb_shared_block block = {&shadow->words[index / MMB_SHARED_WORD_BLOCKS],
                                     index % MMB_SHARED_WORD_BLOCKS};
    uint64_t *bits = block.word->bits;
    uint64_t allocated = load(&bits[0]), bit = bit_of(block.bit);
    if (!(allocated & ~load(&bits[1]) & bit))
        return false;
    __atomic_store_n(&bits[0], allocated & ~bit, __ATOMIC_RELEASE);
    mmb_shared_block_untake(cache, &block);
    return true;
}
