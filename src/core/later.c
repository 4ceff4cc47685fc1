/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of parts that this version lacks: export to other processes. They check what they
 * can, so that a program meets the same errors as with the part, and answer MMB_UNSUPPORTED with the
 * part's name. Owns nothing, takes no lock. */
#include <mmb/shared.h>
#include "src/base/error.h"
#include "src/core/allocation.h"
#include "src/core/interface.h"
#include "src/core/registry.h"

#define IPC "export to other processes"

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

static mmbError refuse_allocation(const char *function, const char *part,
                                  const mmbAllocation *allocation, const void *required)
{
    mmbError error = mmb_allocation_check(allocation, function);
    return error == MMB_OK ? refuse(function, part, required) : error;
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
