/* SPDX-License-Identifier: BSD-3-Clause */
/* Where an allocator gets its chunks: the layer domain's budget, then the backend, then the region
 * provider, then the address map. Made by core; one per (interface, domain). */
#ifndef MMB_SPI_SOURCE_H
#define MMB_SPI_SOURCE_H
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include "src/base/list.h"
#include "src/spi/memory.h"

struct mmb_allocator;
struct mmb_backend;
struct mmb_source;

/* One range that a backend gave in one call. The allocator that obtained it owns it until it
 * returns it; `link` and `owned` are that allocator's. */
struct mmb_chunk {
    struct mmb_memory memory;
    struct mmb_source *source;
    struct mmb_allocator *allocator;
    struct mmb_list link;
    void *owned;
    void *region; /* core's: the registration for DMA, NULL without a region provider */
};

/* Obtains a chunk of at least min_bytes, at most want_bytes rounded up by the backend. Alignment 0:
 * the backend's own. The caller holds no heap lock. Errors: MMB_OUT_OF_MEMORY when the budget, the
 * backend or the metadata is exhausted, the backend's own otherwise; then nothing has changed. */
mmbError mmb_source_obtain(struct mmb_source *source, size_t min_bytes, size_t want_bytes,
                           size_t alignment, struct mmb_chunk **out_chunk);
void mmb_source_return(struct mmb_chunk *chunk);
/* Gives the physical pages of a part back where the backend can; the contents become undefined. */
void mmb_source_discard(struct mmb_chunk *chunk, size_t offset, size_t n_bytes);

/* Properties for sizing. */
size_t mmb_source_bounded(const struct mmb_source *source);       /* SIZE_MAX: can grow */
size_t mmb_source_min_alignment(const struct mmb_source *source); /* of every chunk's address */
/* The larger of that and the wanted one, where that costs addresses at the most; else 0. */
size_t mmb_source_free_alignment(const struct mmb_source *source, size_t wanted);
size_t
mmb_source_min_chunk(const struct mmb_source *source); /* where regions are counted, else 0 */
struct mmb_backend *mmb_source_backend(const struct mmb_source *source);
size_t mmb_source_reserved(const struct mmb_source *source); /* bytes of all chunks now */
size_t mmb_source_chunks(const struct mmb_source *source);

/* The chunk that holds an address of this process, or NULL. Lock-free. */
struct mmb_chunk *mmb_chunk_find(uintptr_t address);

#endif
