/* SPDX-License-Identifier: BSD-3-Clause */
/* Reallocate and migrate: the handle stays, its bytes get another block. The new block's record is
 * hidden behind the handle, and the handle's own block idles or goes, as its allocator decides.
 *
 * Owns nothing. Calls for one object are ordered by the caller; no lock is held here. */
#include "src/core/changing.h"
#include "src/core/allocation.h"
#include <string.h>
#include "src/base/error.h"
#include "src/core/copy.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"
#include "src/core/ticket.h"
#include "src/core/trace.h"

mmbError mmb_allocation_check_movable(const mmbAllocation *allocation, const char *function)
{
    mmbError error = mmb_allocation_check(allocation, function);
    if (error)
        return error;
    struct mmb_extension view;
    if (mmb_record_view(allocation, &view) &&
        view.flags & (MMB_EXTENSION_SLICE | MMB_EXTENSION_WRAPPED))
        return mmb_fail(MMB_INVALID_ALLOCATION, "%s: %p is a %s and owns no memory", function,
                        (const void *)allocation,
                        view.flags & MMB_EXTENSION_SLICE ? "slice" : "wrapped object");
    return mmb_record_check_idle(allocation, function);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Without the checks of the public calls: a hidden record is no handle, and both are known to be
 * live. */
mmbError mmb_block_copy(const mmbAllocation *to, const mmbAllocation *from, size_t n_bytes)
{
    if (to->host && from->host) {
        memcpy(to->host, from->host, n_bytes);
        return MMB_OK;
    }
    struct mmb_transfer transfer = {.is_fill = false};
    mmbError error = mmb_place_of_live(to, "move", &transfer.to);
    if (!error)
        error = mmb_place_of_live(from, "move", &transfer.from);
    if (error)
        return error;
    mmb_copy_shape_run(&transfer.shape, 0, 0, n_bytes);
    error = mmb_transfer_check_way(&transfer, "move");
    return error ? error : mmb_transfer_run(&transfer);
}

static size_t promised_alignment(const mmbAllocation *block)
{
    struct mmb_extension view;
    bool is_special = mmb_record_view(block, &view) && view.alignment_log2;
    return is_special ? (size_t)1 << view.alignment_log2 : 16;
}

static void free_block(mmbAllocation *block, size_t keep_charged)
{
    struct mmb_allocator *allocator = mmb_record_allocator(block);
    allocator->ops->free(allocator, block, mmb_record_bytes(block), keep_charged);
}

/* A block that grows stays in its domain if it can; elsewhere nothing of it is paid yet. */
static mmbError take_block(const struct mmb_allocator *from, mmbMemInterface *interface,
                           struct mmb_request *request, mmbAllocation **out_block)
{
    bool is_one = interface->n_heaps == 1;
    struct mmb_allocator *to = is_one ? interface->allocator : NULL;
    if (!is_one && interface->space == from->interface->space)
        to = interface->heaps[from->domain].allocator;
    size_t prepaid = request->prepaid;
    request->prepaid = 0;
    if (!to)
        return mmb_subheaps_allocate(interface, -1, request, out_block);
    if (from->quota == to->quota && !from->ops->is_positional && !to->ops->is_positional)
        request->prepaid = prepaid;
    mmbError error = to->ops->allocate(to, request, out_block);
    if (error != MMB_OUT_OF_MEMORY || is_one)
        return error;
    request->prepaid = 0;
    return mmb_subheaps_allocate(interface, -1, request, out_block);
}

mmbError mmb_block_replace(mmbAllocation *block, size_t n_bytes, mmbMemInterface *interface,
                           mmbAllocation **out_block, size_t *out_keep)
{
    size_t old_bytes = mmb_record_bytes(block);
    size_t alignment = promised_alignment(block);
    struct mmb_request request = {n_bytes, alignment, min_size(n_bytes, old_bytes), 0, alignment};
    mmbAllocation *fresh;
    mmbError error = mmb_interface_align(interface, &request);
    if (error)
        return error;
    error = take_block(mmb_record_allocator(block), interface, &request, &fresh);
    if (error)
        return error;
    mmb_records_forget(fresh, 1);
    error = mmb_block_copy(fresh, block, min_size(n_bytes, old_bytes));
    if (error) {
        free_block(fresh, request.prepaid);
        return error;
    }
    *out_keep = request.prepaid;
    *out_block = fresh;
    return MMB_OK;
}

/* Hides `fresh` behind the handle. On failure nothing has changed. */
static mmbError hide(mmbAllocation *handle, mmbAllocation *fresh, size_t n_bytes)
{
    struct mmb_extension *extension;
    mmbError error = mmb_record_extend(handle, &extension);
    if (!error)
        error = mmb_record_extend(fresh, &extension);
    if (!error)
        mmb_record_move(handle, fresh, n_bytes);
    if (!error)
        mmb_ticket_follow(handle);
    return error;
}

static mmbError move_to(mmbAllocation *handle, size_t n_bytes, mmbMemInterface *interface)
{
    mmbAllocation *block = mmb_allocation_block(handle), *fresh;
    size_t keep, old_bytes = mmb_record_bytes(block);
    mmbError error = mmb_block_replace(block, n_bytes, interface, &fresh, &keep);
    if (error)
        return error;
    error = hide(handle, fresh, n_bytes);
    if (error) {
        free_block(fresh, keep);
        return error;
    }
    if (block == handle) {
        struct mmb_allocator *home = mmb_record_allocator(handle);
        home->ops->vacate(home, handle, old_bytes, keep);
    } else {
        free_block(block, keep);
    }
    return MMB_OK;
}

/* To another block of the interface or, when it is exhausted, of its fallbacks. */
static mmbError move_somewhere(mmbAllocation *handle, size_t n_bytes, mmbMemInterface *interface)
{
    mmbError error;
    do {
        error = move_to(handle, n_bytes, interface);
        interface = interface->fallback;
    } while (error == MMB_OUT_OF_MEMORY && interface);
    return error;
}

/* A block that was replaced by a smaller one had more charged than the new one needs: keep covers
 * only the new size, so freeing the old block uncharged the rest. */
mmbError mmb_block_resize(mmbAllocation *allocation, size_t n_bytes)
{
    mmbError error = mmb_allocation_check_movable(allocation, "reallocate");
    if (error)
        return error;
    error = mmb_allocation_check_size(n_bytes, "reallocate");
    if (error)
        return error;
    mmbAllocation *block = mmb_allocation_block(allocation);
    size_t old_bytes = mmb_record_bytes(allocation);
    if (n_bytes == old_bytes)
        return MMB_OK;
    struct mmb_allocator *allocator = mmb_record_allocator(block);
    error = allocator->ops->resize(allocator, block, old_bytes, n_bytes);
    if (error == MMB_UNSUPPORTED)
        return move_somewhere(allocation, n_bytes, allocator->interface);
    if (error == MMB_OUT_OF_MEMORY && allocator->interface->fallback)
        return move_somewhere(allocation, n_bytes, allocator->interface->fallback);
    if (!error && block != allocation)
        mmb_record_set_bytes(allocation, n_bytes); /* it has an extension: cannot fail */
    return error;
}

/* What belongs before and after each change of an object. */
static mmbError begin_change(mmbAllocation *allocation, const char *function)
{
    mmbError error = mmb_changing_begin(allocation, function);
    if (!error && __builtin_expect(mmb_trace_is_on, 0))
        mmb_trace_leave(allocation);
    return error;
}

static mmbError end_change(mmbAllocation *allocation, mmbError error)
{
    if (__builtin_expect(mmb_trace_is_on, 0))
        mmb_trace_moved(error ? NULL : allocation);
    mmb_changing_end(allocation);
    return error;
}

mmbError mmb_reallocate(mmbAllocation *allocation, size_t n_bytes)
{
    allocation = mmb_ticket_record(allocation);
    mmbError error = begin_change(allocation, "reallocate");
    return error ? error : end_change(allocation, mmb_block_resize(allocation, n_bytes));
}

static mmbError migrate(mmbAllocation *allocation, mmbMemInterface *to)
{
    mmbError error = mmb_allocation_check_movable(allocation, "migrate");
    if (!error)
        error = mmb_interface_check(to, "migrate");
    if (error)
        return error;
    mmbAllocation *block = mmb_allocation_block(allocation);
    if (mmb_record_allocator(block)->interface == to)
        return MMB_OK;
    return move_to(allocation, mmb_record_bytes(allocation), to);
}

mmbError mmb_migrate(mmbAllocation *allocation, mmbMemInterface *to)
{
    allocation = mmb_ticket_record(allocation);
    mmbError error = begin_change(allocation, "migrate");
    return error ? error : end_change(allocation, migrate(allocation, to));
}
