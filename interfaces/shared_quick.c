/* SPDX-License-Identifier: BSD-3-Clause */
/* The short way of a shared heap: single blocks, allocated and freed by the runner of a cache, in
 * spans that the cache owns (shared.h).
 *
 * Owns mmb_shared_here. Takes no lock: the runner marks itself busy, and what is not at hand, or
 * not as usual, is left to the long way with nothing changed. What others may see changes by one
 * store to A, and by the generation before it; the runner may die between any two instructions. */
#include "interfaces/shared_run.h"
#include "src/spi/debug_fill.h"

__thread struct mmb_shared_here mmb_shared_here __attribute__((tls_model(MMB_TLS_MODEL)));

#define PUBLISHED ((uint32_t)MMB_RECORD_STACKED << 24)

static inline uint32_t class_of(const struct mmb_shared_heap *heap, size_t n_bytes)
{
    if (__builtin_expect(n_bytes <= MMB_SHARED_TABLE_BYTES, 1))
        return heap->classes[(n_bytes + MMB_SHARED_UNIT - 1) / MMB_SHARED_UNIT];
    return mmb_shared_class_of(n_bytes);
}

/* The next life of a block: its generation in the segment, and in the record's home. */
static inline uint32_t bump(const struct mmb_shared_word *word, uint32_t bit)
{
    if (__builtin_expect(word->generations != NULL, 1)) {
        uint8_t *generation = &word->generations[bit];
        uint8_t next = (uint8_t)(__atomic_load_n(generation, __ATOMIC_RELAXED) + 1);
        __atomic_store_n(generation, next, __ATOMIC_RELAXED);
        return next;
    }
    uint32_t index = word->number * MMB_SHARED_WORD_BLOCKS + bit;
    mmb_shared_generation_bump(&word->shadow->span, index);
    return mmb_shared_generation(&word->shadow->span, index);
}

/* Makes the lowest block of a mask that is not 0 live. False: somebody marked it while it was free.
 */
static inline bool take(struct mmb_shared_cache *cache, struct mmb_shared_word *word,
                        uint32_t n_bytes, mmbAllocation **out_record)
{
    uint64_t mask = MMB_OWNED_LOAD(word->mask), lowest = mask & -mask;
    uint32_t bit = (uint32_t)__builtin_ctzll(mask);
    uint64_t marks = __atomic_load_n(&word->bits[1], __ATOMIC_RELAXED) |
                     __atomic_load_n(word->spared, __ATOMIC_RELAXED);
    if (__builtin_expect((marks & lowest) != 0, 0))
        return false;
    mmbAllocation *record = word->records[bit];
    __atomic_store_n(&record->home, cache->home | bump(word, bit), __ATOMIC_RELAXED);
    __atomic_store_n(&record->word, PUBLISHED | n_bytes, __ATOMIC_RELAXED);
    uint64_t allocated = __atomic_load_n(&word->bits[0], __ATOMIC_RELAXED);
    __atomic_store_n(&word->bits[0], allocated | lowest, __ATOMIC_RELEASE);
    MMB_OWNED_STORE(word->mask, mask ^ lowest);
    MMB_OWNED_ADD(cache->n_allocated, 1);
    *out_record = record;
    return true;
}

bool mmb_shared_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                 mmbAllocation **out_record)
{
    const struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_cache *cache = mmb_shared_here.cache;
    if (__builtin_expect(mmb_shared_here.serial != heap->serial, 0) ||
        __builtin_expect(n_bytes > heap->class_bytes, 0))
        return false;
    uint32_t class_index = class_of(heap, n_bytes);
    bool taken = false;
    mmb_shared_run_begin(cache);
    int64_t credit = MMB_OWNED_LOAD(cache->account.credit) - (int64_t)n_bytes;
    if (__builtin_expect(MMB_OWNED_LOAD(cache->stops) == 0, 1) &&
        __builtin_expect(credit >= MMB_OWNED_LOAD(cache->account.low), 1)) {
        struct mmb_shared_word *word = MMB_OWNED_LOAD(cache->bins[class_index]);
        if (__builtin_expect(MMB_OWNED_LOAD(word->mask) != 0, 1))
            taken = take(cache, word, (uint32_t)n_bytes, out_record);
        if (taken)
            MMB_OWNED_STORE(cache->account.credit, credit);
    }
    mmb_shared_run_end(cache);
    return taken;
}

