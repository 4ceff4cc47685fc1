/* SPDX-License-Identifier: BSD-3-Clause */
/* The strategies over a shared segment (src/shared/layout.h), as this process has them.
 *
 * A cache owns spans in the name of one owner slot. The scalable page has one cache, the
 * thread-local strategy one per thread; each has its own lock. A shadow is what this process knows
 * of a span: the handles of its blocks and, where one of its caches owns it, which may be free. A
 * handle is a free-standing record that stays with its block; it is valid while the block is live
 * and has the generation that the record was made for.
 *
 * The thread of a cache, of the scalable page's the first that comes, is its runner: it allocates
 * and frees single blocks without the lock (shared_quick.c), marked by its tallies (lock.h).
 * Whoever else has the lock stops it first: a bit in `state`, a barrier of all threads, a wait
 * until both are even. The quota stops it in the same way when it recalls the credit. As in
 * thread_cache.h, the runner's check of `state` comes after its mark. */
#ifndef MMB_INTERFACES_SHARED_H
#define MMB_INTERFACES_SHARED_H
#include <stdatomic.h>
#include "interfaces/shared_pocket.h"
#include "interfaces/thread_cache.h"
#include "src/base/list.h"
#include "src/base/lock.h"
#include "src/base/thread_model.h"
#include "src/shared/segment.h"
#include "src/spi/allocator.h"

/* In the low bits of a record's home, which are the hot path's for PLAIN records only. */
#define MMB_SHARED_GENERATION 0xffu
#define MMB_SHARED_CHARGED    0x100u /* its bytes are charged in this process */

struct mmb_shared_cache;
struct mmb_shadow;

#define MMB_SHARED_WORD_BLOCKS 64u

/* CURRENT: its class's bin; OPEN: blocks may be free in it, as its shadow's bit says; else CLOSED.
 */
enum mmb_shared_word_state { MMB_WORD_CLOSED, MMB_WORD_OPEN, MMB_WORD_CURRENT };

/* The blocks of one word of A. A record's home object is the address of its word plus its bit.
 *
 * In a span that is owned here what is free is known from private words alone. A block that is kept
 * for all is not able: its mark in K, which is only set under the cache's lock, stays until its
 * word comes into use again, and it is not had before. */
struct mmb_shared_word {
    uint64_t *bits;       /* A and F */
    uint64_t allocated;   /* what its owner here made of A */
    uint8_t *generations; /* the byte where its blocks' begin */
    uint64_t mask;        /* CURRENT: free blocks whose records are idle, in no pocket; else 0 */
    uint64_t able;        /* which may be had again at once when the runner frees them */
    struct mmb_shared_cache *cache; /* as the shadow's */
    struct mmb_shadow *shadow;
    uint16_t number; /* in the span */
    uint8_t state;
    uint8_t generation_bits; /* of each block */
    uint8_t class_index;
    mmbAllocation *records[MMB_SHARED_WORD_BLOCKS];
} __attribute__((aligned(MMB_SHARED_WORD_BLOCKS)));

struct mmb_shadow {
    struct mmb_shared_span span;
    struct mmb_shared_cache *cache; /* of this process that owns it, or NULL */
    struct mmb_list link;           /* in the cache's list of the class */
    uint64_t open;                  /* words that are OPEN */
    const uint64_t *descriptor;     /* in the segment */
    uint64_t shape;                 /* what it said but for owner and adopter */
    struct mmb_shared_word words[];
};

/* Is its span still the one that it was made for? */
static inline bool mmb_shadow_is_of_now(const struct mmb_shadow *shadow)
{
    uint64_t now = __atomic_load_n(shadow->descriptor, __ATOMIC_ACQUIRE);
    return (now & MMB_DESCRIPTOR_SHAPE) == shadow->shape;
}

#define MMB_SHARED_LISTS      (MMB_SHARED_CLASSES_MAX + 1) /* the last: large blocks */
#define MMB_SHARED_LIST_LARGE MMB_SHARED_CLASSES_MAX

/* In a cache's `state`, beside the serial of its heap. */
#define MMB_SHARED_STOP_QUOTA ((uint64_t)1) /* account.suspended */
#define MMB_SHARED_STOP_VISIT ((uint64_t)2) /* somebody else has been here; under the lock */
#define MMB_SHARED_STOPS      ((uint64_t)3)

