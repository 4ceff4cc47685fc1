/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of a cache's spans: taking, freeing, collecting what others freed (shared.h).
 *
 * All under the cache's lock, its runner being the caller or stopped; some also in an operation of
 * the runner, as shared.h says. What is free is known from private words, to which F is added when
 * a word comes into use; the segment changes by one store per block, so a process may die anywhere.
 * A class has a list of spans with OPEN words, the one that was opened longest ago in front, since
 * most has become free there, and one of all others. A span that is empty goes back when its class
 * has another one to allocate from. */
#include "interfaces/shared_hot.h"

/* Spans that are looked through for what others freed before a new one is made. */
#define COLLECT_AT_ONCE 4u

static uint64_t no_bits[2] = {0, ~(uint64_t)0};
struct mmb_shared_word mmb_shared_no_word = {.bits = no_bits};

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

/* Of a span that a cache here owns, as all that follows. */
static uint64_t free_bits(const struct mmb_shared_word *word)
{
    return ~word->allocated & mmb_shared_span_mask(&word->shadow->span, word->number);
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

static uint64_t *spared_of(const struct mmb_shared_word *word)
{
    return &word->shadow->span.spared[word->number];
}

/* Of free blocks those whose records are there and idle. None is kept for its last life's sake. */
static uint64_t make_ready(const struct mmb_shared_cache *cache, struct mmb_shared_word *word,
                           uint64_t bits)
{
    uint64_t able = 0;
    if (__builtin_expect((load(spared_of(word)) & bits) != 0, 0))
        __atomic_fetch_and(spared_of(word), ~bits, __ATOMIC_RELAXED);
    for (; bits; bits &= bits - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(bits);
        const mmbAllocation *record = __atomic_load_n(&word->records[bit], __ATOMIC_ACQUIRE);
        bool is_idle = record && mmb_record_state(mmb_record_word(record)) == MMB_RECORD_FREE;
        if (is_idle || mmb_shadow_ready(cache->heap, word, bit))
            able |= bit_of(bit);
    }
    return able;
}

void mmb_shared_word_open(struct mmb_shared_cache *cache, struct mmb_shared_word *word)
{
    struct mmb_shadow *shadow = word->shadow;
    bool was_closed = shadow->open == 0;
    word->state = MMB_WORD_OPEN;
    shadow->open |= bit_of(word->number);
    if (was_closed) {
        mmb_list_remove(&shadow->link);
        mmb_list_push_back(&cache->open[list_of(shadow)], &shadow->link);
    }
}

static void close_word(struct mmb_shared_cache *cache, struct mmb_shared_word *word)
{
    struct mmb_shadow *shadow = word->shadow;
    word->state = MMB_WORD_CLOSED;
    shadow->open &= ~bit_of(word->number);
    if (shadow->open == 0) {
        mmb_list_remove(&shadow->link);
        mmb_list_push_front(&cache->closed[list_of(shadow)], &shadow->link);
    }
}

/* Blocks of an own span can be had again. */
static void add_free(struct mmb_shared_cache *cache, struct mmb_shared_word *word, uint64_t bits)
{
    if (word->state == MMB_WORD_CURRENT) {
        uint64_t ready = make_ready(cache, word, bits);
        word->able = (word->able & ~bits) | ready;
        word->mask = (word->mask & ~bits) | ready;
    } else if (word->state == MMB_WORD_CLOSED) {
        mmb_shared_word_open(cache, word);
    }
}

/* ---- collecting ---- */

/* What was taken from a pocket is not to be found there any more. */
static void forget(struct mmb_shared_cache *cache, const struct mmb_shared_word *word, uint64_t bit)
{
    uint32_t list = list_of(word->shadow);
    if (list != MMB_SHARED_LIST_LARGE)
        mmb_shared_pocket_forget(&cache->pockets[list], word, bit);
}

/* Of a block that another process freed; here nobody ends the record at the same time. */
static size_t expire_plain(mmbAllocation *record, uint32_t word)
{
    uint32_t home = __atomic_load_n(&record->home, __ATOMIC_RELAXED);
    __atomic_store_n(&record->home, home & ~MMB_SHARED_CHARGED, __ATOMIC_RELAXED);
    mmb_record_mark_free(record);
    return home & MMB_SHARED_CHARGED ? word & MMB_RECORD_LOW : 0;
}

/* The same for one that a slice or a hold keeps in use: once these are gone it looks as if it were
 * allocated, and must not be found where it was taken from. */
static size_t expire_extended(struct mmb_shared_cache *cache, const struct mmb_shared_word *word,
                              uint64_t bit, mmbAllocation *record)
{
    forget(cache, word, bit);
    return mmb_shadow_expire(record);
}

static void expire(struct mmb_shared_cache *cache, const struct mmb_shared_word *word,
                   uint64_t freed)
{
    for (; freed; freed &= freed - 1) {
        mmbAllocation *record = word->records[__builtin_ctzll(freed)];
        uint32_t now = record ? mmb_record_word(record) : 0;
        if (mmb_record_state(now) == MMB_RECORD_SHARED)
            cache->owed += expire_plain(record, now);
        else if (record && mmb_record_is_live(record))
            cache->owed += expire_extended(cache, word, freed & -freed, record);
    }
}

/* Idempotent, so it may be cut off anywhere: A first, then F. */
static void collect_word(struct mmb_shared_cache *cache, struct mmb_shared_word *word)
{
    uint64_t *bits = word->bits;
    uint64_t marks = __atomic_load_n(&bits[1], __ATOMIC_ACQUIRE);
    if (__builtin_expect(marks == 0, 1))
        return;
    uint64_t allocated = word->allocated, freed = allocated & marks;
    mmb_shared_set_allocated(word, word->bits, allocated & ~marks);
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
    if (list_of(shadow) != MMB_SHARED_LIST_LARGE)
        mmb_shared_pocket_purge(&cache->pockets[list_of(shadow)], shadow);
    struct mmb_shared_span span = shadow->span;
    mmb_shadow_drop(cache->heap, shadow);
    mmb_shared_lock(segment, cache->slot);
    bool is_ours = mmb_shared_span_at(segment, span.granule, &now) &&
                   now.owner == cache->slot + 1 && mmb_shared_span_live(&now) == 0;
    if (is_ours)
        mmb_shared_span_free(segment, &now);
    mmb_shared_unlock(segment);
}

static void collect_list(struct mmb_shared_cache *cache, struct mmb_list *list)
{
    MMB_LIST_FOR_EACH_SAFE (node, next, list) {
        collect_span(cache, shadow_at(node));
        if (is_empty(shadow_at(node)))
            release_span(cache, shadow_at(node));
    }
}

/* Spans of the former list may come into the latter. */
void mmb_shared_cache_collect(struct mmb_shared_cache *cache)
{
    for (uint32_t list = 0; list < MMB_SHARED_LISTS; list++) {
        collect_list(cache, &cache->closed[list]);
        collect_list(cache, &cache->open[list]);
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
    uint64_t bits = free_bits(word), ready = make_ready(cache, word, bits);
    lack->of_metadata = bits != 0 && ready == 0;
    if (lack->of_metadata)
        return false; /* it stays OPEN */
    close_word(cache, word);
    if (ready == 0)
        return false;
    word->able = ready | (word->able & word->allocated);
    word->mask = ready;
    word->state = MMB_WORD_CURRENT;
    cache->bins[shadow->span.class_index] = word;
    return true;
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
    bool is_large = want->class_index == MMB_SHARED_CLASS_LARGE;
    struct mmb_list *lists = is_large ? cache->closed : cache->open;
    mmb_list_push_front(&lists[list_of(shadow)], &shadow->link);
    if (is_large)
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
    word->mask = 0;
    word->state = MMB_WORD_CLOSED;
    if (free_bits(word))
        mmb_shared_word_open(cache, word);
}

bool mmb_shared_bin_fill(struct mmb_shared_cache *cache, uint32_t class_index,
                         struct mmb_shared_lack *lack)
{
    struct mmb_list *open = &cache->open[class_index];
    if (cache->bins[class_index]->shadow)
        leave_bin(cache, class_index);
    while (!mmb_list_is_empty(open) && !lack->of_metadata)
        if (use_span(cache, shadow_at(open->next), lack))
            return true;
    return false;
}

static bool refill(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                   struct mmb_shared_lack *lack)
{
    if (mmb_shared_bin_fill(cache, want->class_index, lack))
        return true;
    if (lack->of_metadata)
        return false;
    if (collect_some(cache, &cache->closed[want->class_index], lack))
        return true;
    struct mmb_shadow *shadow = lack->of_metadata ? NULL : new_span(cache, want, lack);
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

/* What is in the pocket can be had from words again, too. */
static void empty_pocket(struct mmb_shared_cache *cache, uint32_t class_index)
{
    struct mmb_shared_pocket *pocket = &cache->pockets[class_index];
    for (; pocket->top != &pocket->spots[0]; pocket->top--)
        add_free(cache, pocket->top->word, pocket->top->bit);
}

bool mmb_shared_block_take(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                           struct mmb_shared_block *out, struct mmb_shared_lack *out_lack)
{
    out_lack->of_metadata = false;
    if (want->class_index == MMB_SHARED_CLASS_LARGE)
        return take_large(cache, want, out, out_lack);
    empty_pocket(cache, want->class_index);
    if (cache->bins[want->class_index]->mask == 0 && !refill(cache, want, out_lack))
        return false;
    struct mmb_shared_word *word = cache->bins[want->class_index];
    *out = (struct mmb_shared_block){word, (uint32_t)__builtin_ctzll(word->mask)};
    word->mask &= word->mask - 1;
    return true;
}

bool mmb_shared_word_is_last(const struct mmb_shared_cache *cache,
                             const struct mmb_shared_word *word)
{
    const struct mmb_shadow *shadow = word->shadow;
    if (has_bin(cache, shadow))
        return false;
    for (uint32_t w = 0; w < mmb_shared_span_words(&shadow->span); w++)
        if (w != word->number && shadow->words[w].allocated != 0)
            return false;
    return true;
}

void mmb_shared_block_untake(struct mmb_shared_cache *cache, const struct mmb_shared_block *block)
{
    struct mmb_shadow *shadow = block->word->shadow;
    if (!has_bin(cache, shadow) && is_empty(shadow))
        release_span(cache, shadow);
    else
        add_free(cache, block->word, bit_of(block->bit));
}

/* A mark that a mistaken free left while the block was free must not make it free again. */
void mmb_shared_block_commit(const struct mmb_shared_block *block)
{
    struct mmb_shared_word *word = block->word;
    uint64_t bit = bit_of(block->bit);
    if (__builtin_expect((load(&word->bits[1]) & bit) != 0, 0))
        __atomic_fetch_and(&word->bits[1], ~bit, __ATOMIC_RELAXED);
    mmb_shared_set_allocated(word, word->bits, word->allocated | bit);
}

bool mmb_shared_block_free(struct mmb_shared_cache *cache, struct mmb_shadow *shadow,
                           uint32_t index)
{
    struct mmb_shared_block block = {&shadow->words[index / MMB_SHARED_WORD_BLOCKS],
                                     index % MMB_SHARED_WORD_BLOCKS};
    uint64_t allocated = block.word->allocated, bit = bit_of(block.bit);
    if (!(allocated & ~load(&block.word->bits[1]) & bit))
        return false;
    mmb_shared_set_allocated(block.word, block.word->bits, allocated & ~bit);
    mmb_shared_block_untake(cache, &block);
    return true;
}

/* ---- blocks that are nobody's ---- */

/* The cache here that owns the span; NULL: none does. */
static struct mmb_shared_cache *owner_of(struct mmb_shared_heap *heap, uint32_t granule)
{
    struct mmb_shared_cache *found = NULL;
    uint16_t number = __atomic_load_n(&heap->owned[granule], __ATOMIC_ACQUIRE);
    mmb_lock_acquire(&heap->caches_lock);
    MMB_LIST_FOR_EACH (node, &heap->caches) {
        struct mmb_shared_cache *cache = MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
        if (number != 0 && cache->number == number)
            found = cache;
    }
    mmb_lock_release(&heap->caches_lock);
    return found;
}

static void keep_back(struct mmb_shared_cache *cache, struct mmb_shared_word *word, uint64_t bit)
{
    word->able &= ~bit;
    forget(cache, word, bit);
}

/* Its mark in K goes when its word comes into use again, and it must not be had before that. */
void mmb_shared_block_keep(struct mmb_shared_heap *heap, uint64_t offset)
{
    struct mmb_shared_span span;
    uint32_t index;
    struct mmb_shared_cache *cache = NULL;
    if (mmb_shared_span_find(heap->segment, offset, &span, &index))
        cache = owner_of(heap, span.granule);
    if (!cache) {
        mmb_shared_keep_block(heap->segment, offset);
        return;
    }
    mmb_shared_cache_lock(cache);
    struct mmb_shadow *shadow = heap->shadows[span.granule];
    if (heap->owned[span.granule] == cache->number && index < shadow->span.n_blocks)
        keep_back(cache, &shadow->words[index / MMB_SHARED_WORD_BLOCKS],
                  bit_of(index % MMB_SHARED_WORD_BLOCKS));
    mmb_shared_keep_block(heap->segment, offset);
    mmb_shared_cache_unlock(cache);
}
