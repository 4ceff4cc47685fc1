/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned host memory through which copies are staged that have no direct way (spi/stream.h). An
 * instance owns one piece, made when a copy first wants it: pinning costs more than most copies,
 * and a second copy at the same time does as well with memory that is not pinned. The instance's
 * mutex guards it. */
#include "layers/gpu/runtime.h"

/* Mutex held. */
static void drop(struct mmb_gpu *gpu)
{
    uintptr_t state;
    if (gpu->stage && gpu->runtime->enter(gpu->device, gpu->context, &state) == 0) {
        gpu->runtime->release(MMB_GPU_HOST, gpu->stage);
        gpu->runtime->leave(state);
    }
    gpu->stage = NULL;
    gpu->stage_bytes = 0;
}

/* Mutex held. */
static void make(struct mmb_gpu *gpu, size_t n_bytes)
{
    uintptr_t state;
    if (gpu->runtime->enter(gpu->device, gpu->context, &state) != 0)
        return;
    if (gpu->runtime->allocate(MMB_GPU_HOST, n_bytes, &gpu->stage) == 0)
        gpu->stage_bytes = n_bytes;
    else
        gpu->stage = NULL;
    gpu->runtime->leave(state);
}

void *mmb_gpu_stage_take(struct mmb_backend *backend, size_t n_bytes)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    void *stage = NULL;
    mmb_mutex_lock(&gpu->mutex);
    if (!gpu->stage_is_taken) {
        if (gpu->stage_bytes < n_bytes) {
            drop(gpu);
            make(gpu, n_bytes);
        }
        stage = gpu->stage;
        gpu->stage_is_taken = stage != NULL;
    }
    mmb_mutex_unlock(&gpu->mutex);
    return stage;
}

void mmb_gpu_stage_give(struct mmb_backend *backend, void *stage)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    mmb_mutex_lock(&gpu->mutex);
    MMB_ASSERT(gpu->stage_is_taken && gpu->stage == stage);
    (void)stage;
    gpu->stage_is_taken = false;
    mmb_mutex_unlock(&gpu->mutex);
}

void mmb_gpu_stage_close(struct mmb_gpu *gpu)
{
    drop(gpu);
}