/* link, thread and is_idle are under heap->caches_lock, the account is the runner's and the
 * quota's, all else is under `lock`. */
struct mmb_shared_cache {
    uint64_t state; /* the heap's serial, and why the runner may not work */
    uint64_t fresh; /* word and home of a new record, but for the size and the generation */
    uint32_t slot;
    uint32_t home_slot;             /* the heap's, which is in its records' homes */
    struct mmb_account account;     /* takes part while there is a runner */
    uint64_t n_allocated, n_freed;  /* tallies: odd while the runner is in an operation */
    struct mmb_shared_pocket *last; /* that the runner took from last */
    struct mmb_shared_word *bins[MMB_SHARED_CLASSES_MAX]; /* none: &mmb_shared_no_word */
    const void *runner;             /* thread pointer; NULL: nobody works here without the lock */
    struct mmb_shared_cache **here; /* mmb_shared_here of the thread that the key leads here */
    uint32_t alone;  /* how often in a row the runner had the lock since it was stopped */
    uint32_t needed; /* as often as this it may go on */
    struct mmb_lock lock;
    struct mmb_list link;
    struct mmb_shared_heap *heap;
    uint64_t thread; /* whose; 0: nobody's */
    bool is_idle;    /* its thread is gone */
    uint16_t number; /* of the heap's caches, from 1 on */
    size_t owed;     /* bytes that others freed; uncharged when the lock is released */
    struct mmb_list open[MMB_SHARED_LISTS];   /* spans with OPEN words */
    struct mmb_list closed[MMB_SHARED_LISTS]; /* all others */
    struct mmb_shared_cache *next_left;       /* once the heap is gone */
    struct mmb_shared_pocket pockets[MMB_SHARED_CLASSES_MAX];
    struct mmb_shared_pocket no_pocket; /* always empty */
};

/* Nothing is free in it, and nothing ever writes it. */
extern struct mmb_shared_word mmb_shared_no_word;

struct mmb_shared_heap {
    struct mmb_allocator base;
    uint64_t serial; /* no two heaps have the same; a multiple of 4, not 0 */
    struct mmb_shared_segment *segment;
    struct mmb_chunk *chunk; /* the whole segment */
    struct mmb_list link;    /* in the list of heaps by id (shared_ids.c) */
    bool per_thread;
    bool has_key;
    bool is_hot; /* threads run their caches, and can be stopped: the hot part leads to them */
    void (*collect)(struct mmb_shared_heap *heap); /* what others freed, and empty memory */
    struct mmb_thread_key key;
    struct mmb_lock caches_lock;
    struct mmb_list caches;
    uint16_t n_caches;
    struct mmb_shared_cache *main; /* in the process's own slot */
    struct mmb_lock shadows_lock;
    struct mmb_shadow **shadows; /* by granule */
    uint16_t *owned;             /* by granule: number of the cache here that owns it, or 0 */
    size_t table_bytes;
    _Atomic size_t debt;                   /* charged for what a forked child does not own */
    _Atomic size_t n_allocations, n_frees; /* but for those of the runners */
    _Atomic size_t peak;
};

static inline struct mmb_shared_heap *mmb_shared_heap_of(struct mmb_allocator *allocator)
{
    return (struct mmb_shared_heap *)allocator;
}

/* ---- what a request takes (shared_plan.c) ---- */

uint32_t mmb_shared_granules(const struct mmb_shared_heap *heap, size_t n_bytes);
/* MMB_UNSUPPORTED: the segment is not aligned enough. */
mmbError mmb_shared_plan(const struct mmb_shared_heap *heap, const struct mmb_request *request,
                         struct mmb_shared_want *out);

/* ---- caches (shared_cache.c) ---- */

