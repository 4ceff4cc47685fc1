/* SPDX-License-Identifier: BSD-3-Clause */
/* The records of a stack, in the order of their blocks: the ways over them, and the way down when
 * those at the top go.
 *
 * The stack's lock is held unless a function says otherwise. */
#include "interfaces/stack.h"
#include "src/base/error.h"

static bool is_moved(const mmbAllocation *record)
{
    struct mmb_extension view;
    return mmb_record_view(record, &view) && view.flags & MMB_EXTENSION_MOVED;
}

static bool is_gone(const mmbAllocation *record)
{
    return mmb_record_state(mmb_record_word(record)) == MMB_RECORD_FREE || is_moved(record);
}

/* ---- ways over the records ---- */

mmbAllocation *mmb_stack_record(const struct mmb_stack *stack, size_t number)
{
    struct mmb_stack_slab *slab = stack->slab;
    while (number < slab->first)
        slab = slab->below;
    return &slab->owner.records[number - slab->first];
}

static struct mmb_stack_segment *segment_at(const struct mmb_stack *stack, size_t position)
{
    struct mmb_stack_segment *segment = stack->segment;
    while (position < segment->origin)
        segment = segment->below;
    return segment;
}

/* End of the block of a record: what comes next, or the top. */
static size_t block_end(const struct mmb_stack *stack, size_t number, size_t segment_end)
{
    size_t end = stack->top;
    if (number + 1 < stack->count)
        end = mmb_stack_entry_of(mmb_stack_record(stack, number + 1))->start;
    return end < segment_end ? end : segment_end;
}

static void locate(const struct mmb_stack *stack, const mmbAllocation *record,
                   struct mmb_block *out_block)
{
    size_t start = mmb_stack_entry_of(record)->start;
    const struct mmb_stack_segment *segment = segment_at(stack, start);
    size_t segment_end = segment->origin + segment->chunk->memory.n_bytes;
    out_block->chunk = segment->chunk;
    out_block->offset = start - segment->origin;
    out_block->usable = block_end(stack, mmb_stack_number(record), segment_end) - start;
}

bool mmb_stack_locate(struct mmb_allocator *allocator, const mmbAllocation *record,
                      struct mmb_block *out_block)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_stack_lock(stack);
    bool live = mmb_stack_number(record) < stack->count;
    if (live)
        locate(stack, record, out_block);
    mmb_stack_unlock(stack);
    return live;
}

/* The last record that starts at or below the position. */
static mmbAllocation *record_at(struct mmb_stack *stack, size_t position)
{
    if (position >= stack->top || stack->count == 0)
        return NULL;
    struct mmb_stack_slab *slab = stack->slab;
    while (slab->below && (slab->first == stack->count || slab->entries[0].start > position))
        slab = slab->below;
    size_t low = 0, high = stack->count - slab->first;
    if (high > MMB_STACK_SLAB_RECORDS)
        high = MMB_STACK_SLAB_RECORDS;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (slab->entries[middle].start <= position)
            low = middle;
        else
            high = middle;
    }
    return slab->entries[low].start <= position ? &slab->owner.records[low] : NULL;
}

mmbAllocation *mmb_stack_find(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                              uintptr_t address)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_stack_lock(stack);
    const struct mmb_stack_segment *segment = chunk->owned;
    mmbAllocation *record = record_at(stack, segment->origin + (address - chunk->memory.address));
    mmb_stack_unlock(stack);
    return record;
}

void mmb_stack_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_stack_lock(stack);
    bool more = true;
    for (size_t number = stack->count; more && number > 0; number--) {
        mmbAllocation *record = mmb_stack_record(stack, number - 1);
        if (is_gone(record))
            continue;
        struct mmb_block block;
        locate(stack, record, &block);
        more = visit(user, record, &block);
    }
    mmb_stack_unlock(stack);
}

/* ---- down ---- */

size_t mmb_stack_top_behind(const struct mmb_stack *stack, size_t position)
{
    size_t top = position + mmb_align_head(stack->bottom + position, 16);
    return top < stack->end ? top : stack->end;
}

void mmb_stack_set_top(struct mmb_stack *stack, size_t position)
{
    mmb_stack_enter(stack, segment_at(stack, position), position);
}

/* Down to where a record begins. */
static void go_down(struct mmb_stack *stack, const struct mmb_stack_entry *entry)
{
    mmb_locked_account_give(&stack->account, stack->charged - entry->charged_before);
    stack->charged = entry->charged_before;
    mmb_stack_set_top(stack, entry->start);
}

static bool is_gone_at_top(const struct mmb_stack *stack, size_t number)
{
    return stack->gone_to == stack->count && number >= stack->gone_from && number < stack->gone_to;
}

/* The marks above the records from `number` on. */
static void drop_marks(struct mmb_stack *stack, size_t number)
{
    while (stack->marked > number) {
        struct mmb_stack_marked *marked =
            mmb_stack_marked_of(mmb_stack_record(stack, stack->marked - 1));
        stack->marked = marked->down ? stack->marked - marked->down : 0;
        *marked = (struct mmb_stack_marked){0, 0};
    }
}

