/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocating and freeing objects: the checks, the fallbacks, and what kind of object it is that
 * goes.
 *
 * Owns nothing: records belong to allocators and the record pool, which lock for themselves. No
 * lock is held across any call here. */
#include "src/core/allocation.h"
#include <mmb/copy.h>
#include "interfaces/orphan.h"
#include "interfaces/shared_hot.h"
#include "interfaces/stack_hot.h"
#include "interfaces/thread_hot.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/spi/debug_fill.h"
#include "src/core/changing.h"
#include "src/core/region.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"
#include "src/core/ticket.h"
#include "src/core/trace.h"

#define DEFAULT_ALIGNMENT 16u

/* A stack that was released below a record has not touched it, nor has another process that freed a
 * shared block. */
static bool is_there(const mmbAllocation *record)
{
    struct mmb_allocator *allocator = mmb_record_allocator(record);
    struct mmb_block block;
    return allocator && allocator->ops->locate(allocator, record, &block);
}

static bool is_handle(const mmbAllocation *allocation)
{
    struct mmb_extension view = {.flags = 0};
    if (!mmb_record_is_live(allocation))
        return false;
    uint32_t state = mmb_record_state(mmb_record_word(allocation));
    if (state == MMB_RECORD_INDIRECT && mmb_record_view(allocation, &view))
        state = view.base_state;
    if (view.flags & (MMB_EXTENSION_HIDDEN | MMB_EXTENSION_MOVED))
        return !(view.flags & MMB_EXTENSION_HIDDEN); /* a moved one may even have lost its stack */
    bool may_be_gone = state == MMB_RECORD_STACKED || state == MMB_RECORD_SHARED;
    return !may_be_gone || is_there(allocation);
}

mmbError mmb_allocation_check(const mmbAllocation *allocation, const char *function)
{
    mmbError error = mmb_library_check(function);
    if (error || is_handle(allocation))
        return error;
    return mmb_fail(MMB_INVALID_ALLOCATION, "%s: %p is not a live allocation: %s", function,
                    (const void *)allocation,
                    mmb_record_is_ours(allocation) || mmb_ticket_is_ours(allocation)
                        ? "it was freed"
                        : "no handle of this library");
}

/* ---- allocating ---- */

/* No object has more than PTRDIFF_MAX bytes; within that, neither alignment nor rounding overflows.
 */
mmbError mmb_allocation_check_size(size_t n_bytes, const char *function)
{
    if (n_bytes - 1 < PTRDIFF_MAX)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_SIZE, "%s: %zu bytes%s", function, n_bytes,
                    n_bytes ? " are more than an object can have" : "");
}

static mmbError allocate_from(mmbMemInterface *interface, int domain,
                              const struct mmb_request *request, mmbAllocation **out_record)
{
    mmbError error = mmb_subheaps_allocate(interface, domain, request, out_record);
    if (error)
        atomic_fetch_add_explicit(&interface->refused, 1, memory_order_relaxed);
    return error;
}

mmbError mmb_interface_allocate(mmbMemInterface *interface, const struct mmb_wish *wish,
                                mmbAllocation **out_record)
{
    mmbError error = mmb_allocation_check_size(wish->n_bytes, "allocate");
    if (error) {
        atomic_fetch_add_explicit(&interface->refused, 1, memory_order_relaxed);
        return error;
    }
    struct mmb_request request = {wish->n_bytes, wish->alignment, 0, wish->thread, wish->alignment};
    const mmbMemInterface *asked = interface;
    int domain = wish->domain;
    do {
        request.alignment = wish->alignment;
        error = mmb_interface_align(interface, &request);
        if (!error)
            error = allocate_from(interface, domain, &request, out_record);
        interface = interface->fallback;
        domain = -1;
    } while (error == MMB_OUT_OF_MEMORY && interface);
    if (error)
        return error;
    mmb_records_forget(*out_record, 1);
    mmb_debug_fill(*out_record, MMB_FILL_NEW);
    if (__builtin_expect(mmb_trace_is_on, 0))
        mmb_trace_allocate(asked, *out_record, wish->n_bytes, wish->alignment);
    return MMB_OK;
}

/* What the ways of mmb_allocate() took. */
static inline mmbError hand_out(mmbAllocation **out_allocation)
{
    mmb_debug_fill(*out_allocation, MMB_FILL_NEW);
    mmb_ticket_issue(out_allocation);
    return MMB_OK;
}

static __attribute__((noinline)) mmbError
allocate_slowly(size_t n_bytes, mmbMemInterface *interface, mmbAllocation **out_allocation)
{
    mmbError error = mmb_interface_check(interface, "allocate");
    if (error)
        return error;
    if (!out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "allocate: out_allocation is NULL");
    const struct mmb_wish wish = {n_bytes, DEFAULT_ALIGNMENT, -1, 0};
    error = mmb_interface_allocate(interface, &wish, out_allocation);
    if (!error)
        mmb_ticket_issue(out_allocation);
    return error;
}

