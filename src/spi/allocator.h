/* SPDX-License-Identifier: BSD-3-Clause */
/* What a strategy promises. One static const table per strategy; one instance per (interface,
 * domain). An allocator charges its quota for every block, asks its source for chunks and keeps all
 * of its own data outside the memory it manages. */
#ifndef MMB_SPI_ALLOCATOR_H
#define MMB_SPI_ALLOCATOR_H
#include <stdbool.h>
#include <stdint.h>
#include <mmb/allocation.h>
#include <mmb/interface.h>
#include "src/spi/hot.h"
#include "src/spi/quota.h"
#include "src/spi/record.h"
#include "src/spi/source.h"

struct mmb_allocator_ops;
struct mmb_shared_segment;

/* First member of every strategy's instance. `slot` is the allocator's number in the allocator
 * table (mmb_allocator_at); every record it makes carries it. */
struct mmb_allocator {
    const struct mmb_allocator_ops *ops;
    struct mmb_quota *quota;
    struct mmb_source *source;
    mmbMemInterface *interface;
    uint32_t slot;
    int domain;       /* position in the layer's list, or -1: the layer as a whole */
    bool is_findable; /* the interface has MMB_INTERFACE_FINDABLE */
};

/* What core fills for open; `base` is copied into the instance. */
struct mmb_allocator_request {
    struct mmb_allocator base;
    mmbStrategyOptions options;
    struct mmb_shared_segment *segment; /* where the heap's own data lies, or NULL */
};

/* Where a block's bytes are. */
struct mmb_block {
    struct mmb_chunk *chunk;
    size_t offset; /* of the block in the chunk */
    size_t usable; /* bytes from there that belong to it */
};

/* What to allocate: n_bytes >= 1; alignment is a power of two, at least 1. `prepaid` bytes are
 * charged already: by the block that this one will replace. `thread` is whose cache serves, 0 the
 * caller; only for tables with free_for. `asked` is the alignment that the block keeps wherever it
 * goes, at most `alignment`, which has what the memory promises besides. */
struct mmb_request {
    size_t n_bytes;
    size_t alignment;
    size_t prepaid;
    uint64_t thread;
    size_t asked;
};

struct mmb_allocator_stats {
    size_t live_bytes, live_count, peak_bytes, total_allocations, total_frees;
};

/* Sees a live record and where its block is; of a record that moved away, where it was. false stops
 * the walk. Called under the allocator's lock: must not call back into it. */
typedef bool (*mmb_record_visitor)(void *user, mmbAllocation *record,
                                   const struct mmb_block *block);

struct mmb_allocator_ops {
    size_t size;
    const char *name;
    mmbStrategy strategy;
    /* A freed block can stay charged (the stack's below its top): its charge cannot be kept for the
     * block that replaces it, and keep_charged is always 0. */
    bool is_positional;

    /* Mandatory. */

    mmbError (*open)(const struct mmb_allocator_request *request, struct mmb_allocator **out);
    /* Returns every chunk and record, live or not. No other thread is inside a call. */
    void (*close)(struct mmb_allocator *allocator);
    /* Charges the quota and gives a live record of exactly n_bytes. MMB_OUT_OF_MEMORY (limit or
     * source), MMB_UNSUPPORTED (alignment), MMB_INVALID_SIZE (overflow). */
    mmbError (*allocate)(struct mmb_allocator *allocator, const struct mmb_request *request,
                         mmbAllocation **out_record);
    /* The record is live, its block is its own (not moved), nothing uses it. n_bytes is its size;
     * all but keep_charged bytes are uncharged. */
    mmbError (*free)(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                     size_t keep_charged);
    /* A live record's size goes from old_bytes to new_bytes in place; only the difference is
     * charged. MMB_UNSUPPORTED without a detail: it does not fit in place. MMB_OUT_OF_MEMORY:
     * beyond the limit. Nothing has changed then. */
    mmbError (*resize)(struct mmb_allocator *allocator, mmbAllocation *record, size_t old_bytes,
                       size_t new_bytes);
    /* The handle's bytes have moved to another block. Uncharges as free does; the record stays the
     * user's handle, the block may idle (up to 64 KiB) until reclaim. */
    void (*vacate)(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                   size_t keep_charged);
    /* Pair of vacate for a record that is not free-standing: the moved handle is freed. Core
     * deletes free-standing ones itself, since they may outlive their allocator. */
    void (*reclaim)(struct mmb_allocator *allocator, mmbAllocation *record);
    /* Where the block of a live record is, from the record's own address. False: the record is not
     * live (a stack was released below it). */
    bool (*locate)(struct mmb_allocator *allocator, const mmbAllocation *record,
                   struct mmb_block *out_block);
    /* The record whose block covers the address, live or not, or NULL. Lock-free for live blocks.
     */
    mmbAllocation *(*find)(struct mmb_allocator *allocator, struct mmb_chunk *chunk,
                           uintptr_t address);
    void (*for_each)(struct mmb_allocator *allocator, mmb_record_visitor visit, void *user);
    void (*get_stats)(struct mmb_allocator *allocator, struct mmb_allocator_stats *out_stats);
    /* Gives empty memory back as long as keep_bytes of chunks, used ones among them, are left. */
    void (*trim)(struct mmb_allocator *allocator, size_t keep_bytes);

    /* Optional: the stack's. They come together. */
    mmbError (*mark)(struct mmb_allocator *allocator, mmbStackMark *out_mark);
    mmbError (*release)(struct mmb_allocator *allocator, const mmbStackMark *mark);
    mmbError (*reset)(struct mmb_allocator *allocator);

    /* Optional: the plain case without its checks and its details. A block of 1..MMB_RECORD_LOW
     * bytes at the default alignment, where credit and room are at hand; and the free of a live
     * record of n_bytes that is not INDIRECT. False: nothing has happened,
     * ask the members above. */
    bool (*allocate_quickly)(struct mmb_allocator *allocator, size_t n_bytes,
                             mmbAllocation **out_record);
    bool (*free_quickly)(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes);

    /* Optional: take and release every lock of the allocator's own around fork, so that the child
     * finds nothing half done. The quota is stopped before. They come together. */
    void (*fork_lock)(struct mmb_allocator *allocator);
    void (*fork_unlock)(struct mmb_allocator *allocator);

    /* Optional: what of this process still needs the heap when its blocks stay without it: slices,
     * holds, copies. NULL: every live block does. */
    size_t (*in_use)(struct mmb_allocator *allocator);
    /* Optional: the handle of the live block that starts at an offset of its one chunk.
     * MMB_INVALID_ALLOCATION, MMB_CORRUPT, MMB_OUT_OF_MEMORY. */
    mmbError (*import)(struct mmb_allocator *allocator, uint64_t offset,
                       mmbAllocation **out_record);
    /* Optional: free, by a thread's cache. */
    mmbError (*free_for)(struct mmb_allocator *allocator, mmbAllocation *record, size_t n_bytes,
                         uint64_t thread);

    /* Optional, asked right after allocate: has nobody had the block's bytes since its chunk was
     * obtained? NULL: never known. */
    bool (*is_fresh)(const struct mmb_allocator *allocator, const mmbAllocation *record);

    /* Optional: which magazines serve which sizes. `hot` is cleared before. */
    void (*fill_hot)(struct mmb_allocator *allocator, struct mmb_hot *hot);
};

/* Every table that is compiled in (src/builtin.c), NULL-terminated. */
extern const struct mmb_allocator_ops *const mmb_builtin_allocators[];

#endif
