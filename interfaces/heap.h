/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks cut into pages, pages into spans, spans into blocks of a size class, each block with a
 * record. Serves the scalable page strategy and, in batches, the thread-local one.
 *
 * The heap is guarded by its own lock. "Lock held" functions are called with it; the others take it
 * themselves, and drop it before they ask the source. */
#ifndef MMB_INTERFACES_HEAP_H
#define MMB_INTERFACES_HEAP_H
#include "interfaces/size_class.h"
#include "interfaces/span.h"
#include "src/base/biased.h"
#include "src/spi/allocator.h"

#define MMB_HEAP_BINS 65u /* runs of 1..64 pages; bin 0: longer */

struct mmb_heap {
    struct mmb_biased lock;
    struct mmb_allocator *allocator;
    struct mmb_source *source;
    struct mmb_list classes[MMB_CLASSES]; /* spans with a block to give, per class */
    struct mmb_list bins[MMB_HEAP_BINS];
    struct mmb_list chunks;
    size_t page_bytes;
    size_t large_from; /* blocks beyond this many bytes stand alone in a run of pages */
    size_t natural;    /* alignment every page has */
    uint32_t slot;
    uint32_t n_empty_spans; /* in class lists without a live block */
    uint32_t n_empty_chunks;
    uint32_t n_runs_put; /* wraps: has something become empty? */
    uint32_t decayed_at;
    size_t n_out;             /* blocks handed out and not put back */
    size_t n_pages;           /* of all chunks */
    bool demand[MMB_CLASSES]; /* the class had a span before */
    bool starved;             /* a take failed for want of metadata, not of room */
};

/* MMB_INVALID_SIZE where a source that cannot grow has not even one page. */
mmbError mmb_heap_check(const struct mmb_source *source);
void mmb_heap_open(struct mmb_heap *heap, struct mmb_allocator *allocator);
/* Returns every chunk and slab. Handles that moved away keep their records (orphans). */
void mmb_heap_close(struct mmb_heap *heap);

/* Bytes a block must have to serve n_bytes at an alignment; false when that overflows. */
bool mmb_heap_request(const struct mmb_heap *heap, size_t n_bytes, size_t alignment,
                      size_t *out_bytes);

/* A block of at least n_bytes, its record FREE; NULL when there is no room, or no metadata: grow
 * tells. Lock held. */
mmbAllocation *mmb_heap_take(struct mmb_heap *heap, size_t n_bytes);
/* Up to `want` blocks of one class; 0 when there is no room. Lock held. */
uint32_t mmb_heap_take_batch(struct mmb_heap *heap, uint32_t class_index, mmbAllocation **out,
                             uint32_t want);
/* Makes room for a block of n_bytes: releases empty spans, obtains a chunk. Not after a take that
 * lacked metadata: more room would not help, and be asked for without end. */
mmbError mmb_heap_grow(struct mmb_heap *heap, size_t n_bytes);

/* Gives a block back; the record becomes FREE. Lock held. */
void mmb_heap_put(struct mmb_heap *heap, mmbAllocation *record);
/* The handle's bytes are elsewhere: a large block goes back, a small one idles. Lock held. */
void mmb_heap_vacate(struct mmb_heap *heap, mmbAllocation *record);
/* The moved handle of a small block is freed. Lock held. */
void mmb_heap_reclaim(struct mmb_heap *heap, mmbAllocation *record);

struct mmb_span *mmb_heap_span_of(const mmbAllocation *record);
/* Member of the tables: a block without a class whose pages nobody had before. */
bool mmb_heap_is_fresh(const struct mmb_allocator *allocator, const mmbAllocation *record);
void mmb_heap_locate(const mmbAllocation *record, struct mmb_block *out_block);
mmbAllocation *mmb_heap_find(const struct mmb_chunk *chunk, const struct mmb_heap *heap,
                             uintptr_t address);
/* Lock held. */
void mmb_heap_for_each(struct mmb_heap *heap, mmb_record_visitor visit, void *user);

/* Gives back what has been empty for long. Called now and then without the lock. */
void mmb_heap_decay(struct mmb_heap *heap);
/* Gives back what is empty as long as keep_bytes of chunks are left. */
void mmb_heap_trim(struct mmb_heap *heap, size_t keep_bytes);

/* ---- for heap*.c and run.c ---- */

/* A run of n pages, marked used, or NULL. Lock held. */
struct mmb_span *mmb_run_take(struct mmb_heap *heap, size_t n_pages);
/* Back into the bins, joined with its neighbours. Lock held. */
void mmb_run_put(struct mmb_heap *heap, struct mmb_span *span);
/* Adds a chunk as one free run. False: no metadata. Lock held. */
bool mmb_run_add_chunk(struct mmb_heap *heap, struct mmb_chunk *chunk);
/* Takes a chunk without used pages out of the heap. Lock held. */
void mmb_run_remove_chunk(struct mmb_heap *heap, struct mmb_chunk *chunk);
/* Pages of the longest free run. Lock held. */
size_t mmb_run_longest(const struct mmb_heap *heap);
/* Takes an empty span out of its class and puts its run back. Lock held. */
void mmb_span_release(struct mmb_heap *heap, struct mmb_span *span);
/* Releases every empty span; false when there was none. Lock held. */
bool mmb_spans_release_empty(struct mmb_heap *heap);
/* Bytes of the usual span of a small block's class, and of one that holds a single block. */
size_t mmb_heap_span_bytes(const struct mmb_heap *heap, size_t n_bytes);
size_t mmb_heap_least_bytes(const struct mmb_heap *heap, size_t n_bytes);
/* No page of a span in use leads to it any more (page_map.h). */
void mmb_span_leave_pages(struct mmb_span *span);
/* Visits a span's live records; false when the visitor stopped. Lock held. */
bool mmb_span_for_each(struct mmb_span *span, mmb_record_visitor visit, void *user);
/* Milliseconds of a coarse clock, wrapping. */
uint32_t mmb_heap_now(void);

#endif
