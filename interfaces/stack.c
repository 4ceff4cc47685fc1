/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack strategy's calls (stack.h): allocate at the top, free singly, mark, release, reset.
 *
 * Owns the stack's counts, under `lock`. A block freed below the top stays charged until what lies
 * above it is gone; its record is then skipped on the way down. A record whose number is not below
 * `count` is dead whatever its word says: releasing does not touch the records above. */
#include "interfaces/stack.h"
#include "interfaces/stack_hot.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"

#define BLOCK_ALIGNMENT 16u
#define MARK_MAGIC      0x6d6d62737461636bull

static struct mmb_stack *stack_of(struct mmb_allocator *allocator)
{
    return (struct mmb_stack *)allocator;
}

static mmbError stack_open(const struct mmb_allocator_request *request, struct mmb_allocator **out)
{
    struct mmb_stack *stack = mmb_meta_alloc(sizeof *stack);
    if (!stack)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a stack");
    stack->base = request->base;
    stack->capacity = request->options.stack_bytes;
    mmb_biased_init(&stack->lock);
    mmb_locked_account_open(&stack->account, stack->base.quota, &stack->lock);
    mmbError error = stack->capacity ? mmb_stack_reserve(stack) : MMB_OK;
    if (error) {
        mmb_locked_account_close(&stack->account);
        mmb_meta_free(stack, sizeof *stack);
        return error;
    }
    *out = &stack->base;
    return MMB_OK;
}

struct mmb_stack *mmb_stacks[MMB_STACK_SLOTS];

static void stack_fill_hot(struct mmb_allocator *allocator, struct mmb_hot *hot)
{
    hot->stack = stack_of(allocator);
    if (allocator->slot < MMB_STACK_SLOTS)
        __atomic_store_n(&mmb_stacks[allocator->slot], hot->stack, __ATOMIC_RELAXED);
}

static void stack_close(struct mmb_allocator *allocator)
{
    if (allocator->slot < MMB_STACK_SLOTS)
        __atomic_store_n(&mmb_stacks[allocator->slot], NULL, __ATOMIC_RELAXED);
    mmb_stack_end(stack_of(allocator));
}

/* ---- allocating ---- */

size_t mmb_stack_number(const mmbAllocation *record)
{
    const struct mmb_stack_slab *slab = (struct mmb_stack_slab *)mmb_record_owner_of(record);
    return slab->first + (size_t)(record - slab->owner.records);
}

struct mmb_stack_entry *mmb_stack_entry_of(const mmbAllocation *record)
{
    struct mmb_stack_slab *slab = (struct mmb_stack_slab *)mmb_record_owner_of(record);
    return &slab->entries[record - slab->owner.records];
}

struct mmb_stack_marked *mmb_stack_marked_of(const mmbAllocation *record)
{
    struct mmb_stack_slab *slab = (struct mmb_stack_slab *)mmb_record_owner_of(record);
    return &slab->marked[record - slab->owner.records];
}

/* Lock held. NULL when there is no room for the block or its record. */
static mmbAllocation *push(struct mmb_stack *stack, size_t n_bytes, size_t alignment)
{
    if (stack->gone_from < stack->gone_to)
        mmb_stack_level(stack);
    /* A memory's host address is its address, where it has one. */
    uintptr_t address = (stack->bottom + stack->top + alignment - 1) & ~(uintptr_t)(alignment - 1);
    size_t start = address - stack->bottom;
    struct mmb_stack_slab *slab = stack->slab;
    if (start > stack->end || n_bytes > stack->end - start || !slab ||
        stack->count - slab->first == MMB_STACK_SLAB_RECORDS)
        return NULL;
    size_t i = stack->count - slab->first;
    slab->entries[i].start = start;
    slab->entries[i].charged_before = stack->charged;
    mmbAllocation *record = &slab->owner.records[i];
    record->host = (void *)(address & stack->host_mask);
    return record;
}

/* Lock held: the record that push prepared is on the stack. */
static void count_pushed(struct mmb_stack *stack, size_t n_bytes)
{
    const struct mmb_stack_slab *slab = stack->slab;
    size_t start = slab->entries[stack->count - slab->first].start;
    stack->top = mmb_stack_top_behind(stack, start + n_bytes);
    stack->n_pushed++;
    stack->count++;
    stack->charged += n_bytes;
    stack->live_bytes += n_bytes;
}

