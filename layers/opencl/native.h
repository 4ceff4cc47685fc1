/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_OPENCL_NATIVE_H
#define MMB_LAYERS_OPENCL_NATIVE_H
/* Devices, contexts and errors of OpenCL. */
#include <stdbool.h>
#include <stddef.h>
#include <mmb/opencl.h>

#define MMB_OPENCL_TEXT_BYTES 64

/* Writes "CL_OUT_OF_RESOURCES (-5)" and gives it back. */
const char *mmb_opencl_error_text(char text[MMB_OPENCL_TEXT_BYTES], cl_int code);

/* mmb_fail with the code's text, MMB_OUT_OF_MEMORY for what a device or host that is full says. */
mmbError mmb_opencl_fail(cl_int code, const char *what, size_t n_bytes);

/* Is any device there? MMB_UNSUPPORTED with the native cause. */
mmbError mmb_opencl_available(void);

/* GPUs over all platforms, in the order in which they are numbered; at most `capacity` are written.
 * MMB_UNSUPPORTED with the native cause where there is no platform. */
mmbError mmb_opencl_list_gpus(cl_device_id *devices, size_t capacity, size_t *out_n_devices);

/* The number of a GPU in that order. False: it is none. */
bool mmb_opencl_gpu_number(cl_device_id device, int *out_number);

/* The objects of one interface: a context and a queue, both retained, and the device. */
struct mmb_opencl_objects {
    cl_context context;
    cl_command_queue queue;
    cl_device_id device;
    bool is_own_context; /* shared by all interfaces of the device that brought none */
};

/* `number` of a GPU, counted over all platforms, wins over the options' device unless it is -1. The
 * options have been read. MMB_INVALID_ARG: they contradict each other, or an object is none;
 * MMB_UNSUPPORTED: there is no such device, or its OpenCL is older than 1.2. */
mmbError mmb_opencl_objects_open(const struct mmbOpenCLOptions *options, int number,
                                 struct mmb_opencl_objects *out);
/* A queue in order. NULL: *out_code says why. */
cl_command_queue mmb_opencl_new_queue(cl_context context, cl_device_id device, cl_int *out_code);
void mmb_opencl_objects_close(struct mmb_opencl_objects *objects);

#endif
