/* SPDX-License-Identifier: BSD-3-Clause */
/* The backends over cl_mem buffers and over shared virtual memory. An instance owns a context and a
 * queue, or holds the user's; takes no lock (OpenCL has its own).
 *
 * A buffer has no address, and the parts of the library that manage memory want one: each gets a
 * reservation of address space of its own length that nobody may touch, so that no two keys meet
 * and a stray access faults. */
#include <string.h>
#include "layers/opencl/instance.h"
#include "layers/opencl/opencl.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "src/base/struct_size.h"

/* What any allocator may count on, whatever a device says. */
#define ALIGNMENT_MIN ((size_t)16)

static bool serves(mmbMemLayer layer, mmbExecutionContext context)
{
    return layer == MMB_GDRAM && context == MMB_OPENCL;
}

/* ---- open and close ---- */

static mmbError read_options(const mmbBackendOptions *options, struct mmbOpenCLOptions *out)
{
    const size_t n_words = sizeof options->reserved / sizeof options->reserved[0];
    for (size_t i = 1; i < n_words; i++)
        if (options->reserved[i] != 0)
            return mmb_fail(MMB_INVALID_ARG,
                            "opencl backend: word %zu of the backend's options is not used and "
                            "must be zero",
                            i);
    *out = (struct mmbOpenCLOptions)MMB_OPENCL_OPTIONS_INIT;
    return mmb_struct_in(out, sizeof *out, options->opencl, sizeof *out, "mmbOpenCLOptions");
}

/* Sub-buffers begin at multiples of it; the device tells it in bits. */
static size_t base_alignment(cl_device_id device)
{
    cl_uint n_bits = 0;
    clGetDeviceInfo(device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof n_bits, &n_bits, NULL);
    size_t n_bytes = n_bits / 8;
    return n_bytes >= ALIGNMENT_MIN && mmb_is_power_of_two(n_bytes) ? n_bytes : ALIGNMENT_MIN;
}

static size_t max_bytes(cl_device_id device)
{
    cl_ulong n_bytes = 0;
    clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof n_bytes, &n_bytes, NULL);
    return (size_t)n_bytes;
}

static void describe(struct mmb_opencl *instance, const struct mmb_backend_ops *ops)
{
    cl_device_id device = instance->objects.device;
    instance->max_bytes = max_bytes(device);
    instance->stage.pinned = (struct mmb_gpu_pinned)MMB_GPU_PINNED_INIT;
    instance->base = (struct mmb_backend){.ops = ops,
                                          .bounded = SIZE_MAX,
                                          .min_alignment = base_alignment(device),
                                          .has_no_pointers = true};
    instance->base.has_device = mmb_opencl_gpu_number(device, &instance->base.device);
}

static mmbError open_instance(const struct mmb_backend_request *request,
                              const struct mmb_backend_ops *ops, struct mmb_opencl **out)
{
    struct mmbOpenCLOptions options;
    mmbError error = read_options(request->options, &options);
    if (error == MMB_OK)
        error = mmb_opencl_available();
    if (error != MMB_OK)
        return error;
    struct mmb_opencl *instance = mmb_meta_alloc(sizeof *instance);
    if (!instance)
        return mmb_fail(MMB_OUT_OF_MEMORY, "opencl backend: no memory for its own data");
    error = mmb_opencl_objects_open(&options, request->domain_os_index, &instance->objects);
    if (error != MMB_OK) {
        mmb_meta_free(instance, sizeof *instance);
        return error;
    }
    describe(instance, ops);
    *out = instance;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    if (!backend)
        return;
    struct mmb_opencl *instance = mmb_opencl_of(backend);
    mmb_opencl_stage_close(instance);
    mmb_opencl_objects_close(&instance->objects);
    mmb_meta_free(instance, sizeof *instance);
}

static mmbError open_buffers(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    struct mmb_opencl *instance;
    mmbError error = open_instance(request, &mmb_opencl_backend, &instance);
    if (error == MMB_OK)
        *out = &instance->base;
    return error;
}

