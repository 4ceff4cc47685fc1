/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the bytes of an allocation object are now, whatever it is: own block, slice, wrapped,
 * moved. */
#ifndef MMB_CORE_PLACE_H
#define MMB_CORE_PLACE_H
#include <stdbool.h>
#include <mmb/allocation.h>
#include "src/spi/backend.h"

struct mmb_block;
struct mmb_chunk;
struct mmb_extension;

struct mmb_place {
    mmbMemInterface *interface; /* that has the bytes: its space and layer are the provenance */
    struct mmb_backend *backend;
    int domain;               /* position in the layer's list, or -1 */
    struct mmb_memory memory; /* the range that holds it; a wrapped pointer is a range of its own */
    struct mmb_chunk *chunk;  /* NULL for wrapped memory */
    size_t offset;            /* of the object in memory */
    size_t n_bytes;
    size_t usable;
    void *host; /* NULL where the host has none */
};

/* MMB_INVALID_ALLOCATION with a detail when it is no live handle. */
mmbError mmb_place_of(const mmbAllocation *allocation, const char *function,
                      struct mmb_place *out_place);

/* The same for a record that is known to be live; a hidden one too. */
mmbError mmb_place_of_live(const mmbAllocation *allocation, const char *function,
                           struct mmb_place *out_place);

/* The same for a block of which all is known; of the view only n_bytes and head are looked at.
 * Takes no lock. */
void mmb_place_of_block(const struct mmb_extension *view, const struct mmb_block *where,
                        struct mmb_place *out_place);

/* What mmb_allocation_get_info tells of an object at a place. */
void mmb_allocation_fill_info(const mmbAllocation *allocation, const struct mmb_place *place,
                              mmbAllocationInfo *info);

/* Copies the first n_bytes from one block to another, whatever the two backends are. */
mmbError mmb_block_copy(const mmbAllocation *to, const mmbAllocation *from, size_t n_bytes);

/* Brackets a copy in flight: while any is, free, realloc and migrate answer MMB_BUSY. */
mmbError mmb_allocation_begin_copy(const mmbAllocation *allocation);
void mmb_allocation_end_copy(const mmbAllocation *allocation);

#endif
