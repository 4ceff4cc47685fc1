/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over the memory of OpenACC's devices. Owns nothing; takes no lock but the runtime's.
 *
 * The runtime ends the program where it is given a device that it does not have, so numbers are
 * checked before, and its copies want a thread that has a device. So the device is set for every
 * call, and the caller's is set again where it was another. What the runtime gives is taken for
 * memory that the host cannot touch, the host's own device included: a program that works there
 * works with an accelerator too. */
#include "layers/openacc/openacc.h"
#include <stdint.h>
#include <string.h>
#include "layers/openacc/runtime.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* What acc_malloc promises: any type of the language. */
#define ALIGNMENT ((size_t)16)
/* Of the bytes from which a range is filled; the runtime cannot fill. */
#define PATTERN_BYTES ((size_t)64 << 10)

struct openacc {
    struct mmb_backend base;
    int type, number;
};

struct range {
    char *start; /* as it was given; a range begins at an alignment */
};

/* The caller's device. */
struct entered {
    int type, number;
};

static struct openacc *openacc_of(struct mmb_backend *backend)
{
    return (struct openacc *)backend;
}

static struct entered enter(const struct openacc *openacc)
{
    int type = mmb_openacc.get_device_type();
    struct entered entered = {type, mmb_openacc.get_device_num(type)};
    mmb_openacc.set_device_num(openacc->number, openacc->type);
    return entered;
}

static void leave(const struct openacc *openacc, const struct entered *entered)
{
    if (entered->type != openacc->type || entered->number != openacc->number)
        mmb_openacc.set_device_num(entered->number, entered->type);
}

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
    struct openacc *openacc = mmb_meta_alloc(sizeof *openacc);
    if (!openacc)
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory for its own data");
    openacc->base = (struct mmb_backend){
        .ops = &mmb_openacc_backend, .bounded = SIZE_MAX, .min_alignment = ALIGNMENT};
    openacc->type = type;
    openacc->number = number;
    *out = &openacc->base;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    if (backend)
        mmb_meta_free(openacc_of(backend), sizeof(struct openacc));
}

/* ---- ranges ---- */

static char *allocate(const struct openacc *openacc, size_t n_bytes, size_t slack)
{
    size_t n_asked;
    if (!mmb_add_size(n_bytes, slack, &n_asked) || n_asked > PTRDIFF_MAX)
        return NULL;
    struct entered entered = enter(openacc);
    char *start = mmb_openacc.allocate(n_asked);
    leave(openacc, &entered);
    return start;
}

static mmbError make(struct openacc *openacc, size_t n_bytes, size_t alignment,
                     struct mmb_memory *out)
{
    struct range *range = mmb_meta_alloc(sizeof *range);
    if (!range)
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory for its own data");
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
    mmbError error = make(openacc_of(backend), want_bytes, alignment, out);
    if (error == MMB_OUT_OF_MEMORY && min_bytes < want_bytes)
        error = make(openacc_of(backend), min_bytes, alignment, out);
    return error;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    struct range *range = (struct range *)(uintptr_t)memory->cookie;
    const struct openacc *openacc = openacc_of(backend);
    struct entered entered = enter(openacc);
    mmb_openacc.free(range->start);
    leave(openacc, &entered);
    mmb_meta_free(range, sizeof *range);
    return MMB_OK;
}

/* ---- copies ---- */

static mmbError copy_in(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                        const void *from_host, size_t n_bytes)
{
    const struct openacc *openacc = openacc_of(backend);
    struct entered entered = enter(openacc);
    mmb_openacc.copy_in((void *)(to->address + to_offset), (void *)(uintptr_t)from_host, n_bytes);
    leave(openacc, &entered);
    return MMB_OK;
}

static mmbError copy_out(struct mmb_backend *backend, void *to_host, const struct mmb_memory *from,
                         size_t from_offset, size_t n_bytes)
{
    const struct openacc *openacc = openacc_of(backend);
    struct entered entered = enter(openacc);
    mmb_openacc.copy_out(to_host, (void *)(from->address + from_offset), n_bytes);
    leave(openacc, &entered);
    return MMB_OK;
}

static mmbError set(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                    int value, size_t n_bytes)
{
    size_t pattern_bytes = n_bytes < PATTERN_BYTES ? n_bytes : PATTERN_BYTES;
    char *pattern = mmb_meta_alloc(pattern_bytes);
    if (!pattern)
        return mmb_fail(MMB_OUT_OF_MEMORY, "openacc backend: no memory for a fill of %zu B",
                        n_bytes);
    memset(pattern, value, pattern_bytes);
    const struct openacc *openacc = openacc_of(backend);
    struct entered entered = enter(openacc);
    for (size_t done = 0, n; done < n_bytes; done += n) {
        n = n_bytes - done < pattern_bytes ? n_bytes - done : pattern_bytes;
        mmb_openacc.copy_in((void *)(to->address + to_offset + done), pattern, n);
    }
    leave(openacc, &entered);
    mmb_meta_free(pattern, pattern_bytes);
    return MMB_OK;
}

const struct mmb_backend_ops mmb_openacc_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "openacc",
    .id = MMB_BACKEND_OPENACC,
    .places_by_domain = true,
    .serves = serves,
    .available = available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .set = set,
};
