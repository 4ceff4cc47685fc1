/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends over the memory of a GPU's runtime (runtime.h). An instance holds its device's context;
 * takes no lock, the runtimes have their own.
 *
 * Every call enters the device's context and leaves it again, so that the caller's is the same
 * afterwards. Shared ranges are anonymous shared mappings, which a forked child sees too, pinned
 * for the device. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include "layers/gpu/runtime.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "src/base/struct_size.h"

/* What cuMemAlloc, hipMalloc and the pinning calls all promise. */
#define ALIGNMENT ((size_t)256)

bool mmb_gpu_serves_device(mmbMemLayer layer)
{
    return layer == MMB_GDRAM || layer == MMB_HBM;
}

bool mmb_gpu_serves_host(mmbMemLayer layer)
{
    return layer == MMB_DRAM;
}

mmbError mmb_gpu_fail(const struct mmb_gpu *gpu, int code, const char *what, size_t n_bytes)
{
    const struct mmb_gpu_runtime *runtime = gpu->runtime;
    mmbError error = runtime->is_exhausted(code) ? MMB_OUT_OF_MEMORY : MMB_ERROR;
    char text[MMB_GPU_TEXT_BYTES], size[32] = "";
    if (n_bytes != 0)
        snprintf(size, sizeof size, " of %zu B", n_bytes);
    return mmb_fail(error, "%s backend, device %d: %s%s: %s", gpu->base.ops->name, gpu->device,
                    what, size, runtime->error_text(code, text));
}

mmbError mmb_gpu_enter(struct mmb_gpu *gpu, uintptr_t *state)
{
    int code = gpu->runtime->enter(gpu->device, gpu->context, state);
    return code == 0 ? MMB_OK : mmb_gpu_fail(gpu, code, "entering the device's context", 0);
}

/* ---- open and close ---- */

mmbError mmb_gpu_available(const struct mmb_gpu_runtime *runtime)
{
    size_t n_devices;
    return runtime->load(&n_devices);
}

static mmbError read_options(const struct mmb_backend_ops *ops, const mmbBackendOptions *options,
                             struct mmb_gpu_options *out)
{
    const size_t n_words = sizeof options->reserved / sizeof options->reserved[0];
    for (size_t i = 1; i < n_words; i++)
        if (options->reserved[i] != 0)
            return mmb_fail(MMB_INVALID_ARG,
                            "%s backend: word %zu of the backend's options is not used and must "
                            "be zero",
                            ops->name, i);
    *out = (struct mmb_gpu_options){.size = sizeof *out};
    return mmb_struct_in(out, sizeof *out, options->cuda, sizeof *out, "the device's options");
}

/* Which device is meant, if there is one of that number. */
static mmbError choose_device(const struct mmb_gpu_runtime *runtime,
                              const struct mmb_backend_request *request, int wish, int *out)
{
    size_t n_devices;
    mmbError error = runtime->load(&n_devices);
    if (error != MMB_OK)
        return error;
    int device = request->domain_os_index >= 0 ? request->domain_os_index : wish;
    if (device < 0 || (size_t)device >= n_devices)
        return mmb_fail(MMB_INVALID_ARG, "%s backend: there is no device %d among %zu",
                        runtime->name, device, n_devices);
    *out = device;
    return MMB_OK;
}

mmbError mmb_gpu_open(const struct mmb_gpu_runtime *runtime, const struct mmb_backend_ops *ops,
                      enum mmb_gpu_kind kind, const struct mmb_backend_request *request,
                      struct mmb_backend **out)
{
    struct mmb_gpu_options options;
    int device = -1;
    mmbError error = read_options(ops, request->options, &options);
    if (error == MMB_OK)
        error = choose_device(runtime, request, options.device, &device);
    if (error != MMB_OK)
        return error;
    struct mmb_gpu *gpu = mmb_meta_alloc(sizeof *gpu);
    if (!gpu)
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: no memory for its own data", ops->name);
    gpu->base =
        (struct mmb_backend){.ops = ops,
                             .bounded = SIZE_MAX,
                             .min_alignment = ALIGNMENT,
                             .host_accessible = kind != MMB_GPU_DEVICE,
                             .has_device = kind == MMB_GPU_DEVICE || kind == MMB_GPU_MANAGED,
                             .device = device};
    gpu->runtime = runtime;
    gpu->kind = kind;
    gpu->device = device;
    gpu->stream = options.stream;
    gpu->mutex = (struct mmb_mutex)MMB_MUTEX_INIT;
    gpu->pinned = (struct mmb_gpu_pinned)MMB_GPU_PINNED_INIT;
    mmb_list_init(&gpu->imports);
    int code = runtime->open(device, &gpu->context);
    if (code != 0) {
        error = mmb_gpu_fail(gpu, code, "taking the device's context", 0);
        mmb_meta_free(gpu, sizeof *gpu);
        return error;
    }
    *out = &gpu->base;
    return MMB_OK;
}

