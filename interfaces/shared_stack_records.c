/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles of the stack over a shared segment: by entry, in pages of a table (shared_stack.h). Owns
 * the records; the table and they are under `shadows_lock`. */
#include "interfaces/shared_stack.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* ---- handles ---- */

/* shadows_lock held. NULL: none, or, when it shall be made, no metadata. */
mmbAllocation **mmb_shared_stack_place_of(struct mmb_shared_stack *stack, uint32_t index, bool make)
{
    mmbAllocation ***page = &stack->pages[index / MMB_STACK_PAGE_RECORDS];
    if (!*page && make)
        *page = mmb_meta_alloc(MMB_STACK_PAGE_BYTES);
    return *page ? &(*page)[index % MMB_STACK_PAGE_RECORDS] : NULL;
}

static void *home_of_index(uint32_t index)
{
    return (void *)((uintptr_t)index * 2 + 1);
}

uint32_t mmb_shared_stack_index_of(const mmbAllocation *record)
{
    return (uint32_t)((uintptr_t)mmb_record_home_object(record) / 2);
}

/* shadows_lock held. */
mmbAllocation *mmb_shared_stack_fresh_record(struct mmb_shared_stack *stack, uint32_t index)
{
    mmbAllocation **place = mmb_shared_stack_place_of(stack, index, true);
    if (!place)
        return NULL;
    if (*place && !mmb_shared_record_in_use(*place))
        mmb_shared_record_end(*place);
    else
        *place = mmb_record_new(home_of_index(index));
    return *place;
}

bool mmb_shared_stack_is_current(const struct mmb_shared_stack *stack, const mmbAllocation *record,
                                 uint32_t index, struct mmb_shared_entry *entry)
{
    uint32_t home = __atomic_load_n(&record->home, __ATOMIC_ACQUIRE);
    const struct mmb_shared_segment *segment = stack->heap.segment;
    return index < mmb_shared_stack_height(segment) &&
           mmb_shared_entry_read(segment, index, entry) && !(entry->info & MMB_ENTRY_FREED) &&
           mmb_entry_generation(entry->info) == (home & MMB_SHARED_GENERATION);
}

/* shadows_lock held. */
void mmb_shared_stack_each_record(struct mmb_shared_stack *stack, uint32_t from,
                                  mmb_stack_visit visit, void *user)
{
    for (size_t p = from / MMB_STACK_PAGE_RECORDS; p < stack->n_pages; p++)
        for (uint32_t i = 0; stack->pages[p] && i < MMB_STACK_PAGE_RECORDS; i++) {
            uint32_t index = (uint32_t)p * MMB_STACK_PAGE_RECORDS + i;
            mmbAllocation *record = stack->pages[p][i];
            if (record && index >= from && mmb_record_is_live(record))
                visit(user, record, index);
        }
}

void mmb_shared_stack_expire_if_gone(void *user, mmbAllocation *record, uint32_t index)
{
    struct mmb_stack_walk *walk = user;
    struct mmb_shared_entry entry;
    if (!mmb_shared_stack_is_current(walk->stack, record, index, &entry))
        walk->sum += mmb_shadow_expire(record);
}

/* ---- asking ---- */

bool mmb_shared_stack_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                             struct mmb_block *out_block)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_entry entry;
    if (!mmb_shared_stack_is_current(stack, record, mmb_shared_stack_index_of(record), &entry))
        return false;
    *out_block = (struct mmb_block){stack->heap.chunk, entry.start, mmb_entry_bytes(entry.info)};
    return true;
}

static mmbError import_entry(struct mmb_shared_stack *stack, uint32_t index,
                             const struct mmb_shared_entry *entry, mmbAllocation **out)
{
    struct mmb_shared_entry now;
    mmbAllocation **place = mmb_shared_stack_place_of(stack, index, true);
    mmbAllocation *record = place ? *place : NULL;
    if (record && mmb_record_is_live(record) &&
        mmb_shared_stack_is_current(stack, record, index, &now)) {
        *out = record;
        return MMB_OK;
    }
    record = mmb_shared_stack_fresh_record(stack, index);
    if (!record)
        return MMB_OUT_OF_MEMORY;
    mmb_shared_record_fill(&stack->heap, record, entry->start, mmb_entry_generation(entry->info));
    *out = record;
    return mmb_record_publish(record, MMB_RECORD_STACKED, mmb_entry_bytes(entry->info), 0, 1);
}

