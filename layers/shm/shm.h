/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_SHM_H
#define MMB_LAYERS_SHM_H
#include "src/spi/backend.h"

extern const struct mmb_backend_ops mmb_shm_backend;

/* MMB_INVALID_ARG: no URL; MMB_NOT_FOUND, MMB_PERMISSION. */
mmbError mmb_shm_url_unlink(const char *url);
/* Opens the segment of a URL for a look at it. -1 with *out_error, as unlink. */
int mmb_shm_url_open(const char *url, mmbError *out_error);

#endif
