/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned host memory for copies of OpenCL that are staged (layers/gpu/pinned.h): a buffer that the
 * driver keeps in host memory, mapped for as long as it lives, since its pages are what the driver
 * moves without a copy of its own. An instance owns the buffer; takes no lock but the piece's.
 *
 * It is mapped in a queue of its own. The program's may stand behind an event that only the
 * program's next step sets. */
#include <unistd.h>
#include "layers/opencl/instance.h"

static void *map(struct mmb_opencl_stage *stage, size_t n_bytes)
{
    cl_int code;
    void *start = clEnqueueMapBuffer(stage->queue, stage->buffer, CL_TRUE,
                                     CL_MAP_READ | CL_MAP_WRITE, 0, n_bytes, 0, NULL, NULL, &code);
    return code == CL_SUCCESS ? start : NULL;
}

static void release(struct mmb_opencl_stage *stage)
{
    if (stage->buffer)
        clReleaseMemObject(stage->buffer);
    if (stage->queue)
        clReleaseCommandQueue(stage->queue);
    stage->buffer = NULL;
    stage->queue = NULL;
}

static void *pin(struct mmb_backend *backend, size_t n_bytes)
{
    struct mmb_opencl *instance = mmb_opencl_of(backend);
    struct mmb_opencl_stage *stage = &instance->stage;
    const struct mmb_opencl_objects *objects = &instance->objects;
    cl_int code;
    stage->process = getpid();
    stage->buffer = clCreateBuffer(objects->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR,
                                   n_bytes, NULL, &code);
    stage->queue = mmb_opencl_new_queue(objects->context, objects->device, &code);
    void *start = stage->buffer && stage->queue ? map(stage, n_bytes) : NULL;
    if (!start)
        release(stage);
    return start;
}

/* A child of fork has none of the driver's threads that would do it. */
static void unpin(struct mmb_backend *backend, void *start)
{
    struct mmb_opencl_stage *stage = &mmb_opencl_of(backend)->stage;
    if (stage->process != getpid())
        return;
    clEnqueueUnmapMemObject(stage->queue, stage->buffer, start, 0, NULL, NULL);
    clFinish(stage->queue);
    release(stage);
}

static const struct mmb_gpu_pinner pinner = {.pin = pin, .unpin = unpin};

void *mmb_opencl_stage_take(struct mmb_backend *backend, size_t n_bytes)
{
    return mmb_gpu_pinned_take(&mmb_opencl_of(backend)->stage.pinned, &pinner, backend, n_bytes);
}

void mmb_opencl_stage_give(struct mmb_backend *backend, void *stage)
{
    mmb_gpu_pinned_give(&mmb_opencl_of(backend)->stage.pinned, stage);
}

void mmb_opencl_stage_close(struct mmb_opencl *instance)
{
    mmb_gpu_pinned_close(&instance->stage.pinned, &pinner, &instance->base);
}
