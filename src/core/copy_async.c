/* SPDX-License-Identifier: BSD-3-Clause */
/* The asynchronous copies: the same checks as the blocking ones, at the time of the call; then the
 * stream of the destination, else of the source, else the worker. Owns an event until it is handed
 * over; takes no lock of its own.
 *
 * Places are found once, here: while the objects are busy nothing can move them. */
#include "src/base/error.h"
#include "src/core/copy_stream.h"
#include "src/core/event.h"
#include "src/core/registry.h"
#include "src/core/ticket.h"
#include "src/core/worker.h"

/* What a call wants beside the copy. */
struct order {
    const char *function;
    void *stream; /* of the user's; NULL: a backend's own choice */
    mmbEvent **out_event;
};

/* Queues the copy and sets the mark behind it. Nothing is in flight after a failure. */
static mmbError enqueue(mmbEvent *event, void *stream)
{
    struct mmb_backend *streamer = event->streamer;
    mmbError error = mmb_transfer_enqueue(&event->transfer, streamer, stream);
    if (error == MMB_OK)
        error = streamer->ops->stream->mark(streamer, stream, &event->mark);
    if (error != MMB_OK)
        streamer->ops->stream->finish(streamer, stream);
    return error;
}

/* Who runs it. MMB_UNSUPPORTED: the user's stream cannot. */
static mmbError choose_streamer(mmbEvent *event, const struct order *order)
{
    event->streamer = mmb_transfer_streamer(&event->transfer);
    if (event->streamer || !order->stream)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED, "%s: stream %p: neither object's backend has streams",
                    order->function, order->stream);
}

/* Objects busy. */
static mmbError start(mmbEvent *event, const struct order *order)
{
    bool is_queued = event->streamer && event->transfer.shape.n_bytes != 0;
    mmbError error = is_queued ? enqueue(event, order->stream) : MMB_OK;
    if (error != MMB_OK)
        return error;
    error = mmb_worker_submit(event, order->function);
    if (error != MMB_OK && event->mark) {
        event->streamer->ops->stream->wait(event->streamer, event->mark);
        event->streamer->ops->stream->forget(event->streamer, event->mark);
    }
    return error;
}

/* Takes an event whose transfer is prepared, or the reason why it is not. */
static mmbError hand_over(mmbError error, mmbEvent *event, const struct order *order)
{
    bool has_work = event->transfer.shape.n_bytes != 0;
    if (error == MMB_OK)
        error = choose_streamer(event, order);
    if (error == MMB_OK && has_work)
        error = mmb_event_take_objects(event);
    if (error != MMB_OK)
        goto destroy_event;
    error = start(event, order);
    if (error != MMB_OK)
        goto drop_objects;
    if (order->out_event != NULL)
        *order->out_event = event;
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
        event->dst = mmb_ticket_record(dst);
        event->src = mmb_ticket_record(src);
    }
    return event;
}

static mmbError enqueue_run(const struct mmb_run *run, void *stream, mmbEvent **out_event)
{
    const struct order order = {run->function, stream, out_event};
    mmbEvent *event = create_event(run->function, run->dst, run->src, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_run(run, &event->transfer), event, &order);
}

static mmbError enqueue_nd(struct mmb_copy_request *request, mmbAllocation *dst,
                           const mmbAllocation *src, const struct order *order)
{
    mmbEvent *event = create_event(request->function, dst, src, order->out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_nd(request, event->dst, event->src, &event->transfer),
                     event, order);
}

mmbError mmb_copy_async(mmbAllocation *dst, const mmbAllocation *src, mmbEvent **out_event)
{
    const struct order order = {"copy_async", NULL, out_event};
    mmbEvent *event = create_event(order.function, dst, src, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(
        mmb_transfer_prepare_whole(order.function, event->dst, event->src, &event->transfer), event,
        &order);
}

mmbError mmb_copy_1d_async(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                           size_t soffset, size_t n_bytes, mmbEvent **out_event)
{
    struct mmb_run run = {
        "copy_1d_async", mmb_ticket_record(dst), mmb_ticket_record(src), doffset, soffset, n_bytes};
    return enqueue_run(&run, NULL, out_event);
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
    const struct order order = {request.function, NULL, out_event};
    return enqueue_nd(&request, dst, src, &order);
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
    const struct order order = {request.function, NULL, out_event};
    return enqueue_nd(&request, dst, src, &order);
}

mmbError mmb_memset_async(mmbAllocation *dst, size_t offset, int value, size_t n_bytes,
                          mmbEvent **out_event)
{
    struct mmb_run run = {"memset_async", mmb_ticket_record(dst), NULL, offset, 0, n_bytes};
    const struct order order = {run.function, NULL, out_event};
    mmbEvent *event = create_event(run.function, dst, NULL, out_event == NULL);
    if (event == NULL)
        return MMB_OUT_OF_MEMORY;
    return hand_over(mmb_transfer_prepare_fill(&run, value, &event->transfer), event, &order);
}

mmbError mmb_copy_1d_on(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                        size_t soffset, size_t n_bytes, void *native_stream, mmbEvent **out_event)
{
    struct mmb_run run = {
        "copy_1d_on", mmb_ticket_record(dst), mmb_ticket_record(src), doffset, soffset, n_bytes};
    return enqueue_run(&run, native_stream, out_event);
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
    const struct order order = {request.function, native_stream, out_event};
    return enqueue_nd(&request, dst, src, &order);
}
