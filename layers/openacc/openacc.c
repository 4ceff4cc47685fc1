/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over the memory of OpenACC's devices. An instance owns a number of a queue; takes no
 * lock but the runtime's.
 *
 * The runtime ends the program where it is given a device that it does not have, so numbers are
 * checked before, and its copies want a thread that has a device. So the device is set for every
 * call, and the caller's is set again where it was another. What the runtime gives is taken for
 * memory that the host cannot touch, the host's own device included: a program that works there
 * works with an accelerator too.
 *
 * Copies are queued where the runtime has queues (layers/openacc/stream.c). Where it has none an
 * instance is of another table, which has no streams: what does not block is then the worker's. */
#include "layers/openacc/openacc.h"
#include <stdint.h>
#include <string.h>
#include "layers/openacc/instance.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* What acc_malloc promises: any type of the language. */
#define ALIGNMENT ((size_t)16)
/* Of the bytes from which a range is filled; the runtime cannot fill. */
#define PATTERN_BYTES ((size_t)64 << 10)

static const struct mmb_backend_ops plain;

static bool serves(mmbMemLayer layer, mmbExecutionContext context)
{
    return layer == MMB_GDRAM && context == MMB_OPENACC;
}

static mmbError available(void)
{
    size_t n_devices;
    return mmb_openacc_load(&n_devices);
}

/* ---- open and close ---- */

static mmbError check_options(const mmbBackendOptions *options)
{
    const size_t n_words = sizeof options->reserved / sizeof options->reserved[0];
    for (size_t i = 0; i < n_words; i++)
        if (options->reserved[i] != 0)
            return mmb_fail(MMB_INVALID_ARG,
                            "openacc backend: word %zu of the backend's options is not used and "
                            "must be zero",
                            i);
    return MMB_OK;
}

/* The domain's device, else the one that is current for the thread that opens. */
static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    size_t n_devices = 0;
    mmbError error = check_options(request->options);
    if (error == MMB_OK)
        error = mmb_openacc_load(&n_devices);
    if (error != MMB_OK)
        return error;
    int type = mmb_openacc.get_device_type(), number = request->domain_os_index;
    if (number < 0)
        number = mmb_openacc.get_device_num(type);
    int n = mmb_openacc.get_num_devices(type);
    if (number < 0 || number >= n)
        return mmb_fail(MMB_INVALID_ARG, "openacc backend: there is no device %d among %d", number,
                        n);
    struct mmb_openacc *openacc = mmb_meta_alloc(sizeof *openacc);
    if (!openacc)
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory for its own data");
    openacc->base =
        (struct mmb_backend){.ops = mmb_openacc_has_queues() ? &mmb_openacc_backend : &plain,
                             .bounded = SIZE_MAX,
                             .min_alignment = ALIGNMENT,
                             .has_device = true,
                             .device = number};
    openacc->type = type;
    openacc->number = number;
    openacc->queue = mmb_openacc_queue_take();
    openacc->mutex = (struct mmb_mutex)MMB_MUTEX_INIT;
    mmb_list_init(&openacc->buffers);
    *out = &openacc->base;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    if (!backend)
        return;
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    mmb_openacc_stream_close(openacc);
    mmb_openacc_queue_give(openacc->queue);
    mmb_meta_free(openacc, sizeof *openacc);
}

/* ---- ranges ---- */

static char *allocate(const struct mmb_openacc *openacc, size_t n_bytes, size_t slack)
{
    size_t n_asked;
    if (!mmb_add_size(n_bytes, slack, &n_asked) || n_asked > PTRDIFF_MAX)
        return NULL;
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    char *start = mmb_openacc.allocate(n_asked);
    mmb_openacc_leave(openacc, &entered);
    return start;
}

