/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack's entries in a segment. Blocks lie one above the other from the data's start, entries
 * grow towards them from its end, and dynamic.n_entries is the one word that says how high the
 * stack is: what is beyond it does not exist. */
#ifndef MMB_SHARED_STACK_H
#define MMB_SHARED_STACK_H
#include "src/shared/segment.h"

/* info: units of 16 bytes in the low 40 bits, then the generation, the owner (as a span's) and two
 * flags. The generation counts the blocks that had the entry. */
struct mmb_shared_entry {
    uint64_t start;
    uint64_t info;
};

#define MMB_ENTRY_UNITS            (((uint64_t)1 << 40) - 1)
#define MMB_ENTRY_GENERATION_SHIFT 40
#define MMB_ENTRY_OWNER_SHIFT      48
#define MMB_ENTRY_SPARED           ((uint64_t)1 << 62)
#define MMB_ENTRY_FREED            ((uint64_t)1 << 63)

static inline uint8_t mmb_entry_generation(uint64_t info)
{
    return (uint8_t)(info >> MMB_ENTRY_GENERATION_SHIFT);
}

static inline uint32_t mmb_entry_owner(uint64_t info)
{
    return (uint32_t)(info >> MMB_ENTRY_OWNER_SHIFT) & 0xfff;
}

static inline uint64_t mmb_entry_bytes(uint64_t info)
{
    return (info & MMB_ENTRY_UNITS) * MMB_SHARED_UNIT;
}

static inline struct mmb_shared_entry *mmb_shared_entry(const struct mmb_shared_segment *segment,
                                                        uint32_t index)
{
    struct mmb_shared_entry *end =
        (struct mmb_shared_entry *)(segment->base + segment->layout.data_end);
    return end - 1 - index;
}

/* Never more than there is room for. */
uint32_t mmb_shared_stack_height(const struct mmb_shared_segment *segment);
uint32_t mmb_shared_stack_capacity(const struct mmb_shared_segment *segment);
/* Reads an entry below the height. False: it cannot be. */
bool mmb_shared_entry_read(const struct mmb_shared_segment *segment, uint32_t index,
                           struct mmb_shared_entry *out);
/* The last entry that starts at or below the offset; false: none. */
bool mmb_shared_entry_find(const struct mmb_shared_segment *segment, uint64_t offset,
                           uint32_t *out_index);
/* Central lock held. Where the next block starts. */
uint64_t mmb_shared_stack_top(const struct mmb_shared_segment *segment);
/* Central lock held: entries of a slot get another owner. */
void mmb_shared_stack_disown(struct mmb_shared_segment *segment, uint32_t slot, uint32_t heir);
/* Central lock held: goes down past entries that are free. */
void mmb_shared_stack_settle(struct mmb_shared_segment *segment);
bool mmb_shared_entry_is_dead(struct mmb_shared_segment *segment, uint64_t info);
void mmb_shared_stack_usage(struct mmb_shared_segment *segment, struct mmb_shared_usage *out);

#endif
