/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocations for other processes: what is written of one, and what is made of it elsewhere. Blocks
 * of shared heaps are named by their shared pointer; other backends export nothing in this version.
 * Owns nothing, takes no lock. */
#include <mmb/shared.h>
#include <string.h>
#include "src/base/error.h"
#include "src/core/allocation.h"
#include "src/core/interface.h"
#include "src/core/registry.h"

#define MAGIC        0x6d6d622d69706301ull
#define KIND_SHARED  1u
#define FIRST_FORMAT 1u

struct export
{
    uint64_t magic;
    uint32_t format;
    uint32_t kind;
    mmbSharedPtr pointer;
};

static bool owns_its_bytes(const mmbAllocation *allocation)
{
    struct mmb_extension view;
    return !mmb_record_view(allocation, &view) ||
           !(view.flags & (MMB_EXTENSION_SLICE | MMB_EXTENSION_WRAPPED));
}

static mmbError write_export(const struct export *made, void *buffer, size_t *n_bytes)
{
    if (buffer && *n_bytes < sizeof *made)
        return mmb_fail(MMB_INVALID_SIZE, "ipc_export: %zu B are too few, it takes %zu", *n_bytes,
                        sizeof *made);
    if (buffer)
        memcpy(buffer, made, sizeof *made);
    *n_bytes = sizeof *made;
    return MMB_OK;
}

mmbError mmb_ipc_export(const mmbAllocation *allocation, void *buffer, size_t *n_bytes)
{
    struct export made = {MAGIC, FIRST_FORMAT, KIND_SHARED, MMB_SHARED_PTR_NULL};
    mmbError error = mmb_allocation_check(allocation, "ipc_export");
    if (error != MMB_OK)
        return error;
    if (!owns_its_bytes(allocation))
        return mmb_fail(MMB_INVALID_ALLOCATION, "ipc_export: a slice or wrapped object owns no "
                                                "bytes");
    if (!n_bytes)
        return mmb_fail(MMB_INVALID_ARG, "ipc_export: n_bytes is NULL");
    if (mmb_allocation_get_shared(allocation, &made.pointer) != MMB_OK)
        return mmb_fail(MMB_UNSUPPORTED, "ipc_export: its backend exports nothing to other "
                                         "processes");
    return write_export(&made, buffer, n_bytes);
}

static mmbError read_export(const void *buffer, size_t n_bytes, struct export *out)
{
    if (n_bytes >= sizeof *out)
        memcpy(out, buffer, sizeof *out);
    if (n_bytes >= sizeof *out && out->magic == MAGIC && out->format == FIRST_FORMAT &&
        out->kind == KIND_SHARED)
        return MMB_OK;
    return mmb_fail(MMB_CORRUPT, "ipc_import: %zu B are no export of this release", n_bytes);
}

static mmbError import(const struct export *made, mmbMemInterface *interface,
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

mmbError mmb_ipc_import(const void *buffer, size_t n_bytes, mmbMemInterface *interface,
                        mmbAllocation **out_allocation)
{
    struct export made;
    mmbError error = mmb_interface_check(interface, "ipc_import");
    if (error != MMB_OK)
        return error;
    if (!buffer || !out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "ipc_import: buffer or out_allocation is NULL");
    if (!interface->backend->shared)
        return mmb_fail(MMB_UNSUPPORTED, "ipc_import: backend %s imports nothing",
                        interface->backend->ops->name);
    error = read_export(buffer, n_bytes, &made);
    return error == MMB_OK ? import(&made, interface, out_allocation) : error;
}
