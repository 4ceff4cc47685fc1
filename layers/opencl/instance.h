/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_OPENCL_INSTANCE_H
#define MMB_LAYERS_OPENCL_INSTANCE_H
/* One open backend of OpenCL, for the two files that make one. */
#include <sys/types.h>
#include "layers/gpu/pinned.h"
#include "layers/opencl/native.h"
#include "src/spi/backend.h"
#include "src/spi/stream.h"

/* Pinned memory for copies that are staged (stage.c). Both objects are there while it is. */
struct mmb_opencl_stage {
    struct mmb_gpu_pinned pinned;
    cl_mem buffer; /* mapped whole */
    cl_command_queue queue;
    pid_t process; /* that has mapped it */
};

struct mmb_opencl {
    struct mmb_backend base;
    struct mmb_opencl_objects objects;
    size_t max_bytes;     /* of one buffer */
    bool is_svm;          /* memory.address is a pointer of the device's, else a key */
    bool is_fine_grained; /* the host may touch it at any time */
    struct mmb_opencl_stage stage;
};

static inline struct mmb_opencl *mmb_opencl_of(struct mmb_backend *backend)
{
    return (struct mmb_opencl *)backend;
}

/* What the cookie of a range leads to. */
struct mmb_opencl_range {
    const struct mmb_opencl *owner;
    char *start; /* as it was given, for shared virtual memory; a range begins at an alignment */
};

/* NULL for memory that was wrapped. */
static inline const struct mmb_opencl *mmb_opencl_owner(const struct mmb_memory *memory)
{
    const struct mmb_opencl_range *range =
        (const struct mmb_opencl_range *)(uintptr_t)memory->cookie;
    return range ? range->owner : NULL;
}

extern const struct mmb_stream_ops mmb_opencl_stream;

void *mmb_opencl_stage_take(struct mmb_backend *backend, size_t n_bytes);
void mmb_opencl_stage_give(struct mmb_backend *backend, void *stage);
/* Ends the staging memory. */
void mmb_opencl_stage_close(struct mmb_opencl *instance);

/* The blocking copies of the table (spi/backend.h), made of the queued ones. */
mmbError mmb_opencl_copy_in(struct mmb_backend *backend, const struct mmb_memory *to,
                            size_t to_offset, const void *from_host, size_t n_bytes);
mmbError mmb_opencl_copy_out(struct mmb_backend *backend, void *to_host,
                             const struct mmb_memory *from, size_t from_offset, size_t n_bytes);
mmbError mmb_opencl_set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                        int value, size_t n_bytes);
mmbError mmb_opencl_copy(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                         const struct mmb_memory *from, size_t from_offset, size_t n_bytes);

#endif
