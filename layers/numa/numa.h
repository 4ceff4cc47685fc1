/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_NUMA_H
#define MMB_LAYERS_NUMA_H
#include "src/spi/backend.h"

/* Mappings with a memory policy over the layer's nodes. */
extern const struct mmb_backend_ops mmb_numa_backend;

#endif
