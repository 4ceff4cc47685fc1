/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks the numbers of a copy of n dimensions, folds what is contiguous and compares the two sides
 * byte by byte. Owns nothing, takes no lock; every product and sum of the caller's numbers is
 * checked. */
#include "src/core/copy_shape.h"
#include "src/base/checked.h"
#include "src/base/error.h"

/* False: does not fit in size_t. A single 0 makes it 0, however large the others are. */
static bool multiply_all(const size_t *dims, size_t n_dims, size_t *out_product)
{
    bool fits = true;
    size_t product = 1;
    for (size_t i = 0; i < n_dims; i++) {
        if (dims[i] == 0) {
            *out_product = 0;
            return true;
        }
        fits = fits && mmb_mul_size(product, dims[i], &product);
    }
    if (fits)
        *out_product = product;
    return fits;
}

/* *total += count * step */
static bool add_steps(size_t *total, size_t count, size_t step)
{
    size_t bytes;
    return mmb_mul_size(count, step, &bytes) && mmb_add_size(*total, bytes, total);
}

static mmbError fail_range(const struct mmb_copy_request *request, const char *name)
{
    return mmb_fail(MMB_INVALID_SIZE, "%s: the copy reaches beyond the end of the %s",
                    request->function, name);
}

/* Fills one side and checks that it stays inside its object. */
static mmbError lay_out(const struct mmb_copy_request *request, const struct mmb_copy_side *side,
                        struct mmb_strided *out)
{
    const char *name = side == &request->dst ? "destination" : "source";
    const size_t *dims = request->dims;
    size_t last = request->n_dims - 1;
    size_t extent = dims[last];
    size_t start = side->offset[last];
    out->pitch[last] = 1;
    for (size_t i = last; i-- > 0;) {
        size_t pitch = side->pitch != NULL ? side->pitch[i] : extent;
        if (pitch < extent)
            return mmb_fail(MMB_INVALID_SIZE, "%s: pitch %zu of the %s is %zu B and spans %zu B",
                            request->function, i, name, pitch, extent);
        if (!add_steps(&extent, dims[i] - 1, pitch) || !add_steps(&start, side->offset[i], pitch))
            return fail_range(request, name);
        out->pitch[i] = pitch;
    }
    if (start > side->n_bytes || extent > side->n_bytes - start)
        return fail_range(request, name);
    out->start = start;
    out->extent = extent;
    return MMB_OK;
}

static bool is_dense_over(const struct mmb_strided *side, size_t outer, size_t inner, size_t count)
{
    size_t bytes;
    return mmb_mul_size(count, side->pitch[inner], &bytes) && side->pitch[outer] == bytes;
}

static void move_dimension(struct mmb_copy_shape *shape, size_t to, size_t from)
{
    shape->count[to] = shape->count[from];
    shape->dst.pitch[to] = shape->dst.pitch[from];
    shape->src.pitch[to] = shape->src.pitch[from];
}

/* Works from the innermost dimension outwards: `top` is the outermost kept so far, and the kept
 * ones end at the last place until they are moved to the front. */
static void fold(struct mmb_copy_shape *shape)
{
    size_t top = shape->n_dims - 1;
    for (size_t i = top; i-- > 0;) {
        size_t inner = shape->count[top];
        if (shape->count[i] == 1)
            continue;
        if (is_dense_over(&shape->dst, i, top, inner) && is_dense_over(&shape->src, i, top, inner))
            shape->count[top] = inner * shape->count[i];
        else
            move_dimension(shape, --top, i);
    }
    shape->n_dims -= top;
    for (size_t i = 0; i < shape->n_dims && top > 0; i++)
        move_dimension(shape, i, top + i);
}

