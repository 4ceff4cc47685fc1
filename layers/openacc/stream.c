/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies and fills on OpenACC's queues (spi/stream.h). A stream is a number of a queue as a
 * pointer. Takes the instance's mutex, and inside it the runtime's locks and that of the numbers.
 *
 * A box goes row by row; OpenACC has no more. Fills, which it lacks, and copies inside a device,
 * which most runtimes lack, go through a buffer on the host. The queue's order makes one buffer do
 * for all parts. An instance owns its buffers, each until the mark behind its last reader is
 * reached. */
#include <limits.h>
#include <string.h>
#include "layers/openacc/instance.h"
#include "src/base/error.h"
#include "src/base/meta.h"

#define BUFFER_BYTES ((size_t)64 << 10)

/* ---- queues ---- */

/* A pointer that is no number of a queue, a stream of the native runtime say, would make the
 * runtime end the program. -1: it is none, with the detail MMB_INVALID_ARG. */
static int queue_of(const struct mmb_openacc *openacc, const void *stream)
{
    uintptr_t number = (uintptr_t)stream;
    if (number <= INT_MAX)
        return number != 0 ? (int)number : openacc->queue;
    mmb_fail(MMB_INVALID_ARG, "openacc backend: stream %p is not the number of an async queue",
             stream);
    return -1;
}

/* ---- buffers ---- */

struct buffer {
    struct mmb_list link;
    size_t n_bytes; /* of bytes */
    void *mark;
    char bytes[];
};

static void end(struct buffer *buffer)
{
    mmb_openacc_forget(buffer->mark);
    mmb_list_remove(&buffer->link);
    mmb_meta_free(buffer, sizeof *buffer + buffer->n_bytes);
}

/* Entered, mutex held. Ends those that nothing reads any more. */
static void reap(struct mmb_openacc *openacc)
{
    MMB_LIST_FOR_EACH_SAFE (node, following, &openacc->buffers) {
        struct buffer *buffer = MMB_CONTAINER_OF(node, struct buffer, link);
        if (mmb_openacc.test(mmb_openacc_mark_queue(buffer->mark)))
            end(buffer);
    }
}

static struct buffer *make_buffer(size_t n_bytes)
{
    size_t part = n_bytes < BUFFER_BYTES ? n_bytes : BUFFER_BYTES;
    struct buffer *buffer = mmb_meta_alloc(sizeof *buffer + part);
    if (!buffer) {
        mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory to stage %zu B", n_bytes);
        return NULL;
    }
    buffer->n_bytes = part;
    return buffer;
}

/* Entered. Behind the last work that reads it. */
static void keep_until_read(struct mmb_openacc *openacc, struct buffer *buffer, int queue)
{
    buffer->mark = mmb_openacc_mark(queue);
    mmb_mutex_lock(&openacc->mutex);
    reap(openacc);
    mmb_list_push_back(&openacc->buffers, &buffer->link);
    mmb_mutex_unlock(&openacc->mutex);
}

void mmb_openacc_stream_close(struct mmb_openacc *openacc)
{
    while (!mmb_list_is_empty(&openacc->buffers))
        end(MMB_CONTAINER_OF(openacc->buffers.next, struct buffer, link));
}

/* ---- what is queued; entered ---- */

static char *address_of(const struct mmb_stream_side *side)
{
    return (side->memory ? (char *)side->memory->address : side->host) + side->offset;
}

/* `buffer` is NULL where the runtime needs none. */
static void queue_inside(char *to, char *from, size_t n_bytes, struct buffer *buffer, int queue)
{
    if (!buffer) {
        mmb_openacc.copy_inside_async(to, from, n_bytes, queue);
        return;
    }
    for (size_t done = 0, n; done < n_bytes; done += n) {
        n = n_bytes - done < buffer->n_bytes ? n_bytes - done : buffer->n_bytes;
        mmb_openacc.copy_out_async(buffer->bytes, from + done, n, queue);
        mmb_openacc.copy_in_async(to + done, buffer->bytes, n, queue);
    }
}

static void queue_row(const struct mmb_stream_box *box, size_t to_offset, size_t from_offset,
                      struct buffer *buffer, int queue)
{
    char *to = address_of(&box->to) + to_offset, *from = address_of(&box->from) + from_offset;
    if (box->to.memory && box->from.memory)
        queue_inside(to, from, box->row_bytes, buffer, queue);
    else if (box->to.memory)
        mmb_openacc.copy_in_async(to, from, box->row_bytes, queue);
    else
        mmb_openacc.copy_out_async(to, from, box->row_bytes, queue);
}

static void queue_rows(const struct mmb_stream_box *box, struct buffer *buffer, int queue)
{
    for (size_t slice = 0; slice < box->n_slices; slice++)
        for (size_t row = 0; row < box->n_rows; row++)
            queue_row(box, row * box->to.row_pitch + slice * box->to.slice_pitch,
                      row * box->from.row_pitch + slice * box->from.slice_pitch, buffer, queue);
}

static mmbError queue_box(struct mmb_openacc *openacc, const struct mmb_stream_box *box, int queue)
{
    bool is_inside = box->to.memory && box->from.memory;
    struct buffer *buffer = NULL;
    if (is_inside && !mmb_openacc.copy_inside_async) {
        buffer = make_buffer(box->row_bytes);
        if (!buffer)
            return MMB_OUT_OF_MEMORY;
    }
    queue_rows(box, buffer, queue);
    if (buffer)
        keep_until_read(openacc, buffer, queue);
    return MMB_OK;
}