mmbError mmb_shared_caches_open(struct mmb_shared_heap *heap);
void mmb_shared_caches_close(struct mmb_shared_heap *heap);
/* It has no spans. */
void mmb_shared_cache_empty(struct mmb_shared_cache *cache);
/* The cache that serves a thread; 0: the caller. Never NULL. */
struct mmb_shared_cache *mmb_shared_cache_for(struct mmb_shared_heap *heap, uint64_t thread);
/* Locks it and stops its runner, unless that is the caller. */
void mmb_shared_cache_lock(struct mmb_shared_cache *cache);
void mmb_shared_cache_unlock(struct mmb_shared_cache *cache);
/* It was stopped: returns when it is in no operation that it began before. */
void mmb_shared_wait_for_runner(const struct mmb_shared_cache *cache);

/* The cache that the calling thread is the runner of and used last, or none. */
extern __thread struct mmb_shared_cache *mmb_shared_here
    __attribute__((tls_model(MMB_TLS_MODEL), visibility("hidden")));
/* Always stopped, and of no heap. */
extern struct mmb_shared_cache mmb_shared_no_cache;

static inline struct mmb_shared_cache *mmb_shared_cache_here(const struct mmb_shared_heap *heap)
{
    struct mmb_shared_cache *cache = MMB_OWNED_LOAD(mmb_shared_here);
    uint64_t state = __atomic_load_n(&cache->state, __ATOMIC_RELAXED);
    return (state & ~MMB_SHARED_STOPS) == heap->serial ? cache : NULL;
}

/* ---- accounts (shared_account.c) ---- */

void mmb_shared_account_open(struct mmb_shared_cache *cache);
void mmb_shared_account_close(struct mmb_shared_cache *cache);
/* Charges to the caller's account, if it has one; when the limit is reached, only after what others
 * freed was collected. */
mmbError mmb_shared_charge(struct mmb_shared_heap *heap, size_t n_bytes);
void mmb_shared_uncharge(struct mmb_shared_heap *heap, size_t n_bytes);

/* ---- blocks (shared_block.c); the cache's lock is held ---- */

struct mmb_shared_block {
    struct mmb_shared_word *word;
    uint32_t bit;
};

/* What keeps a block from being had. */
struct mmb_shared_lack {
    uint32_t largest; /* the longest free run in granules, when there is no room */
    bool of_metadata;
};

static inline uint32_t mmb_shared_block_index(const struct mmb_shared_block *block)
{
    return block->word->number * MMB_SHARED_WORD_BLOCKS + block->bit;
}

/* A free block that nobody else will take; nothing has changed in the segment. */
bool mmb_shared_block_take(struct mmb_shared_cache *cache, const struct mmb_shared_want *want,
                           struct mmb_shared_block *out, struct mmb_shared_lack *out_lack);
void mmb_shared_block_untake(struct mmb_shared_cache *cache, const struct mmb_shared_block *block);
/* Makes it live: the one store that counts. */
void mmb_shared_block_commit(const struct mmb_shared_block *block);
/* Of a span of the cache. False: it was freed already. */
bool mmb_shared_block_free(struct mmb_shared_cache *cache, struct mmb_shadow *shadow,
                           uint32_t index);
/* The next three also in an operation of the runner. Makes another word of the cache's spans the
 * empty bin's; false: there is none without a look at what others freed. */
bool mmb_shared_bin_fill(struct mmb_shared_cache *cache, uint32_t class_index,
                         struct mmb_shared_lack *lack);
/* A CLOSED word has a free block again. */
void mmb_shared_word_open(struct mmb_shared_cache *cache, struct mmb_shared_word *word);
/* Has nothing but that word of the span allocated blocks, and is it not in use? */
bool mmb_shared_word_is_last(const struct mmb_shared_cache *cache,
                             const struct mmb_shared_word *word);
/* A block of this process outlives it, and is nobody's (segment.h). No lock is held. */
void mmb_shared_block_keep(struct mmb_shared_heap *heap, uint64_t offset);
/* Takes what others freed in the cache's spans, and gives empty spans back. */
void mmb_shared_cache_collect(struct mmb_shared_cache *cache);
/* The same in all caches, and spans of the dead and detached. No lock is held. */
void mmb_shared_heap_collect(struct mmb_shared_heap *heap);

/* ---- shadows and handles (shared_shadow.c) ---- */

/* For a span that a cache has just made. NULL: no metadata. */
struct mmb_shadow *mmb_shadow_make(struct mmb_shared_heap *heap, const struct mmb_shared_span *span,
                                   struct mmb_shared_cache *cache);
