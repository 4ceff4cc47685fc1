/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_GPU_RUNTIME_H
#define MMB_LAYERS_GPU_RUNTIME_H
/* What CUDA and HIP have in common, as a table that each fills in. The backends over it are the
 * same for both (layers/gpu/memory.c, layers/gpu/stream.c); layers/cuda and layers/hip translate.
 * No layer of memory itself: it knows no runtime. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "layers/gpu/library.h"
#include "layers/gpu/pinned.h"
#include "src/base/list.h"
#include "src/spi/backend.h"
#include "src/spi/probe.h"
#include "src/spi/stream.h"

enum mmb_gpu_kind {
    MMB_GPU_DEVICE,  /* memory of the device */
    MMB_GPU_MANAGED, /* memory that moves between host and device */
    MMB_GPU_HOST,    /* host memory that the runtime pinned */
    MMB_GPU_SHARED,  /* a shared mapping, pinned by registering it */
    MMB_GPU_KINDS
};

/* One side of a rectangle of rows. */
struct mmb_gpu_side {
    uintptr_t address;
    bool is_host;  /* of the host: pageable or pinned */
    void *context; /* of the device that has it, as open gave it; NULL: it is not known */
    size_t row_pitch, slice_pitch;
};

struct mmb_gpu_box {
    struct mmb_gpu_side to, from;
    size_t row_bytes, n_rows, n_slices;
};

/* Native results are int: 0 is success, what else they mean the runtime tells. Everything between
 * enter and leave runs in the device's context; the caller's own is back after leave. */
struct mmb_gpu_runtime {
    const char *name; /* "cuda" */
    mmbExecutionContext context;

    /* Loads the runtime's library, once. MMB_UNSUPPORTED with the native cause: there is none, it
     * is too old, or it sees no device. */
    mmbError (*load)(size_t *out_n_devices);
    const char *(*error_text)(int code, char text[MMB_GPU_TEXT_BYTES]);
    bool (*is_exhausted)(int code);
    /* The process is ending and the runtime has gone before, or the program has destroyed the
     * device's context: what there was of memory is gone with it. */
    bool (*is_over)(int code);

    /* Its PCI id and the bytes of its own memory, 0 where it has none but the host's. Makes no
     * context. */
    int (*describe)(int device, char pci_id[MMB_PCI_ID_BYTES], size_t *out_bytes);
    /* Takes and lets go of a device's context. */
    int (*open)(int device, void **out_context);
    void (*close)(int device, void *context);
    /* *state is the runtime's, from enter to leave. */
    int (*enter)(int device, void *context, uintptr_t *state);
    void (*leave)(uintptr_t state);

    int (*allocate)(enum mmb_gpu_kind kind, size_t n_bytes, void **out);
    int (*release)(enum mmb_gpu_kind kind, void *start);
    int (*pin)(void *start, size_t n_bytes);
    int (*unpin)(void *start);

    /* Handles of ranges for other processes; `start` is what allocate gave. */
    int (*name_range)(void *start, unsigned char handle[MMB_IPC_HANDLE_BYTES]);
    int (*open_named)(const unsigned char handle[MMB_IPC_HANDLE_BYTES], void **out);
    int (*close_named)(void *start);
    /* Bytes from `start` to the end of its range. */
    int (*measure)(void *start, size_t *out_bytes);
    /* The range behind a handle is gone. */
    bool (*is_gone)(int code);

    int (*copy)(void *to, const void *from, size_t n_bytes, void *stream);
    int (*copy_box)(const struct mmb_gpu_box *box, void *stream);
    int (*set)(void *to, int value, size_t n_bytes, void *stream);
    int (*finish)(void *stream);
    int (*mark)(void *stream, void **out_mark);
    int (*query)(void *mark, bool *out_reached);
    int (*wait)(void *mark);
    int (*order)(void *stream, void *mark);
    void (*forget)(void *mark);
};

