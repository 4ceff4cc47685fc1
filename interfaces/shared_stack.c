/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack strategy over a shared segment: one stack for all processes (src/shared/stack.h).
 *
 * Owns the handles, by entry, in pages of a table under `shadows_lock`. Pushing and going down take
 * the segment's central lock first. Going down frees what any process has above, as one store; a
 * block that is freed below the top is uncharged at once but keeps its room until then. */
#include <unistd.h>
#include "interfaces/shared_stack.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"

/* Pages of the segment are asked for in steps. */
#define BACK_STEP  ((uint64_t)1 << 20)
#define MARK_MAGIC 0x6b7261746b636f73ull

/* Uncharges what others freed, or what is above the top. */
static void collect_from(struct mmb_shared_stack *stack, uint32_t from)
{
    struct mmb_stack_walk walk = {.stack = stack};
    mmb_lock_acquire(&stack->heap.shadows_lock);
    mmb_shared_stack_each_record(stack, from, mmb_shared_stack_expire_if_gone, &walk);
    mmb_lock_release(&stack->heap.shadows_lock);
    if (walk.sum)
        mmb_quota_uncharge(stack->heap.base.quota, walk.sum);
}

static void settle(struct mmb_shared_stack *stack)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    if (mmb_shared_ensure_slot(segment) != MMB_OK)
        return; /* the next one who can does it */
    mmb_shared_lock(segment, segment->slot);
    mmb_shared_stack_settle(segment);
    mmb_shared_unlock(segment);
}

static void collect(struct mmb_shared_heap *heap)
{
    collect_from((struct mmb_shared_stack *)heap, 0);
    settle((struct mmb_shared_stack *)heap);
    mmb_shared_pay(heap);
}

/* ---- life ---- */

static mmbError stack_open(const struct mmb_allocator_request *request, struct mmb_allocator **out)
{
    struct mmb_shared_stack *stack = mmb_meta_alloc(sizeof *stack);
    if (!stack)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a shared stack");
    stack->heap.collect = collect;
    stack->n_pages = mmb_shared_stack_capacity(request->segment) / MMB_STACK_PAGE_RECORDS + 1;
    stack->pages = mmb_os_map(stack->n_pages * sizeof *stack->pages);
    mmbError error = MMB_OUT_OF_MEMORY;
    if (stack->pages)
        error = mmb_shared_heap_open(request, &stack->heap);
    else
        mmb_fail(error, "create_interface: no metadata for a shared stack");
    if (error != MMB_OK) {
        if (stack->pages)
            mmb_os_unmap(stack->pages, stack->n_pages * sizeof *stack->pages);
        mmb_meta_free(stack, sizeof *stack);
        return error;
    }
    stack->backed_to = stack->heap.segment->layout.data;
    stack->entries_from = stack->heap.segment->layout.data_end;
    *out = &stack->heap.base;
    return MMB_OK;
}

static void end_record(void *user, mmbAllocation *record, uint32_t index)
{
    struct mmb_stack_walk *walk = user;
    struct mmb_extension view;
    (void)index;
    size_t n_bytes = mmb_record_bytes(record);
    if (mmb_shared_uncharge_once(record))
        walk->sum += n_bytes;
    if (mmb_record_view(record, &view) && view.flags & MMB_EXTENSION_HIDDEN)
        mmb_shared_record_delete(view.parent);
}

static void stack_close(struct mmb_allocator *allocator)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_stack_walk walk = {.stack = stack};
    mmb_shared_stack_each_record(stack, 0, end_record, &walk);
    for (size_t p = 0; p < stack->n_pages; p++) {
        for (uint32_t i = 0; stack->pages[p] && i < MMB_STACK_PAGE_RECORDS; i++)
            mmb_shared_record_delete(stack->pages[p][i]);
        mmb_meta_free(stack->pages[p], MMB_STACK_PAGE_BYTES);
    }
    atomic_fetch_add(&stack->heap.debt, walk.sum);
    mmb_os_unmap(stack->pages, stack->n_pages * sizeof *stack->pages);
    mmb_shared_heap_close(&stack->heap);
    mmb_meta_free(stack, sizeof *stack);
}

/* ---- pushing ---- */

