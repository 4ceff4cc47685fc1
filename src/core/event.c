/* SPDX-License-Identifier: BSD-3-Clause */
/* Events as the user sees them. Owns nothing; the worker owns events, and its mutex is the only
 * lock that is taken on the way. */
#include "src/core/event.h"
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/core/worker.h"

mmbError mmb_event_take_objects(mmbEvent *event)
{
    mmbError error = mmb_allocation_begin_copy(event->dst);
    if (error != MMB_OK)
        return error;
    error = event->src != NULL ? mmb_allocation_begin_copy(event->src) : MMB_OK;
    if (error != MMB_OK)
        mmb_allocation_end_copy(event->dst);
    else
        event->holds_objects = true;
    return error;
}

void mmb_event_drop_objects(mmbEvent *event)
{
    mmb_allocation_end_copy(event->dst);
    if (event->src != NULL)
        mmb_allocation_end_copy(event->src);
}

static mmbError check_event(const mmbEvent *event, const char *function)
{
    mmbError error = mmb_library_check(function);
    if (error != MMB_OK)
        return error;
    if (!mmb_worker_owns_event(event))
        return mmb_fail(MMB_INVALID_ARG, "%s: not a live event", function);
    return MMB_OK;
}

mmbError mmb_event_query(mmbEvent *event, bool *out_done)
{
    mmbError error = check_event(event, "event_query");
    if (error != MMB_OK)
        return error;
    if (out_done == NULL)
        return mmb_fail(MMB_INVALID_ARG, "event_query: the output is NULL");
    return mmb_worker_query(event, out_done);
}

mmbError mmb_event_wait(mmbEvent **event)
{
    mmbError error = mmb_library_check("event_wait");
    if (error != MMB_OK)
        return error;
    if (event == NULL)
        return mmb_fail(MMB_INVALID_ARG, "event_wait: the pointer to the event is NULL");
    if (*event == NULL)
        return MMB_OK;
    error = check_event(*event, "event_wait");
    if (error != MMB_OK)
        return error;
    mmbEvent *waited = *event;
    *event = NULL;
    return mmb_worker_wait(waited);
}

mmbError mmb_event_stream_wait(mmbEvent *event, void *native_stream)
{
    mmbError error = check_event(event, "event_stream_wait");
    if (error != MMB_OK)
        return error;
    if (native_stream == NULL)
        return mmb_fail(MMB_INVALID_ARG, "event_stream_wait: the stream is NULL");
    if (event->streamer != NULL)
        return mmb_worker_order(event, native_stream);
    return mmb_fail(MMB_UNSUPPORTED,
                    "event_stream_wait: neither side's backend has streams; use event_wait");
}
