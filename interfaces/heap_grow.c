/* SPDX-License-Identifier: BSD-3-Clause */
/* A heap's chunks: how large a new one is, when an empty one goes back, what happens at the end.
 *
 * Owns nothing of its own. Takes the heap's lock and never holds it while the source works:
 * obtaining may trim this heap, and returning unmaps. */
#include "interfaces/heap.h"
#include <time.h>
#include "interfaces/chunk_size.h"
#include "interfaces/orphan.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* Memory that was empty this long goes back at the next occasion. */
#define IDLE_MS        500u
#define DECAY_EVERY_MS 100u

uint32_t mmb_heap_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

/* ---- growing ---- */

/* Bytes of all chunks. */
static size_t held_bytes(struct mmb_heap *heap)
{
    mmb_biased_acquire(&heap->lock);
    size_t n_bytes = heap->n_pages * heap->page_bytes;
    mmb_biased_release(&heap->lock);
    return n_bytes;
}

static mmbError no_room(struct mmb_heap *heap, size_t n_bytes)
{
    mmb_biased_acquire(&heap->lock);
    size_t longest = mmb_run_longest(heap) * heap->page_bytes;
    size_t total = heap->n_pages * heap->page_bytes;
    mmb_biased_release(&heap->lock);
    return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: the largest free run is %zu B of %zu B; %s",
                    n_bytes, longest, total, mmb_error_detail());
}

/* Of the shortest run that serves a block of n bytes; wraps where there is none. */
static size_t run_bytes(const struct mmb_heap *heap, size_t n_bytes)
{
    size_t needed = n_bytes <= heap->large_from ? mmb_heap_least_bytes(heap, n_bytes) : n_bytes;
    return (needed / heap->page_bytes + (needed % heap->page_bytes != 0)) * heap->page_bytes;
}

/* What to ask for: whole spans of the block's class, where the chunk is not all there is. */
static size_t chunk_bytes(const struct mmb_heap *heap, size_t n_bytes, size_t needed)
{
    size_t want = mmb_chunk_want(heap->allocator, needed);
    size_t unit =
        n_bytes <= heap->large_from ? mmb_heap_span_bytes(heap, n_bytes) : heap->page_bytes;
    if (mmb_source_bounded(heap->source) != SIZE_MAX || want < unit)
        return want;
    want -= want % unit;
    return want < needed ? needed : want;
}

static mmbError obtain(struct mmb_heap *heap, size_t n_bytes)
{
    size_t needed = run_bytes(heap, n_bytes);
    if (needed < n_bytes)
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: more than there are addresses",
                        n_bytes);
    struct mmb_chunk *chunk;
    /* Then its pages can be found in one step. */
    size_t alignment = mmb_source_free_alignment(heap->source, heap->page_bytes);
    mmbError error = mmb_source_obtain(heap->source, needed, chunk_bytes(heap, n_bytes, needed),
                                       alignment, &chunk);
    if (error)
        return error;
    chunk->allocator = heap->allocator;
    mmb_biased_acquire(&heap->lock);
    bool added = mmb_run_add_chunk(heap, chunk);
    mmb_biased_release(&heap->lock);
    if (added)
        return MMB_OK;
    mmb_source_return(chunk);
    return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: no metadata for a chunk", n_bytes);
}

static bool release_empty(struct mmb_heap *heap)
{
    mmb_biased_acquire(&heap->lock);
    bool any = mmb_spans_release_empty(heap);
    mmb_biased_release(&heap->lock);
    return any;
}

/* Where more would go beyond what the limit asks for, empty spans of other classes come first. */
static bool is_at_its_size(struct mmb_heap *heap)
{
    size_t held = held_bytes(heap);
    return held >= mmb_quota_limit(heap->allocator->quota) ||
           (held && mmb_source_bounded(heap->source) != SIZE_MAX);
}

/* Somebody freed meanwhile, or the source had this very heap trimmed before it gave up. */
static bool has_room(struct mmb_heap *heap, size_t n_bytes)
{
    mmb_biased_acquire(&heap->lock);
    bool has_block =
        n_bytes <= heap->large_from && !mmb_list_is_empty(&heap->classes[mmb_class_of(n_bytes)]);
    bool has_run = mmb_run_longest(heap) * heap->page_bytes >= run_bytes(heap, n_bytes);
    mmb_biased_release(&heap->lock);
    return has_block || has_run;
}

static bool was_starved(struct mmb_heap *heap)
{
    mmb_biased_acquire(&heap->lock);
    bool starved = heap->starved;
    heap->starved = false;
    mmb_biased_release(&heap->lock);
    return starved;
}

mmbError mmb_heap_grow(struct mmb_heap *heap, size_t n_bytes)
{
    if (was_starved(heap))
        return release_empty(heap) ? MMB_OK
                                   : mmb_fail(MMB_OUT_OF_MEMORY,
                                              "allocate %zu B: no metadata for a block", n_bytes);
    if (is_at_its_size(heap) && release_empty(heap))
        return MMB_OK;
    mmbError error = obtain(heap, n_bytes);
    if (error != MMB_OUT_OF_MEMORY)
        return error;
    return release_empty(heap) || has_room(heap, n_bytes) ? MMB_OK : no_room(heap, n_bytes);
}