static mmbError queue_fill(struct mmb_openacc *openacc, const struct mmb_stream_side *to, int value,
                           size_t n_bytes, int queue)
{
    struct buffer *buffer = make_buffer(n_bytes);
    if (!buffer)
        return MMB_OUT_OF_MEMORY;
    memset(buffer->bytes, value, buffer->n_bytes);
    for (size_t done = 0, n; done < n_bytes; done += n) {
        n = n_bytes - done < buffer->n_bytes ? n_bytes - done : buffer->n_bytes;
        mmb_openacc.copy_in_async(address_of(to) + done, buffer->bytes, n, queue);
    }
    keep_until_read(openacc, buffer, queue);
    return MMB_OK;
}

/* ---- the table ---- */

static mmbError stream_copy(struct mmb_backend *backend, void *stream,
                            const struct mmb_stream_box *box)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    int queue = queue_of(openacc, stream);
    if (queue < 0)
        return MMB_INVALID_ARG;
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmbError error = queue_box(openacc, box, queue);
    mmb_openacc_leave(openacc, &entered);
    return error;
}

static mmbError stream_set(struct mmb_backend *backend, void *stream,
                           const struct mmb_stream_side *to, int value, size_t n_bytes)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    int queue = queue_of(openacc, stream);
    if (queue < 0)
        return MMB_INVALID_ARG;
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmbError error = queue_fill(openacc, to, value, n_bytes, queue);
    mmb_openacc_leave(openacc, &entered);
    return error;
}

static void wait_for(const struct mmb_openacc *openacc, int queue)
{
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmb_openacc.wait(queue);
    mmb_openacc_leave(openacc, &entered);
}

static mmbError stream_finish(struct mmb_backend *backend, void *stream)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    int queue = queue_of(openacc, stream);
    if (queue < 0)
        return MMB_INVALID_ARG;
    wait_for(openacc, queue);
    return MMB_OK;
}

static mmbError stream_mark(struct mmb_backend *backend, void *stream, void **out_mark)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    int queue = queue_of(openacc, stream);
    if (queue < 0)
        return MMB_INVALID_ARG;
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    *out_mark = mmb_openacc_mark(queue);
    mmb_openacc_leave(openacc, &entered);
    return MMB_OK;
}

static mmbError stream_query(struct mmb_backend *backend, void *mark, bool *out_reached)
{
    const struct mmb_openacc *openacc = mmb_openacc_of(backend);
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    *out_reached = mmb_openacc.test(mmb_openacc_mark_queue(mark)) != 0;
    mmb_openacc_leave(openacc, &entered);
    return MMB_OK;
}

static mmbError stream_wait(struct mmb_backend *backend, void *mark)
{
    wait_for(mmb_openacc_of(backend), mmb_openacc_mark_queue(mark));
    return MMB_OK;
}

static mmbError stream_order(struct mmb_backend *backend, void *mark, void *stream)
{
    const struct mmb_openacc *openacc = mmb_openacc_of(backend);
    int queue = queue_of(openacc, stream);
    if (queue < 0)
        return MMB_INVALID_ARG;
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmb_openacc.order(mmb_openacc_mark_queue(mark), queue);
    mmb_openacc_leave(openacc, &entered);
    return MMB_OK;
}

static void stream_forget(struct mmb_backend *backend, void *mark)
{
    (void)backend;
    mmb_openacc_forget(mark);
}

/* Queues are of one device. A wrapped pointer does not tell its own and is taken for ours. */
static bool stream_reaches(struct mmb_backend *backend, const struct mmb_memory *from)
{
    const struct mmb_openacc *here = mmb_openacc_of(backend);
    const struct mmb_openacc_range *range = (const struct mmb_openacc_range *)from->cookie;
    return !range || (range->owner->type == here->type && range->owner->number == here->number);
}

const struct mmb_stream_ops mmb_openacc_stream = {
    .copy = stream_copy,
    .set = stream_set,
    .finish = stream_finish,
    .mark = stream_mark,
    .query = stream_query,
    .wait = stream_wait,
    .order = stream_order,
    .forget = stream_forget,
    .reaches = stream_reaches,
};

/* ---- blocking: in the order of the instance's queue, as copies that do not block are ---- */

/* Entered. Nobody needs what has been read. */
static void finish(struct mmb_openacc *openacc)
{
    mmb_openacc.wait(openacc->queue);
    mmb_mutex_lock(&openacc->mutex);
    reap(openacc);
    mmb_mutex_unlock(&openacc->mutex);
}

mmbError mmb_openacc_run(struct mmb_openacc *openacc, const struct mmb_stream_box *box)
{
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmbError error = queue_box(openacc, box, openacc->queue);
    finish(openacc);
    mmb_openacc_leave(openacc, &entered);
    return error;
}

mmbError mmb_openacc_run_set(struct mmb_openacc *openacc, const struct mmb_stream_side *to,
                             int value, size_t n_bytes)
{
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmbError error = queue_fill(openacc, to, value, n_bytes, openacc->queue);
    finish(openacc);
    mmb_openacc_leave(openacc, &entered);
    return error;
}
