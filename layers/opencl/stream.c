/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies and fills of OpenCL memory on command queues (spi/stream.h). Owns nothing but the events
 * that stand for marks; takes no lock.
 *
 * A box of a buffer is one rectangle command where OpenCL's rules allow it: the second and third
 * pitch must be multiples, no row may wrap around its pitch, and the two sides must be different
 * buffers, for within one the pitches would have to agree. Else it is one command per row. */
#include "layers/opencl/instance.h"
#include "src/base/error.h"

/* ---- commands ---- */

static mmbError check(cl_int code, const char *what, size_t n_bytes)
{
    return code == CL_SUCCESS ? MMB_OK : mmb_opencl_fail(code, what, n_bytes);
}

/* What is queued happens in order here, so in a queue without order a barrier comes first. */
static cl_int begin(struct mmb_opencl *instance, void *stream, cl_command_queue *out_queue)
{
    cl_command_queue queue = stream ? stream : instance->objects.queue;
    cl_command_queue_properties properties = 0;
    cl_int code =
        clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (code == CL_SUCCESS && properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        code = clEnqueueBarrierWithWaitList(queue, 0, NULL, NULL);
    *out_queue = queue;
    return code;
}

static size_t offset_of(const struct mmb_stream_side *side, size_t row, size_t slice)
{
    return side->offset + row * side->row_pitch + slice * side->slice_pitch;
}

/* Where the bytes are that a pointer leads to: on the host, or in shared virtual memory. */
static char *pointer_of(const struct mmb_stream_side *side)
{
    return side->memory ? (char *)side->memory->address : side->host;
}

static cl_int copy_row(struct mmb_opencl *instance, cl_command_queue queue,
                       const struct mmb_stream_box *box, const size_t at[2])
{
    size_t to = offset_of(&box->to, at[0], at[1]), from = offset_of(&box->from, at[0], at[1]);
    size_t n_bytes = box->row_bytes;
    if (instance->is_svm)
        return clEnqueueSVMMemcpy(queue, CL_FALSE, pointer_of(&box->to) + to,
                                  pointer_of(&box->from) + from, n_bytes, 0, NULL, NULL);
    if (!box->to.memory)
        return clEnqueueReadBuffer(queue, box->from.memory->native, CL_FALSE, from, n_bytes,
                                   box->to.host + to, 0, NULL, NULL);
    if (!box->from.memory)
        return clEnqueueWriteBuffer(queue, box->to.memory->native, CL_FALSE, to, n_bytes,
                                    box->from.host + from, 0, NULL, NULL);
    return clEnqueueCopyBuffer(queue, box->from.memory->native, box->to.memory->native, from, to,
                               n_bytes, 0, NULL, NULL);
}

static cl_int copy_rows(struct mmb_opencl *instance, cl_command_queue queue,
                        const struct mmb_stream_box *box)
{
    for (size_t slice = 0; slice < box->n_slices; slice++)
        for (size_t row = 0; row < box->n_rows; row++) {
            cl_int code = copy_row(instance, queue, box, (const size_t[]){row, slice});
            if (code != CL_SUCCESS)
                return code;
        }
    return CL_SUCCESS;
}

/* ---- rectangles ---- */

/* One side as OpenCL wants it. */
struct rectangle {
    size_t origin[3], row_pitch, slice_pitch;
};

static bool fill_rectangle(const struct mmb_stream_box *box, const struct mmb_stream_side *side,
                           struct rectangle *out)
{
    size_t row_pitch = box->n_rows > 1 ? side->row_pitch : box->row_bytes;
    size_t slice_pitch = box->n_slices > 1 ? side->slice_pitch : row_pitch * box->n_rows;
    if (row_pitch < box->row_bytes || slice_pitch % row_pitch != 0)
        return false;
    *out = (struct rectangle){{0, 0, 0}, row_pitch, slice_pitch};
    if (!side->memory)
        return true; /* the pointer itself is moved */
    out->origin[0] = side->offset % row_pitch;
    out->origin[1] = side->offset / row_pitch;
    if (box->n_slices > 1) {
        out->origin[2] = side->offset / slice_pitch;
        out->origin[1] = side->offset % slice_pitch / row_pitch;
    }
    bool is_inside = box->n_slices == 1 || out->origin[1] + box->n_rows <= slice_pitch / row_pitch;
    return is_inside && out->origin[0] + box->row_bytes <= row_pitch;
}

static bool is_rectangle(const struct mmb_opencl *instance, const struct mmb_stream_box *box,
                         struct rectangle *to, struct rectangle *from)
{
    if (instance->is_svm || (box->n_rows == 1 && box->n_slices == 1))
        return false;
    if (box->to.memory && box->from.memory && box->to.memory->native == box->from.memory->native)
        return false;
    return fill_rectangle(box, &box->to, to) && fill_rectangle(box, &box->from, from);
}

static cl_int copy_rectangle(cl_command_queue queue, const struct mmb_stream_box *box,
                             const struct rectangle *to, const struct rectangle *from)
{
    const size_t region[3] = {box->row_bytes, box->n_rows, box->n_slices};
    if (!box->to.memory)
        return clEnqueueReadBufferRect(queue, box->from.memory->native, CL_FALSE, from->origin,
                                       to->origin, region, from->row_pitch, from->slice_pitch,
                                       to->row_pitch, to->slice_pitch,
                                       box->to.host + box->to.offset, 0, NULL, NULL);
    if (!box->from.memory)
        return clEnqueueWriteBufferRect(queue, box->to.memory->native, CL_FALSE, to->origin,
                                        from->origin, region, to->row_pitch, to->slice_pitch,
                                        from->row_pitch, from->slice_pitch,
                                        box->from.host + box->from.offset, 0, NULL, NULL);
    return clEnqueueCopyBufferRect(
        queue, box->from.memory->native, box->to.memory->native, from->origin, to->origin, region,
        from->row_pitch, from->slice_pitch, to->row_pitch, to->slice_pitch, 0, NULL, NULL);
}

/* ---- the table ---- */

static mmbError stream_copy(struct mmb_backend *backend, void *stream,
                            const struct mmb_stream_box *box)
{
    struct mmb_opencl *instance = mmb_opencl_of(backend);
    cl_command_queue queue;
    struct rectangle to, from;
    cl_int code = begin(instance, stream, &queue);
    if (code == CL_SUCCESS)
        code = is_rectangle(instance, box, &to, &from) ? copy_rectangle(queue, box, &to, &from)
                                                       : copy_rows(instance, queue, box);
    return check(code, "copy", box->row_bytes * box->n_rows * box->n_slices);
}

static mmbError stream_set(struct mmb_backend *backend, void *stream,
                           const struct mmb_stream_side *to, int value, size_t n_bytes)
{
    struct mmb_opencl *instance = mmb_opencl_of(backend);
    cl_command_queue queue;
    unsigned char byte = (unsigned char)value;
    cl_int code = begin(instance, stream, &queue);
    if (code != CL_SUCCESS)
        return mmb_opencl_fail(code, "fill", n_bytes);
    if (instance->is_svm)
        code = clEnqueueSVMMemFill(queue, pointer_of(to) + to->offset, &byte, 1, n_bytes, 0, NULL,
                                   NULL);
    else
        code = clEnqueueFillBuffer(queue, to->memory->native, &byte, 1, to->offset, n_bytes, 0,
                                   NULL, NULL);
    return check(code, "fill", n_bytes);
}

static mmbError stream_finish(struct mmb_backend *backend, void *stream)
{
    cl_command_queue queue = stream ? stream : mmb_opencl_of(backend)->objects.queue;
    return check(clFinish(queue), "clFinish", 0);
}

/* Flushed, or it might never be reached: whoever waits for it may do so on another queue. */
static mmbError stream_mark(struct mmb_backend *backend, void *stream, void **out_mark)
{
    cl_command_queue queue = stream ? stream : mmb_opencl_of(backend)->objects.queue;
    cl_event event;
    cl_int code = clEnqueueMarkerWithWaitList(queue, 0, NULL, &event);
    if (code != CL_SUCCESS)
        return mmb_opencl_fail(code, "clEnqueueMarkerWithWaitList", 0);
    clFlush(queue);
    *out_mark = event;
    return MMB_OK;
}

static mmbError stream_query(struct mmb_backend *backend, void *mark, bool *out_reached)
{
    (void)backend;
    cl_int status;
    cl_int code =
        clGetEventInfo(mark, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    if (code != CL_SUCCESS)
        return mmb_opencl_fail(code, "clGetEventInfo", 0);
    *out_reached = status <= CL_COMPLETE; /* below: an error, which waiting tells */
    return MMB_OK;
}

static mmbError stream_wait(struct mmb_backend *backend, void *mark)
{
    (void)backend;
    cl_event event = mark;
    return check(clWaitForEvents(1, &event), "clWaitForEvents", 0);
}

static mmbError stream_order(struct mmb_backend *backend, void *mark, void *stream)
{
    (void)backend;
    cl_event event = mark;
    return check(clEnqueueBarrierWithWaitList(stream, 1, &event, NULL),
                 "clEnqueueBarrierWithWaitList", 0);
}

static void stream_forget(struct mmb_backend *backend, void *mark)
{
    (void)backend;
    clReleaseEvent(mark);
}

/* Memory is of one context. A wrapped pointer does not tell its own and is taken for ours. */
static bool stream_reaches(struct mmb_backend *backend, const struct mmb_memory *from)
{
    const struct mmb_opencl *here = mmb_opencl_of(backend), *owner = mmb_opencl_owner(from);
    return !owner || owner->objects.context == here->objects.context;
}

const struct mmb_stream_ops mmb_opencl_stream = {
    .copy = stream_copy,
    .set = stream_set,
    .finish = stream_finish,
    .mark = stream_mark,
    .query = stream_query,
    .wait = stream_wait,
    .order = stream_order,
    .forget = stream_forget,
    .stage_take = mmb_opencl_stage_take,
    .stage_give = mmb_opencl_stage_give,
    .reaches = stream_reaches,
};

/* ---- blocking ---- */

/* Finished after a failure too: what was queued before it may be under way in the caller's memory.
 */
static mmbError run(struct mmb_backend *backend, const struct mmb_stream_side *to,
                    const struct mmb_stream_side *from, size_t n_bytes)
{
    const struct mmb_stream_box box = {
        .to = *to, .from = *from, .row_bytes = n_bytes, .n_rows = 1, .n_slices = 1};
    mmbError error = stream_copy(backend, NULL, &box);
    mmbError finished = stream_finish(backend, NULL);
    return error != MMB_OK ? error : finished;
}

mmbError mmb_opencl_copy_in(struct mmb_backend *backend, const struct mmb_memory *to,
                            size_t to_offset, const void *from_host, size_t n_bytes)
{
    return run(backend, &(struct mmb_stream_side){.memory = to, .offset = to_offset},
               &(struct mmb_stream_side){.host = (char *)(uintptr_t)from_host}, n_bytes);
}

mmbError mmb_opencl_copy_out(struct mmb_backend *backend, void *to_host,
                             const struct mmb_memory *from, size_t from_offset, size_t n_bytes)
{
    return run(backend, &(struct mmb_stream_side){.host = to_host},
               &(struct mmb_stream_side){.memory = from, .offset = from_offset}, n_bytes);
}

mmbError mmb_opencl_copy(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                         const struct mmb_memory *from, size_t from_offset, size_t n_bytes)
{
    return run(backend, &(struct mmb_stream_side){.memory = to, .offset = to_offset},
               &(struct mmb_stream_side){.memory = from, .offset = from_offset}, n_bytes);
}

mmbError mmb_opencl_set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                        int value, size_t n_bytes)
{
    const struct mmb_stream_side side = {.memory = to, .offset = to_offset};
    mmbError error = stream_set(backend, NULL, &side, value, n_bytes);
    mmbError finished = stream_finish(backend, NULL);
    return error != MMB_OK ? error : finished;
}
