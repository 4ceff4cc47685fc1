/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_RANGE_H
#define MMB_BASE_RANGE_H
/* Reserved addresses for slots of one size, so that any pointer can be told from a slot's address
 * by one comparison, and what passes it can be read. The base is aligned to the reservation, and
 * the readable part is a power of two: the bits of `mask` are those that all its slots have in
 * common with the base. A range grows only, and stays for the life of the process.
 *
 * The caller orders open and grow. has() may be asked by anybody at any time: a mask that is out of
 * date stands for a smaller part, and only a thread that was never given a slot beyond it can have
 * such a mask. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "src/base/owned.h"

/* Bytes: committed (readable and writable) <= shown (readable, zero beyond) <= reserved. */
struct mmb_range {
    uintptr_t base, mask;
    size_t slot_bytes;
    size_t n_reserved, n_shown, n_committed;
};

/* Has nothing, since no address and 0 is 1. slot_bytes: a power of two. */
#define MMB_RANGE_INIT(bytes)                                                                      \
    {                                                                                              \
        .base = 1, .slot_bytes = (bytes)                                                           \
    }

/* Reserves n_bytes, a power of two, and commits the first of them. False: there are not so many
 * addresses, or no memory; then nothing has changed. */
bool mmb_range_open(struct mmb_range *range, size_t n_bytes, size_t n_first);
/* Commits n more bytes, whole OS pages. False: the range ends, or there is no memory. */
bool mmb_range_grow(struct mmb_range *range, size_t n_bytes);

static inline bool mmb_range_is_open(const struct mmb_range *range)
{
    return range->n_reserved != 0;
}

/* Is it the address of a slot in the readable part? */
static inline bool mmb_range_has(const struct mmb_range *range, const void *pointer)
{
    return ((uintptr_t)pointer & MMB_OWNED_LOAD(range->mask)) == MMB_OWNED_LOAD(range->base);
}

#endif