/* Central lock held. Asks for the pages of a block and its entry. */
static bool back(struct mmb_shared_stack *stack, uint64_t end, uint64_t entry)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    if (end > stack->backed_to) {
        uint64_t to = end + BACK_STEP < entry ? end + BACK_STEP : end;
        if (!mmb_shared_back(segment, stack->backed_to, to - stack->backed_to))
            to = end;
        if (to == end && !mmb_shared_back(segment, stack->backed_to, to - stack->backed_to))
            return false;
        stack->backed_to = to;
    }
    if (entry < stack->entries_from) {
        if (!mmb_shared_back(segment, entry & ~(uint64_t)4095, 4096))
            return false;
        stack->entries_from = entry & ~(uint64_t)4095;
    }
    return true;
}

/* Central lock held. Everything but the height is written afterwards. False: no room. */
static bool prepare(struct mmb_shared_stack *stack, const struct mmb_request *request,
                    uint32_t *out_index, struct mmb_shared_entry *out)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    uint32_t index = mmb_shared_stack_height(segment);
    uint64_t top = mmb_shared_stack_top(segment);
    size_t alignment = request->alignment > MMB_SHARED_UNIT ? request->alignment : MMB_SHARED_UNIT;
    uint64_t units = ((uint64_t)request->n_bytes + MMB_SHARED_UNIT - 1) / MMB_SHARED_UNIT;
    uint64_t start = top + mmb_align_head((uintptr_t)segment->base + top, alignment);
    uint64_t limit = segment->layout.data_end - ((uint64_t)index + 1) * sizeof *out;
    if (index >= mmb_shared_stack_capacity(segment) || start > limit ||
        units > (limit - start) / MMB_SHARED_UNIT ||
        !back(stack, start + units * MMB_SHARED_UNIT, limit))
        return false;
    struct mmb_shared_entry *entry = mmb_shared_entry(segment, index);
    uint8_t generation =
        (uint8_t)(mmb_entry_generation(__atomic_load_n(&entry->info, __ATOMIC_RELAXED)) + 1);
    out->start = start;
    out->info = units | (uint64_t)generation << MMB_ENTRY_GENERATION_SHIFT |
                (uint64_t)(segment->slot + 1) << MMB_ENTRY_OWNER_SHIFT;
    __atomic_store_n(&entry->start, out->start, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->info, out->info, __ATOMIC_RELAXED);
    *out_index = index;
    return true;
}

/* Central lock held. */
static mmbError push(struct mmb_shared_stack *stack, const struct mmb_request *request,
                     mmbAllocation **out)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    struct mmb_shared_entry entry;
    uint32_t index;
    mmb_shared_stack_settle(segment);
    if (!prepare(stack, request, &index, &entry))
        return MMB_NOT_FOUND;
    mmb_lock_acquire(&stack->heap.shadows_lock);
    mmbAllocation *record = mmb_shared_stack_fresh_record(stack, index);
    mmb_lock_release(&stack->heap.shadows_lock);
    if (!record)
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: no metadata for a handle",
                        request->n_bytes);
    mmb_shared_record_fill(&stack->heap, record, entry.start, mmb_entry_generation(entry.info));
    mmbError error =
        mmb_record_publish(record, MMB_RECORD_STACKED, request->n_bytes, 0, request->alignment);
    if (error != MMB_OK)
        return error;
    __atomic_fetch_or(&record->home, MMB_SHARED_CHARGED, __ATOMIC_RELEASE);
    __atomic_store_n(&mmb_shared_dynamic(segment)->n_entries, (uint64_t)index + 1,
                     __ATOMIC_RELEASE);
    *out = record;
    return MMB_OK;
}

static mmbError stack_allocate(struct mmb_allocator *allocator, const struct mmb_request *request,
                               mmbAllocation **out_record)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_segment *segment = stack->heap.segment;
    mmbError error = mmb_shared_ensure_slot(segment);
    if (error == MMB_OK)
        error = mmb_shared_charge(&stack->heap, request->n_bytes);
    if (error != MMB_OK)
        return error;
    mmb_shared_lock(segment, segment->slot);
    error = push(stack, request, out_record);
    uint64_t top = mmb_shared_stack_top(segment);
    mmb_shared_unlock(segment);
    if (error == MMB_OK) {
        mmb_shared_count_in(&stack->heap);
        return MMB_OK;
    }
    mmb_quota_uncharge(stack->heap.base.quota, request->n_bytes);
    if (error != MMB_NOT_FOUND)
        return error;
    return mmb_fail(
        MMB_OUT_OF_MEMORY, "allocate %zu B: the shared stack %u is full, %llu B are above its top",
        request->n_bytes, segment->id, (unsigned long long)(segment->layout.data_end - top));
}

