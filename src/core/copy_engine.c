/* SPDX-License-Identifier: BSD-3-Clause */
/* Moves the bytes of a checked transfer. Picks one way for each pair of places:
 *
 *   to \ from     host                    device
 *   host          memcpy                  the source's copy_out
 *   device        the destination's       copy, when both belong to one backend that has it;
 *                 copy_in                 else copy_out to a host buffer and copy_in from it
 *
 * "host" is memory that the host can reach, whatever backend it came from. Takes no lock and owns
 * nothing but the staging buffers of the call under way, or borrows them from a backend that keeps
 * pinned ones. Rows of a device whose runtime has streams
 * are queued as boxes (src/core/copy_stream.c) and waited for once. */
#include <string.h>
#include "src/base/error.h"
#include "src/base/os.h"
#include "src/core/copy.h"
#include "src/core/copy_stream.h"

/* Large enough that a device's cost per call vanishes, small enough to stay in a processor's cache.
 */
#define STAGE_BYTES ((size_t)1 << 20)
/* What staging falls back to when the system gives no memory: a copy must not fail for that. */
#define STAGE_BYTES_MIN ((size_t)4 << 10)

struct mover;

/* Moves one run; the offsets are in the two objects. */
typedef mmbError (*move_function)(const struct mover *mover, size_t dst, size_t src,
                                  size_t n_bytes);

struct mover {
    const struct mmb_transfer *transfer;
    move_function move;
    char *stage; /* only for the ways that need one: two parts */
    size_t part_bytes;
};

/* ---- single runs ---- */

static mmbError write_device(const struct mmb_place *to, size_t at, const void *from_host,
                             size_t n_bytes)
{
    return to->backend->ops->copy_in(to->backend, &to->memory, to->offset + at, from_host, n_bytes);
}

static mmbError move_in(const struct mover *mover, size_t dst, size_t src, size_t n_bytes)
{
    const char *from = mover->transfer->from.host;
    return write_device(&mover->transfer->to, dst, from + src, n_bytes);
}

static mmbError read_device(const struct mmb_place *from, size_t at, void *to_host, size_t n_bytes)
{
    return from->backend->ops->copy_out(from->backend, to_host, &from->memory, from->offset + at,
                                        n_bytes);
}

static mmbError move_out(const struct mover *mover, size_t dst, size_t src, size_t n_bytes)
{
    char *to = mover->transfer->to.host;
    return read_device(&mover->transfer->from, src, to + dst, n_bytes);
}

static mmbError move_inside(const struct mover *mover, size_t dst, size_t src, size_t n_bytes)
{
    const struct mmb_place *to = &mover->transfer->to;
    const struct mmb_place *from = &mover->transfer->from;
    return to->backend->ops->copy(to->backend, &to->memory, to->offset + dst, &from->memory,
                                  from->offset + src, n_bytes);
}

static mmbError move_staged(const struct mover *mover, size_t dst, size_t src, size_t n_bytes)
{
    const struct mmb_run run = {.doffset = dst, .soffset = src, .n_bytes = n_bytes};
    return mmb_transfer_stage(mover->transfer, &run, mover->stage, mover->part_bytes);
}

/* ---- all runs ---- */

/* The host's own rows keep a loop without calls through pointers: rows can be a few bytes. */
static void copy_rows(char *to, const char *from, const struct mmb_copy_shape *shape,
                      size_t dimension)
{
    size_t row = shape->count[shape->n_dims - 1];
    size_t to_pitch = shape->dst.pitch[dimension];
    size_t from_pitch = shape->src.pitch[dimension];
    bool is_last = dimension + 2 == shape->n_dims;
    for (size_t i = 0; i < shape->count[dimension]; i++) {
        if (is_last)
            memcpy(to, from, row);
        else
            copy_rows(to, from, shape, dimension + 1);
        to += to_pitch;
        from += from_pitch;
    }
}

static void copy_host(const struct mmb_transfer *transfer)
{
    const struct mmb_copy_shape *shape = &transfer->shape;
    char *to = (char *)transfer->to.host + shape->dst.start;
    const char *from = (const char *)transfer->from.host + shape->src.start;
    if (shape->n_dims == 1)
        memcpy(to, from, shape->n_bytes);
    else
        copy_rows(to, from, shape, 0);
}

static mmbError move_rows(const struct mover *mover, size_t dst, size_t src, size_t dimension)
{
    const struct mmb_copy_shape *shape = &mover->transfer->shape;
    if (dimension + 1 == shape->n_dims)
        return mover->move(mover, dst, src, shape->count[dimension]);
    for (size_t i = 0; i < shape->count[dimension]; i++) {
        mmbError error = move_rows(mover, dst, src, dimension + 1);
        if (error != MMB_OK)
            return error;
        dst += shape->dst.pitch[dimension];
        src += shape->src.pitch[dimension];
    }
    return MMB_OK;
}

static mmbError move_all(const struct mover *mover)
{
    const struct mmb_copy_shape *shape = &mover->transfer->shape;
    return move_rows(mover, shape->dst.start, shape->src.start, 0);
}

