/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stack stands on: its segments of memory, its slabs of records, and the ways over them.
 *
 * Owns both chains. Slabs and segments above the current ones are kept for the way up and go back
 * on trim. The stack's lock is held unless a function says otherwise. */
#include "interfaces/stack.h"
#include "interfaces/chunk_size.h"
#include "interfaces/orphan.h"
#include "src/base/error.h"
#include "src/base/meta.h"

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
    mmb_biased_acquire(&stack->lock);
    bool live = mmb_stack_number(record) < stack->count;
    if (live)
        locate(stack, record, out_block);
    mmb_biased_release(&stack->lock);
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
    mmb_biased_acquire(&stack->lock);
    const struct mmb_stack_segment *segment = chunk->owned;
    mmbAllocation *record = record_at(stack, segment->origin + (address - chunk->memory.address));
    mmb_biased_release(&stack->lock);
    return record;
}

void mmb_stack_for_each(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_biased_acquire(&stack->lock);
    bool more = true;
    for (size_t number = stack->count; more && number > 0; number--) {
        mmbAllocation *record = mmb_stack_record(stack, number - 1);
        if (!mmb_record_is_live(record))
            continue;
        struct mmb_block block;
        locate(stack, record, &block);
        more = visit(user, record, &block);
    }
    mmb_biased_release(&stack->lock);
}

/* ---- down ---- */

void mmb_stack_set_top(struct mmb_stack *stack, size_t position)
{
    stack->top = position;
    stack->segment = segment_at(stack, position);
    stack->end = mmb_stack_segment_end(stack, stack->segment);
}

void mmb_stack_drop_to(struct mmb_stack *stack, size_t number)
{
    const struct mmb_stack_entry *entry = mmb_stack_entry_of(mmb_stack_record(stack, number));
    mmb_locked_account_give(&stack->account, stack->charged - entry->charged_before);
    stack->charged = entry->charged_before;
    stack->count = number;
    while (number < stack->slab->first)
        stack->slab = stack->slab->below;
    mmb_stack_set_top(stack, number ? entry->start : 0);
    if (number == 0)
        stack->has_shrunk = false;
}

static bool is_moved(const mmbAllocation *record)
{
    struct mmb_extension view;
    return mmb_record_view(record, &view) && view.flags & MMB_EXTENSION_MOVED;
}

static bool is_gone(const mmbAllocation *record)
{
    return mmb_record_state(mmb_record_word(record)) == MMB_RECORD_FREE || is_moved(record);
}

/* Gives away the place and the charge of the records at the top that are gone but have to stay.
 * Those that had none before need not be looked at again, nor what is below them. */
static void collapse(struct mmb_stack *stack)
{
    size_t number = stack->count, start = stack->top, charged = stack->charged;
    for (; number > 0; number--) {
        const mmbAllocation *record = mmb_stack_record(stack, number - 1);
        const struct mmb_stack_entry *entry = mmb_stack_entry_of(record);
        if (!is_gone(record) ||
            (entry->start == stack->top && entry->charged_before == stack->charged))
            break;
        start = entry->start;
        charged = entry->charged_before;
    }
    for (size_t i = number; i < stack->count; i++)
        *mmb_stack_entry_of(mmb_stack_record(stack, i)) = (struct mmb_stack_entry){start, charged};
    mmb_locked_account_give(&stack->account, stack->charged - charged);
    stack->charged = charged;
    mmb_stack_set_top(stack, start);
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
    size_t n_live, live_bytes, n_freed;
};