/* exactly: the offset must be a block's first. */
static mmbError import(struct mmb_shared_stack *stack, uint64_t offset, bool exactly,
                       mmbAllocation **out)
{
    struct mmb_shared_entry entry;
    uint32_t index;
    if (!mmb_shared_entry_find(stack->heap.segment, offset, &index) ||
        !mmb_shared_entry_read(stack->heap.segment, index, &entry) ||
        entry.info & MMB_ENTRY_FREED || (exactly && entry.start != offset))
        return MMB_INVALID_ALLOCATION;
    mmb_lock_acquire(&stack->heap.shadows_lock);
    mmbError error = import_entry(stack, index, &entry, out);
    mmb_lock_release(&stack->heap.shadows_lock);
    return error;
}

mmbError mmb_shared_stack_import(struct mmb_allocator *allocator, uint64_t offset,
                                 mmbAllocation **out_record)
{
    struct mmb_extension view;
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    mmbError error = import(stack, offset, true, out_record);
    if (error == MMB_INVALID_ALLOCATION)
        return mmb_fail(error, "shared stack %u: no live block starts at %llu",
                        stack->heap.segment->id, (unsigned long long)offset);
    if (error != MMB_OK)
        return mmb_fail(error, "shared stack %u: no metadata for a handle",
                        stack->heap.segment->id);
    if (mmb_record_view(*out_record, &view) && view.flags & MMB_EXTENSION_HIDDEN)
        *out_record = view.parent;
    return MMB_OK;
}

mmbAllocation *mmb_shared_stack_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                                     uintptr_t address)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    mmbAllocation *record;
    (void)chunk;
    uint64_t offset = mmb_shared_offset_of(&stack->heap, (const void *)address);
    return import(stack, offset, false, &record) == MMB_OK ? record : NULL;
}

static void visit_current(void *user, mmbAllocation *record, uint32_t index)
{
    struct mmb_stack_walk *walk = user;
    struct mmb_shared_entry entry;
    if (walk->stopped || !mmb_shared_stack_is_current(walk->stack, record, index, &entry))
        return;
    const struct mmb_block where = {walk->stack->heap.chunk, entry.start,
                                    mmb_entry_bytes(entry.info)};
    walk->stopped = !walk->visit(walk->user, record, &where);
}

void mmb_shared_stack_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit,
                               void *user)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_stack_walk walk = {stack, visit, user, 0, false};
    mmb_lock_acquire(&stack->heap.shadows_lock);
    mmb_shared_stack_each_record(stack, 0, visit_current, &walk);
    mmb_lock_release(&stack->heap.shadows_lock);
}

static void count_in_use(void *user, mmbAllocation *record, uint32_t index)
{
    struct mmb_stack_walk *walk = user;
    struct mmb_extension view;
    (void)index;
    if (!mmb_record_view(record, &view))
        return;
    bool is_foreign = view.flags & MMB_EXTENSION_HIDDEN &&
                      view.parent->home / MMB_SLOT_BYTES != walk->stack->heap.base.slot;
    walk->sum += view.slices || view.holds || view.copies || is_foreign;
}

size_t mmb_shared_stack_in_use_from(struct mmb_shared_stack *stack, uint32_t from)
{
    struct mmb_stack_walk walk = {.stack = stack};
    mmb_lock_acquire(&stack->heap.shadows_lock);
    mmb_shared_stack_each_record(stack, from, count_in_use, &walk);
    mmb_lock_release(&stack->heap.shadows_lock);
    return walk.sum;
}

size_t mmb_shared_stack_in_use(struct mmb_allocator *allocator)
{
    return mmb_shared_stack_in_use_from(mmb_shared_stack_of(allocator), 0);
}
