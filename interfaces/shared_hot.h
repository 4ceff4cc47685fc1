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
#include "src/spi/record_home.h"

/* ---- allocating ---- */

static inline uint32_t mmb_shared_pocket_offset(uint32_t class_index)
{
    return (uint32_t)(offsetof(struct mmb_shared_cache, pockets) +
                      class_index * sizeof(struct mmb_shared_pocket));
}

static inline struct mmb_shared_pocket *mmb_shared_pocket_at(struct mmb_shared_cache *cache,
                                                             uint32_t offset)
{
    return (struct mmb_shared_pocket *)(void *)((char *)cache + offset);
}

static inline uint32_t mmb_shared_word_generation(const struct mmb_shared_word *word, uint32_t bit)
{
    uint32_t bits = word->generation_bits;
    uint32_t packed = __atomic_load_n(&word->generations[bit * bits / 8], __ATOMIC_RELAXED);
    return packed >> bit * bits % 8 & ((1u << bits) - 1);
}

/* The next life of a block, whose generation has 8 bits: it, and perhaps MMB_SHARED_CHARGED. */
static inline uint32_t mmb_shared_bump(uint8_t *generation)
{
    uint32_t next = MMB_OWNED_LOAD(*generation) + 1u;
#ifdef __GNUC__
    __asm__("" : "+r"(next)); /* else it is computed twice, once for the byte */
#endif
    MMB_OWNED_STORE(*generation, (uint8_t)next);
    return next;
}

/* The same of fewer bits. */
static inline uint32_t mmb_shared_bump_packed(const struct mmb_shared_word *word, uint64_t bit)
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

/* What is allocated of a word that is owned here: noted, and made so for all by one store. Bits:
 * the word's, which the hot ways have at hand. */
static inline void mmb_shared_set_allocated(struct mmb_shared_word *word, uint64_t *bits,
                                            uint64_t allocated)
{
    MMB_OWNED_STORE(word->allocated, allocated);
    __atomic_store_n(&bits[0], allocated, __ATOMIC_RELEASE);
}

/* Has somebody else freed a block? A look at what others write; gcc takes two instructions and a
 * register more for it. */
static inline bool mmb_shared_is_marked(const uint64_t *bits, uint64_t bit)
{
    bool is_marked;
#if defined(__GCC_ASM_FLAG_OUTPUTS__) && defined(__x86_64__) && !defined(MMB_OWNED_ATOMIC)
    __asm__ volatile("testq %2, %1" : "=@ccnz"(is_marked) : "m"(bits[1]), "r"(bit));
#else
    is_marked = (__atomic_load_n(&bits[1], __ATOMIC_RELAXED) & bit) != 0;
#endif
    return __builtin_expect(is_marked, 0);
}

/* In an operation of the runner: makes the block on top of a pocket live. False: there is none, or
 * somebody marked it in F while it was free, and it would be dead at once.
 *
 * A is not read but known here. One pair depends on the one before it by the pocket's top and what
 * is allocated of a word, and by little else. */
static inline bool mmb_shared_hot_take(struct mmb_shared_cache *cache,
                                       struct mmb_shared_pocket *pocket, bool is_packed,
                                       struct mmb_hot_wish wish)
{
    struct mmb_shared_spot *spot = MMB_OWNED_LOAD(pocket->top);
    struct mmb_shared_word *word = spot->word;
    uint64_t bit = spot->bit, *bits = word->bits;
    if (mmb_shared_is_marked(bits, bit))
        return false;
    mmbAllocation *record = *spot->place;
    *wish.out_record = record;
    MMB_OWNED_STORE(pocket->top, spot - 1);
    MMB_OWNED_STORE(cache->last, pocket);
    uint32_t life = is_packed ? mmb_shared_bump_packed(word, (uint64_t)__builtin_ctzll(bit))
                              : mmb_shared_bump(spot->generation);
    mmb_record_set_halves(record, cache->fresh | mmb_record_halves(wish.n_bytes, life));
    mmb_shared_set_allocated(word, bits, MMB_OWNED_LOAD(word->allocated) | bit);
    return true;
}

