/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects that own no memory: slices of other objects and wrapped pointers of the user's, which are
 * registered while they live where the interface has a region provider.
 *
 * Owns nothing: their records are free-standing, wrapped ones that can be found are listed in the
 * map of wrapped pointers, which locks for itself. */
#include "src/core/allocation.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/interface_region.h"
#include "src/core/registry.h"
#include "src/core/ticket.h"

/* A free-standing live record with an extension. */
static mmbError new_view(uint32_t home, void *host, size_t n_bytes, mmbAllocation **out_record,
                         struct mmb_extension **out_extension)
{
    mmbAllocation *record = mmb_record_new(NULL);
    if (!record)
        return mmb_fail(MMB_OUT_OF_MEMORY, "no metadata left for another object");
    record->host = host;
    record->home = home;
    mmbError error = mmb_record_publish(record, MMB_RECORD_LOCKED, n_bytes, 0, 1);
    if (!error)
        error = mmb_record_extend(record, out_extension);
    if (error) {
        mmb_record_delete(record);
        return error;
    }
    *out_record = record;
    return MMB_OK;
}

static void delete_view(mmbAllocation *record)
{
    mmb_record_drop_extension(record);
    mmb_record_delete(record);
}

mmbError mmb_allocation_slice(mmbAllocation *parent, size_t offset, size_t n_bytes,
                              mmbAllocation **out_allocation)
{
    parent = mmb_ticket_record(parent);
    mmbError error = mmb_allocation_check(parent, "slice");
    if (error)
        return error;
    if (!out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "slice: out_allocation is NULL");
    size_t whole = mmb_record_bytes(parent);
    if (n_bytes == 0 || offset > whole || n_bytes > whole - offset)
        return mmb_fail(MMB_INVALID_SIZE, "slice: %zu B at %zu of an object of %zu B", n_bytes,
                        offset, whole);
    error = mmb_record_use(parent, MMB_USE_SLICE);
    if (error)
        return error;
    mmbAllocation *record;
    struct mmb_extension *extension;
    void *host = parent->host ? (char *)parent->host + offset : NULL;
    error = new_view(parent->home, host, n_bytes, &record, &extension);
    if (error) {
        mmb_record_unuse(parent, MMB_USE_SLICE);
        return error;
    }
    extension->flags = MMB_EXTENSION_SLICE;
    extension->parent = parent;
    extension->parent_offset = offset;
    *out_allocation = mmb_ticket_of(record);
    return MMB_OK;
}

static mmbError check_wrap(void *ptr, size_t n_bytes, const mmbMemInterface *interface)
{
    if (!ptr)
        return mmb_fail(MMB_INVALID_ARG, "create_wrapped: ptr is NULL");
    if (n_bytes == 0 || (uintptr_t)ptr + n_bytes < (uintptr_t)ptr)
        return mmb_fail(MMB_INVALID_SIZE, "create_wrapped: %zu B at %p", n_bytes, ptr);
    if (interface->backend->has_no_pointers)
        return mmb_fail(MMB_UNSUPPORTED, "create_wrapped: memory of backend %s has no pointers",
                        interface->backend->ops->name);
    return MMB_OK;
}

/* The registration is what the record's home object is, so that free finds it. */
static mmbError publish_wrapped(mmbAllocation *record, void *ptr, size_t n_bytes,
                                mmbMemInterface *interface)
{
    struct mmb_registration *registration;
    mmbError error = mmb_interface_register_wrapped(interface, ptr, n_bytes, &registration);
    if (error)
        return error;
    mmb_record_set_home_object(record, registration);
    if (interface->flags & MMB_INTERFACE_FINDABLE)
        error = mmb_address_map_insert(&mmb_wrapped_map, (uintptr_t)ptr, n_bytes, record);
    if (error)
        mmb_registration_end(registration);
    return error;
}

/* `allocator` is that of the heap whose memory it is. */
static mmbError new_wrapped(void *ptr, size_t n_bytes, const struct mmb_allocator *allocator,
                            uint16_t flags, mmbAllocation **out_record)
{
    mmbMemInterface *interface = allocator->interface;
    mmbAllocation *record;
    struct mmb_extension *extension;
    mmbError error =
        new_view(allocator->slot * MMB_SLOT_BYTES, interface->host_accessible ? ptr : NULL, n_bytes,
                 &record, &extension);
    if (error)
        return error;
    extension->flags = MMB_EXTENSION_WRAPPED | flags;
    extension->wrapped = ptr;
    error = publish_wrapped(record, ptr, n_bytes, interface);
    if (error) {
        delete_view(record);
        return error;
    }
    atomic_fetch_add(&interface->wrapped, 1);
    *out_record = mmb_ticket_of(record);
    return MMB_OK;
}

mmbError mmb_allocation_import(uintptr_t address, size_t n_bytes,
                               const struct mmb_allocator *allocator,
                               mmbAllocation **out_allocation)
{
    return new_wrapped((void *)address, n_bytes, allocator, MMB_EXTENSION_IMPORTED, out_allocation);
}

mmbError mmb_allocation_create_wrapped(void *ptr, size_t n_bytes, mmbMemInterface *interface,
                                       mmbAllocation **out_allocation)
{
    mmbError error = mmb_interface_check(interface, "create_wrapped");
    if (error)
        return error;
    if (!out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "create_wrapped: out_allocation is NULL");
    error = check_wrap(ptr, n_bytes, interface);
    return error ? error : new_wrapped(ptr, n_bytes, interface->allocator, 0, out_allocation);
}
