/* SPDX-License-Identifier: BSD-3-Clause */
/* The blocking copies: checks, then src/core/copy_engine.c. Owns nothing and takes no lock.
 *
 * Most copies have two objects with blocks of their own in host memory. Their place is the record
 * itself, so the one-dimensional calls settle that case in a straight line; whatever it does not
 * like, an error included, goes to the general path, which finds the reason. */
#include <string.h>
#include "src/base/error.h"
#include "src/core/copy.h"
#include "src/core/registry.h"
#include "src/core/ticket.h"
#include "src/spi/record.h"

/* ---- the straight line ---- */

/* One or two words, or-ed, of objects that have a block of their own, and no stack that might have
 * dropped it. 0, which no live word is, passes: it has no bytes to copy. */
static inline bool is_direct(uint32_t words)
{
    return mmb_record_state(words) <= MMB_RECORD_LOCKED;
}

static inline bool has_range(size_t n_object, size_t offset, size_t n_bytes)
{
    return offset <= n_object && n_bytes <= n_object - offset;
}

/* No byte is in both runs: the distance, modulo 2^64, is n_bytes or more on either side. */
static inline bool are_apart(const char *a, const char *b, size_t n_bytes)
{
    uintptr_t distance = (uintptr_t)a - (uintptr_t)b;
    return distance >= n_bytes && -distance >= n_bytes;
}

/* Runs that are apart. For 16 B to 64 B, calling memcpy would cost as much as the checks; two or
 * four pieces of 16 B, which may overlap, are any such size. */
static inline void copy_bytes(char *to, const char *from, size_t n_bytes)
{
    if (n_bytes - 16 > 48) {
        memcpy(to, from, n_bytes);
        return;
    }
    size_t last = n_bytes - 16;
    memcpy(to, from, 16);
    if (n_bytes > 32) {
        memcpy(to + 16, from + 16, 16);
        memcpy(to + last - 16, from + last - 16, 16);
    }
    memcpy(to + last, from + last, 16);
}

/* ---- checks ---- */

static mmbError fail_range(const struct mmb_run *run, const char *side, size_t offset,
                           size_t n_object)
{
    return mmb_fail(MMB_INVALID_SIZE, "%s: %zu B at offset %zu of a %s of %zu B", run->function,
                    run->n_bytes, offset, side, n_object);
}

/* What the host can reach and what it cannot are never the same bytes; the numbers of two device
 * addresses are compared even across backends, where equal ones only come from wrapped memory that
 * two runtimes share. */
static bool sides_overlap(const struct mmb_transfer *transfer)
{
    const struct mmb_place *to = &transfer->to;
    const struct mmb_place *from = &transfer->from;
    return (to->host == NULL) == (from->host == NULL) &&
           mmb_copy_shape_overlaps(&transfer->shape, to->memory.address + to->offset,
                                   from->memory.address + from->offset);
}

/* The last checks, once the shape is known. */
static mmbError check_sides(const char *function, const struct mmb_transfer *transfer)
{
    if (transfer->shape.n_bytes == 0)
        return MMB_OK;
    if (!transfer->is_fill && sides_overlap(transfer))
        return mmb_fail(MMB_INVALID_ARG, "%s: source and destination overlap", function);
    return mmb_transfer_check_way(transfer, function);
}

static mmbError find_places(const char *function, mmbAllocation *dst, const mmbAllocation *src,
                            struct mmb_transfer *transfer)
{
    mmbError error = mmb_library_check(function);
    if (error == MMB_OK)
        error = mmb_place_of(dst, function, &transfer->to);
    if (error == MMB_OK)
        error = mmb_place_of(src, function, &transfer->from);
    return error;
}

mmbError mmb_transfer_prepare_whole(const char *function, mmbAllocation *dst,
                                    const mmbAllocation *src, struct mmb_transfer *out_transfer)
{
    out_transfer->is_fill = false;
    mmbError error = find_places(function, dst, src, out_transfer);
    if (error != MMB_OK)
        return error;
    size_t n_bytes = out_transfer->to.n_bytes;
    if (n_bytes != out_transfer->from.n_bytes)
        return mmb_fail(MMB_INVALID_SIZE, "%s: the destination has %zu B, the source %zu B",
                        function, n_bytes, out_transfer->from.n_bytes);
    mmb_copy_shape_run(&out_transfer->shape, 0, 0, n_bytes);
    return check_sides(function, out_transfer);
}

