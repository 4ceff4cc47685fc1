/* SPDX-License-Identifier: BSD-3-Clause */
/* From an address to the record that may have it, in one step: what the heaps' pages hold, in a
 * table over all addresses of user space. It is a guess that has to be confirmed: who asks looks
 * into the record, which knows its block, and asks the map of chunks where that does not agree.
 *
 * So nobody has to agree with anybody. A thread may come while a page changes hands and see half of
 * one entry and half of another: the number that comes out is that of a record or is refused, any
 * record can be read at any time, and it is live and has the address or it is not the answer. Who
 * looks for a block that lives all the time sees its entry whole: it was written before the record
 * was handed out and changes only after the record came back.
 *
 * Only pages whose addresses are multiples of their size, and whose blocks the host has at these
 * very addresses, are entered; and of a large block that comes and goes no more than its first
 * pages, so that entering it costs little. All else takes the long way. */
#ifndef MMB_INTERFACES_PAGE_MAP_H
#define MMB_INTERFACES_PAGE_MAP_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "src/spi/record.h"

#define MMB_PAGE_SHIFT 14u
#define MMB_PAGE_BYTES ((size_t)1 << MMB_PAGE_SHIFT)
/* No span of small blocks has more. */
#define MMB_SPAN_PAGES_MAX 64u

/* Counted in units of 16 B, an address lies n < 2^16 behind the start of a span of blocks of
 * d <= 2^12. Then n / d, rounded down, is n * reciprocal >> MMB_RECIPROCAL_SHIFT: the reciprocal is
 * more than 2^28 / d by at most 1, so the product is too large by n / 2^28 < 2^-12 <= 1 / d, and
 * n / d is below the next whole number by at least 1 / d. */
#define MMB_RECIPROCAL_SHIFT 28u

/* A page's part of a span. All zero leads to record 0, which is nobody's. */
struct mmb_page_entry {
    uint32_t first;       /* number of the record of the span's first block */
    uint32_t start;       /* low half of the span's address */
    uint32_t reciprocal;  /* of the block's size; 0: the span is one block */
    uint32_t is_findable; /* by mmb_allocation_find() */
};

#define MMB_LEAF_LOG2    15u
#define MMB_LEAF_ENTRIES ((size_t)1 << MMB_LEAF_LOG2)
#define MMB_LEAF_SHIFT   (MMB_PAGE_SHIFT + MMB_LEAF_LOG2) /* 512 MiB of addresses */
#if defined(__x86_64__)
#define MMB_PAGE_MAP_BITS 47u
#else
#define MMB_PAGE_MAP_BITS 48u
#endif
#define MMB_LEAVES ((size_t)1 << (MMB_PAGE_MAP_BITS - MMB_LEAF_SHIFT))

/* Leaves are made when they are needed and stay until the map is reset. */
extern _Atomic(struct mmb_page_entry *) mmb_page_leaves[MMB_LEAVES]
    __attribute__((visibility("hidden")));

/* NULL: there is none. Else it can be read, whatever the address is. */
static inline const struct mmb_page_entry *mmb_page_entry_of(uintptr_t address)
{
    uintptr_t index = address >> MMB_LEAF_SHIFT;
    if (__builtin_expect(index >= MMB_LEAVES, 0))
        return NULL;
    /* Acquire: its entries are zero or written. */
    const struct mmb_page_entry *leaf =
        atomic_load_explicit(&mmb_page_leaves[index], memory_order_acquire);
    return leaf ? &leaf[address >> MMB_PAGE_SHIFT & (MMB_LEAF_ENTRIES - 1)] : NULL;
}

/* The record that may have the address, which can be read; NULL: none. The number is loaded once,
 * since it is compared before it is used. */
static inline mmbAllocation *mmb_page_entry_guess(const struct mmb_page_entry *entry,
                                                  uintptr_t address)
{
    uint32_t offset = (uint32_t)address - MMB_OWNED_LOAD(entry->start);
    uint64_t index =
        (uint64_t)(offset / 16) * MMB_OWNED_LOAD(entry->reciprocal) >> MMB_RECIPROCAL_SHIFT;
    uint64_t number = __atomic_load_n(&entry->first, __ATOMIC_RELAXED) + index;
    if (__builtin_expect(number >= MMB_OWNED_LOAD(mmb_records.n_records), 0))
        return NULL;
    return mmb_record_by_number(number);
}

static inline mmbAllocation *mmb_page_guess(uintptr_t address)
{
    const struct mmb_page_entry *entry = mmb_page_entry_of(address);
    return entry ? mmb_page_entry_guess(entry, address) : NULL;
}

/* A live object whose own block has the address, if its record alone tells so: it has no extension,
 * no stack that might have dropped it, and the host reaches it there. */
static inline bool mmb_record_is_plainly_at(const mmbAllocation *record, uintptr_t address)
{
    uint32_t word = mmb_record_word(record);
    return mmb_record_state(word) <= MMB_RECORD_LOCKED &&
           address - (uintptr_t)record->host < (word & MMB_RECORD_LOW);
}

/* The record of the plain block that has the address. NULL: the long way tells. */
static inline mmbAllocation *mmb_page_find(uintptr_t address)
{
    mmbAllocation *record = mmb_page_guess(address);
    return record && mmb_record_is_plainly_at(record, address) ? record : NULL;
}

/* The run's owner orders these: the heap's lock is held. */

/* A run of pages has blocks of block_bytes, whose records begin with `first`; 0: one block. Without
 * metadata nothing is entered. */
void mmb_page_map_enter(uintptr_t address, size_t n_pages, const mmbAllocation *first,
                        size_t block_bytes, bool is_findable);
void mmb_page_map_leave(uintptr_t address, size_t n_pages);
/* Gives all leaves back. No other call may be under way. */
void mmb_page_map_reset(void);

#endif