/* False: take the slow way. */
static inline bool mmb_shared_hot_run(struct mmb_shared_cache *cache, uint64_t serial,
                                      uint32_t offset, struct mmb_hot_wish wish)
{
    mmb_tally_begin(&cache->n_allocated);
    if (__builtin_expect(MMB_OWNED_LOAD(cache->state) == serial, 1)) {
        int64_t credit = MMB_OWNED_LOAD(cache->account.credit) - (int64_t)wish.n_bytes;
        if (__builtin_expect(credit >= 0, 1) &&
            mmb_shared_hot_take(cache, mmb_shared_pocket_at(cache, offset), false, wish)) {
            MMB_OWNED_STORE(cache->account.credit, credit);
            mmb_tally_end(&cache->n_allocated);
            return true;
        }
    }
    mmb_tally_undo(&cache->n_allocated);
    return false;
}

/* Of the pocket for a size that is not looked up. */
static inline uint32_t mmb_shared_offset_for(const struct mmb_hot *hot, size_t n_bytes)
{
    return n_bytes <= hot->cached_bytes ? mmb_shared_pocket_offset(mmb_shared_class_of(n_bytes))
                                        : (uint32_t)offsetof(struct mmb_shared_cache, no_pocket);
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
    uintptr_t home = (uintptr_t)mmb_record_home_here(record);
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

/* In an operation of the runner: ends the handle of a block, which it then frees. */
static inline void mmb_shared_hot_end(mmbAllocation *record)
{
    mmb_debug_fill(record, MMB_FILL_FREED);
    mmb_record_mark_free(record);
}

/* The runner's free of the block that it took last from a pocket, and did not free: its word need
 * not be found. The way through a record's home object is one of loads that wait for each other.
 * False: it is another block, or not as usual, and the operation still goes on. */
static inline bool mmb_shared_hot_free(struct mmb_shared_cache *cache, mmbAllocation *record,
                                       uint32_t n_bytes)
{
    mmb_tally_begin(&cache->n_freed);
    if (__builtin_expect((MMB_OWNED_LOAD(cache->state) & MMB_SHARED_STOPS) != 0, 0))
        return false;
    struct mmb_shared_pocket *pocket = MMB_OWNED_LOAD(cache->last);
    struct mmb_shared_spot *spot = MMB_OWNED_LOAD(pocket->top) + 1;
    if (*spot->place != record)
        return false;
    struct mmb_shared_word *word = spot->word;
    uint64_t bit = spot->bit, *bits = word->bits;
    if (mmb_shared_is_marked(bits, bit))
        return false;
    mmb_shared_hot_end(record);
    mmb_shared_set_allocated(word, bits, MMB_OWNED_LOAD(word->allocated) & ~bit);
    MMB_OWNED_STORE(pocket->top, spot);
    MMB_OWNED_ADD(cache->account.credit, (int64_t)n_bytes);
    mmb_tally_end(&cache->n_freed);
    return true;
}

/* ---- pockets ---- */

static inline void mmb_shared_spot_set(struct mmb_shared_spot *spot, struct mmb_shared_word *word,
                                       uint32_t number)
{
    *spot = (struct mmb_shared_spot){&word->records[number], word, (uint64_t)1 << number,
                                     &word->generations[number]};
}

/* A free block of the class. False: there is no room. */
static inline bool mmb_shared_pocket_put(struct mmb_shared_pocket *pocket,
                                         struct mmb_shared_word *word, uint32_t number)
{
    struct mmb_shared_spot *top = pocket->top;
    if (__builtin_expect(top == &pocket->spots[MMB_SHARED_POCKET], 0))
        return false;
    mmb_shared_spot_set(top + 1, word, number);
    pocket->top = top + 1;
    return true;
}

/* ---- longer ways (shared_quick.c) ---- */

/* Where mmb_shared_hot_free gave false, and in its operation, which this ends: a SHARED record's
 * block of the cache's, or one in a span that another cache owns, here or in another process. */
bool mmb_shared_free_on(struct mmb_shared_cache *cache, mmbAllocation *record, uint32_t n_bytes);

/* A member of the table, where nothing unusual is to be done. */
bool mmb_shared_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                 mmbAllocation **out_record);

#endif
