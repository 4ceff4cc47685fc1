/* SPDX-License-Identifier: BSD-3-Clause */
/* What this process knows of spans, and its handles to their blocks (shared.h).
 *
 * Owns the shadows and the records of their blocks. The table of shadows, and shadows that no cache
 * here owns, are under `shadows_lock`; a shadow of a cache is the cache's, but its records are also
 * read under shadows_lock, so it is made and dropped under both. Locks: a cache's, then
 * shadows_lock, then the record pool's and the extensions'. A record is made before its block is
 * live, so nobody else can ask for it meanwhile. */
#include "interfaces/shared_hot.h"
#include "src/base/error.h"
#include "src/base/meta.h"

static size_t bytes_of(const struct mmb_shared_span *span)
{
    return sizeof(struct mmb_shadow) + mmb_shared_span_words(span) * sizeof(struct mmb_shared_word);
}

static mmbAllocation **place_of(struct mmb_shadow *shadow, uint32_t index)
{
    struct mmb_shared_word *word = &shadow->words[index / MMB_SHARED_WORD_BLOCKS];
    return &word->records[index % MMB_SHARED_WORD_BLOCKS];
}

static mmbAllocation *record_of(struct mmb_shadow *shadow, uint32_t index)
{
    return __atomic_load_n(place_of(shadow, index), __ATOMIC_ACQUIRE);
}

static uint32_t generation_of(const mmbAllocation *record)
{
    return __atomic_load_n(&record->home, __ATOMIC_ACQUIRE) & MMB_SHARED_GENERATION;
}

/* ---- shadows ---- */

static void set_cache(struct mmb_shadow *shadow, struct mmb_shared_cache *cache)
{
    shadow->cache = cache;
    for (uint32_t w = 0; w < mmb_shared_span_words(&shadow->span); w++)
        __atomic_store_n(&shadow->words[w].cache, cache, __ATOMIC_RELAXED);
}

static void fill_words(struct mmb_shadow *shadow)
{
    const struct mmb_shared_span *span = &shadow->span;
    uint32_t bits = mmb_shared_generation_bits(span->block_bytes);
    for (uint32_t w = 0; w < mmb_shared_span_words(span); w++) {
        struct mmb_shared_word *word = &shadow->words[w];
        word->bits = &span->words[2 * w];
        word->generations = span->generations + (size_t)w * MMB_SHARED_WORD_BLOCKS * bits / 8;
        word->generation_bits = (uint8_t)bits;
        word->shadow = shadow;
        word->able = ~(uint64_t)0;
        word->class_index = (uint8_t)span->class_index;
        word->number = (uint16_t)w;
    }
}

static struct mmb_shadow *new_shadow(const struct mmb_shared_heap *heap,
                                     const struct mmb_shared_span *span,
                                     struct mmb_shared_cache *cache)
{
    struct mmb_shadow *shadow = mmb_meta_alloc(bytes_of(span));
    if (!shadow)
        return NULL;
    shadow->span = *span;
    shadow->descriptor = mmb_shared_descriptor(heap->segment, span->granule);
    shadow->shape = mmb_descriptor_pack((struct mmb_descriptor){
        .state = MMB_SPAN_HEAD, .class_index = span->class_index, .n_granules = span->n_granules});
    fill_words(shadow);
    set_cache(shadow, cache);
    mmb_list_init(&shadow->link);
    return shadow;
}

/* A stale handle that is still sliced or held stays: it is refused, and goes with the library. */
static void delete_shadow(struct mmb_shadow *shadow)
{
    for (uint32_t i = 0; i < shadow->span.n_blocks; i++) {
        mmbAllocation *record = record_of(shadow, i);
        if (record && mmb_shared_record_in_use(record))
            mmb_record_set_home_object(record, NULL);
        else
            mmb_shared_record_delete(record);
    }
    mmb_meta_free(shadow, bytes_of(&shadow->span));
}

/* shadows_lock held. Puts a shadow in place of what was there. */
static void replace(struct mmb_shared_heap *heap, uint32_t granule, struct mmb_shadow *shadow)
{
    struct mmb_shadow *old = heap->shadows[granule];
    heap->shadows[granule] = shadow;
    if (old)
        delete_shadow(old);
}

struct mmb_shadow *mmb_shadow_make(struct mmb_shared_heap *heap, const struct mmb_shared_span *span,
                                   struct mmb_shared_cache *cache)
{
    struct mmb_shadow *shadow = new_shadow(heap, span, cache);
    if (!shadow)
        return NULL;
    mmb_lock_acquire(&heap->shadows_lock);
    struct mmb_shadow *old = heap->shadows[span->granule];
    bool is_free = !old || !old->cache; /* else the segment lies: a span of ours was given twice */
    if (is_free) {
        replace(heap, span->granule, shadow);
        __atomic_store_n(&heap->owned[span->granule], cache->number, __ATOMIC_RELEASE);
    }
    mmb_lock_release(&heap->shadows_lock);
    if (is_free)
        return shadow;
    delete_shadow(shadow);
    return NULL;
}

