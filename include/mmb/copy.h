/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Copying between allocations, of any layers and contexts.
 *
 * The calls here block: the destination is readable when they return. The way is direct where the
 * runtime has one, else staged through pinned host memory. Read examples/placement.c, which copies
 * across two interfaces.
 *
 * Offsets count from the start of an allocation. In the nd-calls the last dimension is contiguous
 * and in bytes; offsets are indices, the last one in bytes; pitch[i] is the bytes from one index of
 * dimension i to the next, for i < ndims - 1. In 2-D x, width and pitch are bytes, y and height are
 * rows. Everything is checked before a byte moves. 0 bytes is #MMB_OK and does nothing.
 * The caller orders copies against what else writes the destination or writes or frees either side.
 */
#ifndef MMB_COPY_H
#define MMB_COPY_H

#include <stddef.h>
#include <mmb/copy_async.h>
#include <mmb/error.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Copies a whole allocation; the sizes must agree.
 * @param dst  required
 * @param src  required
 * @retval MMB_INVALID_ALLOCATION one is not a live allocation
 * @retval MMB_INVALID_SIZE the sizes differ
 * @retval MMB_INVALID_ARG a byte belongs to both sides
 * @retval MMB_UNSUPPORTED a backend can copy neither to the other nor to the host
 * @retval MMB_OUT_OF_MEMORY no memory to stage through
 * @retval MMB_ERROR a backend's runtime failed; the destination's contents are undefined; a user's
 *         backend: its own code
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy(mmbAllocation *dst, const mmbAllocation *src);

/**
 * Copies one range.
 * @param dst  required
 * @param doffset  bytes
 * @param src  required
 * @param soffset  bytes
 * @param n_bytes  0: nothing to do
 * @retval MMB_INVALID_ALLOCATION one is not a live allocation
 * @retval MMB_INVALID_SIZE the range reaches beyond one of them
 * @retval MMB_INVALID_ARG a byte belongs to both sides
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY as for mmb_copy()
 * @retval MMB_ERROR as for mmb_copy()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_1d(mmbAllocation *dst, size_t doffset, const mmbAllocation *src,
                             size_t soffset, size_t n_bytes);

/**
 * Copies a rectangle between two matrices.
 * @param dst  required
 * @param dx  bytes
 * @param dy  rows
 * @param dpitch  bytes from row to row, at least width
 * @param src  required
 * @param sx  bytes
 * @param sy  rows
 * @param spitch  bytes from row to row, at least width
 * @param width  bytes of one row; 0: nothing to do
 * @param height  rows; 0: nothing to do
 * @retval MMB_INVALID_ALLOCATION one is not a live allocation
 * @retval MMB_INVALID_SIZE the rectangle reaches beyond one of them, a pitch is smaller than
 *         width, or a product is more than a size_t can count
 * @retval MMB_INVALID_ARG a byte belongs to both sides
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY as for mmb_copy()
 * @retval MMB_ERROR as for mmb_copy()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_2d(mmbAllocation *dst, size_t dx, size_t dy, size_t dpitch,
                             const mmbAllocation *src, size_t sx, size_t sy, size_t spitch,
                             size_t width, size_t height);

/**
 * Copies a box between two arrays of ndims dimensions.
 * @param dst  required
 * @param doffset  ndims indices, the last in bytes; required
 * @param dpitch  ndims - 1 pitches in bytes; NULL: dense, as dims say
 * @param src  required
 * @param soffset  ndims indices, the last in bytes; required
 * @param spitch  ndims - 1 pitches in bytes; NULL: dense, as dims say
 * @param ndims  at least 1, at most 16
 * @param dims  ndims extents, the last in bytes; required; one 0: nothing to do
 * @retval MMB_INVALID_ALLOCATION one is not a live allocation
 * @retval MMB_INVALID_SIZE the box reaches beyond one of them, a pitch is smaller than what it
 *         spans, or a product is more than a size_t can count
 * @retval MMB_INVALID_ARG ndims is 0 or too large, dims or an offset is NULL, or a byte belongs to
 *         both sides
 * @retval MMB_UNSUPPORTED as for mmb_copy()
 * @retval MMB_OUT_OF_MEMORY as for mmb_copy()
 * @retval MMB_ERROR as for mmb_copy()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_copy_nd(mmbAllocation *dst, const size_t *doffset, const size_t *dpitch,
                             const mmbAllocation *src, const size_t *soffset, const size_t *spitch,
                             size_t ndims, const size_t *dims);

/**
 * Fills a range with one byte.
 * @param dst  required
 * @param offset  bytes from its start
 * @param value  its low 8 bits
 * @param n_bytes  0: nothing to do
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_INVALID_SIZE the range reaches beyond the allocation
 * @retval MMB_UNSUPPORTED the backend can neither fill nor copy from the host
 * @retval MMB_OUT_OF_MEMORY as for mmb_copy()
 * @retval MMB_ERROR as for mmb_copy()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_memset(mmbAllocation *dst, size_t offset, int value, size_t n_bytes);

#ifdef __cplusplus
}
#endif

#endif