static mmbError open_svm(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    struct mmb_opencl *instance;
    mmbError error = open_instance(request, &mmb_opencl_svm_backend, &instance);
    if (error != MMB_OK)
        return error;
    cl_device_svm_capabilities can = 0;
    cl_int code = clGetDeviceInfo(instance->objects.device, CL_DEVICE_SVM_CAPABILITIES, sizeof can,
                                  &can, NULL);
    if (code != CL_SUCCESS || can == 0) {
        close_backend(&instance->base);
        return mmb_fail(
            MMB_UNSUPPORTED, "opencl backend: the device has no shared virtual memory: %s",
            code == CL_SUCCESS ? "it says so"
                               : mmb_opencl_error_text((char[MMB_OPENCL_TEXT_BYTES]){0}, code));
    }
    instance->is_svm = true;
    instance->is_fine_grained = can & CL_DEVICE_SVM_FINE_GRAIN_BUFFER;
    instance->base.has_no_pointers = false;
    instance->base.host_accessible = instance->is_fine_grained;
    *out = &instance->base;
    return MMB_OK;
}

/* ---- buffers ---- */

/* The wish, cut to what one buffer can have. 0: not even the least fits. */
static size_t wish(const struct mmb_opencl *instance, size_t min_bytes, size_t want_bytes)
{
    if (min_bytes > instance->max_bytes)
        return 0;
    return want_bytes < instance->max_bytes ? want_bytes : instance->max_bytes;
}

static mmbError refuse_size(const struct mmb_opencl *instance, size_t min_bytes)
{
    return mmb_fail(MMB_OUT_OF_MEMORY,
                    "%s backend: %zu B are more than one buffer of the device can have, %zu B",
                    instance->base.ops->name, min_bytes, instance->max_bytes);
}

static mmbError make_buffer(struct mmb_opencl *instance, size_t n_bytes, struct mmb_memory *out)
{
    size_t n_reserved;
    cl_int code;
    struct mmb_opencl_range *range = mmb_meta_alloc(sizeof *range);
    void *key = NULL;
    if (mmb_round_up_size(n_bytes, mmb_os_page_bytes(), &n_reserved))
        key = mmb_os_reserve(n_reserved);
    mmbError error = MMB_OK;
    cl_mem buffer = NULL;
    if (!key || !range)
        error =
            mmb_fail(MMB_OUT_OF_MEMORY, "opencl backend: no addresses for a key of %zu B", n_bytes);
    else
        buffer = clCreateBuffer(instance->objects.context, CL_MEM_READ_WRITE, n_bytes, NULL, &code);
    if (error == MMB_OK && !buffer)
        error = mmb_opencl_fail(code, "clCreateBuffer", n_bytes);
    if (error != MMB_OK) {
        if (key)
            mmb_os_unmap(key, n_reserved);
        mmb_meta_free(range, sizeof *range);
        return error;
    }
    range->owner = instance;
    *out = (struct mmb_memory){.address = (uintptr_t)key,
                               .n_bytes = n_bytes,
                               .native = buffer,
                               .cookie = (uintptr_t)range};
    return MMB_OK;
}

/* No part of a buffer is aligned better than its start, and that only as the device promises. */
static mmbError map_buffer(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                           size_t alignment, struct mmb_memory *out)
{
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    struct mmb_opencl *instance = mmb_opencl_of(backend);
    if (alignment > backend->min_alignment)
        return mmb_fail(MMB_UNSUPPORTED,
                        "opencl backend: an alignment of %zu is more than the device's, %zu",
                        alignment, backend->min_alignment);
    size_t n_bytes = wish(instance, min_bytes, want_bytes);
    if (n_bytes == 0)
        return refuse_size(instance, min_bytes);
    mmbError error = make_buffer(instance, n_bytes, out);
    if (error == MMB_OUT_OF_MEMORY && min_bytes < n_bytes)
        error = make_buffer(instance, min_bytes, out);
    return error;
}

static mmbError unmap_buffer(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    (void)backend;
    mmb_meta_free((struct mmb_opencl_range *)(uintptr_t)memory->cookie,
                  sizeof(struct mmb_opencl_range));
    cl_int code = clReleaseMemObject(memory->native);
    mmb_os_unmap((void *)memory->address, mmb_round_up(memory->n_bytes, mmb_os_page_bytes()));
    return code == CL_SUCCESS ? MMB_OK
                              : mmb_opencl_fail(code, "clReleaseMemObject", memory->n_bytes);
}

