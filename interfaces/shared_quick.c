/* SPDX-License-Identifier: BSD-3-Clause */
/* The second shortest ways of a shared heap, as members of its table: blocks that are so small that
 * their generations are packed, and blocks of spans that another cache owns, here or in another
 * process (shared.h). Owns mmb_shared_here and mmb_shared_epoch; takes no lock. */
#include "interfaces/shared_hot.h"

__thread struct mmb_shared_here mmb_shared_here
    __attribute__((tls_model(MMB_TLS_MODEL))) = {MMB_SHARED_NOWHERE, 0, NULL};
uint64_t mmb_shared_epoch = 1;

bool mmb_shared_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                 mmbAllocation **out_record)
{
    const struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_cache *cache = mmb_shared_cache_here(heap);
    const struct mmb_hot_wish wish = {n_bytes, out_record};
    if (!cache || n_bytes > (size_t)1 << heap->segment->layout.granule_log2)
        return false;
    uint32_t class_index = mmb_shared_class_of(n_bytes),
             offset = mmb_shared_bin_offset(class_index);
    return mmb_shared_generation_bits(mmb_shared_class_bytes(class_index)) != 8 &&
           mmb_shared_hot_run(cache, offset, true, wish);
}

/* A SHARED record that is charged and of the cache's own is of the block's present life: only the
 * cache gives it a next one, and ends the record before. */
bool mmb_shared_free_own(struct mmb_shared_cache *cache, mmbAllocation *record)
{
    uint32_t bit, home = __atomic_load_n(&record->home, __ATOMIC_RELAXED);
    struct mmb_shared_word *word = mmb_shared_word_of(record, &bit);
    return word && __atomic_load_n(&word->cache, __ATOMIC_RELAXED) == cache &&
           home & MMB_SHARED_CHARGED && mmb_shared_hot_give(cache, word, bit, record);
}

/* ---- freeing for others ---- */

/* Is the block live, in a span that is still the one the shadow was made for, and the record's? */
static inline bool is_of_now(const struct mmb_shared_word *word, uint32_t bit, uint32_t home)
{
    uint64_t now = __atomic_load_n(word->shadow->descriptor, __ATOMIC_ACQUIRE);
    uint64_t allocated = __atomic_load_n(&word->bits[0], __ATOMIC_ACQUIRE);
    uint64_t live = allocated & ~__atomic_load_n(&word->bits[1], __ATOMIC_ACQUIRE);
    uint32_t generation = mmb_shared_word_generation(word, bit);
    return (now & MMB_DESCRIPTOR_SHAPE) == word->shadow->shape && live >> bit & 1 &&
           generation == (home & MMB_SHARED_GENERATION);
}

/* Of a span that another cache owns. The record ends before the block is free for others, and lives
 * on when somebody else was first. */
static bool put_for_owner(struct mmb_shared_heap *heap, struct mmb_shared_word *word, uint32_t bit,
                          mmbAllocation *record)
{
    uint32_t as_it_was = mmb_record_word(record);
    if (!is_of_now(word, bit, __atomic_load_n(&record->home, __ATOMIC_ACQUIRE)))
        return false;
    mmb_debug_fill(record, MMB_FILL_FREED);
    mmb_record_mark_free(record);
    uint64_t lowest = (uint64_t)1 << bit;
    if (__builtin_expect((__atomic_load_n(&record->home, __ATOMIC_RELAXED) & MMB_SHARED_CHARGED) &&
                             mmb_shared_uncharge_once(record),
                         0))
        mmb_shared_uncharge(heap, as_it_was & MMB_RECORD_LOW);
    if (!(__atomic_fetch_or(&word->bits[1], lowest, __ATOMIC_ACQ_REL) & lowest))
        return true;
    __atomic_store_n(&record->word, as_it_was, __ATOMIC_RELAXED);
    return false;
}

/* The calling thread runs a cache of the heap, so none but that thread may write what it owns. */
bool mmb_shared_free_quickly(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes)
{
    (void)n_bytes;
    uint32_t bit;
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_cache *cache = mmb_shared_cache_here(heap);
    struct mmb_shared_word *word = mmb_shared_word_of(record, &bit);
    if (!cache || !word || __atomic_load_n(&word->cache, __ATOMIC_RELAXED) == cache ||
        !put_for_owner(heap, word, bit, record))
        return false;
    MMB_OWNED_ADD(cache->n_freed, 1);
    return true;
}
