/* SPDX-License-Identifier: BSD-3-Clause */
/* How large the next chunk of an allocator should be. */
#ifndef MMB_INTERFACES_CHUNK_SIZE_H
#define MMB_INTERFACES_CHUNK_SIZE_H
#include "src/spi/allocator.h"

/* Bytes to ask the source for when at least `needed` are: as much again as there is, between 256
 * KiB and 4 MiB, but not more than the space's limit leaves sensible, and all of it where the
 * source cannot grow. */
size_t mmb_chunk_want(const struct mmb_allocator *allocator, size_t needed);

#endif
