/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HIP_H
#define MMB_LAYERS_HIP_H
/* The backends of HIP, over its runtime. */
#include "src/spi/backend.h"
#include "src/spi/probe.h"

extern const struct mmb_device_probe_ops mmb_hip_probe;
extern const struct mmb_backend_ops mmb_hip_backend;
extern const struct mmb_backend_ops mmb_hip_managed_backend;
extern const struct mmb_backend_ops mmb_hip_host_backend;
extern const struct mmb_backend_ops mmb_hip_shm_backend;

#endif