/* One open backend. */
struct mmb_gpu {
    struct mmb_backend base;
    const struct mmb_gpu_runtime *runtime;
    enum mmb_gpu_kind kind;
    int device;
    void *context;
    void *stream;
    struct mmb_mutex mutex;       /* guards imports; the runtime's locks are taken inside it */
    struct mmb_list imports;      /* ranges of other processes that are open (layers/gpu/ipc.c) */
    struct mmb_gpu_pinned pinned; /* for copies that are staged (layers/gpu/stage.c) */
};

static inline struct mmb_gpu *mmb_gpu_of(struct mmb_backend *backend)
{
    return (struct mmb_gpu *)backend;
}

/* The first words of mmbCudaOptions and mmbHipOptions, which are alike. */
struct mmb_gpu_options {
    size_t size;
    int device;
    void *stream;
};

/* ---- for the tables of a runtime ---- */

bool mmb_gpu_serves_device(mmbMemLayer layer);
bool mmb_gpu_serves_host(mmbMemLayer layer);
/* open of a table of that kind. `options` is the word of the request's options. */
mmbError mmb_gpu_open(const struct mmb_gpu_runtime *runtime, const struct mmb_backend_ops *ops,
                      enum mmb_gpu_kind kind, const struct mmb_backend_request *request,
                      struct mmb_backend **out);
mmbError mmb_gpu_available(const struct mmb_gpu_runtime *runtime);
/* list of a device probe (spi/probe.h). */
mmbError mmb_gpu_list(const struct mmb_gpu_runtime *runtime, struct mmb_probe_device *devices,
                      size_t capacity, size_t *out_n_devices);
void mmb_gpu_close(struct mmb_backend *backend);
mmbError mmb_gpu_map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                     size_t alignment, struct mmb_memory *out);
mmbError mmb_gpu_unmap(struct mmb_backend *backend, const struct mmb_memory *memory);
mmbError mmb_gpu_copy_in(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                         const void *from_host, size_t n_bytes);
mmbError mmb_gpu_copy_out(struct mmb_backend *backend, void *to_host, const struct mmb_memory *from,
                          size_t from_offset, size_t n_bytes);
mmbError mmb_gpu_set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                     int value, size_t n_bytes);
mmbError mmb_gpu_copy(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                      const struct mmb_memory *from, size_t from_offset, size_t n_bytes);
mmbError mmb_gpu_ipc_export(struct mmb_backend *backend, const struct mmb_memory *memory,
                            struct mmb_ipc_range *out);
mmbError mmb_gpu_ipc_open(struct mmb_backend *backend, const struct mmb_ipc_range *range,
                          uintptr_t *out_address);
void mmb_gpu_ipc_close(struct mmb_backend *backend, uintptr_t address);
extern const struct mmb_stream_ops mmb_gpu_stream;

/* ---- between the files here ---- */

/* mmb_fail with the runtime's text. */
mmbError mmb_gpu_fail(const struct mmb_gpu *gpu, int code, const char *what, size_t n_bytes);
/* Whose range it is; NULL: the program's, that was wrapped. */
const struct mmb_gpu *mmb_gpu_owner(const struct mmb_memory *memory);
/* Where a range of ours began when the runtime gave it. */
void *mmb_gpu_range_start(const struct mmb_memory *memory, size_t *out_bytes);
void *mmb_gpu_stage_take(struct mmb_backend *backend, size_t n_bytes);
void mmb_gpu_stage_give(struct mmb_backend *backend, void *stage);
/* Ends the staging memory. */
void mmb_gpu_stage_close(struct mmb_gpu *gpu);
/* Closes every range of other processes, at the end. */
void mmb_gpu_ipc_close_all(struct mmb_gpu *gpu);
/* Enters the device's context; after MMB_OK leave is the caller's. */
mmbError mmb_gpu_enter(struct mmb_gpu *gpu, uintptr_t *state);