void mmb_shadow_drop(struct mmb_shared_heap *heap, struct mmb_shadow *shadow);
/* The record for a block that is about to be live, its generation counted up; the cache's lock is
 * held. NULL: no metadata. */
mmbAllocation *mmb_shadow_record(struct mmb_shared_heap *heap,
                                 const struct mmb_shared_block *block);
/* The handle of the live block that starts at the offset. MMB_INVALID_ALLOCATION, MMB_CORRUPT,
 * MMB_OUT_OF_MEMORY. */
mmbError mmb_shadow_import(struct mmb_shared_heap *heap, uint64_t offset, mmbAllocation **out);
/* The same, but the record itself where a moved handle hides one; without a detail. */
mmbError mmb_shadow_import_raw(struct mmb_shared_heap *heap, uint64_t offset, mmbAllocation **out);
/* Others freed it: its handle is dead. The bytes that were charged for it. */
size_t mmb_shadow_expire(mmbAllocation *record);
/* Takes the record away from its block: it is a moved handle from now on. False: it had none. */
bool mmb_shadow_detach(struct mmb_shared_heap *heap, mmbAllocation *record, uint64_t *out_offset);
/* Makes the record of a free block of an own span idle; false: no metadata. */
bool mmb_shadow_ready(struct mmb_shared_heap *heap, struct mmb_shared_word *word, uint32_t bit);
void mmb_shadows_for_each(struct mmb_shared_heap *heap, mmb_record_visitor visit, void *user);
/* Slices, holds, copies, and handles of other interfaces whose bytes are here. */
size_t mmb_shadows_in_use(struct mmb_shared_heap *heap);
/* Deletes all records. The bytes that were charged. */
size_t mmb_shadows_close(struct mmb_shared_heap *heap);
/* In a forked child: nothing is charged or owned here. */
size_t mmb_shadows_disown(struct mmb_shared_heap *heap);

/* ---- records, whatever the strategy (shared_record.c) ---- */

static inline uint64_t mmb_shared_offset_of(const struct mmb_shared_heap *heap, const void *host)
{
    return (uint64_t)((const unsigned char *)host - heap->segment->base);
}
/* Takes the CHARGED mark away; true: it was there. */
bool mmb_shared_uncharge_once(mmbAllocation *record);
bool mmb_shared_record_in_use(const mmbAllocation *record);
void mmb_shared_record_fill(const struct mmb_shared_heap *heap, mmbAllocation *record,
                            uint64_t offset, uint8_t generation);
/* Not a handle any more; it stays with its block. */
void mmb_shared_record_end(mmbAllocation *record);
void mmb_shared_record_delete(mmbAllocation *record);
void mmb_shared_pay(struct mmb_shared_heap *heap);
void mmb_shared_count_in(struct mmb_shared_heap *heap);

/* ---- heaps by id (shared_ids.c) ---- */

/* MMB_EXISTS: this process has a heap of that id. */
mmbError mmb_shared_heap_register(struct mmb_shared_heap *heap);
void mmb_shared_heap_unregister(struct mmb_shared_heap *heap);
/* generation 0: any. */
struct mmb_shared_heap *mmb_shared_heap_by_id(uint32_t id, uint32_t generation);
bool mmb_shared_id_is_taken(uint32_t id);

/* ---- what core asks of a shared heap beyond the table (shared_heap.c) ---- */

extern const struct mmb_allocator_ops mmb_shared_page_ops, mmb_shared_thread_ops,
    mmb_shared_stack_ops;
/* The table for a segment's strategy. */
const struct mmb_allocator_ops *mmb_shared_strategy_ops(uint32_t strategy);
mmbError mmb_shared_heap_open(const struct mmb_allocator_request *request,
                              struct mmb_shared_heap *heap);
void mmb_shared_heap_close(struct mmb_shared_heap *heap);
void mmb_shared_heap_fork_lock(struct mmb_allocator *allocator);
void mmb_shared_heap_fork_unlock(struct mmb_allocator *allocator);
void mmb_shared_fill_stats(struct mmb_shared_heap *heap, size_t live_bytes, size_t live_count,
                           struct mmb_allocator_stats *out);

#endif
