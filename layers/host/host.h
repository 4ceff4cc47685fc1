/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_H
#define MMB_LAYERS_HOST_H
/* What the backends of host memory share. */
#include <stdbool.h>
#include <stddef.h>
#include "src/spi/backend.h"

/* Plain host memory can stand for every layer but a device's: none of these backends binds, so what
 * layer their memory is of is the user's word. Pinned and registered memory has other contexts and
 * backends of its own. */
bool mmb_host_serves(mmbMemLayer layer, mmbExecutionContext context);

/* There is nothing to load and no device to miss. */
mmbError mmb_host_available(void);

/* For a backend without options of its own: MMB_INVALID_ARG unless they are all zero, so that a
 * later release can give them a meaning. `backend` names it in the detail. */
mmbError mmb_host_options_unused(const mmbBackendOptions *options, const char *backend);

/* Fills *out for memory whose address is its only name. */
void mmb_host_memory_fill(struct mmb_memory *out, void *host, size_t n_bytes);

#endif
