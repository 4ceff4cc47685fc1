/* SPDX-License-Identifier: BSD-3-Clause */
/* A CUDA driver without a GPU, as a library of its own. Device addresses are reserved and may not
 * be touched, so that a stray access by the host faults as it does with a real device; the driver
 * itself reaches the bytes through a second mapping. Streams are queues that tests can hold. Owns
 * everything it gives; one mutex guards all.
 *
 * MMB_FAKE_CUDA_DEVICES (2) and MMB_FAKE_CUDA_BYTES (64 MiB; with commas: of each device, the last
 * number of all that follow) say what there is. */
#include "tests/support/fake_cuda.h"
#include "tests/support/fake_cuda_parts.h"
#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES_MAX 8
#define DEPTH_MAX   16

struct CUctx_st {
    int n_retained;
    bool is_destroyed;
    size_t n_used;
};

pthread_mutex_t fake_cuda_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct CUctx_st contexts[DEVICES_MAX];
struct fake_cuda_range *fake_cuda_ranges;
static int n_devices;
static size_t device_bytes[DEVICES_MAX];
static size_t n_pageable;
static int fail_code, fail_after = -1;
static __thread CUcontext stack[DEPTH_MAX];
static __thread size_t depth;

/* ---- devices and contexts ---- */

static size_t number_of(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

static void read_bytes(const char *text)
{
    size_t n_bytes = (size_t)64 << 20;
    for (size_t i = 0; i < DEVICES_MAX; i++) {
        char *end = NULL;
        if (text && *text)
            n_bytes = (size_t)strtoull(text, &end, 10);
        device_bytes[i] = n_bytes;
        text = end && *end == ',' ? end + 1 : NULL;
    }
}

EXPORT CUresult cuInit(unsigned int flags)
{
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    n_devices = (int)number_of("MMB_FAKE_CUDA_DEVICES", 2);
    read_bytes(getenv("MMB_FAKE_CUDA_BYTES"));
    return n_devices > 0 && n_devices <= DEVICES_MAX ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

EXPORT CUresult cuGetErrorName(CUresult code, const char **out)
{
    *out = code == CUDA_ERROR_OUT_OF_MEMORY          ? "CUDA_ERROR_OUT_OF_MEMORY"
           : code == CUDA_ERROR_NO_DEVICE            ? "CUDA_ERROR_NO_DEVICE"
           : code == CUDA_ERROR_INVALID_VALUE        ? "CUDA_ERROR_INVALID_VALUE"
           : code == CUDA_ERROR_CONTEXT_IS_DESTROYED ? "CUDA_ERROR_CONTEXT_IS_DESTROYED"
           : code == CUDA_ERROR_ILLEGAL_ADDRESS      ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                                     : "CUDA_ERROR_UNKNOWN";
    return CUDA_SUCCESS;
}

EXPORT CUresult cuGetErrorString(CUresult code, const char **out)
{
    *out = code == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "the fake driver says no";
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int *out)
{
    *out = n_devices;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice *out, int number)
{
    if (number < 0 || number >= n_devices)
        return CUDA_ERROR_INVALID_DEVICE;
    *out = number;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem(size_t *out, CUdevice device)
{
    *out = device_bytes[device];
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char *out, int length, CUdevice device)
{
    (void)device;
    strncpy(out, "no device: the tests' stand-in for a driver", (size_t)length);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int *out)
{
    *out = CUDA_VERSION;
    return CUDA_SUCCESS;
}

/* MMB_FAKE_CUDA_INTEGRATED is the number of a device that has no memory of its own. */
EXPORT CUresult cuDeviceGetAttribute(int *out, CUdevice_attribute attribute, CUdevice device)
{
    if (attribute != CU_DEVICE_ATTRIBUTE_INTEGRATED)
        return CUDA_ERROR_INVALID_VALUE;
    *out = number_of("MMB_FAKE_CUDA_INTEGRATED", DEVICES_MAX) == (size_t)device;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetPCIBusId(char *out, int length, CUdevice device)
{
    static const char ids[DEVICES_MAX][16] = {"0000:81:00.0", "0000:82:00.0", "0000:83:00.0",
                                              "0000:84:00.0", "0000:85:00.0", "0000:86:00.0",
                                              "0000:87:00.0", "0000:88:00.0"};
    strncpy(out, ids[device], (size_t)length);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice device)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    if (contexts[device].n_retained++ == 0)
        contexts[device].is_destroyed = false;
    pthread_mutex_unlock(&fake_cuda_mutex);
    *out = &contexts[device];
    return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice device)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    bool had = contexts[device].n_retained > 0;
    contexts[device].n_retained -= had;
    pthread_mutex_unlock(&fake_cuda_mutex);
    return had ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

EXPORT CUresult cuCtxPushCurrent(CUcontext context)
{
    if (!context || context->n_retained == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (context->is_destroyed)
        return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (depth == DEPTH_MAX)
        return CUDA_ERROR_OUT_OF_MEMORY;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxPopCurrent(CUcontext *out)
{
    if (depth == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    *out = stack[--depth];
    return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext *out)
{
    *out = depth > 0 ? stack[depth - 1] : NULL;
    return CUDA_SUCCESS;
}

CUresult fake_cuda_begin(void)
{
    if (depth == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (fail_after >= 0 && fail_after-- == 0)
        return (CUresult)fail_code;
    return CUDA_SUCCESS;
}

CUcontext fake_cuda_current(void)
{
    return depth > 0 ? stack[depth - 1] : &contexts[0];
}

int fake_cuda_number(CUcontext context)
{
    return (int)(context - contexts);
}

int fake_cuda_device(void)
{
    return fake_cuda_number(fake_cuda_current());
}

/* ---- memory ---- */

struct fake_cuda_range **fake_cuda_find(const void *address)
{
    struct fake_cuda_range **at = &fake_cuda_ranges;
    while (*at && !((const char *)address >= (*at)->address &&
                    (const char *)address < (*at)->address + (*at)->n_mapped))
        at = &(*at)->next;
    return at;
}

void fake_cuda_end(struct fake_cuda_range **at)
{
    struct fake_cuda_range *range = *at;
    *at = range->next;
    if (range->kind == FAKE_CUDA_DEVICE) {
        fake_cuda_file_end(range);
        contexts[range->device].n_used -= range->n_bytes;
    }
    if (range->kind == FAKE_CUDA_DEVICE || range->kind == FAKE_CUDA_IMPORTED)
        munmap(range->address, range->n_mapped);
    if (range->kind != FAKE_CUDA_PINNED)
        munmap(range->bytes, range->n_mapped);
    free(range);
}

bool fake_cuda_map(struct fake_cuda_range *range, int file, off_t offset)
{
    bool is_device = range->kind == FAKE_CUDA_DEVICE || range->kind == FAKE_CUDA_IMPORTED;
    void *bytes, *address;
    bytes = mmap(NULL, range->n_mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
    address = bytes;
    if (bytes != MAP_FAILED && is_device)
        address = mmap(NULL, range->n_mapped, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    range->bytes = bytes;
    range->address = address;
    if (bytes != MAP_FAILED && address == MAP_FAILED)
        munmap(bytes, range->n_mapped);
    return bytes != MAP_FAILED && address != MAP_FAILED;
}

/* Device memory lies in the device's file, where another process finds it. */
static bool map_bytes(struct fake_cuda_range *range)
{
    if (range->kind == FAKE_CUDA_DEVICE)
        return fake_cuda_file_map(range);
    int file = memfd_create("fake-cuda", MFD_CLOEXEC);
    if (file < 0)
        return false;
    bool is_mapped = ftruncate(file, (off_t)range->n_mapped) == 0 && fake_cuda_map(range, file, 0);
    close(file);
    return is_mapped;
}

/* Mutex held, begun. */
static CUresult make(enum fake_cuda_kind kind, size_t n_bytes, void **out)
{
    CUcontext context = stack[depth - 1];
    if (n_bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (n_bytes > SIZE_MAX / 2 ||
        (kind == FAKE_CUDA_DEVICE && n_bytes > device_bytes[context - contexts] - context->n_used))
        return CUDA_ERROR_OUT_OF_MEMORY;
    struct fake_cuda_range *range = calloc(1, sizeof *range);
    *range = (struct fake_cuda_range){.kind = kind,
                                      .device = (int)(context - contexts),
                                      .n_bytes = n_bytes,
                                      .n_mapped = (n_bytes + 4095) / 4096 * 4096};
    if (!map_bytes(range)) {
        free(range);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (kind == FAKE_CUDA_DEVICE)
        context->n_used += n_bytes;
    range->next = fake_cuda_ranges;
    fake_cuda_ranges = range;
    *out = range->address;
    return CUDA_SUCCESS;
}

static CUresult allocate(enum fake_cuda_kind kind, size_t n_bytes, void **out)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS)
        code = make(kind, n_bytes, out);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

static CUresult release(bool is_host, const void *address)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    struct fake_cuda_range **at = fake_cuda_find(address);
    if (code == CUDA_SUCCESS &&
        (!*at || (*at)->address != address || (*at)->kind == FAKE_CUDA_PINNED ||
         (*at)->kind == FAKE_CUDA_IMPORTED || ((*at)->kind == FAKE_CUDA_HOST) != is_host))
        code = CUDA_ERROR_INVALID_VALUE;
    if (code == CUDA_SUCCESS)
        fake_cuda_end(at);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuMemAlloc(CUdeviceptr *out, size_t n_bytes)
{
    return allocate(FAKE_CUDA_DEVICE, n_bytes, (void **)out);
}

EXPORT CUresult cuMemAllocManaged(CUdeviceptr *out, size_t n_bytes, unsigned int flags)
{
    return flags == CU_MEM_ATTACH_GLOBAL ? allocate(FAKE_CUDA_MANAGED, n_bytes, (void **)out)
                                         : CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuMemFree(CUdeviceptr address)
{
    return release(false, (const void *)(uintptr_t)address);
}

EXPORT CUresult cuMemHostAlloc(void **out, size_t n_bytes, unsigned int flags)
{
    (void)flags;
    return allocate(FAKE_CUDA_HOST, n_bytes, out);
}

EXPORT CUresult cuMemFreeHost(void *address)
{
    return release(true, address);
}

EXPORT CUresult cuMemHostRegister(void *address, size_t n_bytes, unsigned int flags)
{
    (void)flags;
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS && *fake_cuda_find(address))
        code = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    if (code == CUDA_SUCCESS) {
        struct fake_cuda_range *range = calloc(1, sizeof *range);
        *range = (struct fake_cuda_range){.next = fake_cuda_ranges,
                                          .kind = FAKE_CUDA_PINNED,
                                          .address = address,
                                          .bytes = address,
                                          .n_bytes = n_bytes,
                                          .n_mapped = n_bytes};
        fake_cuda_ranges = range;
    }
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuMemHostUnregister(void *address)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    struct fake_cuda_range **at = fake_cuda_find(address);
    if (code == CUDA_SUCCESS &&
        (!*at || (*at)->kind != FAKE_CUDA_PINNED || (*at)->address != address))
        code = CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    if (code == CUDA_SUCCESS)
        fake_cuda_end(at);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuDevicePrimaryCtxReset(CUdevice device)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    for (struct fake_cuda_range **at = &fake_cuda_ranges; *at;) {
        if ((*at)->kind == FAKE_CUDA_DEVICE && (*at)->device == device)
            fake_cuda_end(at);
        else
            at = &(*at)->next;
    }
    fake_cuda_drop_context(&contexts[device]);
    contexts[device].is_destroyed = true;
    pthread_mutex_unlock(&fake_cuda_mutex);
    return CUDA_SUCCESS;
}

char *fake_cuda_reach(const void *address, size_t n_bytes, bool is_device)
{
    struct fake_cuda_range *range = *fake_cuda_find(address);
    if (!range) {
        n_pageable += !is_device && n_bytes >= 4096;
        return is_device ? NULL : (char *)(uintptr_t)address;
    }
    size_t offset = (size_t)((const char *)address - range->address);
    if (offset > range->n_bytes || n_bytes > range->n_bytes - offset)
        return NULL;
    return range->bytes + offset;
}

/* ---- for tests ---- */

static size_t count_ranges(void)
{
    size_t n = 0;
    pthread_mutex_lock(&fake_cuda_mutex);
    for (const struct fake_cuda_range *range = fake_cuda_ranges; range; range = range->next)
        n++;
    pthread_mutex_unlock(&fake_cuda_mutex);
    return n;
}

static size_t count_events(void)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    size_t n = fake_cuda_events();
    pthread_mutex_unlock(&fake_cuda_mutex);
    return n;
}

static size_t count_retained(void)
{
    size_t n = 0;
    for (int i = 0; i < DEVICES_MAX; i++)
        n += (size_t)contexts[i].n_retained;
    return n;
}

static size_t count_pageable(void)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    size_t n = n_pageable;
    pthread_mutex_unlock(&fake_cuda_mutex);
    return n;
}

static size_t get_depth(void)
{
    return depth;
}

static void *get_bytes(const void *address, size_t n_bytes)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    void *bytes = fake_cuda_reach(address, n_bytes, true);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return bytes;
}

static void fail(int code, int n_good)
{
    fail_code = code;
    fail_after = n_good;
}

static void hold(void *stream)
{
    fake_cuda_set_held(stream, true);
}

static void let_go(void *stream)
{
    fake_cuda_set_held(stream, false);
}

EXPORT extern const struct fake_cuda_control fake_cuda_control;
const struct fake_cuda_control fake_cuda_control = {
    .live_ranges = count_ranges,
    .live_events = count_events,
    .retained = count_retained,
    .pageable_copies = count_pageable,
    .depth = get_depth,
    .bytes = get_bytes,
    .fail = fail,
    .hold = hold,
    .let_go = let_go,
};
