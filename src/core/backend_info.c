/* SPDX-License-Identifier: BSD-3-Clause */
/* What a backend says of itself to the public. Owns nothing; takes the registry mutex, since the
 * user's backends may come while one is asked. */
#include <mmb/backend.h>
#include "layers/user/user.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/backend_table.h"
#include "src/core/registry.h"

static const struct mmb_backend_ops *find(mmbBackend id)
{
    for (const struct mmb_backend_ops *const *ops = mmb_builtin_backends; *ops; ops++)
        if ((*ops)->id == id)
            return *ops;
    return mmb_user_backend_find(id);
}

/* A backend that is not usable has just failed with the reason, which is this thread's detail now.
 */
static mmbBackendInfo describe(mmbBackend id)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    const struct mmb_backend_ops *ops = find(id);
    info.name = mmb_backend_text(id);
    info.built = ops != NULL;
    info.available = ops && ops->available() == MMB_OK;
    info.detail = info.available ? ""
                  : info.built   ? mmb_error_detail()
                                 : "not built into this version";
    return info;
}

mmbError mmb_backend_get_info(mmbBackend backend, mmbBackendInfo *out_info)
{
    mmbError error = mmb_registry_enter("backend_get_info");
    if (error != MMB_OK)
        return error;
    if (backend == MMB_BACKEND_DEFAULT)
        error = mmb_fail(MMB_INVALID_ARG,
                         "backend_get_info: DEFAULT is a choice, not a backend of its own");
    else
        error = mmb_backend_check(backend, "backend_get_info");
    if (error == MMB_OK) {
        const mmbBackendInfo info = describe(backend);
        error = mmb_struct_out(out_info, &info, sizeof info, sizeof info, "mmbBackendInfo");
    }
    mmb_registry_unlock();
    return error;
}
