/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared heap in a file of the user's: what a segment in shared memory is, on a file system that
 * outlives the system's memory. Owns its instances; takes no lock. The file is never removed here.
 */
#include "layers/host/file_shared.h"
#include "src/base/error.h"
#include "src/shared/backend.h"

static const struct mmb_backend_ops shared_file_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "file",
    .id = MMB_BACKEND_FILE,
    .close = mmb_shared_backend_close,
    .map = mmb_shared_backend_map,
    .unmap = mmb_shared_backend_unmap,
};

mmbError mmb_file_shared_open(const struct mmb_backend_request *request,
                              struct mmb_backend **out_backend)
{
    const mmbBackendOptions *options = request->options;
    struct mmb_shared_backend *self = NULL;
    const struct mmb_shared_plan plan = {
        .n_bytes = options->file.bytes,
        .header_bytes = options->file.header_bytes,
        .strategy = request->strategy,
        .id = options->file.id,
        .derived_id = mmb_shared_id_of(options->file.path),
        .mode = options->file.mode,
        .id_is_taken = request->id_is_taken,
        .what = options->file.path,
    };
    mmbError error = mmb_shared_plan_check(&plan);
    if (error == MMB_OK)
        error = mmb_shared_file_open(&shared_file_backend, plan.what, &plan, &self);
    if (error == MMB_OK)
        *out_backend = &self->base;
    return error;
}
