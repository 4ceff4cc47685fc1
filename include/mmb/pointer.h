/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Raw pointers, for containers and unmodified programs.
 *
 * The malloc family over an interface: pointers in place of handles, with the same limit and
 * provenance. It works over host memory and over device memory whose addresses are pointers, not
 * over cl_mem (#MMB_UNSUPPORTED). Read examples/strategies.c.
 *
 * Pointers are NULL on failure and mmb_error_detail() says why: limit or memory exhausted, size 0
 * or too large, a dead interface, an alignment that is no power of two. errno is not set.
 */
#ifndef MMB_POINTER_H
#define MMB_POINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Allocates with the default alignment.
 * @param interface  required
 * @param n_bytes  at least 1
 * @return freed with mmb_free_ptr(); NULL with a detail on failure
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void *mmb_malloc(mmbMemInterface *interface, size_t n_bytes);

/**
 * Allocates a zero-filled array. Large fresh pages of the system are zero and stay untouched, so
 * that their first user has them in his node.
 * @param interface  required
 * @param count  elements, at least 1
 * @param n_bytes  of one element, at least 1
 * @return freed with mmb_free_ptr(); NULL with a detail on failure, overflow of the product
 *         included
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void *mmb_calloc(mmbMemInterface *interface, size_t count, size_t n_bytes);

/**
 * Changes a block's size; its contents are kept up to the smaller one.
 * @param interface  that it came from; required
 * @param ptr  NULL: as mmb_malloc()
 * @param n_bytes  at least 1: 0 is refused and frees nothing
 * @return the block, perhaps elsewhere; NULL with a detail on failure, and ptr is as it was
 * @note Caller orders, per block.
 * @since 0.1
 */
MMB_API void *mmb_realloc(mmbMemInterface *interface, void *ptr, size_t n_bytes);

/**
 * Allocates with an alignment.
 * @param interface  required
 * @param alignment  bytes, a power of two; n_bytes need not be a multiple of it
 * @param n_bytes  at least 1
 * @return freed with mmb_free_ptr(); NULL with a detail on failure
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void *mmb_aligned_alloc(mmbMemInterface *interface, size_t alignment, size_t n_bytes);

/**
 * Frees a block of this interface or of its fallback.
 * @param interface  required
 * @param ptr  as it was given; NULL: nothing to do
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_ALLOCATION ptr is freed already, foreign, or inside a block
 * @retval MMB_BUSY its allocation has slices, holds or a copy in flight
 * @note Any thread may free; caller orders, per block.
 * @since 0.1
 */
MMB_API mmbError mmb_free_ptr(mmbMemInterface *interface, void *ptr);

/**
 * Frees as mmb_free_ptr() and checks what the caller believes of the block.
 * @param interface  required
 * @param ptr  as it was given; NULL: nothing to do
 * @param n_bytes  as asked for
 * @param alignment  bytes as asked for; 0: none was
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_ALLOCATION ptr is freed already, foreign, or inside a block
 * @retval MMB_INVALID_SIZE n_bytes is not what was asked for; nothing is freed
 * @retval MMB_INVALID_ARG alignment is no power of two, or ptr does not have it; nothing is freed
 * @retval MMB_BUSY its allocation has slices, holds or a copy in flight
 * @note Any thread may free; caller orders, per block.
 * @since 0.1
 */
MMB_API mmbError mmb_free_sized(mmbMemInterface *interface, void *ptr, size_t n_bytes,
                                size_t alignment);

/**
 * The bytes of a block that may be used, at least those asked for.
 * @param interface  that it came from; required
 * @param ptr  as it was given
 * @return 0 with a detail when it is NULL or no live block of the interface or its fallback
 * @note Caller orders against its free.
 * @since 0.1
 */
MMB_API size_t mmb_usable_size(mmbMemInterface *interface, const void *ptr);

/**
 * Whether an address lies in memory that the interface or its fallback has from its backend: the
 * quick answer to whose free() a pointer wants. It tells nothing of the block there.
 * @param interface  required
 * @param ptr  any address
 * @return false for an address of others, NULL and a dead interface
 * @note Thread-safe; takes no lock, sets no detail.
 * @since 0.1
 */
MMB_API bool mmb_contains_ptr(const mmbMemInterface *interface, const void *ptr);

#ifdef __cplusplus
}
#endif

#endif
