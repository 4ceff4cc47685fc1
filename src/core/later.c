/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of parts that this version lacks: shared heaps, export to other processes.
 * They check what they can, so that a program meets the same errors as with the part, and
 * answer MMB_UNSUPPORTED with the part's name. Owns nothing, takes no lock. */
#include <mmb/shared.h>
#include "src/base/error.h"
#include "src/core/allocation.h"
#include "src/core/interface.h"
#include "src/core/registry.h"

#define SHARED "shared heaps"
#define IPC    "export to other processes"

static mmbError lacks(const char *function, const char *part)
{
    return mmb_fail(MMB_UNSUPPORTED, "%s: %s are not built into this version", function, part);
}

/* `required` is the function's one pointer that must be there. */
static mmbError refuse(const char *function, const char *part, const void *required)
{
    mmbError error = mmb_library_check(function);
    if (error != MMB_OK)
        return error;
    if (!required)
        return mmb_fail(MMB_INVALID_ARG, "%s: a required pointer is NULL", function);
    return lacks(function, part);
}

static mmbError refuse_interface(const char *function, const mmbMemInterface *interface,
                                 const void *required)
{
    mmbError error = mmb_interface_check(interface, function);
    return error == MMB_OK ? refuse(function, SHARED, required) : error;
}

static mmbError refuse_allocation(const char *function, const char *part,
                                  const mmbAllocation *allocation, const void *required)
{
    mmbError error = mmb_allocation_check(allocation, function);
    return error == MMB_OK ? refuse(function, part, required) : error;
}

/* ---- shared heaps ---- */

mmbError mmb_interface_from_id(uint64_t id, mmbMemInterface **out_interface)
{
    (void)id;
    return refuse("interface_from_id", SHARED, out_interface);
}

mmbError mmb_shm_created(mmbMemInterface *interface, bool *out_created)
{
    return refuse_interface("shm_created", interface, out_created);
}

mmbError mmb_interface_get_header(mmbMemInterface *interface, void **out_header,
                                  size_t *out_n_bytes)
{
    return refuse_interface("interface_get_header", interface, out_header ? out_n_bytes : NULL);
}

mmbError mmb_allocation_get_shared(const mmbAllocation *allocation, mmbSharedPtr *out_pointer)
{
    return refuse_allocation("allocation_get_shared", SHARED, allocation, out_pointer);
}

mmbError mmb_allocation_from_shared(mmbSharedPtr pointer, mmbAllocation **out_allocation)
{
    (void)pointer;
    return refuse("allocation_from_shared", SHARED, out_allocation);
}

void *mmb_shared_ptr(mmbMemInterface *interface, mmbOffset offset)
{
    (void)offset;
    refuse_interface("shared_ptr", interface, interface);
    return NULL;
}

void *mmb_shared_range(mmbMemInterface *interface, mmbOffset offset, size_t n_bytes)
{
    (void)offset;
    (void)n_bytes;
    refuse_interface("shared_range", interface, interface);
    return NULL;
}

mmbError mmb_shared_offset(mmbMemInterface *interface, const void *ptr, mmbOffset *out_offset)
{
    (void)ptr;
    return refuse_interface("shared_offset", interface, out_offset);
}

mmbError mmb_shm_adopt(mmbMemInterface *interface, mmbSharedPtr pointer)
{
    (void)pointer;
    return refuse_interface("shm_adopt", interface, interface);
}

mmbError mmb_shm_reclaim(mmbMemInterface *interface, mmbShmKeep keep, void *user,
                         size_t *out_n_bytes_freed)
{
    (void)keep;
    (void)user;
    (void)out_n_bytes_freed;
    return refuse_interface("shm_reclaim", interface, interface);
}

mmbError mmb_shm_check(const char *url, mmbShmInfo *out_info)
{
    (void)out_info;
    return refuse("shm_check", SHARED, url);
}

mmbError mmb_shm_unlink(const char *url)
{
    return refuse("shm_unlink", SHARED, url);
}

/* ---- export to other processes ---- */

mmbError mmb_ipc_export(const mmbAllocation *allocation, void *buffer, size_t *n_bytes)
{
    (void)buffer;
    return refuse_allocation("ipc_export", IPC, allocation, n_bytes);
}

mmbError mmb_ipc_import(const void *buffer, size_t n_bytes, mmbMemInterface *interface,
                        mmbAllocation **out_allocation)
{
    (void)n_bytes;
    mmbError error = mmb_interface_check(interface, "ipc_import");
    return error == MMB_OK ? refuse("ipc_import", IPC, buffer ? out_allocation : NULL) : error;
}
