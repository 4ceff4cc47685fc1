/* SPDX-License-Identifier: BSD-3-Clause */
/* The second shortest ways of a shared heap: the runner's where shared_hot.h does not suffice,
 * because generations are packed or another word has to come into use, and frees for others, of
 * blocks in spans that another cache owns, here or in another process (shared.h).
 *
 * Owns mmb_shared_here. Takes no lock but, for the metadata of handles, the
 * record pool's, in an operation of the runner: nobody who has that waits for a runner. */
#include "interfaces/shared_hot.h"

struct mmb_shared_cache mmb_shared_no_cache = {.state = MMB_SHARED_STOPS};
__thread struct mmb_shared_cache *mmb_shared_here __attribute__((tls_model(MMB_TLS_MODEL))) =
    &mmb_shared_no_cache;

/* ---- allocating ---- */

/* In an operation: makes the pocket of a class have blocks, where no lock is needed for that. What
 * others freed of a span that comes into use is uncharged at once. */
static bool fill_pocket(struct mmb_shared_cache *cache, uint32_t class_index)
{
    struct mmb_shared_lack lack = {0, false};
    struct mmb_shared_pocket *pocket = &cache->pockets[class_index];
    if (pocket->top != &pocket->spots[0])
        return true;
    bool filled = cache->bins[class_index]->mask || mmb_shared_bin_fill(cache, class_index, &lack);
    MMB_OWNED_ADD(cache->account.credit, (int64_t)cache->owed);
    cache->owed = 0;
    struct mmb_shared_word *word = cache->bins[class_index];
    if (filled)
        word->mask = mmb_shared_pocket_fill(pocket, word, word->mask);
    return filled;
}

static bool take(struct mmb_shared_cache *cache, uint32_t class_index, struct mmb_hot_wish wish)
{
    int64_t credit = MMB_OWNED_LOAD(cache->account.credit) - (int64_t)wish.n_bytes;
    if (MMB_OWNED_LOAD(cache->state) & MMB_SHARED_STOPS || credit < 0 ||
        !fill_pocket(cache, class_index))
        return false;
    credit = MMB_OWNED_LOAD(cache->account.credit) - (int64_t)wish.n_bytes; /* it may have grown */
    struct mmb_shared_pocket *pocket = &cache->pockets[class_index];
    bool taken = mmb_shared_class_bytes(class_index) >= 64
                     ? mmb_shared_hot_take(cache, pocket, false, wish)
                     : mmb_shared_hot_take(cache, pocket, true, wish);
    if (taken)
        MMB_OWNED_STORE(cache->account.credit, credit);
    return taken;
}

bool mmb_shared_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                 mmbAllocation **out_record)
{
    const struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    struct mmb_shared_cache *cache = mmb_shared_cache_here(heap);
    const struct mmb_hot_wish wish = {n_bytes, out_record};
    if (!cache || n_bytes > (size_t)1 << heap->segment->layout.granule_log2)
        return false;
    mmb_tally_begin(&cache->n_allocated);
    bool taken = take(cache, mmb_shared_class_of(n_bytes), wish);
    mmb_tally_leave(&cache->n_allocated, taken ? 1 : (uint64_t)-1);
    return taken;
}

/* ---- freeing ---- */

/* The block is free: for the runner, or as others that are in no pocket. */
static void give(struct mmb_shared_cache *cache, struct mmb_shared_word *word, uint32_t number)
{
    uint64_t bit = (uint64_t)1 << number, able = word->able & bit;
    mmb_shared_set_allocated(word, word->bits, word->allocated & ~bit);
    if (able && mmb_shared_pocket_put(&cache->pockets[word->class_index], word, number))
        return;
    if (word->state == MMB_WORD_CURRENT)
        word->mask |= able;
    else if (word->state == MMB_WORD_CLOSED)
        mmb_shared_word_open(cache, word);
}

/* A SHARED record that is charged and of the cache's own is of the block's present life: only the
 * cache gives it a next one, and ends the record before. A span that would be empty is left to who
 * has the lock. */
static bool put(struct mmb_shared_cache *cache, mmbAllocation *record)
{
    uint32_t at, home = __atomic_load_n(&record->home, __ATOMIC_RELAXED);
    struct mmb_shared_word *word = mmb_shared_word_of(record, &at);
    if (MMB_OWNED_LOAD(cache->state) & MMB_SHARED_STOPS || !word ||
        __atomic_load_n(&word->cache, __ATOMIC_RELAXED) != cache || !(home & MMB_SHARED_CHARGED))
        return false;
    uint64_t bit = (uint64_t)1 << at, allocated = word->allocated;
    if (!(allocated & bit) || mmb_shared_is_marked(word->bits, bit) ||
        (allocated == bit && mmb_shared_word_is_last(cache, word)))
        return false;
    mmb_shared_hot_end(record);
    give(cache, word, at);
    return true;
}

/* Of a span that another cache owns. The record ends before the block is free for others, and lives
 * on when somebody else was first. */
static bool put_for_owner(struct mmb_shared_heap *heap, struct mmb_shared_word *word, uint32_t bit,
                          mmbAllocation *record)
{
    uint32_t as_it_was = mmb_record_word(record);
    if (!mmb_shared_is_of_now(word, bit, __atomic_load_n(&record->home, __ATOMIC_ACQUIRE)))
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

/* None but the calling thread may write what its cache owns. */
static bool put_for_others(struct mmb_shared_cache *cache, mmbAllocation *record)
{
    uint32_t bit, home = __atomic_load_n(&record->home, __ATOMIC_RELAXED);
    if (home / MMB_SLOT_BYTES != cache->home_slot)
        return false;
    struct mmb_shared_word *word = mmb_shared_word_of(record, &bit);
    if (!word || __atomic_load_n(&word->cache, __ATOMIC_RELAXED) == cache ||
        !put_for_owner(cache->heap, word, bit, record))
        return false;
    MMB_OWNED_ADD(cache->n_freed, 2);
    return true;
}

bool mmb_shared_free_on(struct mmb_shared_cache *cache, mmbAllocation *record, uint32_t n_bytes)
{
    if (put(cache, record)) {
        MMB_OWNED_ADD(cache->account.credit, (int64_t)n_bytes);
        mmb_tally_end(&cache->n_freed);
        return true;
    }
    mmb_tally_undo(&cache->n_freed);
    return put_for_others(cache, record);
}
