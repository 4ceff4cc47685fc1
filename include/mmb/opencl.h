/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The OpenCL objects that an interface works with.
 *
 * An interface over #MMB_BACKEND_OPENCL or #MMB_BACKEND_OPENCL_SVM has a context, a device of it
 * and a command queue. A program that has those brings them here, so that its kernels can use the
 * memory; for whoever brings none the library makes its own. Read examples/gpu_opencl.c. <mmb.h>
 * does not include this header.
 *
 * The struct is read while mmb_create_interface() runs; context and queue are retained until the
 * interface is destroyed.
 */
#ifndef MMB_OPENCL_H
#define MMB_OPENCL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 200
#endif
#include <CL/cl.h>
#include <stddef.h>
#include <mmb/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What mmbBackendOptions::opencl points to. All members but `size` may be NULL. */
struct mmbOpenCLOptions {
    size_t size; /**< sizeof(mmbOpenCLOptions) */
    /** NULL: the queue's; without a queue the library's own for the device. */
    cl_context context;
    /** Copies run here, in its order; NULL: a queue of the interface's own. */
    cl_command_queue queue;
    /** NULL: the queue's, else the context's first, else the first GPU, accelerator or CPU. */
    cl_device_id device;
};

/** An mmbOpenCLOptions that leaves all to the library. */
#define MMB_OPENCL_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(mmbOpenCLOptions), 0, 0, 0                                                          \
    }

#ifdef __cplusplus
}
#endif

#endif