/* What lies from `number` on, record by record: something there was freed or shrunk singly. */
static struct popped scan(const struct mmb_stack *stack, size_t number)
{
    struct popped popped = {0, 0, 0};
    for (size_t i = number; i < stack->count; i++) {
        const mmbAllocation *record = mmb_stack_record(stack, i);
        if (is_gone(record)) {
            popped.n_freed++;
            continue;
        }
        popped.n_live++;
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
    struct popped popped = {stack->count - number, stack->charged - entry->charged_before, 0};
    if (stack->n_freed || stack->has_shrunk)
        popped = scan(stack, number);
    for_each_extended(stack, number, true);
    mmb_stack_drop_to(stack, number);
    stack->n_freed -= popped.n_freed;
    stack->stats.live_count -= popped.n_live;
    stack->stats.total_frees += popped.n_live;
    stack->stats.live_bytes -= popped.live_bytes;
    return MMB_OK;
}

/* ---- up ---- */

size_t mmb_stack_segment_end(const struct mmb_stack *stack, const struct mmb_stack_segment *segment)
{
    size_t n_bytes = segment->chunk->memory.n_bytes;
    if (stack->capacity && stack->capacity < n_bytes)
        n_bytes = stack->capacity;
    return segment->origin + n_bytes;
}

/* Lock held. */
static mmbError next_slab(struct mmb_stack *stack)
{
    if (stack->slab && stack->slab->above) {
        stack->slab = stack->slab->above;
        return MMB_OK;
    }
    struct mmb_stack_slab *slab = mmb_meta_alloc(sizeof *slab);
    if (!slab)
        goto refused;
    slab->owner.kind = MMB_OWNER_STACK;
    slab->owner.n_records = MMB_STACK_SLAB_RECORDS;
    if (!mmb_record_slab_alloc(&slab->owner))
        goto free_slab;
    slab->first = stack->count;
    slab->below = stack->slab;
    if (stack->slab)
        stack->slab->above = slab;
    stack->slab = slab;
    return MMB_OK;
free_slab:
    mmb_meta_free(slab, sizeof *slab);
refused:
    return mmb_fail(MMB_OUT_OF_MEMORY, "allocate: no metadata for the records of a stack");
}

/* Lock held. */
static void climb(struct mmb_stack *stack, struct mmb_stack_segment *segment)
{
    stack->segment = segment;
    stack->top = segment->origin;
    stack->end = mmb_stack_segment_end(stack, segment);
}

/* Lock held: puts a segment above all others. */
static void append(struct mmb_stack *stack, struct mmb_stack_segment *segment)
{
    struct mmb_stack_segment *last = stack->segment;
    while (last && last->above)
        last = last->above;
    segment->below = last;
    segment->chunk->owned = segment;
    if (!last) {
        climb(stack, segment);
        return;
    }
    segment->origin = last->origin + last->chunk->memory.n_bytes;
    last->above = segment;
}

/* Without the lock. */
static mmbError add_segment(struct mmb_stack *stack, size_t needed)
{
    struct mmb_stack_segment *segment = mmb_meta_alloc(sizeof *segment);
    if (!segment)
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate: no metadata for a segment of a stack");
    mmbError error =
        mmb_source_obtain(stack->base.source, stack->capacity ? stack->capacity : needed,
                          stack->capacity ? stack->capacity : mmb_chunk_want(&stack->base, needed),
                          0, &segment->chunk);
    if (error) {
        mmb_meta_free(segment, sizeof *segment);
        return error;
    }
    segment->chunk->allocator = &stack->base;
    mmb_biased_acquire(&stack->lock);
    append(stack, segment);
    mmb_biased_release(&stack->lock);
    return MMB_OK;
}

mmbError mmb_stack_reserve(struct mmb_stack *stack)
{
    return add_segment(stack, stack->capacity);
}

static mmbError full(const struct mmb_stack *stack, size_t n_bytes)
{
    size_t size = stack->end - stack->segment->origin;
    return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: the largest free run is %zu B of %zu B",
                    n_bytes, stack->end - stack->top, size);
}

static void return_segments(struct mmb_stack_segment *segment)
{
    while (segment) {
        struct mmb_stack_segment *above = segment->above;
        mmb_source_return(segment->chunk);
        mmb_meta_free(segment, sizeof *segment);
        segment = above;
    }
}

/* Lock held. Goes up to the next segment when it has room; one that is too small leaves the stack
 * with all above it, for the caller to return. */
