/* SPDX-License-Identifier: BSD-3-Clause */
/* A copy that was checked and is ready to run, by the caller or by the worker. */
#ifndef MMB_CORE_COPY_H
#define MMB_CORE_COPY_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/copy.h>
#include "src/core/copy_shape.h"
#include "src/core/place.h"

/* Refers to nothing of the caller's. A fill has no source: `from` and shape.src mean nothing. */
struct mmb_transfer {
    struct mmb_place to, from;
    struct mmb_copy_shape shape;
    bool is_fill;
    int value;
};

/* The objects and the byte ranges of a copy of one run; `function` is for details. */
struct mmb_run {
    const char *function;
    mmbAllocation *dst;
    const mmbAllocation *src;
    size_t doffset, soffset, n_bytes;
};

/* All of these find and check both objects, the ranges and that no byte belongs to both sides, and
 * touch no byte. MMB_NOT_INITIALIZED, MMB_INVALID_ALLOCATION, MMB_INVALID_SIZE (range, different
 * sizes), MMB_INVALID_ARG (overlap), MMB_UNSUPPORTED (no way to move the bytes), and what
 * mmb_copy_shape_make returns. */
mmbError mmb_transfer_prepare_whole(const char *function, mmbAllocation *dst,
                                    const mmbAllocation *src, struct mmb_transfer *out_transfer);
mmbError mmb_transfer_prepare_run(const struct mmb_run *run, struct mmb_transfer *out_transfer);
/* Fills in the sizes of the request's two sides. */
mmbError mmb_transfer_prepare_nd(struct mmb_copy_request *request, mmbAllocation *dst,
                                 const mmbAllocation *src, struct mmb_transfer *out_transfer);
/* run->src and run->soffset are not looked at. */
mmbError mmb_transfer_prepare_fill(const struct mmb_run *run, int value,
                                   struct mmb_transfer *out_transfer);

/* ---- src/core/copy_engine.c ---- */

/* MMB_UNSUPPORTED: nobody can read or write one of the sides. */
mmbError mmb_transfer_check_way(const struct mmb_transfer *transfer, const char *function);

/* Moves the bytes of a transfer that was prepared; returns when the destination is readable. The
 * error is a backend's; the destination's contents are then undefined. */
mmbError mmb_transfer_run(const struct mmb_transfer *transfer);

#endif
