/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_ADDRESS_MAP_H
#define MMB_BASE_ADDRESS_MAP_H
/* From an address to the range that holds it. Ranges have any base and size, and may overlap, nest
 * or be equal; a lookup gives the smallest one that covers the address, and of equal ones the one
 * inserted last.
 *
 * A lookup takes no lock, except where several ranges touch the same slot of the index (64 KiB of
 * addresses at its finest), and costs the same however large the map is. Inserting and removing one
 * range never disturbs a concurrent lookup that another range answers. Ordering a lookup against
 * the removal of the very range it finds is the caller's job: the range may be gone when the lookup
 * returns it. */

#include "src/base/lock.h"
#include <mmb/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All user addresses of the processors Linux runs on, 5-level page tables included. */
#define MMB_ADDRESS_BITS 57

struct mmb_address_cell;
struct mmb_address_entry;
struct mmb_address_slab;

/* Zero-filled is empty. Everything but the index's words belongs to the lock. */
struct mmb_address_map {
    struct mmb_lock lock;
    _Atomic(void *) root; /* a branch; once there it stays */
    struct mmb_address_entry *free_entries;
    struct mmb_address_cell *free_cells;
    struct mmb_address_slab *slabs;
    size_t n_free_cells;
    atomic_size_t n_ranges; /* also read without it */
};

#define MMB_ADDRESS_MAP_INIT                                                                       \
    {                                                                                              \
        .lock = MMB_LOCK_INIT                                                                      \
    }

struct mmb_address_range {
    uintptr_t base;
    size_t n_bytes;
    void *value;
};

/* MMB_INVALID_SIZE: n_bytes is 0. MMB_INVALID_ARG: value is NULL, or the range ends beyond
 * MMB_ADDRESS_BITS. MMB_OUT_OF_MEMORY: no metadata; nothing has changed, and no lookup has seen the
 * range. */
mmbError mmb_address_map_insert(struct mmb_address_map *map, uintptr_t base, size_t n_bytes,
                                void *value);

/* The last inserted range with just these three; none is a caller's error that release builds
 * ignore. */
void mmb_address_map_remove(struct mmb_address_map *map, uintptr_t base, size_t n_bytes,
                            const void *value);

/* *out is written only when the result is true. */
bool mmb_address_map_lookup(struct mmb_address_map *map, uintptr_t address,
                            struct mmb_address_range *out);

/* There is no range in it: a look that costs nothing where few programs insert one. Who was told of
 * a range sees it counted. */
static inline bool mmb_address_map_is_empty(struct mmb_address_map *map)
{
    return atomic_load_explicit(&map->n_ranges, memory_order_relaxed) == 0;
}

/* Ranges in the map. */
size_t mmb_address_map_count(struct mmb_address_map *map);

/* Empties the map and gives its index back, which removal never does. No other call on this map may
 * be under way. */
void mmb_address_map_reset(struct mmb_address_map *map);

/* Around fork: lookups stay possible between prepare and parent or child where one range answers.
 * Take before the metadata lock. */
void mmb_address_map_fork_prepare(struct mmb_address_map *map);
void mmb_address_map_fork_parent(struct mmb_address_map *map);
void mmb_address_map_fork_child(struct mmb_address_map *map);

#endif