/* ---- giving back ---- */

static void return_all(struct mmb_list *chunks)
{
    MMB_LIST_FOR_EACH_SAFE (node, next, chunks) {
        mmb_list_remove(node);
        mmb_source_return(MMB_CONTAINER_OF(node, struct mmb_chunk, link));
    }
}

/* Moves empty chunks that have idled to `out` as long as keep_bytes of chunks are left. */
static void collect_chunks(struct mmb_heap *heap, size_t keep_bytes, uint32_t idle_ms,
                           struct mmb_list *out)
{
    uint32_t now = mmb_heap_now();
    size_t held = mmb_source_reserved(heap->source);
    MMB_LIST_FOR_EACH_SAFE (node, next, &heap->chunks) {
        struct mmb_chunk *chunk = MMB_CONTAINER_OF(node, struct mmb_chunk, link);
        struct mmb_heap_chunk *table = mmb_chunk_pages(chunk);
        if (table->n_used || now - table->emptied_at < idle_ms ||
            held - chunk->memory.n_bytes < keep_bytes)
            continue;
        held -= chunk->memory.n_bytes;
        mmb_run_remove_chunk(heap, chunk);
        mmb_list_push_back(out, &chunk->link);
    }
}

static void discard_run(struct mmb_heap *heap, struct mmb_span *span)
{
    span->dirty = false;
    mmb_source_discard(span->chunk, (size_t)span->first_page * heap->page_bytes,
                       (size_t)span->n_pages * heap->page_bytes);
}

/* Under the lock: a run must not be handed out while its pages go. */
static void discard_runs(struct mmb_heap *heap, uint32_t idle_ms)
{
    uint32_t now = mmb_heap_now();
    for (size_t bin = 0; bin < MMB_HEAP_BINS; bin++)
        MMB_LIST_FOR_EACH (node, &heap->bins[bin]) {
            struct mmb_span *span = MMB_CONTAINER_OF(node, struct mmb_span, link);
            if (span->dirty && now - span->freed_at >= idle_ms)
                discard_run(heap, span);
        }
}

static void give_back(struct mmb_heap *heap, size_t keep_bytes, uint32_t idle_ms)
{
    struct mmb_list chunks;
    mmb_list_init(&chunks);
    mmb_biased_acquire(&heap->lock);
    if (idle_ms == 0)
        mmb_spans_release_empty(heap);
    collect_chunks(heap, keep_bytes, idle_ms, &chunks);
    discard_runs(heap, idle_ms);
    mmb_biased_release(&heap->lock);
    return_all(&chunks);
}

void mmb_heap_trim(struct mmb_heap *heap, size_t keep_bytes)
{
    give_back(heap, keep_bytes, 0);
}

void mmb_heap_decay(struct mmb_heap *heap)
{
    uint32_t now = mmb_heap_now();
    uint32_t last = __atomic_load_n(&heap->decayed_at, __ATOMIC_RELAXED);
    if (now - last < DECAY_EVERY_MS)
        return;
    __atomic_store_n(&heap->decayed_at, now, __ATOMIC_RELAXED);
    give_back(heap, 0, IDLE_MS);
}

/* ---- the end ---- */

static void close_span(struct mmb_span *span)
{
    mmb_span_leave_pages(span);
    if (span->use == MMB_SPAN_LARGE) {
        mmb_record_drop_extension(span->record);
        mmb_record_delete(span->record);
        return;
    }
    mmb_slab_close(&span->owner, span->n_carved);
}

static void close_chunk(struct mmb_chunk *chunk)
{
    struct mmb_heap_chunk *table = mmb_chunk_pages(chunk);
    for (size_t page = 0; page < table->n_pages;) {
        struct mmb_span *span = table->pages[page];
        page += span->n_pages;
        if (span->use != MMB_SPAN_FREE)
            close_span(span);
        mmb_meta_free(span, sizeof *span);
    }
    mmb_list_remove(&chunk->link);
    chunk->owned = NULL;
    mmb_meta_free(table, mmb_heap_chunk_bytes(table->n_pages));
    mmb_source_return(chunk);
}

void mmb_heap_close(struct mmb_heap *heap)
{
    mmb_homes_close_begin();
    MMB_LIST_FOR_EACH_SAFE (node, next, &heap->chunks)
        close_chunk(MMB_CONTAINER_OF(node, struct mmb_chunk, link));
    mmb_homes_close_end();
}

void mmb_heap_for_each(struct mmb_heap *heap, mmb_record_visitor visit, void *user)
{
    MMB_LIST_FOR_EACH (node, &heap->chunks) {
        struct mmb_heap_chunk *table =
            mmb_chunk_pages(MMB_CONTAINER_OF(node, struct mmb_chunk, link));
        for (size_t page = 0; page < table->n_pages;) {
            struct mmb_span *span = table->pages[page];
            page += span->n_pages;
            if (!mmb_span_for_each(span, visit, user))
                return;
        }
    }
}
