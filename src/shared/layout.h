/* SPDX-License-Identifier: BSD-3-Clause */
/* What a shared segment looks like. Only plain words and offsets lie in it: no pointer, no list, no
 * log, and no fact is written twice, so that a process may die after any instruction.
 *
 *     head           immutable after creation, with a checksum
 *     dynamic words  the central lock, a hint, the stack's height
 *     owner slots    who allocates; one of a process or of one of its threads
 *     custom header  the program's
 *     descriptors    8 bytes per granule: what the granule is part of
 *     control        per granule: bits of its blocks, and their generations
 *     data           granules
 *
 * A span is a run of granules with blocks of one size, or with one large block. Its descriptor is
 * its first granule's; the bits are in that granule's control:
 *
 *     A  allocated; written by the span's owner only
 *     F  freed by others; the owner collects it: A &= ~F, then F = 0
 *     K  spared: the block is no longer its dead owner's
 *
 * live = A and not F. A descriptor or an A word is the last thing that is written. */
#ifndef MMB_SHARED_LAYOUT_H
#define MMB_SHARED_LAYOUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include <mmb/interface_config.h>

#define MMB_SHARED_MAGIC   0x70616568626d6d01ull
#define MMB_SHARED_VERSION 1u

/* What follows from the length, the custom header, the strategy and the base's place in a granule.
 * Offsets are from the segment's start. */
struct mmb_shared_layout {
    uint64_t n_bytes;
    uint64_t header_bytes;
    uint64_t skew; /* of the base in a granule, where the segment was made */
    uint32_t strategy;
    uint32_t granule_log2;
    uint32_t n_slots;
    uint32_t n_granules; /* 0 in a stack */
    uint64_t header;
    uint64_t descriptors;
    uint64_t control;
    uint64_t control_bytes; /* of one granule */
    uint64_t data;
    uint64_t data_end;
};

struct mmb_shared_head {
    uint64_t magic;
    uint32_t version;
    uint32_t id;
    uint32_t generation; /* of the segment: a new one of the same name differs; never 0 */
    uint32_t creator;    /* uid */
    uint64_t other_users;
    struct mmb_shared_layout layout;
    uint64_t checksum;
};

/* owner: pid << 32 | incarnation (segment.h) | 1 while taken, 2 while being taken; 0: free. start:
 * of the process, in the kernel's ticks. */
struct mmb_shared_slot {
    uint64_t start;
    uint64_t owner;
};

/* On lines of their own. */
struct mmb_shared_dynamic {
    uint32_t lock; /* ticket << 12 | holder's slot + 1; see lock.c */
    uint32_t pad_lock[15];
    uint32_t hint; /* where the search for free granules starts */
    uint32_t pad_hint[15];
    uint64_t n_entries; /* the stack's height; see interfaces/shared_stack.c */
    uint64_t pad_stack[7];
};

#define MMB_SHARED_DYNAMIC_OFFSET 256u
#define MMB_SHARED_SLOTS_OFFSET   512u
#define MMB_SHARED_SLOTS_MAX      1024u
#define MMB_SHARED_UNIT           16u
_Static_assert(sizeof(struct mmb_shared_head) <= MMB_SHARED_DYNAMIC_OFFSET, "the head fits");
_Static_assert(MMB_SHARED_DYNAMIC_OFFSET + sizeof(struct mmb_shared_dynamic) <=
                   MMB_SHARED_SLOTS_OFFSET,
               "the dynamic words fit");

/* MMB_INVALID_SIZE with a detail when a segment of that length holds nothing. */
mmbError mmb_shared_layout_make(uint64_t n_bytes, uint64_t header_bytes, uint64_t skew,
                                mmbStrategy strategy, struct mmb_shared_layout *out);
/* MMB_CORRUPT with a detail unless the copy of a head describes a segment of at most n_bytes. */
mmbError mmb_shared_head_check(const struct mmb_shared_head *copy, uint64_t n_bytes);
uint64_t mmb_shared_head_sum(const struct mmb_shared_head *head);

/* ---- descriptors ---- */

enum { MMB_SPAN_FREE = 0, MMB_SPAN_HEAD = 1, MMB_SPAN_REST = 2 };

#define MMB_SHARED_CLASS_LARGE    255u
#define MMB_SHARED_OWNER_DEAD     4095u /* its slot was needed; its blocks are a dead process's */
#define MMB_SHARED_OWNER_DETACHED 4094u /* left by a process that went in order */
#define MMB_SHARED_ADOPTERS_MANY  4095u
#define MMB_SHARED_GRANULES_MAX   ((1u << 28) - 1)

/* owner: slot + 1 or one of the above. adopter: slot + 1 of the only one that adopted blocks, 0, or
 * MANY. n_granules: of a head; of the rest, the head's number. */
struct mmb_descriptor {
    uint32_t state;
    uint32_t class_index;
    uint32_t owner;
    uint32_t adopter;
    uint32_t n_granules;
};

/* Bits of the word that do not change while a span is the same one. */
#define MMB_DESCRIPTOR_SHAPE (~((uint64_t)0xffffff << 28))

static inline uint64_t mmb_descriptor_pack(struct mmb_descriptor d)
{
    return (uint64_t)d.state << 60 | (uint64_t)d.class_index << 52 | (uint64_t)d.owner << 40 |
           (uint64_t)d.adopter << 28 | d.n_granules;
}

static inline struct mmb_descriptor mmb_descriptor_unpack(uint64_t word)
{
    return (struct mmb_descriptor){(uint32_t)(word >> 60), (uint32_t)(word >> 52) & 0xff,
                                   (uint32_t)(word >> 40) & 0xfff, (uint32_t)(word >> 28) & 0xfff,
                                   (uint32_t)word & MMB_SHARED_GRANULES_MAX};
}

/* ---- size classes: 16 B steps to 128, four per doubling to the granule ---- */

#define MMB_SHARED_CLASSES_MAX 44u

static inline uint32_t mmb_shared_n_classes(uint32_t granule_log2)
{
    return 8 + (granule_log2 - 7) * 4;
}

static inline uint32_t mmb_shared_class_of(size_t n_bytes)
{
    if (n_bytes <= 128)
        return (uint32_t)((n_bytes + 15) / 16) - 1;
    uint32_t top = 63 - (uint32_t)__builtin_clzll(n_bytes - 1);
    return 8 + (top - 7) * 4 + (uint32_t)((n_bytes - 1) >> (top - 2) & 3);
}

static inline size_t mmb_shared_class_bytes(uint32_t class_index)
{
    if (class_index < 8)
        return (class_index + 1) * 16;
    uint32_t step = class_index - 8;
    return (size_t)(5 + step % 4) << (5 + step / 4);
}

/* Bits of a block's generation: 2 where a granule has most blocks, 8 where it has few. All of a
 * granule's fit into a quarter byte per unit. */
static inline uint32_t mmb_shared_generation_bits(size_t block_bytes)
{
    return block_bytes >= 64 ? 8 : block_bytes >= 32 ? 4 : 2;
}

#endif
