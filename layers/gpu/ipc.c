/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of a GPU's memory for other processes, and theirs here, for every runtime (runtime.h).
 * Owns the list of what an instance has opened, guarded by the instance's mutex: a runtime need not
 * take one handle twice. Only memory that the device alone has can be handed over so. */
#include <stdio.h>
#include <string.h>
#include "layers/gpu/runtime.h"
#include "src/base/error.h"
#include "src/base/meta.h"

struct import {
    struct mmb_list link;
    unsigned char handle[MMB_IPC_HANDLE_BYTES];
    char *start;
    size_t n_bytes, n_users;
};

static int describe(const struct mmb_gpu *gpu, char out[MMB_IPC_DEVICE_BYTES])
{
    char pci_id[MMB_PCI_ID_BYTES] = "";
    size_t n_bytes;
    int code = gpu->runtime->describe(gpu->device, pci_id, &n_bytes);
    memset(out, 0, MMB_IPC_DEVICE_BYTES);
    snprintf(out, MMB_IPC_DEVICE_BYTES, "%s", pci_id);
    return code;
}

/* ---- from here ---- */

mmbError mmb_gpu_ipc_export(struct mmb_backend *backend, const struct mmb_memory *memory,
                            struct mmb_ipc_range *out)
{
    static const char *const reasons[MMB_GPU_KINDS] = {
        [MMB_GPU_MANAGED] = "managed memory moves between host and device",
        [MMB_GPU_HOST] = "pinned host memory is no device's",
        [MMB_GPU_SHARED] = "its pages are shared with children only",
    };
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    struct mmb_ipc_range range = {.n_bytes = 0};
    uintptr_t state;
    if (reasons[gpu->kind])
        return mmb_fail(MMB_UNSUPPORTED, "%s backend: no handle for other processes: %s",
                        backend->ops->name, reasons[gpu->kind]);
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    size_t n_bytes;
    char *start = mmb_gpu_range_start(memory, &n_bytes);
    range.n_bytes = n_bytes;
    range.start = memory->address - (uintptr_t)start;
    int code = describe(gpu, range.device);
    if (code == 0)
        code = gpu->runtime->name_range(start, range.handle);
    if (code != 0)
        error = mmb_gpu_fail(gpu, code, "a handle for other processes", memory->n_bytes);
    else
        *out = range;
    gpu->runtime->leave(state);
    return error;
}

/* ---- to here ---- */

/* Mutex held. */
static struct import *find_handle(struct mmb_gpu *gpu, const struct mmb_ipc_range *range)
{
    MMB_LIST_FOR_EACH (node, &gpu->imports) {
        struct import *import = MMB_CONTAINER_OF(node, struct import, link);
        if (memcmp(import->handle, range->handle, sizeof import->handle) == 0)
            return import;
    }
    return NULL;
}

/* Mutex held. */
static struct import *find_address(struct mmb_gpu *gpu, uintptr_t address)
{
    MMB_LIST_FOR_EACH (node, &gpu->imports) {
        struct import *import = MMB_CONTAINER_OF(node, struct import, link);
        if (address - (uintptr_t)import->start < import->n_bytes)
            return import;
    }
    return NULL;
}

static mmbError refuse(const struct mmb_gpu *gpu, int code, const struct mmb_ipc_range *range)
{
    char text[MMB_GPU_TEXT_BYTES];
    if (!gpu->runtime->is_gone(code))
        return mmb_gpu_fail(gpu, code, "opening another process's range", (size_t)range->n_bytes);
    return mmb_fail(MMB_NOT_FOUND, "%s backend: the range of the other process is gone: %s",
                    gpu->base.ops->name, gpu->runtime->error_text(code, text));
}

/* Of one handle there can be exports that say different things, of which one may be right. */
static mmbError check_size(const struct mmb_gpu *gpu, const struct import *import,
                           const struct mmb_ipc_range *range)
{
    if (range->n_bytes <= import->n_bytes)
        return MMB_OK;
    return mmb_fail(MMB_CORRUPT, "%s backend: the other process's range has %zu B, not %zu",
                    gpu->base.ops->name, import->n_bytes, (size_t)range->n_bytes);
}

/* Entered, mutex held. */
static mmbError open_named(struct mmb_gpu *gpu, const struct mmb_ipc_range *range,
                           struct import **out)
{
    struct import *import = mmb_meta_alloc(sizeof *import);
    void *start = NULL;
    if (!import)
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s backend: no memory for its own data",
                        gpu->base.ops->name);
    mmbError error = MMB_OK;
    int code = gpu->runtime->open_named(range->handle, &start);
    if (code == 0)
        code = gpu->runtime->measure(start, &import->n_bytes);
    if (code != 0)
        error = refuse(gpu, code, range);
    else
        error = check_size(gpu, import, range);
    if (error != MMB_OK) {
        if (start)
            gpu->runtime->close_named(start);
        mmb_meta_free(import, sizeof *import);
        return error;
    }
    memcpy(import->handle, range->handle, sizeof import->handle);
    import->start = start;
    mmb_list_push_back(&gpu->imports, &import->link);
    *out = import;
    return MMB_OK;
}

/* Entered. */
static mmbError use(struct mmb_gpu *gpu, const struct mmb_ipc_range *range, uintptr_t *out_address)
{
    mmbError error = MMB_OK;
    mmb_mutex_lock(&gpu->mutex);
    struct import *import = find_handle(gpu, range);
    if (import)
        error = check_size(gpu, import, range);
    else
        error = open_named(gpu, range, &import);
    if (error == MMB_OK) {
        import->n_users++;
        *out_address = (uintptr_t)import->start + (uintptr_t)range->start;
    }
    mmb_mutex_unlock(&gpu->mutex);
    return error;
}

mmbError mmb_gpu_ipc_open(struct mmb_backend *backend, const struct mmb_ipc_range *range,
                          uintptr_t *out_address)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    char device[MMB_IPC_DEVICE_BYTES];
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    int code = describe(gpu, device);
    if (code != 0)
        error = mmb_gpu_fail(gpu, code, "asking the device's PCI id", 0);
    else if (memcmp(device, range->device, sizeof device) != 0)
        error = mmb_fail(MMB_INVALID_ARG, "%s backend: the range is device %.*s's, this is %s",
                         backend->ops->name, MMB_IPC_DEVICE_BYTES - 1, range->device, device);
    else
        error = use(gpu, range, out_address);
    gpu->runtime->leave(state);
    return error;
}

/* Mutex held. */
static void end(struct mmb_gpu *gpu, struct import *import)
{
    uintptr_t state;
    if (gpu->runtime->enter(gpu->device, gpu->context, &state) == 0) {
        gpu->runtime->close_named(import->start);
        gpu->runtime->leave(state);
    }
    mmb_list_remove(&import->link);
    mmb_meta_free(import, sizeof *import);
}

void mmb_gpu_ipc_close(struct mmb_backend *backend, uintptr_t address)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    mmb_mutex_lock(&gpu->mutex);
    struct import *import = find_address(gpu, address);
    MMB_ASSERT(import);
    if (import && --import->n_users == 0)
        end(gpu, import);
    mmb_mutex_unlock(&gpu->mutex);
}

void mmb_gpu_ipc_close_all(struct mmb_gpu *gpu)
{
    while (!mmb_list_is_empty(&gpu->imports))
        end(gpu, MMB_CONTAINER_OF(gpu->imports.next, struct import, link));
}