/* ---- freeing ---- */

static bool free_entry(struct mmb_shared_stack *stack, uint32_t index)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    uint64_t before = __atomic_fetch_or(&mmb_shared_entry(segment, index)->info, MMB_ENTRY_FREED,
                                        __ATOMIC_ACQ_REL);
    if (index + 1 == mmb_shared_stack_height(segment))
        settle(stack);
    bool freed = !(before & MMB_ENTRY_FREED);
    atomic_fetch_add_explicit(&stack->heap.n_frees, freed, memory_order_relaxed);
    return freed;
}

static mmbError stack_free(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                           size_t keep_charged)
{
    (void)keep_charged;
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_entry entry;
    uint32_t index = mmb_shared_stack_index_of(record);
    bool is_live = mmb_shared_stack_is_current(stack, record, index, &entry);
    if (mmb_shared_uncharge_once(record))
        mmb_quota_uncharge(stack->heap.base.quota, n_bytes);
    mmb_shared_record_end(record);
    if (is_live && free_entry(stack, index))
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ALLOCATION, "free: another process freed the block before");
}

static void stack_vacate(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                         size_t keep_charged)
{
    (void)keep_charged;
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_entry entry;
    uint32_t index = mmb_shared_stack_index_of(record);
    mmb_lock_acquire(&stack->heap.shadows_lock);
    bool is_live = mmb_shared_stack_is_current(stack, record, index, &entry);
    mmbAllocation **place = mmb_shared_stack_place_of(stack, index, false);
    if (place && *place == record)
        *place = NULL;
    mmb_lock_release(&stack->heap.shadows_lock);
    mmb_record_set_home_object(record, NULL);
    if (mmb_shared_uncharge_once(record))
        mmb_quota_uncharge(stack->heap.base.quota, n_bytes);
    if (is_live)
        free_entry(stack, index);
}

static void stack_reclaim(struct mmb_allocator *allocator, mmbAllocation *record)
{
    (void)allocator;
    (void)record;
}

static mmbError stack_resize(struct mmb_allocator *allocator, mmbAllocation *record,
                             size_t old_bytes, size_t new_bytes)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_entry entry;
    if (!mmb_shared_stack_is_current(stack, record, mmb_shared_stack_index_of(record), &entry) ||
        new_bytes > mmb_entry_bytes(entry.info))
        return MMB_UNSUPPORTED;
    bool is_charged = __atomic_load_n(&record->home, __ATOMIC_ACQUIRE) & MMB_SHARED_CHARGED;
    size_t more = new_bytes > old_bytes ? new_bytes - old_bytes : 0;
    mmbError error = is_charged && more ? mmb_shared_charge(&stack->heap, more) : MMB_OK;
    if (error != MMB_OK)
        return error;
    error = mmb_record_set_bytes(record, new_bytes);
    size_t less = error != MMB_OK ? more : new_bytes < old_bytes ? old_bytes - new_bytes : 0;
    if (is_charged && less)
        mmb_quota_uncharge(stack->heap.base.quota, less);
    return error;
}

/* ---- asking ---- */

static void stack_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_usage usage;
    mmb_shared_usage(stack->heap.segment, &usage);
    mmb_shared_fill_stats(&stack->heap, usage.live_bytes, usage.live_count, out_stats);
}

static void stack_trim(struct mmb_allocator *allocator, size_t keep_bytes)
{
    (void)keep_bytes;
    collect(mmb_shared_heap_of(allocator));
}

/* ---- marks ---- */

/* What is right below a mark: it must still be there when the mark is used. */
static uint64_t below(const struct mmb_shared_segment *segment, uint32_t height)
{
    struct mmb_shared_entry entry;
    if (height == 0 || !mmb_shared_entry_read(segment, height - 1, &entry))
        return 0;
    return entry.start << 8 | mmb_entry_generation(entry.info);
}

static mmbError stack_mark(struct mmb_allocator *allocator, mmbStackMark *out_mark)
{
    struct mmb_shared_segment *segment = mmb_shared_stack_of(allocator)->heap.segment;
    mmbError error = mmb_shared_ensure_slot(segment);
    if (error != MMB_OK)
        return error;
    mmb_shared_lock(segment, segment->slot);
    uint32_t height = mmb_shared_stack_height(segment);
    *out_mark =
        (mmbStackMark){{MARK_MAGIC ^ segment->generation, height, below(segment, height), 0}};
    mmb_shared_unlock(segment);
    return MMB_OK;
}

