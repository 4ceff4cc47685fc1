/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HWLOC_PROBE_H
#define MMB_LAYERS_HWLOC_PROBE_H
#include "src/spi/probe.h"

/* Memory as hwloc sees it, of this system or of any machine in a file that hwloc wrote. */
extern const struct mmb_probe_ops mmb_hwloc_probe;

#endif