void mmb_shadow_drop(struct mmb_shared_heap *heap, struct mmb_shadow *shadow)
{
    mmb_list_remove(&shadow->link);
    mmb_lock_acquire(&heap->shadows_lock);
    __atomic_store_n(&heap->owned[shadow->span.granule], 0, __ATOMIC_RELEASE);
    set_cache(shadow, NULL);
    replace(heap, shadow->span.granule, NULL);
    mmb_lock_release(&heap->shadows_lock);
}

/* ---- handles ---- */

/* A record for the block: the one that is there, unless somebody still uses it for what was in the
 * block before. The caller orders this for the block. */
static mmbAllocation *fresh_record(struct mmb_shared_heap *heap, struct mmb_shared_word *word,
                                   uint32_t bit)
{
    mmbAllocation **place = &word->records[bit];
    mmbAllocation *record = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (record && mmb_record_state(mmb_record_word(record)) == MMB_RECORD_FREE)
        return record;
    if (record && !mmb_shared_record_in_use(record)) {
        mmb_shared_record_end(record);
        return record;
    }
    record = mmb_record_new((void *)((uintptr_t)word + bit));
    if (!record)
        return NULL;
    record->host =
        heap->segment->base + mmb_shared_block_offset(heap->segment, &word->shadow->span,
                                                      word->number * MMB_SHARED_WORD_BLOCKS + bit);
    __atomic_store_n(place, record, __ATOMIC_RELEASE);
    return record;
}

bool mmb_shadow_ready(struct mmb_shared_heap *heap, struct mmb_shared_word *word, uint32_t bit)
{
    mmbAllocation *record = __atomic_load_n(&word->records[bit], __ATOMIC_ACQUIRE);
    if (record && mmb_record_state(mmb_record_word(record)) == MMB_RECORD_FREE)
        return true;
    return fresh_record(heap, word, bit) != NULL;
}

mmbAllocation *mmb_shadow_record(struct mmb_shared_heap *heap, const struct mmb_shared_block *block)
{
    const struct mmb_shared_span *span = &block->word->shadow->span;
    uint32_t index = mmb_shared_block_index(block);
    mmbAllocation *record = fresh_record(heap, block->word, block->bit);
    if (!record)
        return NULL;
    mmb_shared_generation_bump(span, index);
    mmb_shared_record_fill(heap, record, mmb_shared_block_offset(heap->segment, span, index),
                           mmb_shared_generation(span, index));
    return record;
}

static bool is_same_span(const struct mmb_shared_span *a, const struct mmb_shared_span *b)
{
    return a->granule == b->granule && a->n_granules == b->n_granules &&
           a->class_index == b->class_index;
}

/* shadows_lock held. */
static mmbError shadow_for(struct mmb_shared_heap *heap, const struct mmb_shared_span *span,
                           struct mmb_shadow **out)
{
    struct mmb_shadow *shadow = heap->shadows[span->granule];
    *out = shadow;
    if (shadow && is_same_span(&shadow->span, span))
        return MMB_OK;
    if (shadow && shadow->cache)
        return MMB_CORRUPT;
    *out = new_shadow(heap, span, NULL);
    if (!*out)
        return MMB_OUT_OF_MEMORY;
    replace(heap, span->granule, *out);
    return MMB_OK;
}

/* The handle that a program has: not a record that a moved one hides. */
static mmbAllocation *visible(mmbAllocation *record)
{
    struct mmb_extension view;
    if (mmb_record_state(mmb_record_word(record)) != MMB_RECORD_INDIRECT)
        return record;
    bool is_hidden = mmb_record_view(record, &view) && view.flags & MMB_EXTENSION_HIDDEN;
    return is_hidden ? view.parent : record;
}

/* shadows_lock held; the block was live a moment ago. Where a cache here owns it, its record is the
 * owner's, who may be ending it or making it anew right now: it is only looked at, and where it
 * does not fit, the block is not the one that was live. */
static mmbError import_into(struct mmb_shared_heap *heap, struct mmb_shadow *shadow, uint32_t index,
                            mmbAllocation **out)
{
    struct mmb_shared_word *word = &shadow->words[index / MMB_SHARED_WORD_BLOCKS];
    uint32_t bit = index % MMB_SHARED_WORD_BLOCKS;
    uint8_t generation = (uint8_t)mmb_shared_word_generation(word, bit);
    mmbAllocation *record = record_of(shadow, index);
    *out = record;
    if (record && mmb_record_is_live(record) && generation_of(record) == generation)
        return MMB_OK;
    if (shadow->cache)
        return MMB_INVALID_ALLOCATION;
    record = fresh_record(heap, word, bit);
    if (!record)
        return MMB_OUT_OF_MEMORY;
    mmb_shared_record_fill(
        heap, record, mmb_shared_block_offset(heap->segment, &shadow->span, index), generation);
    *out = record;
    return mmb_record_publish(record, MMB_RECORD_SHARED, shadow->span.block_bytes, 0, 1);
}

