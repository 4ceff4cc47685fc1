/* SPDX-License-Identifier: BSD-3-Clause */
/* HIP's runtime over the CUDA driver, as a library of its own: over the fake driver the HIP code is
 * tested without a GPU, over the real one on an NVIDIA GPU. Only what the library uses. Owns the
 * handle of the driver, which MMB_CUDA_LIBRARY names; each thread has a current device. */
#include <cuda.h>
#include <dlfcn.h>
#define __HIP_PLATFORM_AMD__ 1
#include <hip/hip_runtime_api.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORT         __attribute__((visibility("default")))
#define DEVICES_MAX    16
#define TEXT(name)     #name
#define EXPANDED(name) TEXT(name)

#define FUNCTIONS(X)                                                                               \
    X(cuInit)                                                                                      \
    X(cuDeviceGetCount)                                                                            \
    X(cuDeviceGet)                                                                                 \
    X(cuDeviceGetPCIBusId)                                                                         \
    X(cuDeviceTotalMem)                                                                            \
    X(cuDevicePrimaryCtxRetain)                                                                    \
    X(cuCtxPushCurrent)                                                                            \
    X(cuCtxPopCurrent)                                                                             \
    X(cuMemAlloc)                                                                                  \
    X(cuMemAllocManaged)                                                                           \
    X(cuMemFree)                                                                                   \
    X(cuMemHostAlloc)                                                                              \
    X(cuMemFreeHost)                                                                               \
    X(cuMemHostRegister)                                                                           \
    X(cuMemHostUnregister)                                                                         \
    X(cuMemGetAddressRange)                                                                        \
    X(cuIpcGetMemHandle)                                                                           \
    X(cuIpcOpenMemHandle)                                                                          \
    X(cuIpcCloseMemHandle)                                                                         \
    X(cuMemcpyAsync)                                                                               \
    X(cuMemcpy3DAsync)                                                                             \
    X(cuMemsetD8Async)                                                                             \
    X(cuStreamGetCtx)                                                                              \
    X(cuStreamSynchronize)                                                                         \
    X(cuStreamWaitEvent)                                                                           \
    X(cuEventCreate)                                                                               \
    X(cuEventRecord)                                                                               \
    X(cuEventQuery)                                                                                \
    X(cuEventSynchronize)                                                                          \
    X(cuEventDestroy)

#define MEMBER(name) static __typeof__(&name) p_##name;
FUNCTIONS(MEMBER)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int n_devices;
static __thread int current;
/* Each thread's last error, by a key: gcc 12's leak checker stumbles over a second thread-local
 * variable of a module. */
static pthread_key_t last_key;
static pthread_once_t last_once = PTHREAD_ONCE_INIT;

