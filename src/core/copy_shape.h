/* SPDX-License-Identifier: BSD-3-Clause */
/* The geometry of a copy of any number of dimensions: which bytes of two objects it touches. Knows
 * sizes and offsets, no memory. */
#ifndef MMB_CORE_COPY_SHAPE_H
#define MMB_CORE_COPY_SHAPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>

/* The most dimensions a copy can have. Fortran arrays have up to 15; one more for their elements.
 */
#define MMB_COPY_DIMENSIONS_MAX 16

/* One side as the caller states it. */
struct mmb_copy_side {
    const size_t *offset; /* n_dims indices, the last one in bytes */
    const size_t *pitch;  /* n_dims - 1 steps in bytes; NULL: dense */
    size_t n_bytes;       /* of the whole object */
};

struct mmb_copy_request {
    const char *function; /* for details */
    struct mmb_copy_side dst, src;
    size_t n_dims;
    const size_t *dims; /* the last one in bytes */
};

/* The bytes of one side, relative to its object: start <= byte < start + extent. */
struct mmb_strided {
    size_t start;
    size_t extent;
    size_t pitch[MMB_COPY_DIMENSIONS_MAX]; /* pitch[n_dims - 1] = 1 */
};

/* n_bytes = count[0] * ... * count[n_dims - 1]; each pitch spans all dimensions behind its own, so
 * the rows (runs of count[n_dims - 1] bytes) of one side lie apart and ascend in the order of their
 * indices. When n_bytes is 0 nothing else is set. Dimensions that are dense on both sides, or have
 * one index, are folded: what is contiguous has n_dims = 1. */
struct mmb_copy_shape {
    size_t n_bytes;
    size_t n_dims;
    size_t count[MMB_COPY_DIMENSIONS_MAX];
    struct mmb_strided dst, src;
};

/* With 0 bytes to copy neither offsets nor pitches are looked at. MMB_INVALID_ARG: no or too many
 * dimensions, dims or an offset is NULL. MMB_INVALID_SIZE: out of an object's range, a pitch
 * smaller than what it spans, or too large for size_t. */
mmbError mmb_copy_shape_make(const struct mmb_copy_request *request,
                             struct mmb_copy_shape *out_shape);

/* One contiguous run; the caller has checked the ranges. */
void mmb_copy_shape_run(struct mmb_copy_shape *shape, size_t dst_start, size_t src_start,
                        size_t n_bytes);

/* Whether a byte belongs to both sides when their objects begin at these addresses. Exact: columns
 * of one matrix that interleave do not overlap. Takes a few divisions, or one pass over the rows
 * where the two extents meet and the pitches leave it open. */
bool mmb_copy_shape_overlaps(const struct mmb_copy_shape *shape, uintptr_t dst_object,
                             uintptr_t src_object);

#endif
