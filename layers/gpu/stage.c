/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned host memory for copies of a GPU that are staged (pinned.h), by its runtime (runtime.h).
 * Owns nothing; takes no lock but the piece's. */
#include "layers/gpu/runtime.h"

static void *pin(struct mmb_backend *backend, size_t n_bytes)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    void *start = NULL;
    if (gpu->runtime->enter(gpu->device, gpu->context, &state) != 0)
        return NULL;
    if (gpu->runtime->allocate(MMB_GPU_HOST, n_bytes, &start) != 0)
        start = NULL;
    gpu->runtime->leave(state);
    return start;
}

/* Where the context cannot be entered it is gone, and its pinned memory with it. */
static void unpin(struct mmb_backend *backend, void *start)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    if (gpu->runtime->enter(gpu->device, gpu->context, &state) != 0)
        return;
    gpu->runtime->release(MMB_GPU_HOST, start);
    gpu->runtime->leave(state);
}

static const struct mmb_gpu_pinner pinner = {.pin = pin, .unpin = unpin};

void *mmb_gpu_stage_take(struct mmb_backend *backend, size_t n_bytes)
{
    return mmb_gpu_pinned_take(&mmb_gpu_of(backend)->pinned, &pinner, backend, n_bytes);
}

void mmb_gpu_stage_give(struct mmb_backend *backend, void *stage)
{
    mmb_gpu_pinned_give(&mmb_gpu_of(backend)->pinned, stage);
}

void mmb_gpu_stage_close(struct mmb_gpu *gpu)
{
    mmb_gpu_pinned_close(&gpu->pinned, &pinner, &gpu->base);
}
