/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of pages inside a chunk and what it is used for. The descriptor is in the library's own
 * memory; the run itself is never touched by the host. */
#ifndef MMB_INTERFACES_SPAN_H
#define MMB_INTERFACES_SPAN_H
#include <stdbool.h>
#include <stdint.h>
#include "src/base/list.h"
#include "src/spi/record.h"
#include "src/spi/source.h"

struct mmb_heap;

enum mmb_span_use {
    MMB_SPAN_FREE,  /* in a bin of runs */
    MMB_SPAN_SMALL, /* blocks of one class, records in a slab */
    MMB_SPAN_LARGE  /* one block, a free-standing record */
};

#define MMB_BLOCK_NONE 0xffffffu /* end of a free list of block indices */

/* SMALL: n_free blocks are in the free list that starts at free_head and is linked through the low
 * parts of the records' words; n_carved - n_free are handed out; blocks from n_carved on were never
 * used, so their pages and records were never touched. 0 <= n_free <= n_carved <= n_blocks. */
struct mmb_span {
    struct mmb_record_owner owner; /* SMALL */
    struct mmb_list link;          /* in a class's list or a bin; in itself when in neither */
    struct mmb_chunk *chunk;
    struct mmb_heap *heap;
    uintptr_t address; /* of the first block */
    char *host;        /* the same for the host, or NULL */
    size_t block_bytes;
    mmbAllocation *record; /* LARGE; NULL once its handle has moved away */
    uint32_t first_page, n_pages;
    uint32_t n_blocks, n_carved, n_free, free_head;
    uint32_t freed_at;  /* FREE: when, in ms of the heap's clock */
    uint32_t n_entered; /* of its first pages, in the page map */
    uint8_t class_index;
    uint8_t use;
    bool dirty; /* FREE: its pages may still be in memory */
    bool worn;  /* part of it was in use since the chunk was obtained */
};

/* A chunk as the heap sees it: which span each page belongs to. Of a free run only the first and
 * the last page lead to it. */
struct mmb_heap_chunk {
    uint32_t n_pages;
    uint32_t n_used;     /* pages not in free runs */
    uint32_t emptied_at; /* ms of the heap's clock when n_used became 0 */
    struct mmb_span *pages[];
};

static inline size_t mmb_heap_chunk_bytes(size_t n_pages)
{
    return sizeof(struct mmb_heap_chunk) + n_pages * sizeof(struct mmb_span *);
}

static inline struct mmb_heap_chunk *mmb_chunk_pages(const struct mmb_chunk *chunk)
{
    return chunk->owned;
}

#endif