/* The short way of a strategy besides magazines; it is cleared when the interface goes. */
static __attribute__((noinline)) mmbError
allocate_missed(size_t n_bytes, mmbMemInterface *interface, mmbAllocation **out_allocation)
{
    const struct mmb_hot *hot = &interface->hot;
    if (!hot->quick || n_bytes - 1 >= MMB_RECORD_LOW ||
        !hot->quick(hot->allocator, n_bytes, out_allocation))
        return allocate_slowly(n_bytes, interface, out_allocation);
    return hand_out(out_allocation);
}

static __attribute__((noinline)) mmbError
allocate_shared(size_t n_bytes, mmbMemInterface *interface, mmbAllocation **out_allocation)
{
    if (!mmb_shared_hot_allocate(&interface->hot, n_bytes, out_allocation))
        return allocate_missed(n_bytes, interface, out_allocation);
    return hand_out(out_allocation);
}

/* Large sizes, and all of stacks. */
static __attribute__((noinline)) mmbError
allocate_otherwise(size_t n_bytes, mmbMemInterface *interface, mmbAllocation **out_allocation)
{
    struct mmb_stack *stack = interface->hot.stack;
    if (stack ? !mmb_stack_allocate_hot(stack, n_bytes, out_allocation)
              : !mmb_hot_allocate_large(&interface->hot, n_bytes, out_allocation))
        return allocate_missed(n_bytes, interface, out_allocation);
    return hand_out(out_allocation);
}

/* Whether the library is initialised and the interface alive need not be asked where a magazine has
 * a record: an interface's magazines are emptied when it goes. Its memory can always be looked at.
 */
mmbError mmb_allocate(size_t n_bytes, mmbMemInterface *interface, mmbAllocation **out_allocation)
{
    if (__builtin_expect(!out_allocation || !mmb_interface_is_slot(interface), 0))
        return allocate_slowly(n_bytes, interface, out_allocation);
    if (__builtin_expect(n_bytes > interface->hot.lookup_bytes, 0)) /* in shared heaps always */
        return interface->hot.serial ? allocate_shared(n_bytes, interface, out_allocation)
                                     : allocate_otherwise(n_bytes, interface, out_allocation);
    if (__builtin_expect(!mmb_hot_allocate(&interface->hot, n_bytes, out_allocation), 0))
        return allocate_missed(n_bytes, interface, out_allocation);
    return hand_out(out_allocation);
}

mmbError mmb_allocate_array(size_t count, size_t n_bytes, mmbMemInterface *interface,
                            mmbAllocation **out_allocation)
{
    mmbError error = mmb_interface_check(interface, "allocate_array");
    if (error)
        return error;
    size_t total;
    if (!mmb_mul_size(count, n_bytes, &total))
        return mmb_fail(MMB_INVALID_SIZE, "allocate_array: %zu elements of %zu B overflow", count,
                        n_bytes);
    return mmb_allocate(total, interface, out_allocation);
}

/* ---- options ---- */

static mmbError check_domain(const mmbMemInterface *interface, int domain)
{
    size_t n_domains = interface->space->layer->n_domains;
    bool is_there = domain >= 0 && (size_t)domain < n_domains;
    if (domain == -1 || (is_there && (interface->n_heaps > 1 || n_domains == 1)))
        return MMB_OK;
    if (domain < -1 || (size_t)domain >= n_domains)
        return mmb_fail(MMB_INVALID_ARG, "allocate: domain %d of a layer with %zu", domain,
                        n_domains);
    return mmb_fail(MMB_UNSUPPORTED, "allocate: the interface's space has no sub-domains");
}

static mmbError check_options(const mmbMemInterface *interface, const mmbAllocateOptions *options)
{
    if (!mmb_is_power_of_two(options->alignment))
        return mmb_fail(MMB_INVALID_ARG, "allocate: alignment %zu is no power of two",
                        options->alignment);
    if (options->stream)
        return mmb_fail(MMB_INVALID_ARG, "allocate: stream is reserved and must be NULL");
    if (options->thread && !interface->allocator->ops->free_for)
        return mmb_fail(MMB_UNSUPPORTED, "allocate: the interface serves no named threads");
    return check_domain(interface, options->domain);
}

mmbError mmb_allocation_clear(mmbAllocation *record)
{
    const struct mmb_allocator *allocator = mmb_record_allocator(record);
    size_t n_bytes = mmb_record_bytes(record);
    if (mmb_source_backend(allocator->source)->ops->gives_zeros && allocator->ops->is_fresh &&
        allocator->ops->is_fresh(allocator, record))
        n_bytes = mmb_debug_filled(n_bytes);
    return mmb_memset(record, 0, 0, n_bytes);
}

