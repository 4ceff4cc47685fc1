/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies and fills of a GPU's memory on streams (spi/stream.h), for every runtime (runtime.h). Owns
 * nothing but the marks it makes; takes no lock. Every call enters the device's context and leaves
 * it again. */
#include "layers/gpu/runtime.h"
#include "src/base/error.h"

static void *stream_of(const struct mmb_gpu *gpu, void *stream)
{
    return stream ? stream : gpu->stream;
}

/* ---- what is queued; entered ---- */

static uintptr_t address_of(const struct mmb_stream_side *side)
{
    uintptr_t base = side->memory ? side->memory->address : (uintptr_t)side->host;
    return base + side->offset;
}

static struct mmb_gpu_side native_side(const struct mmb_stream_side *side)
{
    const struct mmb_gpu *owner = side->memory ? mmb_gpu_owner(side->memory) : NULL;
    return (struct mmb_gpu_side){.address = address_of(side),
                                 .context = owner ? owner->context : NULL,
                                 .is_host = !side->memory || side->memory->host,
                                 .row_pitch = side->row_pitch,
                                 .slice_pitch = side->slice_pitch};
}

static int queue_box(const struct mmb_gpu *gpu, void *stream, const struct mmb_stream_box *box)
{
    if (box->n_rows == 1 && box->n_slices == 1)
        return gpu->runtime->copy((void *)address_of(&box->to),
                                  (const void *)address_of(&box->from), box->row_bytes, stream);
    const struct mmb_gpu_box native = {.to = native_side(&box->to),
                                       .from = native_side(&box->from),
                                       .row_bytes = box->row_bytes,
                                       .n_rows = box->n_rows,
                                       .n_slices = box->n_slices};
    return gpu->runtime->copy_box(&native, stream);
}

/* ---- the table ---- */

static mmbError end_of(struct mmb_gpu *gpu, uintptr_t state, int code, const char *what,
                       size_t n_bytes)
{
    mmbError error = code == 0 ? MMB_OK : mmb_gpu_fail(gpu, code, what, n_bytes);
    gpu->runtime->leave(state);
    return error;
}

static mmbError end(struct mmb_gpu *gpu, uintptr_t state, int code, const char *what)
{
    return end_of(gpu, state, code, what, 0);
}

static mmbError stream_copy(struct mmb_backend *backend, void *stream,
                            const struct mmb_stream_box *box)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    return end_of(gpu, state, queue_box(gpu, stream_of(gpu, stream), box), "a copy",
                  box->row_bytes * box->n_rows * box->n_slices);
}

static mmbError stream_set(struct mmb_backend *backend, void *stream,
                           const struct mmb_stream_side *to, int value, size_t n_bytes)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    int code = gpu->runtime->set((void *)address_of(to), value, n_bytes, stream_of(gpu, stream));
    return end_of(gpu, state, code, "a fill", n_bytes);
}

static mmbError stream_finish(struct mmb_backend *backend, void *stream)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    return end(gpu, state, gpu->runtime->finish(stream_of(gpu, stream)), "waiting for a stream");
}

static mmbError stream_mark(struct mmb_backend *backend, void *stream, void **out_mark)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    return end(gpu, state, gpu->runtime->mark(stream_of(gpu, stream), out_mark), "an event");
}

static mmbError stream_query(struct mmb_backend *backend, void *mark, bool *out_reached)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    return end(gpu, state, gpu->runtime->query(mark, out_reached), "asking an event");
}

static mmbError stream_wait(struct mmb_backend *backend, void *mark)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    return end(gpu, state, gpu->runtime->wait(mark), "waiting for an event");
}

static mmbError stream_order(struct mmb_backend *backend, void *mark, void *stream)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    return end(gpu, state, gpu->runtime->order(stream, mark), "ordering a stream");
}

/* Where the context cannot be entered it is gone, and its events with it. */
static void stream_forget(struct mmb_backend *backend, void *mark)
{
    struct mmb_gpu *gpu = mmb_gpu_of(backend);
    uintptr_t state;
    if (mmb_gpu_enter(gpu, &state) != MMB_OK)
        return;
    gpu->runtime->forget(mark);
    gpu->runtime->leave(state);
}

const struct mmb_stream_ops mmb_gpu_stream = {
    .copy = stream_copy,
    .set = stream_set,
    .finish = stream_finish,
    .mark = stream_mark,
    .query = stream_query,
    .wait = stream_wait,
    .order = stream_order,
    .forget = stream_forget,
    .stage_take = mmb_gpu_stage_take,
    .stage_give = mmb_gpu_stage_give,
};

/* ---- blocking ---- */

/* Waited for after a failure too: what was queued before may be under way in the caller's memory.
 */
static mmbError run(struct mmb_gpu *gpu, uintptr_t to, uintptr_t from, size_t n_bytes)
{
    uintptr_t state;
    mmbError error = mmb_gpu_enter(gpu, &state);
    if (error != MMB_OK)
        return error;
    int code = gpu->runtime->copy((void *)to, (const void *)from, n_bytes, gpu->stream);
    int finished = gpu->runtime->finish(gpu->stream);
    if (code == 0)
        code = finished;
    if (code != 0)
        error = mmb_gpu_fail(gpu, code, "copy", n_bytes);
    gpu->runtime->leave(state);
    return error;
}

mmbError mmb_gpu_copy_in(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                         const void *from_host, size_t n_bytes)
{
    return run(mmb_gpu_of(backend), to->address + to_offset, (uintptr_t)from_host, n_bytes);
}

mmbError mmb_gpu_copy_out(struct mmb_backend *backend, void *to_host, const struct mmb_memory *from,
                          size_t from_offset, size_t n_bytes)
{
    return run(mmb_gpu_of(backend), (uintptr_t)to_host, from->address + from_offset, n_bytes);
}

mmbError mmb_gpu_copy(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                      const struct mmb_memory *from, size_t from_offset, size_t n_bytes)
{
    return run(mmb_gpu_of(backend), to->address + to_offset, from->address + from_offset, n_bytes);
}

mmbError mmb_gpu_set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                     int value, size_t n_bytes)
{
    const struct mmb_stream_side side = {.memory = to, .offset = to_offset};
    mmbError error = stream_set(backend, NULL, &side, value, n_bytes);
    mmbError finished = stream_finish(backend, NULL);
    return error != MMB_OK ? error : finished;
}