mmbError mmb_transfer_prepare_run(const struct mmb_run *run, struct mmb_transfer *out_transfer)
{
    out_transfer->is_fill = false;
    mmbError error = find_places(run->function, run->dst, run->src, out_transfer);
    if (error != MMB_OK)
        return error;
    mmb_copy_shape_run(&out_transfer->shape, run->doffset, run->soffset, run->n_bytes);
    if (run->n_bytes == 0)
        return MMB_OK;
    if (!has_range(out_transfer->to.n_bytes, run->doffset, run->n_bytes))
        return fail_range(run, "destination", run->doffset, out_transfer->to.n_bytes);
    if (!has_range(out_transfer->from.n_bytes, run->soffset, run->n_bytes))
        return fail_range(run, "source", run->soffset, out_transfer->from.n_bytes);
    return check_sides(run->function, out_transfer);
}

mmbError mmb_transfer_prepare_nd(struct mmb_copy_request *request, mmbAllocation *dst,
                                 const mmbAllocation *src, struct mmb_transfer *out_transfer)
{
    out_transfer->is_fill = false;
    mmbError error = find_places(request->function, dst, src, out_transfer);
    if (error != MMB_OK)
        return error;
    request->dst.n_bytes = out_transfer->to.n_bytes;
    request->src.n_bytes = out_transfer->from.n_bytes;
    error = mmb_copy_shape_make(request, &out_transfer->shape);
    if (error != MMB_OK)
        return error;
    return check_sides(request->function, out_transfer);
}

mmbError mmb_transfer_prepare_fill(const struct mmb_run *run, int value,
                                   struct mmb_transfer *out_transfer)
{
    out_transfer->is_fill = true;
    out_transfer->value = value;
    mmbError error = mmb_library_check(run->function);
    if (error == MMB_OK)
        error = mmb_place_of(run->dst, run->function, &out_transfer->to);
    if (error != MMB_OK)
        return error;
    mmb_copy_shape_run(&out_transfer->shape, run->doffset, 0, run->n_bytes);
    if (run->n_bytes != 0 && !has_range(out_transfer->to.n_bytes, run->doffset, run->n_bytes))
        return fail_range(run, "destination", run->doffset, out_transfer->to.n_bytes);
    return check_sides(run->function, out_transfer);
}

/* ---- the general path; out of line, for its frame is large ---- */

__attribute__((noinline)) static mmbError copy_whole(mmbAllocation *dst, const mmbAllocation *src)
{
    struct mmb_transfer transfer;
    mmbError error = mmb_transfer_prepare_whole("copy", dst, src, &transfer);
    return error == MMB_OK ? mmb_transfer_run(&transfer) : error;
}

__attribute__((noinline)) static mmbError copy_run(mmbAllocation *dst, size_t doffset,
                                                   const mmbAllocation *src, size_t soffset,
                                                   size_t n_bytes)
{
    struct mmb_run run = {"copy_1d", dst, src, doffset, soffset, n_bytes};
    struct mmb_transfer transfer;
    mmbError error = mmb_transfer_prepare_run(&run, &transfer);
    return error == MMB_OK ? mmb_transfer_run(&transfer) : error;
}

__attribute__((noinline)) static mmbError fill_run(mmbAllocation *dst, size_t offset, int value,
                                                   size_t n_bytes)
{
    struct mmb_run run = {"memset", dst, NULL, offset, 0, n_bytes};
    struct mmb_transfer transfer;
    mmbError error = mmb_transfer_prepare_fill(&run, value, &transfer);
    return error == MMB_OK ? mmb_transfer_run(&transfer) : error;
}

/* ---- public ---- */

/* Equal words are equal sizes; the general path takes the few that differ in their state only. The
 * states are those of is_direct, and a word of 0, which no live object has, wraps. */