void mmb_stack_drop_to(struct mmb_stack *stack, size_t number)
{
    drop_marks(stack, number);
    if (!is_gone_at_top(stack, number))
        go_down(stack, mmb_stack_entry_of(mmb_stack_record(stack, number)));
    stack->count = number;
    while (number < stack->slab->first)
        stack->slab = stack->slab->below;
    if (stack->gone_to > number)
        stack->gone_to = number;
    if (stack->gone_from >= stack->gone_to)
        stack->gone_from = stack->gone_to = 0;
    if (number > 0)
        return;
    mmb_stack_set_top(stack, 0);
    stack->has_shrunk = false;
}

/* Gives away the place and the charge of the records at the top that are gone but have to stay.
 * Those that are known to be gone are not looked at again. */
static void collapse(struct mmb_stack *stack)
{
    size_t number = stack->count;
    while (number > 0) {
        if (number == stack->gone_to && stack->gone_from < number)
            number = stack->gone_from;
        else if (is_gone(mmb_stack_record(stack, number - 1)))
            number--;
        else
            break;
    }
    if (number == stack->count || is_gone_at_top(stack, number))
        return;
    stack->gone_from = number;
    stack->gone_to = stack->count;
    go_down(stack, mmb_stack_entry_of(mmb_stack_record(stack, number)));
}

/* Entries must not decrease: those of gone records at the top may lie above it. From the top down
 * as far as they do, since whatever was level before and did not go down since still is. */
void mmb_stack_level(struct mmb_stack *stack)
{
    const struct mmb_stack_entry level = {stack->top, stack->charged};
    if (stack->gone_to != stack->count)
        return;
    for (size_t i = stack->gone_to; i > stack->gone_from; i--) {
        struct mmb_stack_entry *entry = mmb_stack_entry_of(mmb_stack_record(stack, i - 1));
        if (entry->start == level.start && entry->charged_before == level.charged_before)
            break;
        *entry = level;
    }
}

void mmb_stack_settle(struct mmb_stack *stack)
{
    while (stack->count && stack->n_freed) {
        const mmbAllocation *last = mmb_stack_record(stack, stack->count - 1);
        if (mmb_record_state(mmb_record_word(last)) != MMB_RECORD_FREE)
            break;
        mmb_stack_drop_to(stack, stack->count - 1);
        stack->n_freed--;
    }
    if (stack->count && stack->n_freed)
        collapse(stack);
}

/* Does the other half of a handle that moved inside this stack go with it? */
static bool goes_too(const struct mmb_stack *stack, const mmbAllocation *record, size_t number)
{
    return mmb_record_owner_of(record)->kind == MMB_OWNER_STACK &&
           mmb_record_allocator(record) == &stack->base && mmb_stack_number(record) >= number;
}

static mmbError check_record(const struct mmb_stack *stack, const mmbAllocation *record,
                             size_t number)
{
    struct mmb_extension view;
    if (!mmb_record_view(record, &view))
        return MMB_OK;
    mmbError error = mmb_record_check_idle(record, "stack_release");
    if (!error && view.flags & MMB_EXTENSION_MOVED && !goes_too(stack, view.block, number))
        error = mmb_fail(MMB_BUSY, "stack_release: a handle above the mark moved to another "
                                   "interface");
    if (!error && view.flags & MMB_EXTENSION_HIDDEN && !goes_too(stack, view.parent, number))
        error = mmb_fail(MMB_BUSY, "stack_release: a block above the mark belongs to an older "
                                   "handle that moved there");
    return error;
}

/* Visits the INDIRECT records from `number` on; slabs without any are skipped. */
static mmbError for_each_extended(struct mmb_stack *stack, size_t number, bool drop)
{
    for (struct mmb_stack_slab *slab = stack->slab; slab; slab = slab->below) {
        size_t used = stack->count - slab->first;
        if (used > MMB_STACK_SLAB_RECORDS)
            used = MMB_STACK_SLAB_RECORDS;
        size_t i = number > slab->first ? number - slab->first : 0;
        bool any = atomic_load_explicit(&slab->owner.n_extended, memory_order_relaxed) > 0;
        for (; any && i < used; i++) {
            mmbError error = MMB_OK;
            if (drop)
                mmb_record_drop_extension(&slab->owner.records[i]);
            else
                error = check_record(stack, &slab->owner.records[i], number);
            if (error)
                return error;
        }
        if (slab->first <= number)
            break;
    }
    return MMB_OK;
}

struct popped {
    size_t live_bytes, n_freed;
};

/* What lies from `number` on, record by record: something there was freed or shrunk singly. */
static struct popped scan(const struct mmb_stack *stack, size_t number)
{
    struct popped popped = {0, 0};
    for (size_t i = number; i < stack->count; i++) {
        const mmbAllocation *record = mmb_stack_record(stack, i);
        if (is_gone(record)) {
            popped.n_freed++;
            continue;
        }
        popped.live_bytes += mmb_record_bytes(record);
    }
    return popped;
}

mmbError mmb_stack_pop_to(struct mmb_stack *stack, size_t number)
{
    if (number >= stack->count)
        return MMB_OK;
    mmbError error = for_each_extended(stack, number, false);
    if (error)
        return error;
    const struct mmb_stack_entry *entry = mmb_stack_entry_of(mmb_stack_record(stack, number));
    struct popped popped = {stack->charged - entry->charged_before, 0};
    if (stack->n_freed || stack->has_shrunk)
        popped = scan(stack, number);
    for_each_extended(stack, number, true);
    mmb_stack_drop_to(stack, number);
    stack->n_freed -= popped.n_freed;
    mmb_stack_count_out(stack, popped.live_bytes);
    return MMB_OK;
}
