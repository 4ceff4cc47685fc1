/* SPDX-License-Identifier: BSD-3-Clause */
/* The first instructions of mmb_allocate and mmb_free. Nothing is called and nothing is locked; all
 * that does not fit here gives false and is done again, slowly, by the strategy. */
#ifndef MMB_INTERFACES_THREAD_HOT_H
#define MMB_INTERFACES_THREAD_HOT_H
#include "interfaces/thread_cache.h"
#include "src/spi/hot.h"

static inline bool mmb_hot_take(struct mmb_magazine *magazine, size_t n_bytes,
                                mmbAllocation **out_record)
{
    struct mmb_thread_cache *cache = mmb_magazine_cache(magazine);
    mmbAllocation **top = mmb_magazine_enter(magazine);
    int64_t credit = MMB_OWNED_LOAD(cache->account.credit) - (int64_t)n_bytes;
    if (__builtin_expect(!mmb_magazine_has_record(magazine, top), 0) ||
        __builtin_expect(credit < 0, 0)) {
        mmb_magazine_leave_unchanged(magazine);
        return false;
    }
    mmbAllocation *record = *--top;
    MMB_OWNED_STORE(cache->account.credit, credit);
    MMB_OWNED_ADD(cache->n_allocated, 1);
    __atomic_store_n(&record->word, (uint32_t)n_bytes, __ATOMIC_RELAXED);
    mmb_magazine_leave(magazine, top);
    *out_record = record;
    return true;
}

/* False: take the slow way. */
static inline bool mmb_hot_allocate(const struct mmb_hot *hot, size_t n_bytes,
                                    mmbAllocation **out_record)
{
    uint32_t offset = hot->magazine[(n_bytes + 15) / 16];
    return mmb_hot_take(mmb_magazine_at(mmb_thread_area, offset), n_bytes, out_record);
}

/* The same for sizes beyond MMB_HOT_BYTES. */
static inline bool mmb_hot_allocate_large(const struct mmb_hot *hot, size_t n_bytes,
                                          mmbAllocation **out_record)
{
    if (n_bytes > hot->cached_bytes)
        return false;
    uint32_t offset = hot->slot_base + MMB_MAGAZINE_OFFSET(mmb_class_of(n_bytes));
    return mmb_hot_take(mmb_magazine_at(mmb_thread_area, offset), n_bytes, out_record);
}

/* False: take the slow way. A word of 1..2^24-1 is a plain live record. */
static inline bool mmb_hot_free(mmbAllocation *record)
{
    uint32_t word = mmb_record_word(record);
    if (__builtin_expect(word - 1 >= MMB_RECORD_LOW, 0))
        return false;
    struct mmb_magazine *magazine = mmb_magazine_at(mmb_thread_area, record->home);
    struct mmb_thread_cache *cache = mmb_magazine_cache(magazine);
    mmbAllocation **top = mmb_magazine_enter(magazine);
    if (__builtin_expect(!mmb_magazine_has_room(magazine, top), 0)) {
        mmb_magazine_leave_unchanged(magazine);
        return false;
    }
    *top = record;
    MMB_OWNED_ADD(cache->account.credit, (int64_t)word);
    mmb_record_mark_free(record);
    mmb_magazine_leave(magazine, top + 1);
    return true;
}

#endif
