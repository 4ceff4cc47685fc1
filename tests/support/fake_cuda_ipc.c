/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the fake driver's device memory lies, and how another process with the fake finds it. Each
 * device has one file without a name; a range is a part of it behind a page with the range's mark,
 * which goes when the range is freed. A handle names process, file, place and mark. Everything
 * under the driver's mutex. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/support/fake_cuda_parts.h"

#define FILES_MAX 8
#define HEAD      4096

struct handle {
    uint64_t id;
    int64_t process;
    int64_t place;
    uint64_t n_bytes;
    int32_t file, device;
};
_Static_assert(sizeof(struct handle) <= sizeof(CUipcMemHandle), "a handle has room");

/* A forked child has files of its own. */
static struct {
    pid_t owner;
    int file;
    off_t end;
} files[FILES_MAX];
static uint64_t last_id;

/* ---- the device's file ---- */

static bool open_file(int device)
{
    if (files[device].owner == getpid())
        return true;
    int file = memfd_create("fake-cuda-device", MFD_CLOEXEC);
    if (file < 0)
        return false;
    files[device].owner = getpid();
    files[device].file = file;
    files[device].end = 0;
    return true;
}

bool fake_cuda_file_map(struct fake_cuda_range *range)
{
    if (!open_file(range->device))
        return false;
    int file = files[range->device].file;
    off_t place = files[range->device].end + HEAD, end = place + (off_t)range->n_mapped;
    range->id = (uint64_t)getpid() << 32 | ++last_id;
    const uint64_t head[2] = {range->id, range->n_bytes};
    if (ftruncate(file, end) != 0 || pwrite(file, head, sizeof head, place - HEAD) != sizeof head ||
        !fake_cuda_map(range, file, place))
        return false;
    range->place = place;
    files[range->device].end = end;
    return true;
}

/* A parent's range is not the child's to end. */
void fake_cuda_file_end(const struct fake_cuda_range *range)
{
    if (files[range->device].owner == getpid() && range->id >> 32 == (uint64_t)getpid())
        (void)!fallocate(files[range->device].file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         range->place - HEAD, HEAD + (off_t)range->n_mapped);
}

/* ---- handles ---- */

static CUresult name(const struct fake_cuda_range *range, CUipcMemHandle *out)
{
    if (!range || range->kind != FAKE_CUDA_DEVICE)
        return CUDA_ERROR_INVALID_VALUE;
    const struct handle handle = {.id = range->id,
                                  .process = getpid(),
                                  .place = range->place,
                                  .n_bytes = range->n_bytes,
                                  .file = files[range->device].file,
                                  .device = range->device};
    memset(out, 0, sizeof *out);
    memcpy(out, &handle, sizeof handle);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuIpcGetMemHandle(CUipcMemHandle *out, CUdeviceptr address)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS)
        code = name(*fake_cuda_find((const void *)(uintptr_t)address), out);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

static struct fake_cuda_range *find_open(uint64_t id)
{
    struct fake_cuda_range *range = fake_cuda_ranges;
    while (range && !(range->kind == FAKE_CUDA_IMPORTED && range->id == id))
        range = range->next;
    return range;
}

static CUresult map(const struct handle *handle, int file, CUdeviceptr *out)
{
    uint64_t head[2] = {0, 0};
    if (pread(file, head, sizeof head, handle->place - HEAD) != sizeof head ||
        head[0] != handle->id || head[1] != handle->n_bytes)
        return CUDA_ERROR_INVALID_HANDLE;
    struct fake_cuda_range *range = calloc(1, sizeof *range);
    *range = (struct fake_cuda_range){.kind = FAKE_CUDA_IMPORTED,
                                      .device = handle->device,
                                      .n_bytes = handle->n_bytes,
                                      .n_mapped = (handle->n_bytes + 4095) / 4096 * 4096,
                                      .id = handle->id,
                                      .n_opens = 1};
    if (!fake_cuda_map(range, file, handle->place)) {
        free(range);
        return CUDA_ERROR_MAP_FAILED;
    }
    range->next = fake_cuda_ranges;
    fake_cuda_ranges = range;
    *out = (CUdeviceptr)(uintptr_t)range->address;
    return CUDA_SUCCESS;
}

/* Begun. */
static CUresult open_handle(const struct handle *handle, CUdeviceptr *out)
{
    char path[64];
    struct fake_cuda_range *open_already = find_open(handle->id);
    if (handle->process == getpid())
        return CUDA_ERROR_INVALID_CONTEXT;
    if (handle->device != fake_cuda_device())
        return CUDA_ERROR_INVALID_VALUE;
    if (open_already) {
        open_already->n_opens++;
        *out = (CUdeviceptr)(uintptr_t)open_already->address;
        return CUDA_SUCCESS;
    }
    snprintf(path, sizeof path, "/proc/%lld/fd/%d", (long long)handle->process, handle->file);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return CUDA_ERROR_INVALID_HANDLE;
    CUresult code = map(handle, file, out);
    close(file);
    return code;
}

EXPORT CUresult cuIpcOpenMemHandle(CUdeviceptr *out, CUipcMemHandle native, unsigned int flags)
{
    struct handle handle;
    memcpy(&handle, &native, sizeof handle);
    if (flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS)
        code = open_handle(&handle, out);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuIpcCloseMemHandle(CUdeviceptr address)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    struct fake_cuda_range **at = fake_cuda_find((const void *)(uintptr_t)address);
    if (code == CUDA_SUCCESS && (!*at || (*at)->kind != FAKE_CUDA_IMPORTED))
        code = CUDA_ERROR_INVALID_VALUE;
    if (code == CUDA_SUCCESS && --(*at)->n_opens == 0)
        fake_cuda_end(at);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuMemGetAddressRange(CUdeviceptr *out, size_t *out_bytes, CUdeviceptr address)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    const struct fake_cuda_range *range = *fake_cuda_find((const void *)(uintptr_t)address);
    if (code == CUDA_SUCCESS && !range)
        code = CUDA_ERROR_NOT_FOUND;
    if (code == CUDA_SUCCESS) {
        *out = (CUdeviceptr)(uintptr_t)range->address;
        *out_bytes = range->n_bytes;
    }
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}
