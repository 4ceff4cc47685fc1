/* SPDX-License-Identifier: BSD-3-Clause */
/* Transfers on the streams of backends: boxes of up to three dimensions are queued one by one, and
 * what has no direct way is staged. Owns nothing but the marks of a call under way; takes no lock.
 */
#include "src/core/copy_stream.h"
#include "src/base/error.h"

/* ---- who can ---- */

static bool is_of(const struct mmb_place *place, const struct mmb_backend *backend)
{
    return place->backend && place->backend->ops == backend->ops;
}

/* The other side is memory of the same table that the device reaches, or the host's. */
static bool can_queue(struct mmb_backend *backend, const struct mmb_place *other)
{
    const struct mmb_stream_ops *stream = backend ? backend->ops->stream : NULL;
    if (!stream)
        return false;
    if (is_of(other, backend) && (!stream->reaches || stream->reaches(backend, &other->memory)))
        return true;
    return other->host != NULL;
}

struct mmb_backend *mmb_transfer_streamer(const struct mmb_transfer *transfer)
{
    struct mmb_backend *to = transfer->to.backend, *from = transfer->from.backend;
    if (transfer->is_fill)
        return to->ops->stream ? to : NULL;
    if (can_queue(to, &transfer->from))
        return to;
    return can_queue(from, &transfer->to) ? from : NULL;
}

/* ---- boxes ---- */

static struct mmb_stream_side side_of(const struct mmb_place *place,
                                      const struct mmb_strided *strided, size_t n_dims,
                                      struct mmb_backend *streamer)
{
    struct mmb_stream_side side = {.row_pitch = n_dims > 1 ? strided->pitch[n_dims - 2] : 0,
                                   .slice_pitch = n_dims > 2 ? strided->pitch[n_dims - 3] : 0};
    const struct mmb_stream_ops *stream = streamer->ops->stream;
    bool is_native =
        is_of(place, streamer) && (!stream->reaches || stream->reaches(streamer, &place->memory));
    if (is_native)
        side.memory = &place->memory;
    else
        side.host = place->host;
    side.offset = strided->start + (is_native ? place->offset : 0);
    return side;
}

struct queuing {
    const struct mmb_copy_shape *shape;
    struct mmb_backend *streamer;
    void *stream;
    struct mmb_stream_box box;
};

/* The last three dimensions are the box's; those before it are walked. */
static mmbError queue_boxes(struct queuing *queuing, size_t dimension)
{
    const struct mmb_copy_shape *shape = queuing->shape;
    if (dimension + 3 >= shape->n_dims)
        return queuing->streamer->ops->stream->copy(queuing->streamer, queuing->stream,
                                                    &queuing->box);
    size_t to = queuing->box.to.offset, from = queuing->box.from.offset;
    mmbError error = MMB_OK;
    for (size_t i = 0; i < shape->count[dimension] && error == MMB_OK; i++) {
        queuing->box.to.offset = to + i * shape->dst.pitch[dimension];
        queuing->box.from.offset = from + i * shape->src.pitch[dimension];
        error = queue_boxes(queuing, dimension + 1);
    }
    queuing->box.to.offset = to;
    queuing->box.from.offset = from;
    return error;
}

mmbError mmb_transfer_enqueue(const struct mmb_transfer *transfer, struct mmb_backend *streamer,
                              void *stream)
{
    const struct mmb_copy_shape *shape = &transfer->shape;
    const struct mmb_place *to = &transfer->to;
    if (transfer->is_fill) {
        const struct mmb_stream_side side = {.memory = &to->memory,
                                             .offset = to->offset + shape->dst.start};
        return streamer->ops->stream->set(streamer, stream, &side, transfer->value, shape->n_bytes);
    }
    size_t n = shape->n_dims;
    struct queuing queuing = {
        .shape = shape,
        .streamer = streamer,
        .stream = stream,
        .box = {.to = side_of(to, &shape->dst, n, streamer),
                .from = side_of(&transfer->from, &shape->src, n, streamer),
                .row_bytes = shape->count[n - 1],
                .n_rows = n > 1 ? shape->count[n - 2] : 1,
                .n_slices = n > 2 ? shape->count[n - 3] : 1},
    };
    return queue_boxes(&queuing, 0);
}

mmbError mmb_transfer_stream(const struct mmb_transfer *transfer, struct mmb_backend *streamer)
{
    mmbError error = mmb_transfer_enqueue(transfer, streamer, NULL);
    mmbError finished = streamer->ops->stream->finish(streamer, NULL);
    return error != MMB_OK ? error : finished;
}

/* ---- staging ---- */

struct part {
    size_t to, from, n_bytes;
    char *buffer;
};

static mmbError read_part(const struct mmb_place *from, const struct part *part)
{
    return from->backend->ops->copy_out(from->backend, part->buffer, &from->memory,
                                        from->offset + part->from, part->n_bytes);
}

/* Queued where it can be; *mark stays NULL where it is done already. */
static mmbError write_part(const struct mmb_place *to, const struct part *part, void **mark)
{
    struct mmb_backend *backend = to->backend;
    const struct mmb_stream_ops *stream = backend->ops->stream;
    if (!stream)
        return backend->ops->copy_in(backend, &to->memory, to->offset + part->to, part->buffer,
                                     part->n_bytes);
    const struct mmb_stream_box box = {
        .to = {.memory = &to->memory, .offset = to->offset + part->to},
        .from = {.host = part->buffer},
        .row_bytes = part->n_bytes,
        .n_rows = 1,
        .n_slices = 1};
    mmbError error = stream->copy(backend, NULL, &box);
    if (error == MMB_OK)
        error = stream->mark(backend, NULL, mark);
    if (error != MMB_OK)
        stream->finish(backend, NULL);
    return error;
}

static mmbError await(const struct mmb_place *to, void **mark)
{
    if (!*mark)
        return MMB_OK;
    const struct mmb_stream_ops *stream = to->backend->ops->stream;
    mmbError error = stream->wait(to->backend, *mark);
    stream->forget(to->backend, *mark);
    *mark = NULL;
    return error;
}

mmbError mmb_transfer_stage(const struct mmb_transfer *transfer, const struct mmb_run *run,
                            char *stage, size_t part_bytes)
{
    const struct mmb_place *to = &transfer->to;
    void *marks[2] = {NULL, NULL};
    mmbError error = MMB_OK;
    size_t turn = 0;
    for (size_t done = 0; done < run->n_bytes && error == MMB_OK; turn = !turn) {
        size_t rest = run->n_bytes - done;
        const struct part part = {run->doffset + done, run->soffset + done,
                                  rest < part_bytes ? rest : part_bytes, stage + turn * part_bytes};
        error = await(to, &marks[turn]);
        if (error == MMB_OK)
            error = read_part(&transfer->from, &part);
        if (error == MMB_OK)
            error = write_part(to, &part, &marks[turn]);
        done += part.n_bytes;
    }
    for (turn = 0; turn < 2; turn++) {
        mmbError last = await(to, &marks[turn]);
        error = error != MMB_OK ? error : last;
    }
    return error;
}
