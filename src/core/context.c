/* SPDX-License-Identifier: BSD-3-Clause */
/* Execution contexts (context.h). Owns nothing, takes no lock. */
#include "src/core/context.h"
#include "src/base/error.h"
#include "src/core/registry.h"

static const char *const names[] = {
    [MMB_EXECUTION_CONTEXT_DEFAULT] = "DEFAULT",
    [MMB_CPU] = "CPU",
    [MMB_GPU_CUDA] = "CUDA",
    [MMB_GPU_HIP] = "HIP",
    [MMB_OPENCL] = "OPENCL",
    [MMB_OPENACC] = "OPENACC",
};

static bool exists(mmbExecutionContext context)
{
    return (unsigned int)context < sizeof names / sizeof names[0];
}

const char *mmb_context_text(mmbExecutionContext context)
{
    return exists(context) ? names[context] : "?";
}

mmbError mmb_context_check(mmbExecutionContext context, const char *function)
{
    if (exists(context))
        return MMB_OK;
    return mmb_fail(MMB_INVALID_EXECUTION_CONTEXT, "%s: %d is no execution context", function,
                    (int)context);
}

bool mmb_layer_is_host(mmbMemLayer layer)
{
    return layer != MMB_GDRAM;
}

bool mmb_context_means(mmbExecutionContext asked, mmbMemLayer layer, mmbExecutionContext context)
{
    if (asked != MMB_EXECUTION_CONTEXT_DEFAULT)
        return asked == context;
    if (mmb_layer_is_host(layer))
        return context == MMB_CPU;
    return context == MMB_GPU_CUDA || context == MMB_GPU_HIP || context == MMB_OPENCL;
}

const char *mmb_execution_context_name(mmbExecutionContext context)
{
    if (mmb_library_check("execution_context_name") != MMB_OK ||
        mmb_context_check(context, "execution_context_name") != MMB_OK)
        return NULL;
    return names[context];
}
