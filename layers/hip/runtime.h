/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HIP_RUNTIME_H
#define MMB_LAYERS_HIP_RUNTIME_H
/* The functions of HIP's runtime that are used, found at run time. Only what kept its name and its
 * shape from HIP 4 to 7: no device properties, no memory types. */
#include <hip/hip_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include "layers/gpu/library.h"

#define MMB_HIP_FUNCTIONS(X)                                                                       \
    X(hipGetDeviceCount)                                                                           \
    X(hipGetErrorName)                                                                             \
    X(hipGetErrorString)                                                                           \
    X(hipDeviceGetPCIBusId)                                                                        \
    X(hipDeviceTotalMem)                                                                           \
    X(hipGetDevice)                                                                                \
    X(hipGetLastError)                                                                             \
    X(hipPeekAtLastError)                                                                          \
    X(hipSetDevice)                                                                                \
    X(hipMallocManaged)                                                                            \
    X(hipFree)                                                                                     \
    X(hipHostMalloc)                                                                               \
    X(hipHostFree)                                                                                 \
    X(hipHostRegister)                                                                             \
    X(hipHostUnregister)                                                                           \
    X(hipMemGetAddressRange)                                                                       \
    X(hipIpcGetMemHandle)                                                                          \
    X(hipIpcOpenMemHandle)                                                                         \
    X(hipIpcCloseMemHandle)                                                                        \
    X(hipMemcpyAsync)                                                                              \
    X(hipMemcpy2DAsync)                                                                            \
    X(hipMemsetAsync)                                                                              \
    X(hipStreamSynchronize)                                                                        \
    X(hipStreamWaitEvent)                                                                          \
    X(hipEventCreateWithFlags)                                                                     \
    X(hipEventRecord)                                                                              \
    X(hipEventQuery)                                                                               \
    X(hipEventSynchronize)                                                                         \
    X(hipEventDestroy)

struct mmb_hip_runtime {
#define MMB_HIP_MEMBER(name) __typeof__(&name) p_##name;
    MMB_HIP_FUNCTIONS(MMB_HIP_MEMBER)
#undef MMB_HIP_MEMBER
    /* Named apart: the header overloads it for C++. */
    hipError_t (*p_hipMalloc)(void **out, size_t n_bytes);
    /* Newer than the oldest headers; NULL where the runtime has it not. */
    hipError_t (*p_hipStreamGetDevice)(hipStream_t stream, int *out_device);
};

/* Valid after mmb_hip_load has given MMB_OK once. */
extern struct mmb_hip_runtime mmb_hip;

/* Loads the libamdhip64 of the headers' major version, else of another, or what MMB_HIP_LIBRARY
 * names; the first call decides. MMB_UNSUPPORTED. */
mmbError mmb_hip_load(size_t *out_n_devices);
/* HIP keeps the last error of a thread, which programs ask for after their kernels. Around calls of
 * the library: one that is none of theirs is not left behind. */
bool mmb_hip_has_no_error(void);
void mmb_hip_drop_error(bool had_no_error);
/* A device of it may be here (mmb_gpu_library_is_seen). */
bool mmb_hip_is_seen(void);
/* "hipErrorOutOfMemory (2): out of memory" */
const char *mmb_hip_error_text(int code, char text[MMB_GPU_TEXT_BYTES]);

#endif