/* Two buffers for the parts of a run. */
struct stage {
    char *start; /* NULL: the system has no memory */
    size_t n_bytes;
    struct mmb_backend *pinned_by; /* NULL: not pinned */
};

static bool take_pinned(struct mmb_backend *backend, struct stage *stage)
{
    const struct mmb_stream_ops *stream = backend->ops->stream;
    if (!stream || !stream->stage_take)
        return false;
    stage->start = stream->stage_take(backend, stage->n_bytes);
    stage->pinned_by = stage->start ? backend : NULL;
    return stage->start != NULL;
}

/* Pinned by either side's runtime where one does that: its transfers overlap the other side's. */
static struct stage take_stage(const struct mmb_transfer *transfer, size_t n_bytes)
{
    struct stage stage = {NULL, n_bytes, NULL};
    if (!take_pinned(transfer->to.backend, &stage) && !take_pinned(transfer->from.backend, &stage))
        stage.start = mmb_os_map(n_bytes);
    return stage;
}

static void give_stage(const struct stage *stage)
{
    if (stage->pinned_by)
        stage->pinned_by->ops->stream->stage_give(stage->pinned_by, stage->start);
    else if (stage->start)
        mmb_os_unmap(stage->start, stage->n_bytes);
}

/* Each buffer is as large as the longest run needs, from the stack when that is little. A run that
 * fits one buffer leaves the second alone. */
static mmbError move_all_staged(struct mover *mover)
{
    const struct mmb_copy_shape *shape = &mover->transfer->shape;
    size_t run = shape->count[shape->n_dims - 1];
    char small[STAGE_BYTES_MIN];
    size_t part = run < STAGE_BYTES ? run : STAGE_BYTES;
    struct stage stage = {NULL, 0, NULL};
    if (run > sizeof(small) / 2)
        stage = take_stage(mover->transfer, 2 * part);
    mover->stage = stage.start ? stage.start : small;
    mover->part_bytes = stage.start ? part : sizeof(small) / 2;
    mmbError error = move_all(mover);
    give_stage(&stage);
    return error;
}

/* ---- the choice ---- */

static bool is_inside_one(const struct mmb_transfer *transfer)
{
    const struct mmb_place *to = &transfer->to;
    const struct mmb_place *from = &transfer->from;
    if (to->host != NULL || from->host != NULL || to->backend->ops != from->backend->ops)
        return false;
    const struct mmb_stream_ops *stream = to->backend->ops->stream;
    return to->backend->ops->copy != NULL &&
           (!stream || !stream->reaches || stream->reaches(to->backend, &from->memory));
}

static mmbError fail_way(const struct mmb_place *place, const char *function, const char *what)
{
    return mmb_fail(MMB_UNSUPPORTED, "%s: backend %s cannot %s memory that the host cannot reach",
                    function, place->backend->ops->name, what);
}

mmbError mmb_transfer_check_way(const struct mmb_transfer *transfer, const char *function)
{
    const struct mmb_place *to = &transfer->to;
    const struct mmb_place *from = &transfer->from;
    bool can_write = to->host != NULL || to->backend->ops->copy_in != NULL;
    if (transfer->is_fill)
        return can_write ? MMB_OK : fail_way(to, function, "write");
    if (is_inside_one(transfer))
        return MMB_OK;
    if (!can_write)
        return fail_way(to, function, "write");
    if (from->host == NULL && from->backend->ops->copy_out == NULL)
        return fail_way(from, function, "read");
    return MMB_OK;
}

static mmbError run_copy(const struct mmb_transfer *transfer)
{
    struct mover mover = {.transfer = transfer};
    if (transfer->to.host != NULL && transfer->from.host != NULL) {
        copy_host(transfer);
        return MMB_OK;
    }
    struct mmb_backend *streamer =
        transfer->shape.n_dims > 1 ? mmb_transfer_streamer(transfer) : NULL;
    if (streamer)
        return mmb_transfer_stream(transfer, streamer);
    if (transfer->from.host != NULL)
        mover.move = move_in;
    else if (transfer->to.host != NULL)
        mover.move = move_out;
    else if (is_inside_one(transfer))
        mover.move = move_inside;
    else
        mover.move = move_staged;
    return mover.move == move_staged ? move_all_staged(&mover) : move_all(&mover);
}

static mmbError run_fill(const struct mmb_transfer *transfer)
{
    const struct mmb_place *to = &transfer->to;
    size_t at = transfer->shape.dst.start;
    size_t n_bytes = transfer->shape.n_bytes;
    if (to->host != NULL) {
        memset((char *)to->host + at, transfer->value, n_bytes);
        return MMB_OK;
    }
    return to->backend->ops->set(to->backend, &to->memory, to->offset + at, transfer->value,
                                 n_bytes);
}

mmbError mmb_transfer_run(const struct mmb_transfer *transfer)
{
    if (transfer->shape.n_bytes == 0)
        return MMB_OK;
    return transfer->is_fill ? run_fill(transfer) : run_copy(transfer);
}