/* What the options ask for once the block is there. On failure the block is still the caller's. */
static mmbError dress(mmbAllocation *record, const mmbAllocateOptions *options)
{
    if (options->label) {
        struct mmb_extension *extension;
        mmbError error = mmb_record_extend(record, &extension);
        if (error)
            return error;
        extension->label = options->label;
    }
    return options->zero ? mmb_allocation_clear(record) : MMB_OK;
}

mmbError mmb_allocate_opts(size_t n_bytes, mmbMemInterface *interface,
                           const mmbAllocateOptions *options, mmbAllocation **out_allocation)
{
    if (!options)
        return mmb_allocate(n_bytes, interface, out_allocation);
    mmbError error = mmb_interface_check(interface, "allocate");
    if (error)
        return error;
    if (!out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "allocate: out_allocation is NULL");
    mmbAllocateOptions known = MMB_ALLOCATE_OPTIONS_INIT;
    error = mmb_struct_in(&known, sizeof known, options, sizeof known, "mmbAllocateOptions");
    if (error)
        return error;
    if (known.alignment == 0)
        known.alignment = DEFAULT_ALIGNMENT;
    error = check_options(interface, &known);
    if (error)
        return error;
    mmbAllocation *record;
    const struct mmb_wish wish = {n_bytes, known.alignment, known.domain, known.thread};
    error = mmb_interface_allocate(interface, &wish, &record);
    if (error)
        return error;
    error = dress(record, &known);
    if (error) {
        mmb_allocation_release(record, "allocate");
        return error;
    }
    *out_allocation = mmb_ticket_of(record);
    return MMB_OK;
}

/* ---- freeing ---- */

static mmbError free_block(mmbAllocation *block, size_t keep_charged)
{
    struct mmb_allocator *allocator = mmb_record_allocator(block);
    mmb_debug_fill(block, MMB_FILL_FREED);
    return allocator->ops->free(allocator, block, mmb_record_bytes(block), keep_charged);
}

/* The record of a moved handle goes back to where it came from, which may be gone by now. */
static void reclaim_home(mmbAllocation *handle)
{
    mmb_homes_enter();
    enum mmb_owner_kind kind = mmb_record_owner_of(handle)->kind;
    if (kind == MMB_OWNER_SPAN || kind == MMB_OWNER_STACK) {
        struct mmb_allocator *home = mmb_record_allocator(handle);
        home->ops->reclaim(home, handle);
    }
    mmb_homes_leave();
    if (kind == MMB_OWNER_ORPHAN)
        mmb_orphan_release(handle);
    if (kind != MMB_OWNER_POOL)
        return;
    mmb_record_drop_extension(handle);
    mmb_record_delete(handle);
}

static void release_slice(mmbAllocation *slice, mmbAllocation *parent)
{
    mmb_record_drop_extension(slice);
    mmb_record_delete(slice);
    mmb_record_unuse(parent, MMB_USE_SLICE);
}

/* Where the region provider does not let go of the memory, the object stays. */
static mmbError release_wrapped(mmbAllocation *wrapped, const struct mmb_extension *extension)
{
    mmbMemInterface *interface = mmb_record_allocator(wrapped)->interface;
    mmbError error = mmb_registration_end(mmb_record_home_object(wrapped));
    if (error)
        return error;
    if (interface->flags & MMB_INTERFACE_FINDABLE)
        mmb_address_map_remove(&mmb_wrapped_map, (uintptr_t)extension->wrapped, extension->n_bytes,
                               wrapped);
    /* While the object counts, nobody can close the backend. */
    if (extension->flags & MMB_EXTENSION_IMPORTED) {
        struct mmb_backend *backend = mmb_source_backend(mmb_record_allocator(wrapped)->source);
        backend->ops->ipc_close(backend, (uintptr_t)extension->wrapped);
    }
    atomic_fetch_sub(&interface->wrapped, 1);
    mmb_record_drop_extension(wrapped);
    mmb_record_delete(wrapped);
    return MMB_OK;
}

static mmbError release_extended(mmbAllocation *allocation, const struct mmb_extension *extension)
{
    if (extension->flags & MMB_EXTENSION_SLICE) {
        release_slice(allocation, extension->parent);
        return MMB_OK;
    }
    if (extension->flags & MMB_EXTENSION_WRAPPED)
        return release_wrapped(allocation, extension);
    if (!(extension->flags & MMB_EXTENSION_MOVED))
        return free_block(allocation, 0);
    mmbError error = free_block(extension->block, 0);
    if (!error)
        reclaim_home(allocation);
    return error;
}

