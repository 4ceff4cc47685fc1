/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The HIP device and stream that an interface works with.
 *
 * Memory of the HIP backends is the HIP runtime's own and goes between it and a program freely.
 * <mmb.h> does not include this header; a program that does says which platform it is for, as HIP
 * demands (__HIP_PLATFORM_AMD__).
 *
 * The struct is read while mmb_create_interface() runs. The stream stays the program's and must
 * outlive the interface.
 */
#ifndef MMB_HIP_H
#define MMB_HIP_H

#include <hip/hip_runtime_api.h>
#include <stddef.h>
#include <mmb/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What mmbBackendOptions::hip points to. */
struct mmbHipOptions {
    size_t size;        /**< sizeof(mmbHipOptions) */
    int device;         /**< HIP's number of it; an allocation's domain wins */
    hipStream_t stream; /**< copies run here, in its order; NULL: the default stream */
};

/** An mmbHipOptions for device 0 and its default stream. */
#define MMB_HIP_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(mmbHipOptions), 0, 0                                                                \
    }

#ifdef __cplusplus
}
#endif

#endif
