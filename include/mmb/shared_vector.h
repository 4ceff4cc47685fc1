/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief An array that grows, of elements of one size, between processes (shared_object.h).
 *
 * Elements are copied in and out and have no address, since another process may enlarge the
 * vector at any time. Each call locks the vector by itself, in a way that survives a killed
 * holder, and is done wholly or not at all: an element is never half written.
 */
#ifndef MMB_SHARED_VECTOR_H
#define MMB_SHARED_VECTOR_H

#include <mmb/shared_object.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view of a vector. */
typedef struct mmbSharedVector {
    mmbSharedObject object;
} mmbSharedVector;

/**
 * Makes an empty vector.
 * @param interface  over a shared heap; required
 * @param element_bytes  of each element, at least 1
 * @param n_elements  that it has room for at first; 0: a few
 * @param[out] out_vector  required
 * @retval MMB_INVALID_SIZE element_bytes is 0, or the product is too large
 * @retval MMB_OUT_OF_MEMORY heap or space are full
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_create(mmbMemInterface *interface, size_t element_bytes,
                                          size_t n_elements, mmbSharedVector *out_vector);

/**
 * Finds a vector that another process made.
 * @param interface  over the same heap; required
 * @param pointer  the vector's `object.pointer`
 * @param[out] out_vector  required
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_CORRUPT what lies there is no vector, or a damaged one
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                        mmbSharedVector *out_vector);

/**
 * Frees a vector for all.
 * @param vector  NULL: nothing to do
 * @note Caller orders: nobody uses it any more, in whatever process.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_destroy(const mmbSharedVector *vector);

/**
 * Appends a copy of an element.
 * @param vector  required
 * @param element  element_bytes of it; required
 * @retval MMB_OUT_OF_MEMORY it had to grow, and heap or space are full; it is as it was
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_push(const mmbSharedVector *vector, const void *element);

/**
 * Takes the last element off.
 * @param vector  required
 * @param[out] out_element  element_bytes of room; NULL: not wanted
 * @retval MMB_NOT_FOUND the vector is empty
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_pop(const mmbSharedVector *vector, void *out_element);

/**
 * Reads an element.
 * @param vector  required
 * @param index  of it, from 0 on
 * @param[out] out_element  element_bytes of room; required
 * @retval MMB_INVALID_SIZE there are not so many
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_get(const mmbSharedVector *vector, size_t index,
                                       void *out_element);

/**
 * Overwrites an element.
 * @param vector  required
 * @param index  of it, from 0 on
 * @param element  element_bytes of it; required
 * @retval MMB_INVALID_SIZE there are not so many
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_set(const mmbSharedVector *vector, size_t index,
                                       const void *element);

/**
 * How many elements there are.
 * @param vector  required
 * @param[out] out_count  required
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_vector_count(const mmbSharedVector *vector, size_t *out_count);

#ifdef __cplusplus
}
#endif

#endif
