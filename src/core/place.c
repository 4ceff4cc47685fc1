/* SPDX-License-Identifier: BSD-3-Clause */
/* Where an object's bytes are (place.h), and what is told of it. Owns nothing; takes no lock but,
 * for blocks of a stack, the stack's. */
#include "src/core/place.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/allocation.h"
#include "src/core/region.h"
#include "src/core/source.h"
#include "src/core/ticket.h"

mmbAllocation *mmb_allocation_block(mmbAllocation *allocation)
{
    struct mmb_extension view;
    bool is_moved = mmb_record_view(allocation, &view) && view.flags & MMB_EXTENSION_MOVED;
    return is_moved ? view.block : allocation;
}

static void set_owner(const struct mmb_allocator *allocator, struct mmb_place *out)
{
    out->interface = allocator->interface;
    out->backend = mmb_source_backend(allocator->source);
    out->domain = allocator->domain >= 0 ? allocator->domain : mmb_source_domain(allocator->source);
}

static void place_wrapped(const mmbAllocation *allocation, const struct mmb_extension *extension,
                          struct mmb_place *out)
{
    out->domain = -1; /* the user's memory can be anywhere */
    out->memory.host = allocation->host;
    out->memory.address = (uintptr_t)extension->wrapped;
    out->memory.native = extension->wrapped;
    out->memory.native_offset = 0;
    out->memory.cookie = 0;
    out->memory.n_bytes = extension->n_bytes;
    out->chunk = NULL;
    out->offset = 0;
    out->usable = extension->n_bytes;
}

static void place_block(size_t head, const struct mmb_block *where, struct mmb_place *out)
{
    out->memory = where->chunk->memory;
    out->chunk = where->chunk;
    out->offset = where->offset + head;
    out->usable = where->usable - head;
}

void mmb_place_of_block(const struct mmb_extension *view, const struct mmb_block *where,
                        struct mmb_place *out_place)
{
    char *host = where->chunk->memory.host;
    set_owner(where->chunk->allocator, out_place);
    out_place->n_bytes = view->n_bytes;
    place_block(view->head, where, out_place);
    out_place->host = host ? host + out_place->offset : NULL;
}

mmbError mmb_place_of(const mmbAllocation *allocation, const char *function,
                      struct mmb_place *out_place)
{
    mmbError error = mmb_allocation_check(allocation, function);
    return error ? error : mmb_place_of_live(allocation, function, out_place);
}

mmbError mmb_place_of_live(const mmbAllocation *allocation, const char *function,
                           struct mmb_place *out_place)
{
    out_place->n_bytes = mmb_record_bytes(allocation);
    out_place->host = allocation->host;
    size_t slice_offset = 0;
    struct mmb_extension view = {.flags = 0};
    const mmbAllocation *whole = allocation;
    while (mmb_record_view(whole, &view) && view.flags & MMB_EXTENSION_SLICE) {
        slice_offset += view.parent_offset;
        whole = view.parent;
        view.flags = 0;
    }
    bool is_slice = whole != allocation;
    const mmbAllocation *block = view.flags & MMB_EXTENSION_MOVED ? view.block : whole;
    struct mmb_allocator *allocator = mmb_record_allocator(block);
    set_owner(allocator, out_place);
    struct mmb_block where;
    if (view.flags & MMB_EXTENSION_WRAPPED)
        place_wrapped(whole, &view, out_place);
    else if (allocator->ops->locate(allocator, block, &where))
        place_block(mmb_record_head(block), &where, out_place);
    else
        return mmb_fail(MMB_INVALID_ALLOCATION, "%s: %p lies above the top of its stack: released",
                        function, (const void *)allocation);
    out_place->offset += slice_offset;
    out_place->usable = is_slice ? out_place->n_bytes : out_place->usable;
    return MMB_OK;
}

/* ---- copies in flight ---- */

mmbError mmb_allocation_begin_copy(const mmbAllocation *allocation)
{
    return mmb_record_use((mmbAllocation *)allocation, MMB_USE_COPY);
}

void mmb_allocation_end_copy(const mmbAllocation *allocation)
{
    mmb_record_unuse((mmbAllocation *)allocation, MMB_USE_COPY);
}

/* ---- what is told ---- */

