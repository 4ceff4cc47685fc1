/* SPDX-License-Identifier: BSD-3-Clause */
/* The shortest ways of a stack: a block on its top, and the topmost one gone. Nothing is called
 * and, for the thread that mostly has the stack, nothing is locked; all that does not fit here
 * gives false and is done again by the strategy. */
#ifndef MMB_INTERFACES_STACK_HOT_H
#define MMB_INTERFACES_STACK_HOT_H
#include "interfaces/stack.h"
#include "src/base/owned.h"
#include "src/spi/debug_fill.h"

/* The stacks of the first allocator slots that have short ways; NULL: none there. */
#define MMB_STACK_SLOTS 1024u
extern struct mmb_stack *mmb_stacks[MMB_STACK_SLOTS] __attribute__((visibility("hidden")));

/* Lock held, account not suspended; n_bytes > 0. */
static inline bool mmb_stack_push(struct mmb_stack *stack, size_t n_bytes,
                                  mmbAllocation **out_record)
{
    mmbAllocation *record = stack->next;
    struct mmb_stack_entry *entry = (struct mmb_stack_entry *)(stack->entries + (uintptr_t)record);
    int64_t credit = MMB_OWNED_LOAD(stack->account.base.credit) - (int64_t)n_bytes;
    if (__builtin_expect(n_bytes > MMB_RECORD_LOW, 0) || __builtin_expect(credit < 0, 0) ||
        __builtin_expect(record == stack->slab_end, 0))
        return false;
    size_t start = entry->start, top = (start + n_bytes + 15) & ~(size_t)15;
    if (__builtin_expect(top > stack->room_end, 0))
        return false;
    MMB_OWNED_STORE(stack->account.base.credit, credit);
    entry[1].start = top;
    entry[1].charged_before = entry->charged_before + n_bytes;
    stack->next = record + 1;
    record->host = (void *)((stack->bottom + start) & stack->host_mask);
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_STACKED << 24 | (uint32_t)n_bytes,
                     __ATOMIC_RELAXED);
    *out_record = record;
    return true;
}

/* Lock held, something was freed or shrunk singly: does the last record go alone, with the charge
 * of its size? */
static inline bool mmb_stack_goes_alone(const struct mmb_stack *stack, const mmbAllocation *record,
                                        size_t charge)
{
    return record > stack->floor &&
           mmb_record_state(mmb_record_word(record - 1)) == MMB_RECORD_STACKED &&
           charge == (mmb_record_word(record) & MMB_RECORD_LOW);
}

/* Lock held, account not suspended; the record is STACKED. */
static inline bool mmb_stack_pop(struct mmb_stack *stack, mmbAllocation *record)
{
    if (__builtin_expect(record + 1 != stack->next, 0) ||
        __builtin_expect(record < stack->floor, 0))
        return false;
    const struct mmb_stack_entry *entry =
        (struct mmb_stack_entry *)(stack->entries + (uintptr_t)record);
    size_t charged = entry[1].charged_before, charge = charged - entry->charged_before;
    if (__builtin_expect(stack->has_odd, 0) && !mmb_stack_goes_alone(stack, record, charge))
        return false;
    mmb_debug_fill(record, MMB_FILL_FREED);
    if (charged > stack->highest)
        stack->highest = charged;
    MMB_OWNED_ADD(stack->account.base.credit, (int64_t)charge);
    stack->next = record;
    stack->n_popped++;
    mmb_record_mark_free(record);
    return true;
}

static inline bool mmb_stack_allocate_hot(struct mmb_stack *stack, size_t n_bytes,
                                          mmbAllocation **out_record)
{
    if (!mmb_biased_enter(&stack->lock))
        return false;
    bool pushed = mmb_stack_push(stack, n_bytes, out_record);
    mmb_biased_leave(&stack->lock);
    return pushed;
}

/* A STACKED record. Those of shared heaps are that too and mostly have something in home's low
 * part, which the rotation turns into a huge number. */
static inline bool mmb_stack_free_hot(mmbAllocation *record)
{
    uint32_t home = __atomic_load_n(&record->home, __ATOMIC_RELAXED);
    uint32_t slot = home / MMB_SLOT_BYTES | home << (32 - MMB_SLOT_LOG2);
    struct mmb_stack *stack =
        slot < MMB_STACK_SLOTS ? __atomic_load_n(&mmb_stacks[slot], __ATOMIC_RELAXED) : NULL;
    if (!stack || !mmb_biased_enter(&stack->lock))
        return false;
    bool popped = mmb_stack_pop(stack, record);
    mmb_biased_leave(&stack->lock);
    return popped;
}

#endif
