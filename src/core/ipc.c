/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocations for other processes: what is written of one, and what is made of it elsewhere. Blocks
 * of shared heaps are named by their shared pointer; those of backends whose runtime has handles by
 * the handle of their range and the place in it. Other backends export nothing in this version.
 *
 * Owns the mark by which a process knows its own exports, made on first use under a mutex. */
#include <errno.h>
#include <mmb/shared.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/core/allocation.h"
#include "src/core/interface.h"
#include "src/core/place.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"
#include "src/core/ticket.h"

#define MAGIC        0x6d6d622d69706301ull
#define KIND_SHARED  1u
#define KIND_RANGE   2u
#define FIRST_FORMAT 1u

struct head {
    uint64_t magic;
    uint32_t format;
    uint32_t kind;
};

struct shared_export {
    struct head head;
    mmbSharedPtr pointer;
};

/* A process number comes again, in another container at the same time. */
struct process {
    uint64_t number;
    uint64_t mark;
};

struct range_export {
    struct head head;
    struct process exporter;
    uint64_t backend;
    uint64_t offset; /* of the block in the range */
    uint64_t n_bytes;
    struct mmb_ipc_range range;
};

/* ---- this process ---- */

static mmbError identify(struct process *out)
{
    static struct mmb_mutex mutex = MMB_MUTEX_INIT;
    static uint64_t mark;
    ssize_t n = 0;
    mmb_mutex_lock(&mutex);
    while (mark == 0 && n >= 0)
        n = getrandom(&mark, sizeof mark, 0);
    *out = (struct process){(uint64_t)getpid(), mark};
    mmb_mutex_unlock(&mutex);
    return n >= 0 ? MMB_OK : mmb_fail_errno(MMB_ERROR, errno, "ipc: getrandom");
}

/* ---- export ---- */

static bool owns_its_bytes(const mmbAllocation *allocation)
{
    struct mmb_extension view;
    return !mmb_record_view(allocation, &view) ||
           !(view.flags & (MMB_EXTENSION_SLICE | MMB_EXTENSION_WRAPPED));
}

static mmbError write_export(const void *made, size_t made_bytes, void *buffer, size_t *n_bytes)
{
    if (buffer && *n_bytes < made_bytes)
        return mmb_fail(MMB_INVALID_SIZE, "ipc_export: %zu B are too few, it takes %zu", *n_bytes,
                        made_bytes);
    if (buffer)
        memcpy(buffer, made, made_bytes);
    *n_bytes = made_bytes;
    return MMB_OK;
}

static mmbError export_range(const mmbAllocation *allocation, void *buffer, size_t *n_bytes)
{
    struct mmb_place place;
    mmbError error = mmb_place_of_live(allocation, "ipc_export", &place);
    if (error != MMB_OK)
        return error;
    const struct mmb_backend_ops *ops = place.backend->ops;
    if (!ops->ipc_export)
        return mmb_fail(MMB_UNSUPPORTED,
                        "ipc_export: backend %s exports nothing to other processes", ops->name);
    struct range_export made = {.head = {MAGIC, FIRST_FORMAT, KIND_RANGE},
                                .backend = ops->id,
                                .n_bytes = place.n_bytes,
                                .offset = place.offset};
    error = ops->ipc_export(place.backend, &place.memory, &made.range);
    if (error == MMB_OK)
        error = identify(&made.exporter);
    return error == MMB_OK ? write_export(&made, sizeof made, buffer, n_bytes) : error;
}

mmbError mmb_ipc_export(const mmbAllocation *allocation, void *buffer, size_t *n_bytes)
{
    struct shared_export made = {{MAGIC, FIRST_FORMAT, KIND_SHARED}, MMB_SHARED_PTR_NULL};
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_allocation_check(allocation, "ipc_export");
    if (error != MMB_OK)
        return error;
    if (!owns_its_bytes(allocation))
        return mmb_fail(MMB_INVALID_ALLOCATION, "ipc_export: a slice or wrapped object owns no "
                                                "bytes");
    if (!n_bytes)
        return mmb_fail(MMB_INVALID_ARG, "ipc_export: n_bytes is NULL");
    if (mmb_allocation_get_shared(allocation, &made.pointer) != MMB_OK)
        return export_range(allocation, buffer, n_bytes);
    return write_export(&made, sizeof made, buffer, n_bytes);
}

/* ---- import ---- */