/* Lock held. */
static mmbError commit(struct mmb_stack *stack, mmbAllocation *record, size_t n_bytes,
                       size_t alignment)
{
    mmbError error = mmb_record_publish(record, MMB_RECORD_STACKED, n_bytes, 0, alignment);
    if (!error)
        count_pushed(stack, n_bytes);
    return error;
}

/* Lock held, at the end too; dropped while the quota and the source are asked. On failure nothing
 * is charged. */
static mmbError push_slowly(struct mmb_stack *stack, const struct mmb_request *request,
                            bool charged, mmbAllocation **out_record)
{
    size_t n_bytes = request->n_bytes,
           alignment = request->alignment < BLOCK_ALIGNMENT ? BLOCK_ALIGNMENT : request->alignment;
    mmbError error = MMB_OK;
    mmb_stack_unlock(stack);
    if (!charged)
        error = mmb_account_charge(stack->base.quota, &stack->account.base, n_bytes);
    mmb_stack_lock(stack);
    if (error)
        return error;
    while (!(*out_record = push(stack, n_bytes, alignment))) {
        mmb_stack_unlock(stack);
        error = mmb_stack_grow(stack, n_bytes, alignment);
        mmb_stack_lock(stack);
        if (error) {
            mmb_locked_account_give(&stack->account, n_bytes);
            return error;
        }
    }
    return MMB_OK;
}

static mmbError stack_allocate(struct mmb_allocator *allocator, const struct mmb_request *request,
                               mmbAllocation **out_record)
{
    struct mmb_stack *stack = stack_of(allocator);
    size_t n_bytes = request->n_bytes, alignment = request->alignment;
    if (alignment < BLOCK_ALIGNMENT)
        alignment = BLOCK_ALIGNMENT;
    MMB_ASSERT(request->prepaid == 0);
    size_t room;
    if (!mmb_add_size(n_bytes, alignment, &room))
        return mmb_fail(MMB_INVALID_SIZE, "allocate %zu B: more than there are addresses", n_bytes);
    mmb_stack_lock(stack);
    bool charged = mmb_locked_account_take(&stack->account, n_bytes);
    mmbAllocation *record = charged ? push(stack, n_bytes, alignment) : NULL;
    mmbError error = MMB_OK;
    if (!record)
        error = push_slowly(stack, request, charged, &record);
    if (record)
        error = commit(stack, record, n_bytes, request->asked);
    if (record && error)
        mmb_locked_account_give(&stack->account, n_bytes);
    mmb_stack_unlock(stack);
    if (!error)
        *out_record = record;
    return error;
}

/* Beyond the highest use so far, an only account raises it and goes on. */
static bool push_locked(struct mmb_stack *stack, size_t n_bytes, mmbAllocation **out_record)
{
    struct mmb_account *account = &stack->account.base;
    mmb_account_touch(account);
    if (account->suspended)
        return false;
    if (mmb_stack_push(stack, n_bytes, out_record))
        return true;
    if (n_bytes > MMB_RECORD_LOW ||
        !mmb_account_take_sole(stack->account.quota, account, (int64_t)n_bytes))
        return false;
    mmb_account_give(account, (int64_t)n_bytes);
    return mmb_stack_push(stack, n_bytes, out_record);
}

static bool stack_allocate_quickly(struct mmb_allocator *allocator, size_t n_bytes,
                                   mmbAllocation **out_record)
{
    struct mmb_stack *stack = stack_of(allocator);
    mmb_biased_acquire(&stack->lock);
    bool pushed = push_locked(stack, n_bytes, out_record);
    mmb_locked_account_release(&stack->account);
    return pushed;
}

static mmbError stale(const mmbAllocation *record)
{
    return mmb_fail(MMB_INVALID_ALLOCATION, "free: %p lies above the top of its stack: released",
                    (const void *)record);
}

/* Lock held. */
static void count_out(struct mmb_stack *stack, size_t n_bytes)
{
    mmb_stack_count_out(stack, n_bytes);
    stack->n_freed++;
}

static void mark_free(mmbAllocation *record)
{
    mmb_record_drop_extension(record);
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_FREE << 24, __ATOMIC_RELAXED);
}

static mmbError stack_free(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                           size_t keep_charged)
{
    (void)keep_charged;
    struct mmb_stack *stack = stack_of(allocator);
    mmb_stack_lock(stack);
    if (mmb_stack_number(record) >= stack->count) {
        mmb_stack_unlock(stack);
        return stale(record);
    }
    mark_free(record);
    count_out(stack, n_bytes);
    mmb_stack_settle(stack);
    mmb_stack_unlock(stack);
    return MMB_OK;
}