static void load(void)
{
    const char *file = getenv("MMB_CUDA_LIBRARY");
    void *driver = dlopen(file ? file : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver)
        return;
#define FIND(name)                                                                                 \
    if (!(*(void **)&p_##name = dlsym(driver, EXPANDED(name))))                                    \
        return;
    FUNCTIONS(FIND)
    if (p_cuInit(0) != CUDA_SUCCESS || p_cuDeviceGetCount(&n_devices) != CUDA_SUCCESS)
        n_devices = 0;
    if (n_devices > DEVICES_MAX)
        n_devices = DEVICES_MAX;
}

static hipError_t translate(CUresult code)
{
    switch (code) {
    case CUDA_SUCCESS:
        return hipSuccess;
    case CUDA_ERROR_OUT_OF_MEMORY:
        return hipErrorOutOfMemory;
    case CUDA_ERROR_NOT_READY:
        return hipErrorNotReady;
    case CUDA_ERROR_INVALID_VALUE:
        return hipErrorInvalidValue;
    case CUDA_ERROR_INVALID_HANDLE:
        return hipErrorInvalidHandle;
    case CUDA_ERROR_MAP_FAILED:
        return hipErrorMapFailed;
    case CUDA_ERROR_INVALID_CONTEXT:
        return hipErrorInvalidContext;
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
        return hipErrorContextIsDestroyed;
    case CUDA_ERROR_DEINITIALIZED:
        return hipErrorDeinitialized;
    default:
        return hipErrorUnknown;
    }
}

static void make_key(void)
{
    pthread_key_create(&last_key, NULL);
}

static void set_last(hipError_t code)
{
    pthread_once(&last_once, make_key);
    pthread_setspecific(last_key, (void *)(uintptr_t)code);
}

/* What is not success is the thread's last error, "not ready" too. */
static hipError_t told(hipError_t code)
{
    if (code != hipSuccess)
        set_last(code);
    return code;
}

static hipError_t of(CUresult code)
{
    return told(translate(code));
}

EXPORT hipError_t hipPeekAtLastError(void)
{
    pthread_once(&last_once, make_key);
    return (hipError_t)(uintptr_t)pthread_getspecific(last_key);
}

EXPORT hipError_t hipGetLastError(void)
{
    hipError_t code = hipPeekAtLastError();
    set_last(hipSuccess);
    return code;
}

/* The primary contexts of the devices that were used, held for good, as the CUDA runtime does. */
static CUcontext contexts[DEVICES_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Around each call: HIP's current device as the driver wants it. */
static CUresult enter(void)
{
    CUdevice device;
    CUresult code = CUDA_SUCCESS;
    pthread_mutex_lock(&mutex);
    if (!contexts[current]) {
        code = p_cuDeviceGet(&device, current);
        if (code == CUDA_SUCCESS)
            code = p_cuDevicePrimaryCtxRetain(&contexts[current], device);
    }
    pthread_mutex_unlock(&mutex);
    return code == CUDA_SUCCESS ? p_cuCtxPushCurrent(contexts[current]) : code;
}

static void leave(void)
{
    CUcontext context;
    p_cuCtxPopCurrent(&context);
}

#define IN_DEVICE(call)                                                                            \
    do {                                                                                           \
        CUresult code = enter();                                                                   \
        if (code != CUDA_SUCCESS)                                                                  \
            return of(code);                                                                       \
        code = (call);                                                                             \
        leave();                                                                                   \
        return of(code);                                                                           \
    } while (0)

EXPORT hipError_t hipGetDeviceCount(int *out)
{
    pthread_once(&once, load);
    *out = n_devices;
    return told(n_devices > 0 ? hipSuccess : hipErrorNoDevice);
}

EXPORT const char *hipGetErrorName(hipError_t code)
{
    return code == hipErrorOutOfMemory          ? "hipErrorOutOfMemory"
           : code == hipErrorNoDevice           ? "hipErrorNoDevice"
           : code == hipErrorInvalidValue       ? "hipErrorInvalidValue"
           : code == hipErrorContextIsDestroyed ? "hipErrorContextIsDestroyed"
                                                : "hipErrorUnknown";
}

EXPORT const char *hipGetErrorString(hipError_t code)
{
    return code == hipErrorNoDevice ? "no device behind the CUDA driver"
                                    : "the CUDA driver said no";
}

EXPORT hipError_t hipDeviceGetPCIBusId(char *out, int length, int device)
{
    CUdevice of_cuda;
    CUresult code = p_cuDeviceGet(&of_cuda, device);
    return of(code == CUDA_SUCCESS ? p_cuDeviceGetPCIBusId(out, length, of_cuda) : code);
}

EXPORT hipError_t hipDeviceTotalMem(size_t *out, hipDevice_t device)
{
    CUdevice of_cuda;
    CUresult code = p_cuDeviceGet(&of_cuda, device);
    return of(code == CUDA_SUCCESS ? p_cuDeviceTotalMem(out, of_cuda) : code);
}

EXPORT hipError_t hipGetDevice(int *out)
{
    *out = current;
    return hipSuccess;
}

EXPORT hipError_t hipSetDevice(int device)
{
    if (device < 0 || device >= n_devices)
        return told(hipErrorInvalidDevice);
    current = device;
    return hipSuccess;
}

EXPORT hipError_t hipMalloc(void **out, size_t n_bytes)
{
    IN_DEVICE(p_cuMemAlloc((CUdeviceptr *)out, n_bytes));
}

EXPORT hipError_t hipMallocManaged(void **out, size_t n_bytes, unsigned int flags)
{
    (void)flags;
    IN_DEVICE(p_cuMemAllocManaged((CUdeviceptr *)out, n_bytes, CU_MEM_ATTACH_GLOBAL));
}

EXPORT hipError_t hipFree(void *address)
{
    IN_DEVICE(p_cuMemFree((CUdeviceptr)(uintptr_t)address));
}

EXPORT hipError_t hipHostMalloc(void **out, size_t n_bytes, unsigned int flags)
{
    (void)flags;
    IN_DEVICE(p_cuMemHostAlloc(out, n_bytes, CU_MEMHOSTALLOC_PORTABLE));
}

EXPORT hipError_t hipHostFree(void *address)
{
    IN_DEVICE(p_cuMemFreeHost(address));
}

EXPORT hipError_t hipHostRegister(void *address, size_t n_bytes, unsigned int flags)
{
    (void)flags;
    IN_DEVICE(p_cuMemHostRegister(address, n_bytes, CU_MEMHOSTREGISTER_PORTABLE));
}

EXPORT hipError_t hipHostUnregister(void *address)
{
    IN_DEVICE(p_cuMemHostUnregister(address));
}

EXPORT hipError_t hipMemGetAddressRange(hipDeviceptr_t *out, size_t *out_bytes, hipDeviceptr_t at)
{
    IN_DEVICE(p_cuMemGetAddressRange((CUdeviceptr *)out, out_bytes, (CUdeviceptr)(uintptr_t)at));
}

EXPORT hipError_t hipIpcGetMemHandle(hipIpcMemHandle_t *out, void *address)
{
    IN_DEVICE(p_cuIpcGetMemHandle((CUipcMemHandle *)out, (CUdeviceptr)(uintptr_t)address));
}

EXPORT hipError_t hipIpcOpenMemHandle(void **out, hipIpcMemHandle_t handle, unsigned int flags)
{
    CUipcMemHandle native;
    __builtin_memcpy(&native, &handle, sizeof native);
    if (flags != hipIpcMemLazyEnablePeerAccess)
        return hipErrorInvalidValue;
    IN_DEVICE(p_cuIpcOpenMemHandle((CUdeviceptr *)out, native, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
}

EXPORT hipError_t hipIpcCloseMemHandle(void *address)
{
    IN_DEVICE(p_cuIpcCloseMemHandle((CUdeviceptr)(uintptr_t)address));
}

EXPORT hipError_t hipMemcpyAsync(void *to, const void *from, size_t n_bytes, hipMemcpyKind kind,
                                 hipStream_t stream)
{
    (void)kind;
    IN_DEVICE(p_cuMemcpyAsync((CUdeviceptr)(uintptr_t)to, (CUdeviceptr)(uintptr_t)from, n_bytes,
                              (CUstream)stream));
}

EXPORT hipError_t hipMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                                   size_t width, size_t height, hipMemcpyKind kind,
                                   hipStream_t stream)
{
    bool from_host = kind == hipMemcpyHostToDevice || kind == hipMemcpyHostToHost;
    bool to_host = kind == hipMemcpyDeviceToHost || kind == hipMemcpyHostToHost;
    const CUDA_MEMCPY3D box = {
        .srcMemoryType = from_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_UNIFIED,
        .srcHost = from,
        .srcDevice = (CUdeviceptr)(uintptr_t)from,
        .srcPitch = from_pitch,
        .dstMemoryType = to_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_UNIFIED,
        .dstHost = to,
        .dstDevice = (CUdeviceptr)(uintptr_t)to,
        .dstPitch = to_pitch,
        .WidthInBytes = width,
        .Height = height,
        .Depth = 1};
    IN_DEVICE(p_cuMemcpy3DAsync(&box, (CUstream)stream));
}

EXPORT hipError_t hipMemsetAsync(void *to, int value, size_t n_bytes, hipStream_t stream)
{
    IN_DEVICE(p_cuMemsetD8Async((CUdeviceptr)(uintptr_t)to, (unsigned char)value, n_bytes,
                                (CUstream)stream));
}

/* Of a device that was used. Newer than the oldest headers. */
hipError_t hipStreamGetDevice(hipStream_t stream, hipDevice_t *out);
EXPORT hipError_t hipStreamGetDevice(hipStream_t stream, hipDevice_t *out)
{
    CUcontext context = NULL;
    CUresult code = p_cuStreamGetCtx((CUstream)stream, &context);
    for (int i = 0; code == CUDA_SUCCESS && i < n_devices; i++)
        if (contexts[i] == context) {
            *out = i;
            return hipSuccess;
        }
    return of(code == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : code);
}

EXPORT hipError_t hipStreamSynchronize(hipStream_t stream)
{
    IN_DEVICE(p_cuStreamSynchronize((CUstream)stream));
}

EXPORT hipError_t hipStreamWaitEvent(hipStream_t stream, hipEvent_t event, unsigned int flags)
{
    IN_DEVICE(p_cuStreamWaitEvent((CUstream)stream, (CUevent)event, flags));
}

EXPORT hipError_t hipEventCreateWithFlags(hipEvent_t *out, unsigned int flags)
{
    (void)flags;
    IN_DEVICE(p_cuEventCreate((CUevent *)out, CU_EVENT_DISABLE_TIMING));
}

EXPORT hipError_t hipEventRecord(hipEvent_t event, hipStream_t stream)
{
    IN_DEVICE(p_cuEventRecord((CUevent)event, (CUstream)stream));
}

EXPORT hipError_t hipEventQuery(hipEvent_t event)
{
    IN_DEVICE(p_cuEventQuery((CUevent)event));
}

EXPORT hipError_t hipEventSynchronize(hipEvent_t event)
{
    IN_DEVICE(p_cuEventSynchronize((CUevent)event));
}

EXPORT hipError_t hipEventDestroy(hipEvent_t event)
{
    IN_DEVICE(p_cuEventDestroy((CUevent)event));
}