static mmbError import(struct mmb_shared_heap *heap, const struct mmb_shared_span *span,
                       uint32_t index, mmbAllocation **out)
{
    struct mmb_shadow *shadow;
    mmbError error = shadow_for(heap, span, &shadow);
    return error == MMB_OK ? import_into(heap, shadow, index, out) : error;
}

/* shadows_lock held: the same from what this process knows of the span; MMB_NOT_FOUND: nothing, or
 * nothing that is still so. */
static mmbError import_known(struct mmb_shared_heap *heap, uint64_t offset, mmbAllocation **out)
{
    const struct mmb_shared_layout *layout = &heap->segment->layout;
    uint64_t at = offset - layout->data;
    if (offset < layout->data || offset >= layout->data_end)
        return MMB_NOT_FOUND;
    uint32_t granule = (uint32_t)(at >> layout->granule_log2);
    uint64_t descriptor =
        __atomic_load_n(mmb_shared_descriptor(heap->segment, granule), __ATOMIC_ACQUIRE);
    struct mmb_descriptor d = mmb_descriptor_unpack(descriptor);
    uint32_t head = d.state == MMB_SPAN_REST && d.n_granules < granule ? d.n_granules : granule;
    struct mmb_shadow *shadow = heap->shadows[head];
    if (!shadow || !mmb_shadow_is_of_now(shadow))
        return MMB_NOT_FOUND;
    at -= (uint64_t)head << layout->granule_log2;
    uint64_t index = at / shadow->span.block_bytes;
    if (index >= shadow->span.n_blocks || index * shadow->span.block_bytes != at ||
        !mmb_shared_block_is_live(&shadow->span, (uint32_t)index))
        return MMB_INVALID_ALLOCATION;
    return import_into(heap, shadow, (uint32_t)index, out);
}

mmbError mmb_shadow_import_raw(struct mmb_shared_heap *heap, uint64_t offset, mmbAllocation **out)
{
    struct mmb_shared_span span;
    uint32_t index;
    mmb_lock_acquire(&heap->shadows_lock);
    mmbError error =
        heap->segment->layout.n_granules ? import_known(heap, offset, out) : MMB_INVALID_ALLOCATION;
    if (error == MMB_NOT_FOUND) {
        bool is_live = mmb_shared_span_find(heap->segment, offset, &span, &index) &&
                       mmb_shared_block_offset(heap->segment, &span, index) == offset &&
                       mmb_shared_block_is_live(&span, index);
        error = is_live ? import(heap, &span, index, out) : MMB_INVALID_ALLOCATION;
    }
    mmb_lock_release(&heap->shadows_lock);
    return error;
}

mmbError mmb_shadow_import(struct mmb_shared_heap *heap, uint64_t offset, mmbAllocation **out)
{
    mmbAllocation *record;
    mmbError error = mmb_shadow_import_raw(heap, offset, &record);
    switch (error) {
    case MMB_OK:
        *out = visible(record);
        return MMB_OK;
    case MMB_INVALID_ALLOCATION:
        return mmb_fail(error, "shared heap %u: no live block starts at %llu", heap->segment->id,
                        (unsigned long long)offset);
    case MMB_CORRUPT:
        return mmb_fail(error, "shared heap %u: the segment contradicts itself at %llu",
                        heap->segment->id, (unsigned long long)offset);
    default:
        return mmb_fail(error, "shared heap %u: no metadata for a handle", heap->segment->id);
    }
}

size_t mmb_shadow_expire(mmbAllocation *record)
{
    size_t n_bytes = mmb_record_bytes(record);
    bool charged = mmb_shared_uncharge_once(record);
    if (!mmb_shared_record_in_use(record))
        mmb_shared_record_end(record);
    return charged ? n_bytes : 0;
}

bool mmb_shadow_detach(struct mmb_shared_heap *heap, mmbAllocation *record, uint64_t *out_offset)
{
    mmb_lock_acquire(&heap->shadows_lock);
    uintptr_t home = (uintptr_t)mmb_record_home_object(record);
    uint32_t bit = home % MMB_SHARED_WORD_BLOCKS;
    struct mmb_shared_word *word = (struct mmb_shared_word *)(home - bit);
    if (word) {
        *out_offset = mmb_shared_block_offset(heap->segment, &word->shadow->span,
                                              word->number * MMB_SHARED_WORD_BLOCKS + bit);
        __atomic_store_n(&word->records[bit], NULL, __ATOMIC_RELEASE);
        mmb_record_set_home_object(record, NULL);
    }
    mmb_lock_release(&heap->shadows_lock);
    return word != NULL;
}