static bool stack_free_quickly(struct mmb_allocator *allocator, mmbAllocation *record,
                               size_t n_bytes)
{
    struct mmb_stack *stack = stack_of(allocator);
    (void)n_bytes;
    mmb_biased_acquire(&stack->lock);
    bool popped = !stack->account.base.suspended && mmb_stack_pop(stack, record);
    mmb_locked_account_release(&stack->account);
    return popped;
}

static bool is_top(const struct mmb_stack *stack, const mmbAllocation *record)
{
    return mmb_stack_number(record) + 1 == stack->count;
}

/* In place: the top block within its segment, which need not be the one that the top is in; any
 * other only to something smaller. */
static bool can_resize(const struct mmb_stack *stack, const mmbAllocation *record, size_t old_bytes,
                       size_t new_bytes)
{
    size_t start = mmb_stack_entry_of(record)->start;
    return new_bytes <= old_bytes || (is_top(stack, record) && start >= stack->segment->origin &&
                                      new_bytes <= stack->end - start);
}

/* What a block lacks in charge for its new size. One that shrank below others has more than its
 * size. */
static size_t missing(const struct mmb_stack *stack, const mmbAllocation *record, size_t new_bytes)
{
    size_t wanted = mmb_stack_entry_of(record)->charged_before + new_bytes;
    return is_top(stack, record) && wanted > stack->charged ? wanted - stack->charged : 0;
}

/* `paid` bytes are charged for it beyond what the block has; what is too much goes back. A block
 * that shrinks below others stays charged as a freed one would. */
static mmbError resize_locked(struct mmb_stack *stack, mmbAllocation *record, size_t new_bytes,
                              size_t paid)
{
    size_t old_bytes = mmb_record_bytes(record);
    mmbError error = mmb_record_set_bytes(record, new_bytes);
    if (error)
        return error;
    mmb_stack_count_out(stack, old_bytes);
    stack->live_bytes += new_bytes;
    const struct mmb_stack_entry *entry = mmb_stack_entry_of(record);
    size_t charged = stack->charged;
    if (is_top(stack, record)) {
        charged = entry->charged_before + new_bytes;
        mmb_stack_set_top(stack, entry->start);
        stack->top = mmb_stack_top_behind(stack, entry->start + new_bytes);
    } else {
        stack->has_shrunk |= new_bytes < old_bytes;
    }
    mmb_locked_account_give(&stack->account, stack->charged + paid - charged);
    stack->charged = charged;
    return MMB_OK;
}

static mmbError stack_resize(struct mmb_allocator *allocator, mmbAllocation *record,
                             size_t old_bytes, size_t new_bytes)
{
    struct mmb_stack *stack = stack_of(allocator);
    size_t paid = 0;
    mmb_stack_lock(stack);
    mmbError error = can_resize(stack, record, old_bytes, new_bytes) ? MMB_OK : MMB_UNSUPPORTED;
    size_t more = error ? 0 : missing(stack, record, new_bytes);
    if (more && !mmb_locked_account_take(&stack->account, more)) {
        mmb_stack_unlock(stack);
        error = mmb_account_charge(stack->base.quota, &stack->account.base, more);
        if (error)
            return error;
        mmb_stack_lock(stack);
        if (!can_resize(stack, record, old_bytes, new_bytes))
            error = MMB_UNSUPPORTED; /* something was pushed meanwhile */
    }
    paid = more;
    if (!error)
        error = resize_locked(stack, record, new_bytes, paid);
    if (error)
        mmb_locked_account_give(&stack->account, paid);
    mmb_stack_unlock(stack);
    return error;
}

/* The record stays where it is, INDIRECT and MOVED, until it is reclaimed. */
static void stack_vacate(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                         size_t keep_charged)
{
    struct mmb_stack *stack = stack_of(allocator);
    (void)record;
    (void)keep_charged;
    mmb_stack_lock(stack);
    count_out(stack, n_bytes);
    mmb_stack_settle(stack);
    mmb_stack_unlock(stack);
}

static void stack_reclaim(struct mmb_allocator *allocator, mmbAllocation *record)
{
    struct mmb_stack *stack = stack_of(allocator);
    mmb_stack_lock(stack);
    mark_free(record);
    mmb_stack_settle(stack);
    mmb_stack_unlock(stack);
}

/* ---- marks ---- */