/* ---- freeing ---- */

static inline struct mmb_shared_word *word_of(const mmbAllocation *record, uint32_t *out_bit)
{
    uintptr_t home = (uintptr_t)mmb_record_home_object(record);
    *out_bit = home % MMB_SHARED_WORD_BLOCKS;
    return (struct mmb_shared_word *)(home - *out_bit);
}

/* Has the list of spans to change once a block of the word is free? */
static inline bool needs_lists(const struct mmb_shared_word *word, uint64_t left)
{
    uint32_t state = MMB_OWNED_LOAD(word->state);
    return state != MMB_WORD_CURRENT && (state == MMB_WORD_CLOSED || left == 0);
}

/* The handle ends before the block is free. */
static inline bool put(struct mmb_shared_word *word, uint32_t bit, mmbAllocation *record)
{
    uint64_t lowest = (uint64_t)1 << bit;
    uint64_t allocated = __atomic_load_n(&word->bits[0], __ATOMIC_RELAXED);
    uint64_t live = allocated & ~__atomic_load_n(&word->bits[1], __ATOMIC_RELAXED);
    if (__builtin_expect(!(live & lowest) || needs_lists(word, allocated & ~lowest), 0))
        return false;
    mmb_debug_fill(record, MMB_FILL_FREED);
    mmb_record_mark_free(record);
    __atomic_store_n(&word->bits[0], allocated & ~lowest, __ATOMIC_RELEASE);
    MMB_OWNED_STORE(word->mask, MMB_OWNED_LOAD(word->mask) | lowest);
    return true;
}

/* A record that is charged and of the cache's own is of the block's present life: only the cache
 * gives it a next one, and ends the record before. */
static inline bool put_own(struct mmb_shared_cache *cache, struct mmb_shared_word *word,
                           uint32_t bit, mmbAllocation *record, size_t n_bytes)
{
    bool given = false;
    mmb_shared_run_begin(cache);
    if (__builtin_expect(MMB_OWNED_LOAD(cache->stops) == 0, 1))
        given = put(word, bit, record);
    if (given) {
        MMB_OWNED_ADD(cache->account.credit, (int64_t)n_bytes);
        MMB_OWNED_ADD(cache->n_freed, 1);
    }
    mmb_shared_run_end(cache);
    return given;
}

/* Is the block live, in a span that is still the one the shadow was made for, and the record's? */
static inline bool is_of_now(const struct mmb_shared_word *word, uint32_t bit, uint32_t home)
{
    uint64_t now = __atomic_load_n(word->shadow->descriptor, __ATOMIC_ACQUIRE);
    uint64_t allocated = __atomic_load_n(&word->bits[0], __ATOMIC_ACQUIRE);
    uint64_t live = allocated & ~__atomic_load_n(&word->bits[1], __ATOMIC_ACQUIRE);
    uint32_t generation = word->generations
                              ? __atomic_load_n(&word->generations[bit], __ATOMIC_RELAXED)
                              : mmb_shared_generation(&word->shadow->span,
                                                      word->number * MMB_SHARED_WORD_BLOCKS + bit);
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

bool mmb_shared_free_quickly(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_cache *cache = mmb_shared_here.cache;
    uint32_t bit, home = __atomic_load_n(&record->home, __ATOMIC_RELAXED);
    struct mmb_shared_word *word = word_of(record, &bit);
    if (__builtin_expect(mmb_shared_here.serial != heap->serial, 0) || !word)
        return false;
    if (__builtin_expect(__atomic_load_n(&word->cache, __ATOMIC_RELAXED) == cache, 1))
        return home & MMB_SHARED_CHARGED && put_own(cache, word, bit, record, n_bytes);
    bool given = put_for_owner(heap, word, bit, record);
    if (given)
        MMB_OWNED_ADD(cache->n_freed, 1);
    return given;
}
