/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_ARRAY_SHARED_H
#define MMB_LAYERS_HOST_ARRAY_SHARED_H
#include "src/spi/backend.h"

/* The array backend's open for options with a mode; base and bytes were checked. */
mmbError mmb_array_shared_open(const struct mmb_backend_request *request,
                               struct mmb_backend **out_backend);

#endif