/* ---- shared virtual memory ---- */

/* Aligned by asking for more than the range has, since an implementation need not take more than
 * the alignment of its largest type. */
static char *svm_alloc(struct mmb_opencl *instance, size_t n_bytes, size_t slack)
{
    size_t n_asked;
    cl_svm_mem_flags flags =
        CL_MEM_READ_WRITE | (instance->is_fine_grained ? CL_MEM_SVM_FINE_GRAIN_BUFFER : 0);
    if (!mmb_add_size(n_bytes, slack, &n_asked) || n_asked > instance->max_bytes)
        return NULL;
    return clSVMAlloc(instance->objects.context, flags, n_asked,
                      (cl_uint)instance->base.min_alignment);
}

static mmbError make_svm(struct mmb_opencl *instance, size_t n_bytes, size_t alignment,
                         struct mmb_memory *out)
{
    size_t slack = alignment > instance->base.min_alignment ? alignment : 0;
    struct mmb_opencl_range *range = mmb_meta_alloc(sizeof *range);
    if (!range)
        return mmb_fail(MMB_OUT_OF_MEMORY, "opencl_svm backend: no memory for its own data");
    char *start = svm_alloc(instance, n_bytes, slack);
    if (!start) {
        mmb_meta_free(range, sizeof *range);
        return mmb_fail(MMB_OUT_OF_MEMORY, "opencl_svm backend: clSVMAlloc of %zu B aligned to %zu",
                        n_bytes, alignment);
    }
    *range = (struct mmb_opencl_range){instance, start};
    char *at = slack ? (char *)mmb_round_up((uintptr_t)start, alignment) : start;
    *out = (struct mmb_memory){.host = instance->is_fine_grained ? at : NULL,
                               .address = (uintptr_t)at,
                               .n_bytes = n_bytes,
                               .native = at,
                               .cookie = (uintptr_t)range};
    return MMB_OK;
}

static mmbError map_svm(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                        size_t alignment, struct mmb_memory *out)
{
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    struct mmb_opencl *instance = mmb_opencl_of(backend);
    size_t n_bytes = wish(instance, min_bytes, want_bytes);
    if (n_bytes == 0)
        return refuse_size(instance, min_bytes);
    mmbError error = make_svm(instance, n_bytes, alignment, out);
    if (error == MMB_OUT_OF_MEMORY && min_bytes < n_bytes)
        error = make_svm(instance, min_bytes, alignment, out);
    return error;
}

static mmbError unmap_svm(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    struct mmb_opencl_range *range = (struct mmb_opencl_range *)(uintptr_t)memory->cookie;
    clSVMFree(mmb_opencl_of(backend)->objects.context, range->start);
    mmb_meta_free(range, sizeof *range);
    return MMB_OK;
}

const struct mmb_backend_ops mmb_opencl_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "opencl",
    .id = MMB_BACKEND_OPENCL,
    .places_by_domain = true,
    .serves = serves,
    .available = mmb_opencl_available,
    .open = open_buffers,
    .close = close_backend,
    .map = map_buffer,
    .unmap = unmap_buffer,
    .copy_in = mmb_opencl_copy_in,
    .copy_out = mmb_opencl_copy_out,
    .set = mmb_opencl_set,
    .copy = mmb_opencl_copy,
    .stream = &mmb_opencl_stream,
};

const struct mmb_backend_ops mmb_opencl_svm_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "opencl_svm",
    .id = MMB_BACKEND_OPENCL_SVM,
    .places_by_domain = true,
    .serves = serves,
    .available = mmb_opencl_available,
    .open = open_svm,
    .close = close_backend,
    .map = map_svm,
    .unmap = unmap_svm,
    .copy_in = mmb_opencl_copy_in,
    .copy_out = mmb_opencl_copy_out,
    .set = mmb_opencl_set,
    .copy = mmb_opencl_copy,
    .stream = &mmb_opencl_stream,
};