/* Central lock held: nothing can come above meanwhile. */
static mmbError go_down(struct mmb_shared_stack *stack, uint32_t height)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    size_t in_use = mmb_shared_stack_in_use_from(stack, height);
    if (in_use)
        return mmb_fail(MMB_BUSY, "stack_release: %zu objects above are sliced, held or copied",
                        in_use);
    __atomic_store_n(&mmb_shared_dynamic(segment)->n_entries, height, __ATOMIC_RELEASE);
    return MMB_OK;
}

static mmbError release_to(struct mmb_shared_stack *stack, const mmbStackMark *mark)
{
    struct mmb_shared_segment *segment = stack->heap.segment;
    mmbError error = mmb_shared_ensure_slot(segment);
    if (error != MMB_OK)
        return error;
    mmb_shared_lock(segment, segment->slot);
    bool is_good =
        !mark || (mark->opaque[0] == (MARK_MAGIC ^ segment->generation) && mark->opaque[3] == 0 &&
                  mark->opaque[1] <= mmb_shared_stack_height(segment) &&
                  mark->opaque[2] == below(segment, (uint32_t)mark->opaque[1]));
    uint32_t height = mark && is_good ? (uint32_t)mark->opaque[1] : 0;
    error = is_good ? go_down(stack, height) : MMB_INVALID_ARG;
    mmb_shared_unlock(segment);
    if (!is_good)
        return mmb_fail(error, "stack_release: the mark is not of this stack, or what lay below "
                               "it is gone");
    if (error == MMB_OK)
        collect_from(stack, height);
    return error;
}

static mmbError stack_release(struct mmb_allocator *allocator, const mmbStackMark *mark)
{
    return release_to(mmb_shared_stack_of(allocator), mark);
}

static mmbError stack_reset(struct mmb_allocator *allocator)
{
    return release_to(mmb_shared_stack_of(allocator), NULL);
}

/* ---- fork ---- */

static void stack_fork_lock(struct mmb_allocator *allocator)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    mmb_lock_acquire(&heap->segment->slots_lock);
    mmb_mutex_lock(&heap->segment->central);
    mmb_lock_acquire(&heap->shadows_lock);
}

static void discharge(void *user, mmbAllocation *record, uint32_t index)
{
    struct mmb_stack_walk *walk = user;
    (void)index;
    size_t n_bytes = mmb_record_bytes(record);
    if (mmb_shared_uncharge_once(record))
        walk->sum += n_bytes;
}

static void stack_fork_unlock(struct mmb_allocator *allocator)
{
    struct mmb_shared_stack *stack = mmb_shared_stack_of(allocator);
    struct mmb_shared_heap *heap = &stack->heap;
    struct mmb_stack_walk walk = {.stack = stack};
    bool is_child = heap->segment->pid != getpid();
    if (is_child)
        mmb_shared_stack_each_record(stack, 0, discharge, &walk);
    atomic_fetch_add(&heap->debt, walk.sum);
    mmb_lock_release(&heap->shadows_lock);
    mmb_mutex_unlock(&heap->segment->central);
    mmb_lock_release(&heap->segment->slots_lock);
    if (is_child)
        mmb_shared_refork(heap->segment);
}

const struct mmb_allocator_ops mmb_shared_stack_ops = {
    .size = sizeof mmb_shared_stack_ops,
    .name = "shared stack",
    .strategy = MMB_STRATEGY_STACK,
    .is_positional = true,
    .open = stack_open,
    .close = stack_close,
    .allocate = stack_allocate,
    .free = stack_free,
    .resize = stack_resize,
    .vacate = stack_vacate,
    .reclaim = stack_reclaim,
    .locate = mmb_shared_stack_locate,
    .find = mmb_shared_stack_find,
    .for_each = mmb_shared_stack_for_each,
    .get_stats = stack_get_stats,
    .trim = stack_trim,
    .mark = stack_mark,
    .release = stack_release,
    .reset = stack_reset,
    .fork_lock = stack_fork_lock,
    .fork_unlock = stack_fork_unlock,
    .in_use = mmb_shared_stack_in_use,
    .import = mmb_shared_stack_import,
};
