/* SPDX-License-Identifier: BSD-3-Clause */
/* From a pointer to its allocation object, and over all objects of an interface.
 *
 * Owns nothing; the maps of chunks and wrapped pointers lock for themselves. A visitor is called
 * with no lock held: the records are collected first. */
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/os.h"
#include "src/core/allocation.h"
#include "src/core/registry.h"

/* A hidden record stands for the handle it serves. */
static mmbAllocation *handle_of(mmbAllocation *record)
{
    const struct mmb_extension *extension = mmb_record_extension(record);
    return extension && extension->flags & MMB_EXTENSION_HIDDEN ? extension->parent : record;
}

mmbAllocation *mmb_allocation_at(uintptr_t address)
{
    struct mmb_chunk *chunk = mmb_chunk_find(address);
    if (!chunk || !chunk->allocator)
        return NULL;
    mmbAllocation *record = chunk->allocator->ops->find(chunk->allocator, chunk, address);
    if (!record || !mmb_record_is_live(record))
        return NULL;
    struct mmb_extension *extension = mmb_record_extension(record);
    if (extension && extension->flags & MMB_EXTENSION_MOVED)
        return NULL; /* the block idles, its bytes are elsewhere */
    struct mmb_block block;
    if (!chunk->allocator->ops->locate(chunk->allocator, record, &block))
        return NULL;
    uintptr_t first = chunk->memory.address + block.offset + mmb_record_head(record);
    return address - first < mmb_record_bytes(record) ? handle_of(record) : NULL;
}

static mmbAllocation *wrapped_at(uintptr_t address)
{
    struct mmb_address_range range;
    return mmb_address_map_lookup(&mmb_wrapped_map, address, &range) ? range.value : NULL;
}

static bool is_findable(mmbAllocation *record)
{
    return mmb_record_allocator(mmb_allocation_block(record))->interface->flags &
           MMB_INTERFACE_FINDABLE;
}

mmbError mmb_allocation_find(const void *ptr, mmbAllocation **out_allocation)
{
    mmbError error = mmb_library_check("allocation_find");
    if (error)
        return error;
    if (!ptr || !out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "allocation_find: ptr or out_allocation is NULL");
    mmbAllocation *found = wrapped_at((uintptr_t)ptr);
    if (!found || !is_findable(found))
        found = mmb_allocation_at((uintptr_t)ptr);
    if (!found || !is_findable(found))
        return mmb_fail(MMB_NOT_FOUND, "allocation_find: %p is in no findable allocation", ptr);
    *out_allocation = found;
    return MMB_OK;
}

/* ---- all of them ---- */

struct collection {
    mmbAllocation **records;
    size_t n, room;
};

static bool collect(void *user, mmbAllocation *record)
{
    struct collection *all = user;
    const struct mmb_extension *extension = mmb_record_extension(record);
    if (extension && extension->flags & MMB_EXTENSION_MOVED)
        return true; /* the interface that has the bytes shows it */
    all->records[all->n++] = record;
    return all->n < all->room;
}

static bool show(mmbAllocation *record, mmbAllocationVisitor visitor, void *user)
{
    if (!mmb_record_is_live(record))
        return true; /* freed since by another thread */
    mmbAllocation *handle = handle_of(record);
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    if (mmb_allocation_get_info(handle, &info))
        return true;
    const struct mmb_extension *extension = mmb_record_extension(handle);
    return visitor(user, &info, extension ? extension->label : NULL);
}

mmbError mmb_for_each_allocation(mmbMemInterface *interface, mmbAllocationVisitor visitor,
                                 void *user)
{
    mmbError error = mmb_interface_check(interface, "for_each_allocation");
    if (error)
        return error;
    if (!visitor)
        return mmb_fail(MMB_INVALID_ARG, "for_each_allocation: visitor is NULL");
    struct mmb_allocator *allocator = interface->allocator;
    struct mmb_allocator_stats stats;
    allocator->ops->get_stats(allocator, &stats);
    struct collection all = {NULL, 0, stats.live_count};
    if (all.room == 0)
        return MMB_OK;
    size_t n_bytes = all.room * sizeof *all.records;
    all.records = mmb_os_map(n_bytes);
    if (!all.records)
        return mmb_fail(MMB_OUT_OF_MEMORY, "for_each_allocation: no memory for %zu handles",
                        all.room);
    allocator->ops->for_each(allocator, collect, &all);
    for (size_t i = 0; i < all.n && show(all.records[i], visitor, user);)
        i++;
    mmb_os_unmap(all.records, n_bytes);
    return MMB_OK;
}