void mmb_gpu_close(struct mmb_backend *backend)
{
    if (!backend)
        return;
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    mmb_gpu_ipc_close_all(gpu);
    mmb_gpu_stage_close(gpu);
    gpu->runtime->close(gpu->device, gpu->context);
    mmb_meta_free(gpu, sizeof *gpu);
}

/* ---- ranges ---- */

static mmbError make_shared(struct mmb_gpu *gpu, size_t n_bytes, void **out)
{
    size_t n_mapped;
    if (!mmb_round_up_size(n_bytes, mmb_os_page_bytes(), &n_mapped))
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: %zu B", gpu->base.ops->name, n_bytes);
    void *start = mmap(NULL, n_mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return mmb_fail_errno(MMB_OUT_OF_MEMORY, errno, "%s backend: a shared mapping of %zu B",
                              gpu->base.ops->name, n_bytes);
    int code = gpu->runtime->pin(start, n_mapped);
    if (code != 0) {
        munmap(start, n_mapped);
        return mmb_gpu_fail(gpu, code, "pinning", n_bytes);
    }
    *out = start;
    return MMB_OK;
}

static mmbError make_range(struct mmb_gpu *gpu, size_t n_bytes, void **out)
{
    if (gpu->kind == MMB_GPU_SHARED)
        return make_shared(gpu, n_bytes, out);
    int code = gpu->runtime->allocate(gpu->kind, n_bytes, out);
    return code == 0 ? MMB_OK : mmb_gpu_fail(gpu, code, "allocation", n_bytes);
}

/* What a cookie leads to: the range as the runtime knows it. Alignment is had by asking for more.
 */
struct range {
    const struct mmb_gpu *owner;
    void *start;
    size_t n_bytes;
};

static mmbError fill_range(struct mmb_gpu *gpu, size_t n_bytes, size_t alignment,
                           struct range *range)
{
    size_t slack = alignment > ALIGNMENT ? alignment - ALIGNMENT : 0;
    if (!mmb_add_size(n_bytes, slack, &range->n_bytes))
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: %zu B aligned to %zu", gpu->base.ops->name,
                        n_bytes, alignment);
    return make_range(gpu, range->n_bytes, &range->start);
}

static mmbError make_aligned(struct mmb_gpu *gpu, size_t n_bytes, size_t alignment,
                             struct mmb_memory *out)
{
    struct range *range = mmb_meta_alloc(sizeof *range);
    if (!range)
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: no memory for its own data",
                        gpu->base.ops->name);
    range->owner = gpu;
    mmbError error = fill_range(gpu, n_bytes, alignment, range);
    if (error != MMB_OK) {
        mmb_meta_free(range, sizeof *range);
        return error;
    }
    uintptr_t address = mmb_round_up((uintptr_t)range->start, alignment ? alignment : 1);
    *out = (struct mmb_memory){.host = gpu->base.host_accessible ? (void *)address : NULL,
                               .address = address,
                               .n_bytes = n_bytes,
                               .native = (void *)address,
                               .cookie = (uintptr_t)range};
    return MMB_OK;
}

void *mmb_gpu_range_start(const struct mmb_memory *memory, size_t *out_bytes)
{
    const struct range *range = (const struct range *)(uintptr_t)memory->cookie;
    *out_bytes = range->n_bytes;
    return range->start;
}

const struct mmb_gpu *mmb_gpu_owner(const struct mmb_memory *memory)
{
    const struct range *range = (const struct range *)(uintptr_t)memory->cookie;
    return range ? range->owner : NULL;
}

/* Entered. */
static mmbError map(struct mmb_gpu *gpu, size_t min_bytes, size_t want_bytes, size_t alignment,
                    struct mmb_memory *out)
{
    mmbError error = make_aligned(gpu, want_bytes, alignment, out);
    if (error == MMB_OUT_OF_MEMORY && min_bytes < want_bytes)
        error = make_aligned(gpu, min_bytes, alignment, out);
    return error;
}

mmbError mmb_gpu_map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                     size_t alignment, struct mmb_memory *out)
{
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    error = map(gpu, min_bytes, want_bytes, alignment, out);
    gpu->runtime->leave(state);
    return error;
}

/* What the runtime has of it goes with the context; the mapping is ours. */
static int end_range(struct mmb_gpu *gpu, const struct range *range)
{
    uintptr_t state;
    bool is_shared = gpu->kind == MMB_GPU_SHARED;
    int code = gpu->runtime->enter(gpu->device, gpu->context, &state);
    if (code == 0) {
        code = is_shared ? gpu->runtime->unpin(range->start)
                         : gpu->runtime->release(gpu->kind, range->start);
        gpu->runtime->leave(state);
    }
    if (is_shared)
        munmap(range->start, mmb_round_up(range->n_bytes, mmb_os_page_bytes()));
    return gpu->runtime->is_over(code) ? 0 : code;
}

mmbError mmb_gpu_unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    struct range *range = (struct range *)(uintptr_t)memory->cookie;
    int code = end_range(gpu, range);
    mmb_meta_free(range, sizeof *range);
    return code == 0 ? MMB_OK : mmb_gpu_fail(gpu, code, "giving back", memory->n_bytes);
}