/* Of the mark above the last block; 0 at the bottom. */
static uint32_t mark_top(struct mmb_stack *stack)
{
    if (stack->count == 0)
        return 0;
    struct mmb_stack_marked *marked =
        mmb_stack_marked_of(mmb_stack_record(stack, stack->count - 1));
    if (marked->serial)
        return marked->serial;
    stack->n_marks += stack->n_marks == UINT32_MAX ? 2 : 1;
    marked->serial = stack->n_marks;
    marked->down = stack->marked ? (uint32_t)(stack->count - stack->marked) : 0;
    stack->marked = stack->count;
    return marked->serial;
}

static mmbError stack_mark(struct mmb_allocator *allocator, mmbStackMark *out_mark)
{
    struct mmb_stack *stack = stack_of(allocator);
    mmb_stack_lock(stack);
    out_mark->opaque[0] = MARK_MAGIC ^ (uintptr_t)stack;
    out_mark->opaque[1] = stack->count;
    out_mark->opaque[2] = mark_top(stack);
    out_mark->opaque[3] = 0;
    mmb_stack_unlock(stack);
    return MMB_OK;
}

/* A mark is good as long as the block right below it is there, whatever its size is by now. */
static bool is_good(const struct mmb_stack *stack, const mmbStackMark *mark)
{
    size_t number = mark->opaque[1];
    if (mark->opaque[0] != (MARK_MAGIC ^ (uintptr_t)stack) || mark->opaque[3] ||
        number > stack->count)
        return false;
    if (number == 0)
        return mark->opaque[2] == 0;
    const struct mmb_stack_marked *marked =
        mmb_stack_marked_of(mmb_stack_record(stack, number - 1));
    return marked->serial && marked->serial == mark->opaque[2];
}

static mmbError stack_release(struct mmb_allocator *allocator, const mmbStackMark *mark)
{
    struct mmb_stack *stack = stack_of(allocator);
    mmb_stack_lock(stack);
    bool good = is_good(stack, mark);
    mmbError error = good ? mmb_stack_pop_to(stack, mark->opaque[1]) : MMB_INVALID_ARG;
    if (good && !error)
        mmb_stack_settle(stack);
    mmb_stack_unlock(stack);
    if (!good)
        return mmb_fail(MMB_INVALID_ARG, "stack_release: the mark is not of this stack, or what "
                                         "lay below it is gone");
    return error;
}

static mmbError stack_reset(struct mmb_allocator *allocator)
{
    struct mmb_stack *stack = stack_of(allocator);
    mmb_stack_lock(stack);
    mmbError error = mmb_stack_pop_to(stack, 0);
    mmb_stack_unlock(stack);
    return error;
}

static void stack_get_stats(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats)
{
    struct mmb_stack *stack = stack_of(allocator);
    mmb_stack_lock(stack);
    mmb_stack_count_out(stack, 0);
    out_stats->live_bytes = stack->live_bytes;
    out_stats->peak_bytes = stack->peak_bytes;
    out_stats->live_count = stack->count - stack->n_freed;
    out_stats->total_allocations = stack->n_pushed;
    out_stats->total_frees = stack->n_pushed - out_stats->live_count;
    mmb_stack_unlock(stack);
}

static void stack_fork_lock(struct mmb_allocator *allocator)
{
    mmb_biased_acquire(&stack_of(allocator)->lock);
}

static void stack_fork_unlock(struct mmb_allocator *allocator)
{
    mmb_biased_release(&stack_of(allocator)->lock);
}

const struct mmb_allocator_ops mmb_stack_allocator = {
    .size = sizeof mmb_stack_allocator,
    .name = "stack",
    .strategy = MMB_STRATEGY_STACK,
    .is_positional = true,
    .open = stack_open,
    .close = stack_close,
    .allocate = stack_allocate,
    .free = stack_free,
    .resize = stack_resize,
    .vacate = stack_vacate,
    .reclaim = stack_reclaim,
    .locate = mmb_stack_locate,
    .find = mmb_stack_find,
    .for_each = mmb_stack_for_each,
    .get_stats = stack_get_stats,
    .trim = mmb_stack_trim,
    .allocate_quickly = stack_allocate_quickly,
    .free_quickly = stack_free_quickly,
    .fork_lock = stack_fork_lock,
    .fork_unlock = stack_fork_unlock,
    .mark = stack_mark,
    .release = stack_release,
    .reset = stack_reset,
    .fill_hot = stack_fill_hot,
};
