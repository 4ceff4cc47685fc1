/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared heap in an array of the user's: in a block of another shared heap, in memory that
 * processes got in common by fork, or in private memory. Owns its instances; takes no lock.
 *
 * Inside a segment with a file the locks that tell who lives are taken on the bytes of the file
 * where the array lies, which no other heap uses; elsewhere process ids must do. Nothing publishes
 * an array atomically: who creates orders that against who attaches. */
#include "layers/host/array_shared.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/shared/backend.h"
#include "src/spi/source.h"

#define BASE_ALIGNMENT 64u

static const struct mmb_backend_ops shared_array_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "array",
    .id = MMB_BACKEND_ARRAY,
    .close = mmb_shared_backend_close,
    .map = mmb_shared_backend_map,
    .unmap = mmb_shared_backend_unmap,
};

struct place {
    unsigned char *base;
    uint64_t n_bytes;
    int fd; /* a duplicate; -1: no file */
    uint64_t fd_offset;
};

/* The segment that an address lies in, where this process has one attached there. */
static const struct mmb_shared_segment *segment_around(const void *address)
{
    struct mmb_chunk *chunk = mmb_chunk_find((uintptr_t)address);
    return chunk ? mmb_source_backend(chunk->source)->shared : NULL;
}

static mmbError find_place(const mmbBackendOptions *options, struct place *out)
{
    uintptr_t base = (uintptr_t)options->array.base;
    size_t head = -base & (BASE_ALIGNMENT - 1);
    if (options->array.bytes <= head + MMB_SHARED_SLOTS_OFFSET)
        return mmb_fail(MMB_INVALID_SIZE, "array: %zu B hold no shared heap", options->array.bytes);
    out->base = (unsigned char *)base + head;
    out->n_bytes = options->array.bytes - head;
    const struct mmb_shared_segment *around = segment_around(out->base);
    out->fd = around && around->fd >= 0 ? fcntl(around->fd, F_DUPFD_CLOEXEC, 0) : -1;
    out->fd_offset = around ? around->fd_offset + (uint64_t)(out->base - around->base) : 0;
    return MMB_OK;
}

static bool somebody_lives(const struct mmb_shared_head *head, const struct place *place)
{
    struct mmb_shared_segment segment = {.base = place->base,
                                         .layout = head->layout,
                                         .fd = place->fd,
                                         .fd_offset = place->fd_offset};
    for (uint32_t slot = 0; slot < segment.layout.n_slots; slot++)
        if (mmb_shared_slot(&segment, slot)->owner != 0 && !mmb_shared_slot_is_dead(&segment, slot))
            return true;
    return false;
}

/* What an earlier heap left in the array is overwritten unless somebody has it attached. */
static mmbError create(const struct place *place, const struct mmb_shared_plan *plan,
                       const mmbBackendOptions *options)
{
    struct mmb_shared_layout layout;
    struct mmb_shared_head *head = (struct mmb_shared_head *)place->base;
    mmbError error = mmb_shared_layout_make(place->n_bytes, plan->header_bytes, 0,
                                            mmb_shared_plan_strategy(plan), &layout);
    uint64_t skew = (uintptr_t)place->base & (((uint64_t)1 << layout.granule_log2) - 1);
    if (error == MMB_OK)
        error = mmb_shared_layout_make(place->n_bytes, plan->header_bytes, skew,
                                       mmb_shared_plan_strategy(plan), &layout);
    if (error != MMB_OK)
        return error;
    struct mmb_shared_head copy = *head;
    bool is_heap =
        copy.magic == MMB_SHARED_MAGIC && mmb_shared_head_check(&copy, place->n_bytes) == MMB_OK;
    if (is_heap && somebody_lives(&copy, place))
        return mmb_fail(MMB_EXISTS, "array at %p: it holds a heap that is in use",
                        options->array.base);
    uint32_t generation = mmb_shared_new_generation();
    error = mmb_shared_plan_check_id(plan, plan->id ? plan->id : generation);
    if (error != MMB_OK)
        return error;
    const struct mmb_shared_identity identity = {.id = plan->id ? plan->id : generation,
                                                 .generation = generation,
                                                 .creator = (uint32_t)geteuid()};
    memset(place->base, 0, layout.data);
    mmb_shared_format(place->base, &layout, &identity);
    return MMB_OK;
}

static mmbError attach(const struct place *place, const struct mmb_shared_plan *plan, bool created,
                       struct mmb_shared_backend **out)
{
    struct mmb_shared_head copy;
    memcpy(&copy, place->base, sizeof copy);
    mmbError error = mmb_shared_head_check(&copy, place->n_bytes);
    if (error == MMB_OK)
        error = mmb_shared_plan_matches(plan, &copy);
    if (error != MMB_OK)
        return error;
    int fd = place->fd < 0 ? -1 : fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
    error = mmb_shared_backend_make(&shared_array_backend, place->base, &copy,
                                    (struct mmb_shared_place){fd, place->fd_offset}, out);
    if (error == MMB_OK)
        (*out)->segment.created = created;
    return error;
}

static mmbError open_in(const struct place *place, const struct mmb_shared_plan *plan,
                        const mmbBackendOptions *options, struct mmb_shared_backend **out)
{
    struct mmb_shared_head copy;
    memcpy(&copy, place->base, sizeof copy);
    bool is_there = copy.magic == MMB_SHARED_MAGIC;
    bool creates =
        plan->mode == MMB_SHM_CREATE || (plan->mode == MMB_SHM_CREATE_OR_ATTACH && !is_there);
    mmbError error = creates ? create(place, plan, options) : MMB_OK;
    return error == MMB_OK ? attach(place, plan, creates, out) : error;
}

mmbError mmb_array_shared_open(const struct mmb_backend_request *request,
                               struct mmb_backend **out_backend)
{
    const mmbBackendOptions *options = request->options;
    const struct mmb_shared_plan plan = {
        .n_bytes = options->array.bytes,
        .header_bytes = options->array.header_bytes,
        .strategy = request->strategy,
        .id = options->array.id,
        .mode = options->array.mode,
        .id_is_taken = request->id_is_taken,
        .what = "array",
    };
    struct place place = {0};
    mmbError error = mmb_shared_plan_check(&plan);
    if (error == MMB_OK)
        error = find_place(options, &place);
    if (error != MMB_OK)
        return error;
    struct mmb_shared_backend *self;
    error = open_in(&place, &plan, options, &self);
    if (place.fd >= 0)
        close(place.fd);
    if (error == MMB_OK)
        *out_backend = &self->base;
    return error;
}
