/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned memory that is kept for staged copies (pinned.h). Owns nothing of its own; the mutex of
 * the piece guards it, and the runtime's locks are taken inside. */
#include "layers/gpu/pinned.h"
#include "src/base/debug.h"

/* Nobody has it. */
static void drop(struct mmb_gpu_pinned *pinned, const struct mmb_gpu_pinner *pinner,
                 struct mmb_backend *backend)
{
    if (pinned->start)
        pinner->unpin(backend, pinned->start);
    pinned->start = NULL;
    pinned->n_bytes = 0;
}

void *mmb_gpu_pinned_take(struct mmb_gpu_pinned *pinned, const struct mmb_gpu_pinner *pinner,
                          struct mmb_backend *backend, size_t n_bytes)
{
    void *start = NULL;
    mmb_mutex_lock(&pinned->mutex);
    if (!pinned->is_taken) {
        if (pinned->n_bytes < n_bytes) {
            drop(pinned, pinner, backend);
            pinned->start = pinner->pin(backend, n_bytes);
            pinned->n_bytes = pinned->start ? n_bytes : 0;
        }
        start = pinned->start;
        pinned->is_taken = start != NULL;
    }
    mmb_mutex_unlock(&pinned->mutex);
    return start;
}

void mmb_gpu_pinned_give(struct mmb_gpu_pinned *pinned, const void *start)
{
    mmb_mutex_lock(&pinned->mutex);
    MMB_ASSERT(pinned->is_taken && pinned->start == start);
    (void)start;
    pinned->is_taken = false;
    mmb_mutex_unlock(&pinned->mutex);
}

void mmb_gpu_pinned_close(struct mmb_gpu_pinned *pinned, const struct mmb_gpu_pinner *pinner,
                          struct mmb_backend *backend)
{
    drop(pinned, pinner, backend);
}
