/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_OPENCL_H
#define MMB_LAYERS_OPENCL_H
/* The two backends of OpenCL: buffers, which have no addresses, and shared virtual memory. */
#include "src/spi/backend.h"
#include "src/spi/probe.h"

extern const struct mmb_device_probe_ops mmb_opencl_probe;
extern const struct mmb_backend_ops mmb_opencl_backend;
extern const struct mmb_backend_ops mmb_opencl_svm_backend;

#endif