/* The members of a table that are the same for every kind of every runtime. */
#define MMB_GPU_OPS                                                                                \
    .size = sizeof(struct mmb_backend_ops), .close = mmb_gpu_close, .map = mmb_gpu_map,            \
    .unmap = mmb_gpu_unmap, .copy_in = mmb_gpu_copy_in, .copy_out = mmb_gpu_copy_out,              \
    .set = mmb_gpu_set, .copy = mmb_gpu_copy, .stream = &mmb_gpu_stream,                           \
    .ipc_export = mmb_gpu_ipc_export, .ipc_open = mmb_gpu_ipc_open, .ipc_close = mmb_gpu_ipc_close

/* ---- the backends of a runtime ---- */

/* One of four: its opener, which its table refers to, and the table. `who` is serves_device or
 * serves_host, `where` what the kind says of its place. */
#define MMB_GPU_BACKEND(backend, text, number, kind, who, where)                                   \
    static mmbError open_##backend(const struct mmb_backend_request *request,                      \
                                   struct mmb_backend **out)                                       \
    {                                                                                              \
        return mmb_gpu_open(&runtime, &backend, kind, request, out);                               \
    }                                                                                              \
    const struct mmb_backend_ops backend = {.name = text,                                          \
                                            .id = number,                                          \
                                            .where = true,                                         \
                                            .serves = who,                                         \
                                            .available = available,                                \
                                            .open = open_##backend,                                \
                                            MMB_GPU_OPS};

/* What a folder of a runtime ends with, behind its `runtime`: the probe and the four backends, for
 * a runtime whose words begin with `lower` and MMB_BACKEND_`UPPER`. */
#define MMB_GPU_RUNTIME(lower, UPPER)                                                              \
    static mmbError list(struct mmb_probe_device *devices, size_t capacity, size_t *out_n_devices) \
    {                                                                                              \
        return mmb_gpu_list(&runtime, devices, capacity, out_n_devices);                           \
    }                                                                                              \
    static bool serves_device(mmbMemLayer layer, mmbExecutionContext context)                      \
    {                                                                                              \
        return context == MMB_GPU_##UPPER && mmb_gpu_serves_device(layer);                         \
    }                                                                                              \
    static bool serves_host(mmbMemLayer layer, mmbExecutionContext context)                        \
    {                                                                                              \
        return context == MMB_GPU_##UPPER && mmb_gpu_serves_host(layer);                           \
    }                                                                                              \
    static mmbError available(void)                                                                \
    {                                                                                              \
        return mmb_gpu_available(&runtime);                                                        \
    }                                                                                              \
    const struct mmb_device_probe_ops mmb_##lower##_probe = {                                      \
        .size = sizeof(struct mmb_device_probe_ops),                                               \
        .name = #lower,                                                                            \
        .context = MMB_GPU_##UPPER,                                                                \
        .is_seen = mmb_##lower##_is_seen,                                                          \
        .list = list};                                                                             \
    MMB_GPU_BACKEND(mmb_##lower##_backend, #lower, MMB_BACKEND_##UPPER, MMB_GPU_DEVICE,            \
                    serves_device, places_by_domain)                                               \
    MMB_GPU_BACKEND(mmb_##lower##_managed_backend, #lower "_managed",                              \
                    MMB_BACKEND_##UPPER##_MANAGED, MMB_GPU_MANAGED, serves_device,                 \
                    places_by_domain)                                                              \
    MMB_GPU_BACKEND(mmb_##lower##_host_backend, #lower "_host", MMB_BACKEND_##UPPER##_HOST,        \
                    MMB_GPU_HOST, serves_host, takes_host_memory)                                  \
    MMB_GPU_BACKEND(mmb_##lower##_shm_backend, #lower "_shm", MMB_BACKEND_##UPPER##_SHM,           \
                    MMB_GPU_SHARED, serves_host, takes_host_memory)

#endif
