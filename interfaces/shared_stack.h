/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the stack over a shared segment share. */
#ifndef MMB_INTERFACES_SHARED_STACK_H
#define MMB_INTERFACES_SHARED_STACK_H
#include "interfaces/shared.h"
#include "src/shared/stack.h"

#define MMB_STACK_PAGE_RECORDS 4096u
#define MMB_STACK_PAGE_BYTES   (MMB_STACK_PAGE_RECORDS * sizeof(mmbAllocation *))

struct mmb_shared_stack {
    struct mmb_shared_heap heap;
    mmbAllocation ***pages; /* of records, by entry */
    size_t n_pages;
    uint64_t backed_to;    /* data below is there */
    uint64_t entries_from; /* entries from here on are there */
};

static inline struct mmb_shared_stack *mmb_shared_stack_of(struct mmb_allocator *allocator)
{
    return (struct mmb_shared_stack *)allocator;
}

/* A walk over handles: what the visitors below need, and what they found. */
struct mmb_stack_walk {
    struct mmb_shared_stack *stack;
    mmb_record_visitor visit;
    void *user;
    size_t sum;
    bool stopped;
};

typedef void (*mmb_stack_visit)(void *user, mmbAllocation *record, uint32_t index);

/* ---- handles (shared_stack_records.c) ---- */

/* Where the record of an entry is kept; shadows_lock held. NULL: none, or, when it shall be made,
 * no metadata. */
mmbAllocation **mmb_shared_stack_place_of(struct mmb_shared_stack *stack, uint32_t index,
                                          bool make);
/* A record that nobody uses, for an entry; shadows_lock held. NULL: no metadata. */
mmbAllocation *mmb_shared_stack_fresh_record(struct mmb_shared_stack *stack, uint32_t index);
uint32_t mmb_shared_stack_index_of(const mmbAllocation *record);
/* Is the record's block there still? The entry as it is. */
bool mmb_shared_stack_is_current(const struct mmb_shared_stack *stack, const mmbAllocation *record,
                                 uint32_t index, struct mmb_shared_entry *entry);
/* All live records from an entry on; shadows_lock held. */
void mmb_shared_stack_each_record(struct mmb_shared_stack *stack, uint32_t from,
                                  mmb_stack_visit visit, void *user);
/* A visitor: ends handles whose blocks are gone; the walk's sum is what was charged for them. */
void mmb_shared_stack_expire_if_gone(void *user, mmbAllocation *record, uint32_t index);
size_t mmb_shared_stack_in_use_from(struct mmb_shared_stack *stack, uint32_t from);

/* Members of the table. */
bool mmb_shared_stack_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                             struct mmb_block *out_block);
mmbAllocation *mmb_shared_stack_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                                     uintptr_t address);
mmbError mmb_shared_stack_import(struct mmb_allocator *allocator, uint64_t offset,
                                 mmbAllocation **out_record);
void mmb_shared_stack_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit,
                               void *user);
size_t mmb_shared_stack_in_use(struct mmb_allocator *allocator);

#endif
