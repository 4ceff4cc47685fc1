/* SPDX-License-Identifier: BSD-3-Clause */
/* What the network needs to reach a part of an allocation. Owns nothing and calls no provider:
 * everything was written when the chunk was registered, before anybody saw a block of it. Takes no
 * lock but, for blocks of a stack, the stack's. */
#include "src/core/region.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/allocation.h"
#include "src/core/place.h"
#include "src/core/ticket.h"

/* A wrapped object's registration hangs on its record, a block's on its chunk. */
const struct mmb_registration *mmb_registration_of(const mmbAllocation *allocation,
                                                   const struct mmb_place *place)
{
    if (place->chunk)
        return place->chunk->region;
    struct mmb_extension view = {.flags = 0};
    while (mmb_record_view(allocation, &view) && view.flags & MMB_EXTENSION_SLICE) {
        allocation = view.parent;
        view.flags = 0;
    }
    return view.flags & MMB_EXTENSION_WRAPPED ? mmb_record_home_object(allocation) : NULL;
}

mmbError mmb_region_of(const mmbAllocation *allocation, const char *function,
                       struct mmb_place *out_place, const struct mmb_registration **out)
{
    mmbError error = mmb_place_of(allocation, function, out_place);
    if (error != MMB_OK)
        return error;
    const struct mmb_registration *registration = mmb_registration_of(allocation, out_place);
    if (!registration)
        return mmb_fail(MMB_UNSUPPORTED, "%s: its interface has no region provider", function);
    if (atomic_load_explicit(&registration->provider->is_inherited, memory_order_relaxed))
        return mmb_fail(MMB_UNSUPPORTED, "%s: the region was registered by the parent process",
                        function);
    *out = registration;
    return MMB_OK;
}

mmbError mmb_allocation_get_region(const mmbAllocation *allocation, size_t offset, size_t n_bytes,
                                   mmbRegionView *out_view)
{
    struct mmb_place place;
    const struct mmb_registration *registration;
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_region_of(allocation, "allocation_get_region", &place, &registration);
    if (error != MMB_OK)
        return error;
    if (!out_view)
        return mmb_fail(MMB_INVALID_ARG, "allocation_get_region: out_view is NULL");
    if (n_bytes == 0 || offset > place.n_bytes || n_bytes > place.n_bytes - offset)
        return mmb_fail(MMB_INVALID_SIZE,
                        "allocation_get_region: %zu B at %zu of an object of %zu B", n_bytes,
                        offset, place.n_bytes);
    const mmbRegion *region = &registration->region;
    uintptr_t address = place.memory.address + place.offset + offset;
    const mmbRegionView view = {
        .size = sizeof view,
        .ptr = (void *)address,
        .n_bytes = n_bytes,
        .native = region->native,
        .local_desc = region->local_desc,
        .remote_key = region->remote_key_bytes ? region->remote_key : NULL,
        .remote_key_bytes = region->remote_key_bytes,
        .remote_address = region->remote_base + (address - registration->base),
    };
    return mmb_struct_out(out_view, &view, sizeof view, sizeof view, "mmbRegionView");
}
