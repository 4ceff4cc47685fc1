/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A hash map from keys to values, each of one size, between processes (shared_object.h).
 *
 * Keys are compared byte by byte, so their padding counts. Each call locks the map by itself, in a
 * way that survives a killed holder, and is done wholly or not at all: a value is never half
 * written. The hash is no defence against keys that somebody chose to collide.
 */
#ifndef MMB_SHARED_MAP_H
#define MMB_SHARED_MAP_H

#include <mmb/shared_object.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view of a map. */
typedef struct mmbSharedMap {
    mmbSharedObject object;
} mmbSharedMap;

/**
 * Makes an empty map.
 * @param interface  over a shared heap; required
 * @param key_bytes  of each key, at least 1
 * @param value_bytes  of each value, at least 1
 * @param n_elements  that it has room for at first; 0: a few
 * @param[out] out_map  required
 * @retval MMB_INVALID_SIZE key_bytes or value_bytes is 0, or the product is too large
 * @retval MMB_OUT_OF_MEMORY heap or space are full
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_create(mmbMemInterface *interface, size_t key_bytes,
                                       size_t value_bytes, size_t n_elements,
                                       mmbSharedMap *out_map);

/**
 * Finds a map that another process made.
 * @param interface  over the same heap; required
 * @param pointer  the map's `object.pointer`
 * @param[out] out_map  required
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_CORRUPT what lies there is no map, or a damaged one
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                     mmbSharedMap *out_map);

/**
 * Frees a map for all.
 * @param map  NULL: nothing to do
 * @note Caller orders: nobody uses it any more, in whatever process.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_destroy(const mmbSharedMap *map);

/**
 * Gives a key a value, in place of the one it may have.
 * @param map  required
 * @param key  key_bytes of it; required
 * @param value  value_bytes of it; required
 * @retval MMB_OUT_OF_MEMORY it had to grow, and heap or space are full; it is as it was
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_put(const mmbSharedMap *map, const void *key, const void *value);

/**
 * Reads a key's value.
 * @param map  required
 * @param key  key_bytes of it; required
 * @param[out] out_value  value_bytes of room; NULL: only asks for the key
 * @retval MMB_NOT_FOUND the key has none
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_get(const mmbSharedMap *map, const void *key, void *out_value);

/**
 * Takes a key and its value out.
 * @param map  required
 * @param key  key_bytes of it; required
 * @param[out] out_value  value_bytes of room; NULL: not wanted
 * @retval MMB_NOT_FOUND the key has none
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_remove(const mmbSharedMap *map, const void *key, void *out_value);

/**
 * Goes through all keys, in no order. What is put or removed meanwhile may or may not be met;
 * everything else is met once.
 * @param map  required
 * @param[in,out] cursor  0 at first, then as it was left; required
 * @param[out] out_key  key_bytes of room; NULL: not wanted
 * @param[out] out_value  value_bytes of room; NULL: not wanted
 * @retval MMB_NOT_FOUND there are no more
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_next(const mmbSharedMap *map, uint64_t *cursor, void *out_key,
                                     void *out_value);

/**
 * How many keys there are.
 * @param map  required
 * @param[out] out_count  required
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_map_count(const mmbSharedMap *map, size_t *out_count);

#ifdef __cplusplus
}
#endif

#endif
