/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_MALLOC_H
#define MMB_LAYERS_HOST_MALLOC_H
#include "src/spi/backend.h"

/* Memory from the C library's heap. It cannot give pages back while a range lives (that is malloc's
 * own business), and takes no advice. */
extern const struct mmb_backend_ops mmb_malloc_backend;

#endif
