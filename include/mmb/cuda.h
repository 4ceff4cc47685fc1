/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The CUDA device and stream that an interface works with.
 *
 * The CUDA backends use the driver's primary context of a device, the one that the CUDA runtime
 * uses too, so memory goes between them freely. Read examples/gpu_cuda.c.
 * <mmb.h> does not include this header.
 *
 * The struct is read while mmb_create_interface() runs. The stream stays the program's and must
 * outlive the interface.
 */
#ifndef MMB_CUDA_H
#define MMB_CUDA_H

#include <cuda.h>
#include <stddef.h>
#include <mmb/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What mmbBackendOptions::cuda points to. */
struct mmbCudaOptions {
    size_t size;     /**< sizeof(mmbCudaOptions) */
    int device;      /**< the driver's number of it; an allocation's domain wins */
    CUstream stream; /**< copies run here, in its order; NULL: the default stream */
};

/** An mmbCudaOptions for device 0 and its default stream. */
#define MMB_CUDA_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(mmbCudaOptions), 0, 0                                                               \
    }

#ifdef __cplusplus
}
#endif

#endif
