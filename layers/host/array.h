/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_ARRAY_H
#define MMB_LAYERS_HOST_ARRAY_H
#include "src/spi/backend.h"

/* Parts of a buffer that the user brings and keeps: base and bytes of mmbBackendOptions.array. The
 * buffer is never written by the backend, and no range ever leaves it. */
extern const struct mmb_backend_ops mmb_array_backend;

#endif
