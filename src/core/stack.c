/* SPDX-License-Identifier: BSD-3-Clause */
/* Marks of stack interfaces: checked here, made by the strategy. Owns nothing, takes no lock. */
#include <mmb/stack.h>
#include "src/base/error.h"
#include "src/core/backend_table.h"
#include "src/core/interface.h"
#include "src/core/trace.h"

/* The three operations come together, so one is as good as all. */
static mmbError check(const mmbMemInterface *interface, const char *function)
{
    mmbError error = mmb_interface_check(interface, function);
    if (error != MMB_OK)
        return error;
    if (interface->n_heaps > 1)
        return mmb_fail(MMB_UNSUPPORTED, "%s: the interface has a stack in each of %zu domains",
                        function, interface->n_heaps);
    if (interface->allocator->ops->mark)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED, "%s: strategy %s has no marks", function,
                    mmb_strategy_text(interface->strategy));
}

mmbError mmb_stack_mark(mmbMemInterface *interface, mmbStackMark *out_mark)
{
    mmbError error = check(interface, "stack_mark");
    if (error != MMB_OK)
        return error;
    if (!out_mark)
        return mmb_fail(MMB_INVALID_ARG, "stack_mark: out_mark is NULL");
    return interface->allocator->ops->mark(interface->allocator, out_mark);
}

mmbError mmb_stack_release(mmbMemInterface *interface, mmbStackMark mark)
{
    mmbError error = check(interface, "stack_release");
    return error == MMB_OK ? interface->allocator->ops->release(interface->allocator, &mark)
                           : error;
}

mmbError mmb_stack_reset(mmbMemInterface *interface)
{
    mmbError error = check(interface, "stack_reset");
    if (error == MMB_OK)
        error = interface->allocator->ops->reset(interface->allocator);
    if (error == MMB_OK && mmb_trace_is_on)
        mmb_trace_reset(interface);
    return error;
}