mmbError mmb_copy(mmbAllocation *dst, const mmbAllocation *src)
{
    dst = mmb_ticket_record(dst);
    src = mmb_ticket_record(src);
    if (__builtin_expect(!mmb_record_is_ours(dst) || !mmb_record_is_ours(src), 0))
        return copy_whole(dst, src);
    uint32_t word = mmb_record_word(dst);
    size_t n_bytes = word & MMB_RECORD_LOW;
    void *to = dst->host, *from = src->host;
    if (__builtin_expect(word != mmb_record_word(src) ||
                             word - 1 >= (MMB_RECORD_STACKED << 24) - 1 || !to || !from,
                         0) ||
        __builtin_expect(!are_apart(to, from, n_bytes), 0))
        return copy_whole(dst, src);
    copy_bytes(to, from, n_bytes);
    return MMB_OK;
}

/* Nothing below wraps: direct objects are small, and what is not is sorted out before it is added.
 */
static inline bool is_direct_run(const mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                                 size_t soffset, size_t n_bytes)
{
    if (!mmb_record_is_ours(dst) || !mmb_record_is_ours(src))
        return false;
    uint32_t to = mmb_record_word(dst), from = mmb_record_word(src);
    return is_direct(to | from) && n_bytes - 1 < MMB_RECORD_LOW &&
           (doffset | soffset) <= MMB_RECORD_LOW && doffset + n_bytes <= (to & MMB_RECORD_LOW) &&
           soffset + n_bytes <= (from & MMB_RECORD_LOW) && dst->host != NULL && src->host != NULL &&
           are_apart((char *)dst->host + doffset, (char *)src->host + soffset, n_bytes);
}

mmbError mmb_copy_1d(mmbAllocation *dst, size_t doffset, const mmbAllocation *src, size_t soffset,
                     size_t n_bytes)
{
    dst = mmb_ticket_record(dst);
    src = mmb_ticket_record(src);
    if (__builtin_expect(!is_direct_run(dst, doffset, src, soffset, n_bytes), 0))
        return copy_run(dst, doffset, src, soffset, n_bytes);
    copy_bytes((char *)dst->host + doffset, (const char *)src->host + soffset, n_bytes);
    return MMB_OK;
}

mmbError mmb_copy_2d(mmbAllocation *dst, size_t dx, size_t dy, size_t dpitch,
                     const mmbAllocation *src, size_t sx, size_t sy, size_t spitch, size_t width,
                     size_t height)
{
    struct mmb_copy_request request = {.function = "copy_2d",
                                       .dst = {(size_t[]){dy, dx}, &dpitch, 0},
                                       .src = {(size_t[]){sy, sx}, &spitch, 0},
                                       .n_dims = 2,
                                       .dims = (size_t[]){height, width}};
    struct mmb_transfer transfer;
    mmbError error = mmb_transfer_prepare_nd(&request, mmb_ticket_record(dst),
                                             mmb_ticket_record(src), &transfer);
    return error == MMB_OK ? mmb_transfer_run(&transfer) : error;
}

mmbError mmb_copy_nd(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                     const mmbAllocation *src, const size_t *soffset, const size_t *spitch,
                     size_t ndims, const size_t *dims)
{
    struct mmb_copy_request request = {.function = "copy_nd",
                                       .dst = {doffset, dpitch, 0},
                                       .src = {soffset, spitch, 0},
                                       .n_dims = ndims,
                                       .dims = dims};
    struct mmb_transfer transfer;
    mmbError error = mmb_transfer_prepare_nd(&request, mmb_ticket_record(dst),
                                             mmb_ticket_record(src), &transfer);
    return error == MMB_OK ? mmb_transfer_run(&transfer) : error;
}

static inline bool is_direct_fill(const mmbAllocation *dst, size_t offset, size_t n_bytes)
{
    if (!mmb_record_is_ours(dst))
        return false;
    uint32_t word = mmb_record_word(dst);
    return is_direct(word) && n_bytes - 1 < MMB_RECORD_LOW && offset <= MMB_RECORD_LOW &&
           offset + n_bytes <= (word & MMB_RECORD_LOW) && dst->host != NULL;
}

mmbError mmb_memset(mmbAllocation *dst, size_t offset, int value, size_t n_bytes)
{
    dst = mmb_ticket_record(dst);
    if (__builtin_expect(!is_direct_fill(dst, offset, n_bytes), 0))
        return fill_run(dst, offset, value, n_bytes);
    memset((char *)dst->host + offset, value, n_bytes);
    return MMB_OK;
}
