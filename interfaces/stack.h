/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack strategy: blocks side by side, given back from the top or all above a mark at once. */
#ifndef MMB_INTERFACES_STACK_H
#define MMB_INTERFACES_STACK_H
#include "interfaces/locked_account.h"
#include "src/base/biased.h"
#include "src/spi/allocator.h"

extern const struct mmb_allocator_ops mmb_stack_allocator;

/* ---- for stack*.c ---- */

/* A chunk. Positions in the stack count from 0 at its bottom through all segments; segment s covers
 * [origin, origin + chunk bytes), the lower segment's unused tail is skipped. */
struct mmb_stack_segment {
    struct mmb_stack_segment *below, *above;
    struct mmb_chunk *chunk;
    size_t origin;
    size_t first; /* number of the record that came first when the stack last climbed here */
};

#define MMB_STACK_SLAB_RECORDS 512u

/* What the record next to it stands for. Neither decreases from the bottom to the top. */
struct mmb_stack_entry {
    size_t start;          /* position of the block */
    size_t charged_before; /* charge of everything below */
};

_Static_assert(sizeof(struct mmb_stack_entry) == sizeof(mmbAllocation),
               "an entry is as far from its record as all others of the slab");

/* Of a record with a mark above it: told from all other marks there were by the serial; `down`
 * records below it comes the next with one. 0: none. */
struct mmb_stack_marked {
    uint32_t serial, down;
};

/* 512 records and their entries. Record i of slab k is number k * 512 + i from the bottom. In the
 * current slab the entry above the last record's has the top and the charge of all. */
struct mmb_stack_slab {
    struct mmb_record_owner owner;
    struct mmb_stack_slab *below, *above;
    size_t first;
    struct mmb_stack_entry entries[MMB_STACK_SLAB_RECORDS + 1];
    struct mmb_stack_marked marked[MMB_STACK_SLAB_RECORDS];
};

/* count records are on the stack, the last in `slab` or, when that is empty, below it; `top` is the
 * first free position, in `segment`, at a multiple of 16 or the end. While none was freed or shrunk
 * singly and no slab above a mark has an INDIRECT record, everything above goes in one step. Slabs
 * and segments above the current ones are kept for the way up. `charged` is the sum of the sizes as
 * they were charged. Records at the top whose handles moved away stay, but neither take place nor
 * are charged.
 *
 * The first part is all that the shortest ways (stack_hot.h) need. mmb_stack_lock brings the second
 * part up to what they did, mmb_stack_unlock the first one to what was done to the second. */
struct mmb_stack {
    struct mmb_allocator base;
    struct mmb_biased lock;
    struct mmb_locked_account account;
    mmbAllocation *next;     /* the record above the last */
    mmbAllocation *slab_end; /* behind the slab's records */
    mmbAllocation *floor;    /* only records from here on may go the shortest way */
    uintptr_t entries;       /* from a record to its entry */
    uintptr_t bottom;        /* address of position 0, were the segment that long downwards */
    uintptr_t host_mask;     /* all ones where addresses are the host's, else 0 */
    size_t room_end;         /* position; up to there blocks may come the shortest way */
    size_t highest;          /* charge before the last one went */
    size_t n_popped;         /* the shortest way */
    bool has_odd;            /* n_freed or has_shrunk */

    bool has_shrunk; /* some record is smaller than its charge */
    struct mmb_stack_segment *segment;
    struct mmb_stack_slab *slab;
    size_t top, end; /* positions; end: of the segment */
    size_t charged;
    size_t count;
    size_t n_freed; /* singly freed or vacated records still below the top */
    uint64_t n_pushed;
    size_t live_bytes, peak_bytes; /* peak: before the last time something went */
    size_t charged_then;           /* when live_bytes was right */
    /* Records [gone_from, gone_to) are all gone: freed, or their handles moved away. Where they are
     * at the top (gone_to == count) top and charged are those below them, whatever their entries
     * say. */
    size_t gone_from, gone_to;
    size_t marked;    /* number of the record above the highest with a mark; 0: none */
    uint32_t n_marks; /* the last serial */
    size_t capacity;  /* 0: grows by chunks */
};

void mmb_stack_lock(struct mmb_stack *stack);
void mmb_stack_unlock(struct mmb_stack *stack);

/* Lock held: some bytes are no longer live. They are most just before that, so a push need not look
 * whether it makes a peak. */
static inline void mmb_stack_count_out(struct mmb_stack *stack, size_t n_bytes)
{
    if (stack->live_bytes > stack->peak_bytes)
        stack->peak_bytes = stack->live_bytes;
    stack->live_bytes -= n_bytes;
}

/* Number of the record from the bottom. */
size_t mmb_stack_number(const mmbAllocation *record);
struct mmb_stack_entry *mmb_stack_entry_of(const mmbAllocation *record);
struct mmb_stack_marked *mmb_stack_marked_of(const mmbAllocation *record);

/* Lock held: the record of a number below count; the current slab or one below has it. */
mmbAllocation *mmb_stack_record(const struct mmb_stack *stack, size_t number);
/* Lock held: pops everything from record `number` on. MMB_BUSY, nothing changed, when one of them
 * is in use or moved away. */
mmbError mmb_stack_pop_to(struct mmb_stack *stack, size_t number);
/* Lock held: from now on the top is in this segment, NULL: in none. */
void mmb_stack_enter(struct mmb_stack *stack, struct mmb_stack_segment *segment, size_t top);
/* Lock held: where the next block can begin behind one that ends at the position. */
size_t mmb_stack_top_behind(const struct mmb_stack *stack, size_t position);
/* Lock held: a position at or below the top, or in the same segment. */
void mmb_stack_set_top(struct mmb_stack *stack, size_t position);
/* Lock held: makes `number` the count and uncharges what was above; no record is looked at. */
void mmb_stack_drop_to(struct mmb_stack *stack, size_t number);
/* Lock held: before a block is pushed. */
void mmb_stack_level(struct mmb_stack *stack);
/* Lock held: after a record below the top was freed or vacated, or the top went: drops what is gone
 * at the top. */
void mmb_stack_settle(struct mmb_stack *stack);
/* Takes a stack's whole capacity at once. */
mmbError mmb_stack_reserve(struct mmb_stack *stack);
/* Makes room for n bytes and one record above the top; takes and drops the lock. */
mmbError mmb_stack_grow(struct mmb_stack *stack, size_t n_bytes, size_t alignment);

/* Gives everything back, the stack itself at last. */
void mmb_stack_end(struct mmb_stack *stack);

/* Members of the table. */
bool mmb_stack_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                      struct mmb_block *out_block);
mmbAllocation *mmb_stack_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                              uintptr_t address);
void mmb_stack_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user);
void mmb_stack_trim(struct mmb_allocator *allocator, size_t keep_bytes);

#endif