/* ---- all of them ---- */

typedef bool (*visit_shadow)(void *user, struct mmb_shadow *shadow);

/* shadows_lock held. */
static void each_shadow(struct mmb_shared_heap *heap, visit_shadow visit, void *user)
{
    for (uint32_t granule = 0; granule < heap->segment->layout.n_granules; granule++)
        if (heap->shadows[granule] && !visit(user, heap->shadows[granule]))
            return;
}

struct walk {
    struct mmb_shared_heap *heap;
    mmb_record_visitor visit;
    void *user;
    size_t sum;
};

static bool is_valid(const struct mmb_shadow *shadow, uint32_t index, const mmbAllocation *record)
{
    return record && mmb_record_is_live(record) && mmb_shared_block_is_live(&shadow->span, index) &&
           generation_of(record) == mmb_shared_generation(&shadow->span, index);
}

static bool visit_records(void *user, struct mmb_shadow *shadow)
{
    struct walk *walk = user;
    for (uint32_t i = 0; i < shadow->span.n_blocks; i++) {
        mmbAllocation *record = record_of(shadow, i);
        const struct mmb_block where = {
            walk->heap->chunk, mmb_shared_block_offset(walk->heap->segment, &shadow->span, i),
            shadow->span.block_bytes};
        if (is_valid(shadow, i, record) && !walk->visit(walk->user, record, &where))
            return false;
    }
    return true;
}

void mmb_shadows_for_each(struct mmb_shared_heap *heap, mmb_record_visitor visit, void *user)
{
    struct walk walk = {heap, visit, user, 0};
    mmb_lock_acquire(&heap->shadows_lock);
    each_shadow(heap, visit_records, &walk);
    mmb_lock_release(&heap->shadows_lock);
}

static bool is_wanted(const struct mmb_shared_heap *heap, const mmbAllocation *record)
{
    struct mmb_extension view;
    if (!mmb_record_is_live(record) || !mmb_record_view(record, &view))
        return false;
    bool is_foreign =
        view.flags & MMB_EXTENSION_HIDDEN && view.parent->home / MMB_SLOT_BYTES != heap->base.slot;
    return view.slices || view.holds || view.copies || is_foreign;
}

static bool count_in_use(void *user, struct mmb_shadow *shadow)
{
    struct walk *walk = user;
    for (uint32_t i = 0; i < shadow->span.n_blocks; i++) {
        const mmbAllocation *record = record_of(shadow, i);
        walk->sum += record && is_wanted(walk->heap, record);
    }
    return true;
}

size_t mmb_shadows_in_use(struct mmb_shared_heap *heap)
{
    struct walk walk = {heap, NULL, NULL, 0};
    mmb_lock_acquire(&heap->shadows_lock);
    each_shadow(heap, count_in_use, &walk);
    mmb_lock_release(&heap->shadows_lock);
    return walk.sum;
}

static size_t discharge(struct mmb_shadow *shadow)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < shadow->span.n_blocks; i++) {
        mmbAllocation *record = record_of(shadow, i);
        if (record && mmb_record_is_live(record) && mmb_shared_uncharge_once(record))
            sum += mmb_record_bytes(record);
    }
    return sum;
}

static bool end_shadow(void *user, struct mmb_shadow *shadow)
{
    struct walk *walk = user;
    walk->sum += discharge(shadow);
    for (uint32_t i = 0; i < shadow->span.n_blocks; i++) {
        mmbAllocation *record = record_of(shadow, i);
        mmbAllocation *handle = record && mmb_record_is_live(record) ? visible(record) : record;
        if (handle != record)
            mmb_shared_record_delete(handle);
        mmb_shared_record_delete(record);
    }
    walk->heap->shadows[shadow->span.granule] = NULL;
    mmb_meta_free(shadow, bytes_of(&shadow->span));
    return true;
}

size_t mmb_shadows_close(struct mmb_shared_heap *heap)
{
    struct walk walk = {heap, NULL, NULL, 0};
    each_shadow(heap, end_shadow, &walk);
    return walk.sum;
}

static bool disown_shadow(void *user, struct mmb_shadow *shadow)
{
    struct walk *walk = user;
    walk->sum += discharge(shadow);
    set_cache(shadow, NULL);
    mmb_list_init(&shadow->link);
    walk->heap->owned[shadow->span.granule] = 0;
    return true;
}

size_t mmb_shadows_disown(struct mmb_shared_heap *heap)
{
    struct walk walk = {heap, NULL, NULL, 0};
    each_shadow(heap, disown_shadow, &walk);
    return walk.sum;
}