static size_t alignment_of(const struct mmb_extension *view, const mmbMemInterface *interface)
{
    if (view->flags & (MMB_EXTENSION_SLICE | MMB_EXTENSION_WRAPPED))
        return 1;
    size_t asked = (size_t)1 << view->alignment_log2;
    return asked > interface->min_alignment ? asked : interface->min_alignment;
}

void mmb_allocation_fill_info(const mmbAllocation *allocation, const struct mmb_place *place,
                              mmbAllocationInfo *info)
{
    struct mmb_extension view;
    if (!mmb_record_view(allocation, &view))
        view = (struct mmb_extension){.flags = 0};
    bool is_slice = view.flags & MMB_EXTENSION_SLICE;
    bool is_pointer = !place->backend->has_no_pointers;
    uintptr_t address = place->memory.address + place->offset;
    info->ptr = place->host;
    info->native = is_pointer ? (void *)address : place->memory.native;
    info->native_offset = is_pointer ? 0 : place->memory.native_offset + place->offset;
    info->n_bytes = place->n_bytes;
    info->usable_bytes = place->usable;
    info->alignment = alignment_of(&view, place->interface);
    info->interface = place->interface;
    info->space = place->interface->space;
    info->layer = info->space->layer->id;
    info->context = info->space->context;
    info->domain = place->domain;
    info->owned = !(view.flags & (MMB_EXTENSION_SLICE | MMB_EXTENSION_WRAPPED));
    info->parent = is_slice ? mmb_ticket_of(view.parent) : NULL;
    info->parent_offset = is_slice ? view.parent_offset : 0;
}

mmbError mmb_allocation_get_info(const mmbAllocation *allocation, mmbAllocationInfo *out_info)
{
    struct mmb_place place;
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_place_of(allocation, "allocation_get_info", &place);
    if (error)
        return error;
    if (!out_info)
        return mmb_fail(MMB_INVALID_ARG, "allocation_get_info: out_info is NULL");
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    mmb_allocation_fill_info(allocation, &place, &info);
    return mmb_struct_out(out_info, &info, sizeof info, sizeof info, "mmbAllocationInfo");
}

size_t mmb_allocation_size(const mmbAllocation *allocation)
{
    allocation = mmb_ticket_record(allocation);
    return mmb_allocation_check(allocation, "allocation_size") ? 0 : mmb_record_bytes(allocation);
}

mmbError mmb_allocation_native(const mmbAllocation *allocation, void **out_native,
                               size_t *out_offset)
{
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    mmbError error = mmb_allocation_get_info(allocation, &info);
    if (error)
        return error;
    if (!out_native || !out_offset)
        return mmb_fail(MMB_INVALID_ARG, "allocation_native: out_native or out_offset is NULL");
    *out_native = info.native;
    *out_offset = info.native_offset;
    return MMB_OK;
}

void *mmb_device_ptr(const mmbAllocation *allocation)
{
    struct mmb_place place;
    if (mmb_place_of(mmb_ticket_record(allocation), "device_ptr", &place))
        return NULL;
    if (!place.backend->has_no_pointers)
        return (void *)(place.memory.address + place.offset);
    mmb_fail(MMB_UNSUPPORTED, "device_ptr: memory of backend %s has no pointers",
             place.backend->ops->name);
    return NULL;
}

mmbError mmb_advise(mmbAllocation *allocation, size_t offset, size_t n_bytes, mmbAdvice advice)
{
    struct mmb_place place;
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_place_of(allocation, "advise", &place);
    if (error)
        return error;
    if (offset > place.n_bytes || n_bytes > place.n_bytes - offset)
        return mmb_fail(MMB_INVALID_SIZE, "advise: %zu B at %zu of an object of %zu B", n_bytes,
                        offset, place.n_bytes);
    if ((unsigned)advice > MMB_ADVISE_HUGE_PAGES)
        return mmb_fail(MMB_INVALID_ARG, "advise: unknown advice %d", (int)advice);
    if (n_bytes == 0)
        return MMB_OK;
    if (advice == MMB_ADVISE_DONT_NEED && mmb_registration_of(allocation, &place))
        return mmb_fail(MMB_UNSUPPORTED,
                        "advise: the pages are registered; the network would go on with them");
    if (!place.backend->ops->advise)
        return mmb_fail(MMB_UNSUPPORTED, "advise: backend %s takes no advice",
                        place.backend->ops->name);
    return place.backend->ops->advise(place.backend, &place.memory, place.offset + offset, n_bytes,
                                      advice);
}
