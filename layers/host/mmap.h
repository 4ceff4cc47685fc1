/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_MMAP_H
#define MMB_LAYERS_HOST_MMAP_H
#include "src/spi/backend.h"

/* Private anonymous mappings, in whole OS pages, zero when they are new. */
extern const struct mmb_backend_ops mmb_mmap_backend;

#endif
