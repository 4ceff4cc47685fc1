/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_OPENACC_H
#define MMB_LAYERS_OPENACC_H
/* Memory of OpenACC's current kind of device, by the compiler's runtime. */
#include "src/spi/backend.h"

extern const struct mmb_backend_ops mmb_openacc_backend;

#endif
