/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A queue of elements of one size between processes (shared_object.h), without a lock.
 *
 * First in, first out, bounded, for any number of producers and consumers. No call ever waits: a
 * process that is stopped in the middle of one holds up nobody. An element is there for others
 * when it is complete, and not before. Killed in a push, a process has pushed or not; killed in a
 * pop, it may take the element with it. The place that it had in use is given to others as soon as
 * there is no other. Read examples/shared_queue.c.
 */
#ifndef MMB_SHARED_RING_H
#define MMB_SHARED_RING_H

#include <mmb/shared_object.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view of a ring. */
typedef struct mmbSharedRing {
    mmbSharedObject object;
} mmbSharedRing;

/**
 * Makes an empty ring.
 * @param interface  over a shared heap; required
 * @param element_bytes  of each element, at least 1
 * @param n_elements  that fit, at least 1; rounded up to a power of two, at most 2^22
 * @param[out] out_ring  required
 * @retval MMB_INVALID_SIZE a size is 0, or the product is too large
 * @retval MMB_OUT_OF_MEMORY heap or space are full
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_ring_create(mmbMemInterface *interface, size_t element_bytes,
                                        size_t n_elements, mmbSharedRing *out_ring);

/**
 * Finds a ring that another process made.
 * @param interface  over the same heap; required
 * @param pointer  the ring's `object.pointer`
 * @param[out] out_ring  required
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_CORRUPT what lies there is no ring, or a damaged one
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_ring_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                      mmbSharedRing *out_ring);

/**
 * Frees a ring for all.
 * @param ring  NULL: nothing to do
 * @note Caller orders: nobody uses it any more, in whatever process.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_ring_destroy(const mmbSharedRing *ring);

/**
 * Puts a copy of an element behind the others.
 * @param ring  required
 * @param element  element_bytes of it; required
 * @retval MMB_BUSY the ring is full
 * @note Thread-safe; never waits.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_ring_push(const mmbSharedRing *ring, const void *element);

/**
 * Takes the first element out.
 * @param ring  required
 * @param[out] out_element  element_bytes of room; required
 * @retval MMB_NOT_FOUND the ring is empty
 * @note Thread-safe; never waits.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_ring_pop(const mmbSharedRing *ring, void *out_element);

/**
 * How many elements there are.
 * @param ring  required
 * @param[out] out_count  exact when nobody is inside a call; required
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_ring_count(const mmbSharedRing *ring, size_t *out_count);

#ifdef __cplusplus
}
#endif

#endif
