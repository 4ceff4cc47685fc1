/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A doubly linked list of elements of one size between processes (shared_object.h).
 *
 * A position names an element for as long as it is in the list, in every process; one that was
 * removed is told from its successor. Position 0 is the end: before the first and behind the last
 * element. Each call locks the list by itself, in a way that survives a killed holder, and is done
 * wholly or not at all.
 */
#ifndef MMB_SHARED_LIST_H
#define MMB_SHARED_LIST_H

#include <mmb/shared_object.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view of a list. */
typedef struct mmbSharedList {
    mmbSharedObject object;
} mmbSharedList;

/**
 * Makes an empty list.
 * @param interface  over a shared heap; required
 * @param element_bytes  of each element, at least 1
 * @param n_elements  that it has room for at first; 0: a few
 * @param[out] out_list  required
 * @retval MMB_INVALID_SIZE element_bytes is 0, or the product is too large
 * @retval MMB_OUT_OF_MEMORY heap or space are full
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_create(mmbMemInterface *interface, size_t element_bytes,
                                        size_t n_elements, mmbSharedList *out_list);

/**
 * Finds a list that another process made.
 * @param interface  over the same heap; required
 * @param pointer  the list's `object.pointer`
 * @param[out] out_list  required
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_CORRUPT what lies there is no list, or a damaged one
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                      mmbSharedList *out_list);

/**
 * Frees a list for all.
 * @param list  NULL: nothing to do
 * @note Caller orders: nobody uses it any more, in whatever process.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_destroy(const mmbSharedList *list);

/**
 * Puts a copy of an element before another.
 * @param list  required
 * @param before  a position; 0: behind the last
 * @param element  element_bytes of it; required
 * @param[out] out_position  of the new one, never 0; NULL: not wanted
 * @retval MMB_NOT_FOUND no element has the position
 * @retval MMB_OUT_OF_MEMORY it had to grow, and heap or space are full; it is as it was
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_insert(const mmbSharedList *list, uint64_t before,
                                        const void *element, uint64_t *out_position);

/**
 * Takes an element out.
 * @param list  required
 * @param position  of it
 * @param[out] out_element  element_bytes of room; NULL: not wanted
 * @retval MMB_NOT_FOUND no element has the position
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_remove(const mmbSharedList *list, uint64_t position,
                                        void *out_element);

/**
 * Reads an element.
 * @param list  required
 * @param position  of it
 * @param[out] out_element  element_bytes of room; required
 * @retval MMB_NOT_FOUND no element has the position
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_get(const mmbSharedList *list, uint64_t position,
                                     void *out_element);

/**
 * Overwrites an element.
 * @param list  required
 * @param position  of it
 * @param element  element_bytes of it; required
 * @retval MMB_NOT_FOUND no element has the position
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_set(const mmbSharedList *list, uint64_t position,
                                     const void *element);

/**
 * The element behind another.
 * @param list  required
 * @param position  of the other; 0: the first is wanted
 * @param[out] out_position  required
 * @retval MMB_NOT_FOUND it is the last, or no element has the position
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_next(const mmbSharedList *list, uint64_t position,
                                      uint64_t *out_position);

/**
 * The element before another.
 * @param list  required
 * @param position  of the other; 0: the last is wanted
 * @param[out] out_position  required
 * @retval MMB_NOT_FOUND it is the first, or no element has the position
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_previous(const mmbSharedList *list, uint64_t position,
                                          uint64_t *out_position);

/**
 * How many elements there are.
 * @param list  required
 * @param[out] out_count  required
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_list_count(const mmbSharedList *list, size_t *out_count);

#ifdef __cplusplus
}
#endif

#endif
