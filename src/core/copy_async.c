/* SPDX-License-Identifier: BSD-3-Clause */
/* The asynchronous copies: the same checks as the blocking ones, at the time of the call, then the
 * worker. Owns an event until it is handed over; takes no lock of its own.
 *
 * Places are found once, here: while the objects are busy nothing can move them. */
#include "src/base/error.h"
#include "src/core/event.h"
#include "src/core/registry.h"
#include "src/core/worker.h"

/* Takes an event whose transfer is prepared, or the reason why it is not. */
static mmbError hand_over(mmbError error, mmbEvent *event, const char *function,
                          mmbEvent **out_event)
{
    bool has_work = event->transfer.shape.n_bytes != 0;
    if (error == MMB_OK && has_work)
        error = mmb_event_take_objects(event);
    if (error != MMB_OK)
        goto destroy_event;
    error = mmb_worker_submit(event, function);
    if (error != MMB_OK)
        goto drop_objects;
    if (out_event != NULL)
        *out_event = event;
    return MMB_OK;

drop_objects:
    if (has_work)
        mmb_event_drop_objects(event);
destroy_event:
    mmb_worker_destroy_event(event);
    return error;
}

static mmbEvent *create_event(const char *function, mmbAllocation *dst, const mmbAllocation *src,
                              bool is_detached)
{
    mmbEvent *event = mmb_worker_create_event(function, is_detached);
    if (event != NULL) {
        event->dst = dst;
        event->src = src;
    }
    return event;
}

static mmbError enqueue_run(const struct mmb_run *run, mmbEvent **out_event)
{
    mmbEvent *event = create_event(run->function, run->dst, run->src, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_run(run, &event->transfer), event, run->function,
                     out_event);
}

static mmbError enqueue_nd(struct mmb_copy_request *request, mmbAllocation *dst,
                           const mmbAllocation *src, mmbEvent **out_event)
{
    mmbEvent *event = create_event(request->function, dst, src, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_nd(request, dst, src, &event->transfer), event,
                     request->function, out_event);
}

/* NULL is every backend's own choice. The other value could only be the stream of a device. */
static mmbError check_stream(const char *function, const void *native_stream)
{
    mmbError error = mmb_library_check(function);
    if (error != MMB_OK || native_stream == NULL)
        return error;
    return mmb_fail(MMB_UNSUPPORTED, "%s: stream %p: neither object's backend has streams",
                    function, native_stream);
}

mmbError mmb_copy_async(mmbAllocation *dst, const mmbAllocation *src, mmbEvent **out_event)
{
    mmbEvent *event = create_event("copy_async", dst, src, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_whole("copy_async", dst, src, &event->transfer), event,
                     "copy_async", out_event);
}

mmbError mmb_copy_1d_async(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                           size_t soffset, size_t n_bytes, mmbEvent **out_event)
{
    struct mmb_run run = {"copy_1d_async", dst, src, doffset, soffset, n_bytes};
    return enqueue_run(&run, out_event);
}

mmbError mmb_copy_2d_async(mmbAllocation *dst, size_t dx, size_t dy, size_t dpitch,
                           const mmbAllocation *src, size_t sx, size_t sy, size_t spitch,
                           size_t width, size_t height, mmbEvent **out_event)
{
    struct mmb_copy_request request = {.function = "copy_2d_async",
                                       .dst = {(size_t[]){dy, dx}, &dpitch, 0},
                                       .src = {(size_t[]){sy, sx}, &spitch, 0},
                                       .n_dims = 2,
                                       .dims = (size_t[]){height, width}};
    return enqueue_nd(&request, dst, src, out_event);
}

mmbError mmb_copy_nd_async(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                           const mmbAllocation *src, const size_t *soffset, const size_t *spitch,
                           size_t ndims, const size_t *dims, mmbEvent **out_event)
{
    struct mmb_copy_request request = {.function = "copy_nd_async",
                                       .dst = {doffset, dpitch, 0},
                                       .src = {soffset, spitch, 0},
                                       .n_dims = ndims,
                                       .dims = dims};
    return enqueue_nd(&request, dst, src, out_event);
}

mmbError mmb_memset_async(mmbAllocation *dst, size_t offset, int value, size_t n_bytes,
                          mmbEvent **out_event)
{
    struct mmb_run run = {"memset_async", dst, NULL, offset, 0, n_bytes};
    mmbEvent *event = create_event(run.function, dst, NULL, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_fill(&run, value, &event->transfer), event, run.function,
                     out_event);
}

mmbError mmb_copy_1d_on(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                        size_t soffset, size_t n_bytes, void *native_stream, mmbEvent **out_event)
{
    struct mmb_run run = {"copy_1d_on", dst, src, doffset, soffset, n_bytes};
    mmbError error = check_stream(run.function, native_stream);
    return error == MMB_OK ? enqueue_run(&run, out_event) : error;
}

mmbError mmb_copy_nd_on(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                        const mmbAllocation *src, const size_t *soffset, const size_t *spitch,
                        size_t ndims, const size_t *dims, void *native_stream, mmbEvent **out_event)
{
    struct mmb_copy_request request = {.function = "copy_nd_on",
                                       .dst = {doffset, dpitch, 0},
                                       .src = {soffset, spitch, 0},
                                       .n_dims = ndims,
                                       .dims = dims};
    mmbError error = check_stream(request.function, native_stream);
    return error == MMB_OK ? enqueue_nd(&request, dst, src, out_event) : error;
}
