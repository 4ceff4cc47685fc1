/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of pages: cut from chunks, kept in bins by length, joined with their neighbours when they
 * come back. First fit in the smallest bin that has one; the rest of a longer run goes back.
 *
 * Owns the span descriptors of free runs and the page tables of chunks. The heap's lock is held. */
#include "interfaces/heap.h"
#include "src/base/meta.h"

static size_t bin_of(size_t n_pages)
{
    return n_pages < MMB_HEAP_BINS ? n_pages : 0;
}

/* Entries are read by find without the lock; a live block's entry does not change. */
static void set_page(struct mmb_heap_chunk *table, size_t page, struct mmb_span *span)
{
    __atomic_store_n(&table->pages[page], span, __ATOMIC_RELEASE);
}

static void insert_free(struct mmb_heap *heap, struct mmb_span *span)
{
    struct mmb_heap_chunk *table = mmb_chunk_pages(span->chunk);
    span->use = MMB_SPAN_FREE;
    set_page(table, span->first_page, span);
    set_page(table, span->first_page + span->n_pages - 1, span);
    mmb_list_push_front(&heap->bins[bin_of(span->n_pages)], &span->link);
}

static struct mmb_span *find_free(struct mmb_heap *heap, size_t n_pages)
{
    for (size_t bin = n_pages; bin < MMB_HEAP_BINS; bin++)
        if (!mmb_list_is_empty(&heap->bins[bin]))
            return MMB_CONTAINER_OF(heap->bins[bin].next, struct mmb_span, link);
    MMB_LIST_FOR_EACH (node, &heap->bins[0]) {
        struct mmb_span *span = MMB_CONTAINER_OF(node, struct mmb_span, link);
        if (span->n_pages >= n_pages)
            return span;
    }
    return NULL;
}

static void set_place(struct mmb_heap *heap, struct mmb_span *span)
{
    size_t offset = (size_t)span->first_page * heap->page_bytes;
    span->address = span->chunk->memory.address + offset;
    span->host = span->chunk->memory.host ? (char *)span->chunk->memory.host + offset : NULL;
}

/* Cuts what lies behind n_pages off and returns it to the bins. */
static bool split(struct mmb_heap *heap, struct mmb_span *span, size_t n_pages)
{
    struct mmb_span *rest = mmb_meta_alloc(sizeof *rest);
    if (!rest) {
        heap->starved = true;
        return false;
    }
    rest->heap = heap;
    rest->chunk = span->chunk;
    rest->first_page = span->first_page + (uint32_t)n_pages;
    rest->n_pages = span->n_pages - (uint32_t)n_pages;
    rest->dirty = span->dirty;
    rest->worn = span->worn;
    rest->freed_at = span->freed_at;
    span->n_pages = (uint32_t)n_pages;
    mmb_list_init(&rest->link);
    set_place(heap, rest);
    insert_free(heap, rest);
    return true;
}

struct mmb_span *mmb_run_take(struct mmb_heap *heap, size_t n_pages)
{
    struct mmb_span *span = find_free(heap, n_pages);
    if (!span || (span->n_pages > n_pages && !split(heap, span, n_pages)))
        return NULL;
    mmb_list_remove(&span->link);
    struct mmb_heap_chunk *table = mmb_chunk_pages(span->chunk);
    for (size_t i = 0; i < n_pages; i++)
        set_page(table, span->first_page + i, span);
    if (table->n_used == 0)
        heap->n_empty_chunks--;
    table->n_used += (uint32_t)n_pages;
    return span;
}

/* Joins `right` to `left`, both free and neighbours; `right`'s descriptor is gone, and no page
 * leads to it any more: find may look at any page. */
static void join(struct mmb_span *left, struct mmb_span *right)
{
    struct mmb_heap_chunk *table = mmb_chunk_pages(left->chunk);
    set_page(table, right->first_page - 1, NULL);
    set_page(table, right->first_page, NULL);
    left->n_pages += right->n_pages;
    left->dirty |= right->dirty;
    left->worn |= right->worn;
    mmb_meta_free(right, sizeof *right);
}

static struct mmb_span *free_at(const struct mmb_heap_chunk *table, size_t page)
{
    struct mmb_span *span = page < table->n_pages ? table->pages[page] : NULL;
    return span && span->use == MMB_SPAN_FREE ? span : NULL;
}

void mmb_run_put(struct mmb_heap *heap, struct mmb_span *span)
{
    struct mmb_heap_chunk *table = mmb_chunk_pages(span->chunk);
    for (size_t i = 0; i < span->n_pages; i++)
        set_page(table, span->first_page + i, NULL);
    table->n_used -= span->n_pages;
    heap->n_runs_put++;
    span->dirty = span->worn = true;
    span->freed_at = mmb_heap_now();
    if (table->n_used == 0) {
        table->emptied_at = span->freed_at;
        heap->n_empty_chunks++;
    }
    struct mmb_span *next = free_at(table, span->first_page + span->n_pages);
    if (next) {
        mmb_list_remove(&next->link);
        join(span, next);
    }
    struct mmb_span *before = span->first_page ? free_at(table, span->first_page - 1) : NULL;
    if (before) {
        mmb_list_remove(&before->link);
        uint32_t freed_at = span->freed_at;
        join(before, span);
        span = before;
        span->freed_at = freed_at;
    }
    insert_free(heap, span);
}

bool mmb_run_add_chunk(struct mmb_heap *heap, struct mmb_chunk *chunk)
{
    size_t n_pages = chunk->memory.n_bytes / heap->page_bytes;
    if (n_pages == 0 || n_pages > UINT32_MAX)
        return false;
    struct mmb_heap_chunk *table = mmb_meta_alloc(mmb_heap_chunk_bytes(n_pages));
    struct mmb_span *span = mmb_meta_alloc(sizeof *span);
    if (!table || !span) {
        mmb_meta_free(table, mmb_heap_chunk_bytes(n_pages));
        mmb_meta_free(span, sizeof *span);
        return false;
    }
    table->n_pages = (uint32_t)n_pages;
    table->emptied_at = mmb_heap_now();
    chunk->owned = table;
    span->heap = heap;
    span->chunk = chunk;
    span->n_pages = (uint32_t)n_pages;
    mmb_list_init(&span->link);
    set_place(heap, span);
    insert_free(heap, span);
    mmb_list_push_back(&heap->chunks, &chunk->link);
    heap->n_empty_chunks++;
    heap->n_pages += n_pages;
    return true;
}

void mmb_run_remove_chunk(struct mmb_heap *heap, struct mmb_chunk *chunk)
{
    struct mmb_heap_chunk *table = mmb_chunk_pages(chunk);
    struct mmb_span *span = table->pages[0];
    heap->n_empty_chunks--;
    heap->n_pages -= table->n_pages;
    mmb_list_remove(&span->link);
    mmb_list_remove(&chunk->link);
    mmb_meta_free(span, sizeof *span);
    mmb_meta_free(table, mmb_heap_chunk_bytes(table->n_pages));
    chunk->owned = NULL;
}

size_t mmb_run_longest(const struct mmb_heap *heap)
{
    size_t longest = 0;
    MMB_LIST_FOR_EACH (node, &heap->bins[0]) {
        const struct mmb_span *span = MMB_CONTAINER_OF(node, struct mmb_span, link);
        if (span->n_pages > longest)
            longest = span->n_pages;
    }
    for (size_t bin = MMB_HEAP_BINS - 1; longest == 0 && bin > 0; bin--)
        if (!mmb_list_is_empty(&heap->bins[bin]))
            longest = bin;
    return longest;
}
