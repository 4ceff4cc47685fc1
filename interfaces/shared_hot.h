/* SPDX-License-Identifier: BSD-3-Clause */
/* The first instructions of mmb_allocate and mmb_free for shared heaps: single blocks, allocated
 * and freed by the runner of a cache in spans that the cache owns (shared.h).
 *
 * No lock is taken: the runner marks itself busy, and what is not at hand, or not as usual, gives
 * false with nothing changed. What others may see changes by one store to A, and by the generation
 * before it, so the runner may die between any two instructions. */
#ifndef MMB_INTERFACES_SHARED_HOT_H
#define MMB_INTERFACES_SHARED_HOT_H
#include "interfaces/shared.h"
#include "src/base/owned.h"
#include "src/spi/debug_fill.h"

static inline void mmb_shared_run_begin(struct mmb_shared_cache *cache)
{
    mmb_mark_set(&cache->busy);
}

static inline void mmb_shared_run_end(struct mmb_shared_cache *cache)
{
    mmb_mark_clear(&cache->busy);
}

/* ---- allocating ---- */

static inline uint32_t mmb_shared_bin_offset(uint32_t class_index)
{
    return (uint32_t)(offsetof(struct mmb_shared_cache, bins) +
                      class_index * sizeof(struct mmb_shared_word *));
}

static inline struct mmb_shared_word *mmb_shared_bin_at(struct mmb_shared_cache *cache,
                                                        uint32_t offset)
{
    return *(struct mmb_shared_word **)(void *)((char *)cache + offset);
}

static inline uint32_t mmb_shared_word_generation(const struct mmb_shared_word *word, uint32_t bit)
{
    uint32_t bits = word->generation_bits;
    uint32_t packed = __atomic_load_n(&word->generations[bit * bits / 8], __ATOMIC_RELAXED);
    return packed >> bit * bits % 8 & ((1u << bits) - 1);
}

/* The next life of a block, whose generation has 8 bits: it, and perhaps MMB_SHARED_CHARGED. */
static inline uint32_t mmb_shared_word_bump(const struct mmb_shared_word *word, uint32_t bit)
{
    uint8_t *generation = &word->generations[bit];
    uint32_t next = __atomic_load_n(generation, __ATOMIC_RELAXED) + 1u;
    __atomic_store_n(generation, (uint8_t)next, __ATOMIC_RELAXED);
    return next;
}

/* The same of fewer bits. */
static inline uint32_t mmb_shared_word_bump_packed(const struct mmb_shared_word *word, uint32_t bit)
{
    uint32_t bits = word->generation_bits, shift = bit * bits % 8, mask = (1u << bits) - 1;
    uint8_t *byte = &word->generations[bit * bits / 8];
    uint32_t packed = __atomic_load_n(byte, __ATOMIC_RELAXED);
    uint32_t next = ((packed >> shift) + 1) & mask;
    packed = (packed & ~(mask << shift)) | next << shift;
    __atomic_store_n(byte, (uint8_t)packed, __ATOMIC_RELAXED);
    return next;
}

/* How many bytes, and where the handle goes. */
struct mmb_hot_wish {
    size_t n_bytes;
    mmbAllocation **out_record;
};

static inline bool mmb_shared_has_bit(uint64_t bits, uint32_t bit)
{
    return bits & (uint64_t)1 << bit;
}

/* Makes the lowest block of a mask that is not 0 live. False: somebody marked it while it was free.
 */
static inline bool mmb_shared_hot_take(struct mmb_shared_cache *cache, struct mmb_shared_word *word,
                                       uint64_t mask, bool is_packed, struct mmb_hot_wish wish)
{
    uint32_t bit = (uint32_t)__builtin_ctzll(mask);
    uint64_t *bits = word->bits;
    uint64_t marks = __atomic_load_n(&bits[1], __ATOMIC_RELAXED) |
                     __atomic_load_n(word->spared, __ATOMIC_RELAXED);
    if (__builtin_expect(mmb_shared_has_bit(marks, bit), 0))
        return false;
    mmbAllocation *record = word->records[bit];
    MMB_OWNED_STORE(word->mask, mask & (mask - 1));
    MMB_OWNED_STORE(cache->last_word, word);
    MMB_OWNED_STORE(cache->last_bit, bit);
    *wish.out_record = record;
    uint32_t state = (uint32_t)MMB_RECORD_SHARED << 24 | (uint32_t)wish.n_bytes;
    uint32_t life =
        is_packed ? mmb_shared_word_bump_packed(word, bit) : mmb_shared_word_bump(word, bit);
    __atomic_store_n(&record->word, state, __ATOMIC_RELAXED);
    __atomic_store_n(&record->home, cache->home | life, __ATOMIC_RELAXED);
    uint64_t allocated = __atomic_load_n(&bits[0], __ATOMIC_RELAXED);
    __atomic_store_n(&bits[0], allocated | (uint64_t)1 << bit, __ATOMIC_RELEASE);
    return true;
}

/* False: take the slow way. */
static inline bool mmb_shared_hot_run(struct mmb_shared_cache *cache, uint64_t serial,
                                      uint32_t offset, struct mmb_hot_wish wish)
{
    bool taken = false;
    int64_t n_bytes = (int64_t)wish.n_bytes;
    mmb_shared_run_begin(cache);
    if (__builtin_expect(MMB_OWNED_LOAD(cache->state) == serial, 1) &&
        __builtin_expect(MMB_OWNED_LOAD(cache->account.credit) - n_bytes >=
                             MMB_OWNED_LOAD(cache->account.low),
                         1)) {
        struct mmb_shared_word *word = mmb_shared_bin_at(cache, offset);
        uint64_t mask = MMB_OWNED_LOAD(word->mask);
        taken =
            __builtin_expect(mask != 0, 1) && mmb_shared_hot_take(cache, word, mask, false, wish);
        if (__builtin_expect(taken, 1)) {
            MMB_OWNED_ADD(cache->account.credit, -n_bytes);
            MMB_OWNED_ADD(cache->n_allocated, 1);
        }
    }
    mmb_shared_run_end(cache);
    return taken;
}

