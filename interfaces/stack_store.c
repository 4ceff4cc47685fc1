/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stack stands on: its segments of memory and its slabs of records; and its lock, which
 * keeps what the shortest ways see of them in step.
 *
 * Owns both chains. Slabs and segments above the current ones are kept for the way up and go back
 * on trim. The stack's lock is held unless a function says otherwise. */
#include "interfaces/stack.h"
#include "interfaces/chunk_size.h"
#include "interfaces/orphan.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* ---- the lock ---- */

void mmb_stack_lock(struct mmb_stack *stack)
{
    mmb_biased_acquire(&stack->lock);
    const struct mmb_stack_slab *slab = stack->slab;
    size_t count = 0;
    if (slab) {
        size_t i = (size_t)(stack->next - slab->owner.records);
        count = slab->first + i;
        stack->top = slab->entries[i].start;
        stack->charged = slab->entries[i].charged_before;
    }
    size_t most = stack->charged > stack->highest ? stack->charged : stack->highest;
    size_t highest_live = stack->live_bytes + (most - stack->charged_then);
    if (highest_live > stack->peak_bytes)
        stack->peak_bytes = highest_live;
    stack->live_bytes += stack->charged - stack->charged_then; /* modulo 2^64, as below */
    stack->n_pushed += count + stack->n_popped - stack->count;
    stack->n_popped = 0;
    stack->count = count;
}

/* Number of the lowest record that may go the shortest way: its block lies in the current segment,
 * and there is no mark above it. */
static size_t floor_of(const struct mmb_stack *stack)
{
    size_t first = stack->segment ? stack->segment->first : stack->count;
    return first > stack->marked ? first : stack->marked;
}

/* Up to where every position that is a multiple of 16 is an address that is one, or 0. */
static size_t room_end(const struct mmb_stack *stack)
{
    bool is_gone_at_top = stack->gone_from < stack->gone_to && stack->gone_to == stack->count;
    if (!stack->segment || is_gone_at_top || (stack->bottom | stack->segment->origin) % 16)
        return 0;
    return stack->end & ~(size_t)15;
}

void mmb_stack_unlock(struct mmb_stack *stack)
{
    struct mmb_stack_slab *slab = stack->slab;
    stack->charged_then = stack->highest = stack->charged;
    stack->has_odd = stack->n_freed || stack->has_shrunk;
    stack->room_end = slab ? room_end(stack) : 0;
    if (slab) {
        size_t i = stack->count - slab->first;
        size_t low = floor_of(stack);
        mmbAllocation *records = slab->owner.records;
        slab->entries[i] = (struct mmb_stack_entry){stack->top, stack->charged};
        stack->entries = (uintptr_t)slab->entries - (uintptr_t)records;
        stack->next = records + i;
        stack->slab_end = records + MMB_STACK_SLAB_RECORDS;
        stack->floor = low > slab->first ? records + (low - slab->first) : records;
    } else {
        stack->next = stack->slab_end = stack->floor = NULL;
    }
    mmb_locked_account_release(&stack->account);
}

/* ---- up ---- */

static size_t segment_end(const struct mmb_stack *stack, const struct mmb_stack_segment *segment)
{
    size_t n_bytes = segment->chunk->memory.n_bytes;
    if (stack->capacity && stack->capacity < n_bytes)
        n_bytes = stack->capacity;
    return segment->origin + n_bytes;
}

void mmb_stack_enter(struct mmb_stack *stack, struct mmb_stack_segment *segment, size_t top)
{
    stack->segment = segment;
    stack->top = top;
    stack->end = segment ? segment_end(stack, segment) : 0;
    stack->bottom = segment ? segment->chunk->memory.address - segment->origin : 0;
    stack->host_mask = segment && segment->chunk->memory.host ? UINTPTR_MAX : 0;
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
    for (size_t i = 0; i < MMB_STACK_SLAB_RECORDS; i++)
        slab->owner.records[i].home = stack->base.slot * MMB_SLOT_BYTES;
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

/* Lock held: puts a segment above all others. */
static void append(struct mmb_stack *stack, struct mmb_stack_segment *segment)
{
    struct mmb_stack_segment *last = stack->segment;
    while (last && last->above)
        last = last->above;
    segment->below = last;
    segment->chunk->owned = segment;
    if (!last) {
        mmb_stack_enter(stack, segment, segment->origin);
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
    mmb_stack_lock(stack);
    append(stack, segment);
    mmb_stack_unlock(stack);
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
        above->first = stack->count;
        mmb_stack_enter(stack, above, above->origin);
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
    mmb_stack_lock(stack);
    if (!stack->slab || stack->count - stack->slab->first == MMB_STACK_SLAB_RECORDS)
        error = next_slab(stack);
    else if (stack->segment &&
             (stack->capacity || mmb_source_bounded(stack->base.source) != SIZE_MAX))
        error = full(stack, n_bytes);
    else
        grown = climb_if_room(stack, n_bytes + slack, &useless);
    mmb_stack_unlock(stack);
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
    mmb_stack_enter(stack, last, 0);
    return cut;
}

void mmb_stack_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    struct mmb_stack *stack = (struct mmb_stack *)allocator;
    mmb_stack_lock(stack);
    struct mmb_stack_segment *segments = cut_segments(stack, keep_bytes);
    struct mmb_stack_slab *slabs = cut_slabs(stack);
    mmb_stack_unlock(stack);
    free_slabs(slabs);
    return_segments(segments);
}

void mmb_stack_end(struct mmb_stack *stack)
{
    mmb_stack_lock(stack); /* nobody else is here; for the count */
    mmb_stack_unlock(stack);
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