static mmbError make(struct mmb_openacc *openacc, size_t n_bytes, size_t alignment,
                     struct mmb_memory *out)
{
    struct mmb_openacc_range *range = mmb_meta_alloc(sizeof *range);
    if (!range)
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory for its own data");
    range->owner = openacc;
    range->start = allocate(openacc, n_bytes, alignment > ALIGNMENT ? alignment : 0);
    if (!range->start) {
        mmb_meta_free(range, sizeof *range);
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend, device %d: acc_malloc of %zu B",
                        openacc->number, n_bytes);
    }
    uintptr_t address = mmb_round_up((uintptr_t)range->start, alignment ? alignment : 1);
    *out = (struct mmb_memory){.address = address,
                               .n_bytes = n_bytes,
                               .native = (void *)address,
                               .cookie = (uintptr_t)range};
    return MMB_OK;
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    mmbError error = make(mmb_openacc_of(backend), want_bytes, alignment, out);
    if (error == MMB_OUT_OF_MEMORY && min_bytes < want_bytes)
        error = make(mmb_openacc_of(backend), min_bytes, alignment, out);
    return error;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    struct mmb_openacc_range *range = (struct mmb_openacc_range *)(uintptr_t)memory->cookie;
    const struct mmb_openacc *openacc = mmb_openacc_of(backend);
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmb_openacc.free(range->start);
    mmb_openacc_leave(openacc, &entered);
    mmb_meta_free(range, sizeof *range);
    return MMB_OK;
}

/* ---- copies ---- */

static mmbError run(struct mmb_openacc *openacc, struct mmb_stream_side to,
                    struct mmb_stream_side from, size_t n_bytes)
{
    const struct mmb_stream_box box = {
        .to = to, .from = from, .row_bytes = n_bytes, .n_rows = 1, .n_slices = 1};
    return mmb_openacc_run(openacc, &box);
}

static mmbError copy_in(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                        const void *from_host, size_t n_bytes)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    void *from = (void *)(uintptr_t)from_host;
    if (mmb_openacc_has_queues())
        return run(openacc, (struct mmb_stream_side){.memory = to, .offset = to_offset},
                   (struct mmb_stream_side){.host = from}, n_bytes);
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmb_openacc.copy_in((void *)(to->address + to_offset), from, n_bytes);
    mmb_openacc_leave(openacc, &entered);
    return MMB_OK;
}

static mmbError copy_out(struct mmb_backend *backend, void *to_host, const struct mmb_memory *from,
                         size_t from_offset, size_t n_bytes)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    if (mmb_openacc_has_queues())
        return run(openacc, (struct mmb_stream_side){.host = to_host},
                   (struct mmb_stream_side){.memory = from, .offset = from_offset}, n_bytes);
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    mmb_openacc.copy_out(to_host, (void *)(from->address + from_offset), n_bytes);
    mmb_openacc_leave(openacc, &entered);
    return MMB_OK;
}

static mmbError copy(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                     const struct mmb_memory *from, size_t from_offset, size_t n_bytes)
{
    return run(mmb_openacc_of(backend), (struct mmb_stream_side){.memory = to, .offset = to_offset},
               (struct mmb_stream_side){.memory = from, .offset = from_offset}, n_bytes);
}

static mmbError fill(const struct mmb_openacc *openacc, char *to, int value, size_t n_bytes)
{
    size_t pattern_bytes = n_bytes < PATTERN_BYTES ? n_bytes : PATTERN_BYTES;
    char *pattern = mmb_meta_alloc(pattern_bytes);
    if (!pattern)
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory for a fill of %zu B",
                        n_bytes);
    memset(pattern, value, pattern_bytes);
    struct mmb_openacc_entered entered = mmb_openacc_enter(openacc);
    for (size_t done = 0, n; done < n_bytes; done += n) {
        n = n_bytes - done < pattern_bytes ? n_bytes - done : pattern_bytes;
        mmb_openacc.copy_in(to + done, pattern, n);
    }
    mmb_openacc_leave(openacc, &entered);
    mmb_meta_free(pattern, pattern_bytes);
    return MMB_OK;
}

static mmbError set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                    int value, size_t n_bytes)
{
    struct mmb_openacc *openacc = mmb_openacc_of(backend);
    const struct mmb_stream_side side = {.memory = to, .offset = to_offset};
    if (mmb_openacc_has_queues())
        return mmb_openacc_run_set(openacc, &side, value, n_bytes);
    return fill(openacc, (char *)to->address + to_offset, value, n_bytes);
}

/* ---- the tables ---- */

/* clang-format off */
#define OPS                                                                                        \
    .size = sizeof(struct mmb_backend_ops), .name = "openacc", .id = MMB_BACKEND_OPENACC,          \
    .places_by_domain = true, .serves = serves, .available = available, .open = open_backend,      \
    .close = close_backend, .map = map, .unmap = unmap, .copy_in = copy_in, .copy_out = copy_out,  \
    .set = set
/* clang-format on */

const struct mmb_backend_ops mmb_openacc_backend = {OPS, .copy = copy,
                                                    .stream = &mmb_openacc_stream};

static const struct mmb_backend_ops plain = {OPS};
