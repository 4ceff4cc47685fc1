/* SPDX-License-Identifier: BSD-3-Clause */
/* Execution contexts: their names, and which one DEFAULT means for a layer. */
#ifndef MMB_CORE_CONTEXT_H
#define MMB_CORE_CONTEXT_H
#include <stdbool.h>
#include <mmb/layer.h>

/* MMB_INVALID_EXECUTION_CONTEXT with a detail for values outside the enumeration. */
mmbError mmb_context_check(mmbExecutionContext context, const char *function);
/* For the detail of anything; "?" where there is none. */
const char *mmb_context_text(mmbExecutionContext context);
/* Is a layer's memory the host's own? */
bool mmb_layer_is_host(mmbMemLayer layer);
/* Does a context that was asked for mean this one on this layer? DEFAULT means the CPU for host
 * layers and any of CUDA, HIP and OpenCL for device memory. */
bool mmb_context_means(mmbExecutionContext asked, mmbMemLayer layer, mmbExecutionContext context);

#endif