/* Of the bin for a size that is not looked up. */
static inline uint32_t mmb_shared_offset_for(const struct mmb_hot *hot, size_t n_bytes)
{
    return n_bytes <= hot->cached_bytes ? mmb_shared_bin_offset(mmb_shared_class_of(n_bytes))
                                        : (uint32_t)offsetof(struct mmb_shared_cache, no_bin);
}

/* Blocks of 64 B and more; false: take a longer way. */
static inline bool mmb_shared_hot_allocate(const struct mmb_hot *hot, size_t n_bytes,
                                           mmbAllocation **out_record)
{
    uint32_t offset = __builtin_expect(n_bytes <= MMB_HOT_BYTES, 1)
                          ? hot->magazine[(n_bytes + 15) / 16]
                          : mmb_shared_offset_for(hot, n_bytes);
    const struct mmb_hot_wish wish = {n_bytes, out_record};
    return mmb_shared_hot_run(MMB_OWNED_LOAD(mmb_shared_here), hot->serial, offset, wish);
}

/* ---- freeing ---- */

/* Of a record of a shared heap that is not a stack. NULL: it has lost its block. */
static inline struct mmb_shared_word *mmb_shared_word_of(const mmbAllocation *record,
                                                         uint32_t *out_bit)
{
    uintptr_t home = (uintptr_t)mmb_record_home_object(record);
    *out_bit = home % MMB_SHARED_WORD_BLOCKS;
    return (struct mmb_shared_word *)(home - *out_bit);
}

/* Is the block live, in a span that is still the one the shadow was made for, and the record's? */
static inline bool mmb_shared_is_of_now(const struct mmb_shared_word *word, uint32_t bit,
                                        uint32_t home)
{
    uint64_t allocated = __atomic_load_n(&word->bits[0], __ATOMIC_ACQUIRE);
    uint64_t live = allocated & ~__atomic_load_n(&word->bits[1], __ATOMIC_ACQUIRE);
    uint32_t generation = mmb_shared_word_generation(word, bit);
    return mmb_shadow_is_of_now(word->shadow) && live >> bit & 1 &&
           generation == (home & MMB_SHARED_GENERATION);
}

/* Have the lists of spans to change once a block of the word is free? */
static inline bool mmb_shared_needs_lists(const struct mmb_shared_word *word, uint64_t left)
{
    uint8_t state = MMB_OWNED_LOAD(word->state);
    return __builtin_expect(state != MMB_WORD_CURRENT, 0) &&
           (state == MMB_WORD_CLOSED || left == 0);
}

/* The handle ends before the block is free. */
static inline bool mmb_shared_hot_put(struct mmb_shared_word *word, uint32_t bit,
                                      mmbAllocation *record)
{
    uint64_t *bits = word->bits, allocated = __atomic_load_n(&bits[0], __ATOMIC_RELAXED);
    uint64_t left = allocated & ~((uint64_t)1 << bit);
    if (__builtin_expect(mmb_shared_has_bit(__atomic_load_n(&bits[1], __ATOMIC_RELAXED), bit), 0) ||
        mmb_shared_needs_lists(word, left))
        return false;
    mmb_debug_fill(record, MMB_FILL_FREED);
    mmb_record_mark_free(record);
    __atomic_store_n(&bits[0], left, __ATOMIC_RELEASE);
    MMB_OWNED_STORE(word->mask, MMB_OWNED_LOAD(word->mask) | (uint64_t)1 << bit);
    return true;
}

/* The runner's free of the block that it allocated last, whose word need not be found: the way
 * through a record's home object is one of loads that wait for each other. False: it is another
 * block, or take a longer way. */
static inline bool mmb_shared_free_last(mmbAllocation *record)
{
    struct mmb_shared_cache *cache = MMB_OWNED_LOAD(mmb_shared_here);
    uint32_t n_bytes = mmb_record_word(record) & MMB_RECORD_LOW;
    bool given = false;
    mmb_shared_run_begin(cache);
    if (__builtin_expect(!(MMB_OWNED_LOAD(cache->state) & MMB_SHARED_STOPS), 1)) {
        struct mmb_shared_word *word = MMB_OWNED_LOAD(cache->last_word);
        uint32_t bit = MMB_OWNED_LOAD(cache->last_bit);
        given = word->records[bit] == record && mmb_shared_hot_put(word, bit, record);
        if (given) {
            MMB_OWNED_ADD(cache->account.credit, (int64_t)n_bytes);
            MMB_OWNED_ADD(cache->n_freed, 1);
        }
    }
    mmb_shared_run_end(cache);
    return given;
}

/* ---- longer ways (shared_quick.c) ---- */

/* Any SHARED record's block, where no lock is needed for it. */
bool mmb_shared_free_own(struct mmb_shared_cache *cache, mmbAllocation *record);

/* Members of the table (shared_quick.c), where nothing unusual is to be done. The former's blocks
 * are the runner's, the latter's lie in spans that others own. */
bool mmb_shared_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                 mmbAllocation **out_record);
bool mmb_shared_free_quickly(struct mmb_allocator *allocator, mmbAllocation *record,
                             size_t n_bytes);

#endif