static bool climb_if_room(struct mmb_stack *stack, size_t needed,
                          struct mmb_stack_segment **out_useless)
{
    struct mmb_stack_segment *above = stack->segment ? stack->segment->above : NULL;
    if (above && above->chunk->memory.n_bytes >= needed) {
        climb(stack, above);
        return true;
    }
    *out_useless = above;
    if (above)
        stack->segment->above = NULL;
    return false;
}

mmbError mmb_stack_grow(struct mmb_stack *stack, size_t n_bytes, size_t alignment)
{
    size_t slack = alignment > mmb_source_min_alignment(stack->base.source) ? alignment : 0;
    struct mmb_stack_segment *useless = NULL;
    mmbError error = MMB_OK;
    bool grown = true;
    mmb_biased_acquire(&stack->lock);
    if (!stack->slab || stack->count - stack->slab->first == MMB_STACK_SLAB_RECORDS)
        error = next_slab(stack);
    else if (stack->segment &&
             (stack->capacity || mmb_source_bounded(stack->base.source) != SIZE_MAX))
        error = full(stack, n_bytes);
    else
        grown = climb_if_room(stack, n_bytes + slack, &useless);
    mmb_biased_release(&stack->lock);
    return_segments(useless);
    return grown ? error : add_segment(stack, n_bytes + slack);
}

/* ---- giving back ---- */

static void free_slabs(struct mmb_stack_slab *slab)
{
    while (slab) {
        struct mmb_stack_slab *above = slab->above;
        mmb_record_slab_free(&slab->owner);
        mmb_meta_free(slab, sizeof *slab);
        slab = above;
    }
}

/* The slabs above the current one; their handles are dead. Lock held. */
static struct mmb_stack_slab *cut_slabs(struct mmb_stack *stack)
{
    struct mmb_stack_slab *from = stack->slab;
    if (stack->count == 0)
        stack->slab = NULL;
    else if (from)
        from = from->above;
    if (stack->slab)
        stack->slab->above = NULL;
    return from;
}

/* The segments above the current one, from the topmost down, as long as keep_bytes are left; with
 * nothing on the stack the current one and those below it too. Lock held. */
static struct mmb_stack_segment *cut_segments(struct mmb_stack *stack, size_t keep_bytes)
{
    size_t held = mmb_source_reserved(stack->base.source);
    struct mmb_stack_segment *cut = NULL, *last = stack->segment;
    struct mmb_stack_segment *stays = stack->count ? stack->segment : NULL;
    while (last && last->above)
        last = last->above;
    while (last != stays && held - last->chunk->memory.n_bytes >= keep_bytes) {
        held -= last->chunk->memory.n_bytes;
        cut = last;
        last = last->below;
    }
    if (cut && last)
        last->above = NULL;
    if (stack->count)
        return cut;
    while (last && last->below)
        last = last->below;
    stack->segment = last;
    stack->top = 0;
    stack->end = last ? mmb_stack_segment_end(stack, last) : 0;
    return cut;
}

void mmb_stack_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_biased_acquire(&stack->lock);
    struct mmb_stack_segment *segments = cut_segments(stack, keep_bytes);
    struct mmb_stack_slab *slabs = cut_slabs(stack);
    mmb_biased_release(&stack->lock);
    free_slabs(slabs);
    return_segments(segments);
}

void mmb_stack_close(struct mmb_allocator *allocator)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_locked_account_close(&stack->account);
    struct mmb_stack_slab *slab = stack->slab;
    mmb_homes_close_begin();
    while (slab && slab->above)
        slab = slab->above;
    while (slab) {
        struct mmb_stack_slab *below = slab->below;
        size_t used = stack->count > slab->first ? stack->count - slab->first : 0;
        if (used > MMB_STACK_SLAB_RECORDS)
            used = MMB_STACK_SLAB_RECORDS;
        mmb_slab_close(&slab->owner, (uint32_t)used);
        mmb_meta_free(slab, sizeof *slab);
        slab = below;
    }
    mmb_homes_close_end();
    struct mmb_stack_segment *segment = stack->segment;
    while (segment && segment->below)
        segment = segment->below;
    return_segments(segment);
    mmb_meta_free(stack, sizeof *stack);
}
