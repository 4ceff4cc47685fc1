/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_CUDA_H
#define MMB_LAYERS_CUDA_H
/* The backends of CUDA, over the driver's own interface. */
#include "src/spi/backend.h"
#include "src/spi/probe.h"

extern const struct mmb_device_probe_ops mmb_cuda_probe;
extern const struct mmb_backend_ops mmb_cuda_backend;
extern const struct mmb_backend_ops mmb_cuda_managed_backend;
extern const struct mmb_backend_ops mmb_cuda_host_backend;
extern const struct mmb_backend_ops mmb_cuda_shm_backend;

#endif