mmbError mmb_copy_shape_make(const struct mmb_copy_request *request,
                             struct mmb_copy_shape *out_shape)
{
    if (request->n_dims == 0 || request->n_dims > MMB_COPY_DIMENSIONS_MAX)
        return mmb_fail(MMB_INVALID_ARG, "%s: %zu dimensions, must be 1 to %d", request->function,
                        request->n_dims, MMB_COPY_DIMENSIONS_MAX);
    if (request->dims == NULL || request->dst.offset == NULL || request->src.offset == NULL)
        return mmb_fail(MMB_INVALID_ARG, "%s: %s is NULL", request->function,
                        request->dims == NULL ? "dims" : "an offset");
    if (!multiply_all(request->dims, request->n_dims, &out_shape->n_bytes))
        return mmb_fail(MMB_INVALID_SIZE, "%s: more bytes than a size_t can count",
                        request->function);
    if (out_shape->n_bytes == 0)
        return MMB_OK;
    mmbError error = lay_out(request, &request->dst, &out_shape->dst);
    if (error == MMB_OK)
        error = lay_out(request, &request->src, &out_shape->src);
    if (error != MMB_OK)
        return error;
    out_shape->n_dims = request->n_dims;
    for (size_t i = 0; i < request->n_dims; i++)
        out_shape->count[i] = request->dims[i];
    fold(out_shape);
    return MMB_OK;
}

void mmb_copy_shape_run(struct mmb_copy_shape *shape, size_t dst_start, size_t src_start,
                        size_t n_bytes)
{
    shape->n_bytes = n_bytes;
    shape->n_dims = 1;
    shape->count[0] = n_bytes;
    shape->dst.start = dst_start;
    shape->dst.extent = n_bytes;
    shape->dst.pitch[0] = 1;
    shape->src = shape->dst;
    shape->src.start = src_start;
}

/* ---- overlap ---- */

/* Two runs share a byte. The differences are modulo 2^64: the one that is "negative" is huge. */
static bool runs_meet(uintptr_t a, size_t a_bytes, uintptr_t b, size_t b_bytes)
{
    return b - a < a_bytes || a - b < b_bytes;
}

static size_t greatest_common_divisor(size_t a, size_t b)
{
    while (b != 0) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Every row starts at its side's start plus a multiple of the divisor of all pitches; when the two
 * starts differ by at least a row modulo that divisor, both ways, no two rows can meet. False says
 * nothing. This settles columns and sub-matrices of one matrix at once. */
static bool rows_interleave(const struct mmb_copy_shape *shape, uintptr_t dst, uintptr_t src)
{
    size_t row = shape->count[shape->n_dims - 1];
    size_t divisor = 0;
    for (size_t i = 0; i + 1 < shape->n_dims; i++) {
        divisor = greatest_common_divisor(divisor, shape->dst.pitch[i]);
        divisor = greatest_common_divisor(divisor, shape->src.pitch[i]);
    }
    size_t apart = (dst > src ? dst - src : src - dst) % divisor;
    return apart >= row && divisor - apart >= row;
}

/* Goes over the rows of one side in ascending order. */
struct row_walk {
    const struct mmb_copy_shape *shape;
    const size_t *pitch;
    uintptr_t address;
    size_t index[MMB_COPY_DIMENSIONS_MAX];
};

static bool next_row(struct row_walk *walk)
{
    for (size_t i = walk->shape->n_dims - 1; i-- > 0;) {
        walk->address += walk->pitch[i];
        if (++walk->index[i] < walk->shape->count[i])
            return true;
        walk->address -= walk->shape->count[i] * walk->pitch[i];
        walk->index[i] = 0;
    }
    return false;
}

/* Both sides ascend, so the row with the lower address can meet nothing further on. */
static bool rows_meet(const struct mmb_copy_shape *shape, uintptr_t dst, uintptr_t src)
{
    size_t row = shape->count[shape->n_dims - 1];
    struct row_walk to = {shape, shape->dst.pitch, dst, {0}};
    struct row_walk from = {shape, shape->src.pitch, src, {0}};
    while (!runs_meet(to.address, row, from.address, row))
        if (!next_row(to.address < from.address ? &to : &from))
            return false;
    return true;
}

bool mmb_copy_shape_overlaps(const struct mmb_copy_shape *shape, uintptr_t dst_object,
                             uintptr_t src_object)
{
    if (shape->n_bytes == 0)
        return false;
    uintptr_t dst = dst_object + shape->dst.start;
    uintptr_t src = src_object + shape->src.start;
    if (!runs_meet(dst, shape->dst.extent, src, shape->src.extent))
        return false;
    if (shape->n_dims == 1)
        return true;
    return !rows_interleave(shape, dst, src) && rows_meet(shape, dst, src);
}
