/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_CUDA_DRIVER_H
#define MMB_LAYERS_CUDA_DRIVER_H
/* The functions of the CUDA driver that are used, found at run time. A program that is linked to
 * this library runs where there is no driver. */
#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include "layers/gpu/library.h"

/* cuda.h makes cuMemAlloc a macro for cuMemAlloc_v2 and so on: each name is expanded where it is
 * looked up, so the version is always the one that the headers declare. */
#define MMB_CUDA_FUNCTIONS(X)                                                                      \
    X(cuInit)                                                                                      \
    X(cuGetErrorName)                                                                              \
    X(cuGetErrorString)                                                                            \
    X(cuDeviceGetCount)                                                                            \
    X(cuDeviceGet)                                                                                 \
    X(cuDeviceGetAttribute)                                                                        \
    X(cuDeviceGetPCIBusId)                                                                         \
    X(cuDeviceTotalMem)                                                                            \
    X(cuDevicePrimaryCtxRetain)                                                                    \
    X(cuDevicePrimaryCtxRelease)                                                                   \
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
    X(cuMemcpy3DPeerAsync)                                                                         \
    X(cuMemsetD8Async)                                                                             \
    X(cuStreamGetCtx)                                                                              \
    X(cuStreamSynchronize)                                                                         \
    X(cuStreamWaitEvent)                                                                           \
    X(cuEventCreate)                                                                               \
    X(cuEventRecord)                                                                               \
    X(cuEventQuery)                                                                                \
    X(cuEventSynchronize)                                                                          \
    X(cuEventDestroy)

struct mmb_cuda_driver {
#define MMB_CUDA_MEMBER(name) __typeof__(&name) p_##name;
    MMB_CUDA_FUNCTIONS(MMB_CUDA_MEMBER)
#undef MMB_CUDA_MEMBER
};

/* Valid after mmb_cuda_load has given MMB_OK once. */
extern struct mmb_cuda_driver mmb_cuda;

/* Loads libcuda.so.1, or what MMB_CUDA_LIBRARY names; the first call decides. MMB_UNSUPPORTED. */
mmbError mmb_cuda_load(size_t *out_n_devices);
/* A device of it may be here (mmb_gpu_library_is_seen). */
bool mmb_cuda_is_seen(void);
/* "CUDA_ERROR_OUT_OF_MEMORY: out of memory" */
const char *mmb_cuda_error_text(int code, char text[MMB_GPU_TEXT_BYTES]);

#endif