static mmbError release(mmbAllocation *allocation, const char *function)
{
    mmbError error = mmb_allocation_check(allocation, function);
    if (error)
        return error;
    struct mmb_extension view;
    if (!mmb_record_view(allocation, &view))
        return free_block(allocation, 0);
    error = mmb_record_check_idle(allocation, function);
    return error ? error : release_extended(allocation, &view);
}

mmbError mmb_allocation_release(mmbAllocation *allocation, const char *function)
{
    if (__builtin_expect(!mmb_trace_is_on, 1))
        return release(allocation, function);
    mmb_trace_leave(allocation);
    mmbError error = release(allocation, function);
    mmb_trace_freed(!error);
    return error;
}

static __attribute__((noinline)) mmbError free_slowly(mmbAllocation *allocation)
{
    if (!allocation)
        return mmb_library_check("free");
    return mmb_allocation_release(allocation, "free");
}

/* A record of ours. One that is not INDIRECT has no extension, so nothing holds it and nothing is
 * to be undone. Whether a STACKED or SHARED one is live its allocator tells. */
static __attribute__((noinline)) mmbError free_by_strategy(mmbAllocation *allocation)
{
    uint32_t word = mmb_record_word(allocation);
    if (word == 0 || mmb_record_state(word) >= MMB_RECORD_INDIRECT || mmb_trace_is_on)
        return free_slowly(allocation);
    struct mmb_allocator *allocator = mmb_record_allocator(allocation);
    if (allocator->ops->free_quickly &&
        allocator->ops->free_quickly(allocator, allocation, word & MMB_RECORD_LOW))
        return MMB_OK;
    return free_slowly(allocation);
}

/* While a trace is written no thread has a way of its own in a shared heap. */
static __attribute__((noinline)) mmbError free_shared(struct mmb_shared_cache *cache,
                                                      mmbAllocation *allocation)
{
    return mmb_shared_free_on(cache, allocation, mmb_record_word(allocation) & MMB_RECORD_LOW)
               ? MMB_OK
               : free_by_strategy(allocation);
}

static __attribute__((noinline)) mmbError free_missed(mmbAllocation *allocation)
{
    uint32_t word = mmb_record_word(allocation), state = mmb_record_state(word);
    if (__builtin_expect(state == MMB_RECORD_SHARED, 1)) {
        /* Once: a heap that closes takes it away, and the tally that was begun must be ended. */
        struct mmb_shared_cache *cache = __atomic_load_n(&mmb_shared_here, __ATOMIC_RELAXED);
        return mmb_shared_hot_free(cache, allocation, word & MMB_RECORD_LOW)
                   ? MMB_OK
                   : free_shared(cache, allocation);
    }
    if (state == MMB_RECORD_STACKED && mmb_stack_free_hot(allocation))
        return MMB_OK;
    return free_by_strategy(allocation);
}

mmbError mmb_free(mmbAllocation *handle)
{
    mmbAllocation *allocation = mmb_ticket_record(handle);
    if (__builtin_expect(!mmb_record_is_ours(allocation), 0))
        return free_slowly(allocation);
    mmbError error = mmb_changing_check(allocation, "free");
    if (error)
        return error;
    mmb_debug_fill_plain(allocation);
    error = __builtin_expect(mmb_hot_free(allocation), 1) ? MMB_OK : free_missed(allocation);
    return mmb_ticket_freed(handle, error);
}

/* Plain blocks by the thread's cache; of what has an extension only the data has a thread. */
static mmbError free_for(mmbAllocation *allocation, uint64_t thread)
{
    mmbError error = mmb_allocation_check(allocation, "free");
    if (error)
        return error;
    struct mmb_allocator *allocator = mmb_record_allocator(allocation);
    struct mmb_extension view;
    if (!allocator->ops->free_for)
        return mmb_fail(MMB_UNSUPPORTED, "free: the interface serves no named threads");
    if (mmb_record_view(allocation, &view))
        return mmb_allocation_release(allocation, "free");
    return allocator->ops->free_for(allocator, allocation, mmb_record_bytes(allocation), thread);
}

mmbError mmb_free_opts(mmbAllocation *allocation, const mmbAllocateOptions *options)
{
    mmbAllocateOptions known = MMB_ALLOCATE_OPTIONS_INIT;
    mmbError error = mmb_library_check("free");
    if (!error && options)
        error = mmb_struct_in(&known, sizeof known, options, sizeof known, "mmbAllocateOptions");
    if (error)
        return error;
    if (!known.thread || !allocation)
        return mmb_free(allocation);
    error = free_for(mmb_ticket_record(allocation), known.thread);
    return mmb_ticket_freed(allocation, error);
}