/* Of the interface's kind, and of all its bytes. */
static mmbError read_export(const void *buffer, size_t n_bytes, uint32_t kind, void *out,
                            size_t out_bytes)
{
    struct head head = {.magic = 0};
    if (n_bytes >= sizeof head)
        memcpy(&head, buffer, sizeof head);
    if (head.magic != MAGIC || head.format != FIRST_FORMAT ||
        (head.kind != KIND_SHARED && head.kind != KIND_RANGE))
        return mmb_fail(MMB_CORRUPT, "ipc_import: %zu B are no export of this release", n_bytes);
    if (head.kind != kind)
        return mmb_fail(MMB_INVALID_ARG, "ipc_import: the export is of another backend");
    if (n_bytes < out_bytes)
        return mmb_fail(MMB_CORRUPT, "ipc_import: %zu B are too few for an export", n_bytes);
    memcpy(out, buffer, out_bytes);
    return MMB_OK;
}

static mmbError import_shared(const struct shared_export *made, mmbMemInterface *interface,
                              mmbAllocation **out_allocation)
{
    mmbMemInterface *named = NULL;
    mmbAllocation *found;
    uint32_t id = (uint32_t)made->pointer.allocator;
    if (mmb_interface_from_id(id, &named) == MMB_OK && named != interface)
        return mmb_fail(MMB_INVALID_ARG,
                        "ipc_import: the export is of heap %u, which is another "
                        "interface's",
                        id);
    mmbError error = mmb_allocation_from_shared(made->pointer, &found);
    if (error == MMB_INVALID_ALLOCATION || error == MMB_INVALID_ARG)
        return mmb_fail(MMB_NOT_FOUND, "ipc_import: the block is gone");
    if (error == MMB_OK)
        *out_allocation = found;
    return error;
}

static mmbError check_range(const struct range_export *made, const mmbMemInterface *interface)
{
    const struct mmb_ipc_range *range = &made->range;
    struct process self;
    if (made->backend != (uint64_t)interface->backend->ops->id)
        return mmb_fail(MMB_INVALID_ARG, "ipc_import: the export is not of backend %s",
                        interface->backend->ops->name);
    bool has_range = range->start <= range->n_bytes && made->n_bytes > 0;
    size_t room = has_range ? (size_t)(range->n_bytes - range->start) : 0;
    if (!has_range || made->offset > room || made->n_bytes > room - made->offset)
        return mmb_fail(MMB_CORRUPT, "ipc_import: %zu B at %zu do not lie in a range of %zu B",
                        (size_t)made->n_bytes, (size_t)made->offset, room);
    mmbError error = identify(&self);
    if (error == MMB_OK && memcmp(&self, &made->exporter, sizeof self) == 0)
        error = mmb_fail(MMB_UNSUPPORTED,
                         "ipc_import: the allocation is this very process's, whose runtime does "
                         "not open its own; use its handle");
    return error;
}

/* In the heap whose device has it: an interface has one, or one per domain. */
static mmbError open_range(const struct range_export *made, const mmbMemInterface *interface,
                           const struct mmb_subheap **out_heap, uintptr_t *out_address)
{
    mmbError error = MMB_INVALID_ARG;
    for (size_t i = 0; i < interface->n_heaps && error == MMB_INVALID_ARG; i++) {
        *out_heap = &interface->heaps[i];
        error =
            (*out_heap)->backend->ops->ipc_open((*out_heap)->backend, &made->range, out_address);
    }
    return error;
}

static mmbError import_range(const struct range_export *made, mmbMemInterface *interface,
                             mmbAllocation **out_allocation)
{
    const struct mmb_subheap *heap;
    uintptr_t address;
    mmbError error = check_range(made, interface);
    if (error == MMB_OK)
        error = open_range(made, interface, &heap, &address);
    if (error != MMB_OK)
        return error;
    address += (uintptr_t)made->offset;
    error = mmb_allocation_import(address, (size_t)made->n_bytes, heap->allocator, out_allocation);
    if (error != MMB_OK)
        heap->backend->ops->ipc_close(heap->backend, address);
    return error;
}

mmbError mmb_ipc_import(const void *buffer, size_t n_bytes, mmbMemInterface *interface,
                        mmbAllocation **out_allocation)
{
    struct shared_export shared;
    struct range_export range;
    mmbError error = mmb_interface_check(interface, "ipc_import");
    if (error != MMB_OK)
        return error;
    if (!buffer || !out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "ipc_import: buffer or out_allocation is NULL");
    if (interface->backend->shared) {
        error = read_export(buffer, n_bytes, KIND_SHARED, &shared, sizeof shared);
        return error == MMB_OK ? import_shared(&shared, interface, out_allocation) : error;
    }
    if (!interface->backend->ops->ipc_open)
        return mmb_fail(MMB_UNSUPPORTED, "ipc_import: backend %s imports nothing",
                        interface->backend->ops->name);
    error = read_export(buffer, n_bytes, KIND_RANGE, &range, sizeof range);
    return error == MMB_OK ? import_range(&range, interface, out_allocation) : error;
}
