/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of size classes in spans, and single blocks in runs of their own (heap.h).
 *
 * Owns the spans in use and the class lists. Lock order: heap lock -> slab, pool and metadata
 * locks. The source is asked only without the heap lock, since it may trim this very heap. */
#include "interfaces/heap.h"
#include <string.h>
#include "interfaces/heap_block.h"
#include "interfaces/page_map.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"

#define PAGE_BYTES     MMB_PAGE_BYTES
#define PAGE_BYTES_MIN ((size_t)64)
/* A backend that cannot grow is cut into at least 256 pages, so that a small array still serves
 * many classes. */
#define BOUNDED_PAGES 256u
/* A span's unused tail is at most a twelfth of it, so that blocks of one class take at most an
 * eighth more than they have, ends of chunks included. */
#define TAIL_PARTS 12u
/* Classes that are in demand get spans of this many pages (64 KiB): fewer descriptors per block. */
#define SPAN_PAGES_MORE 4u
/* Of a large block so many pages are entered in the page map: all where a magazine keeps it, and
 * where it comes and goes no more than what costs a few nanoseconds. */
#define ENTERED_CACHED (MMB_CLASS_MAX_BYTES / MMB_PAGE_BYTES)
#define ENTERED_ALONE  16u

static size_t page_bytes_for(const struct mmb_source *source)
{
    size_t bounded = mmb_source_bounded(source);
    size_t page = PAGE_BYTES;
    while (page > PAGE_BYTES_MIN && bounded / page < BOUNDED_PAGES)
        page /= 2;
    return page;
}

mmbError mmb_heap_check(const struct mmb_source *source)
{
    size_t bounded = mmb_source_bounded(source);
    if (bounded >= PAGE_BYTES_MIN)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_SIZE, "create_interface: %zu B are fewer than one page of %zu B",
                    bounded, PAGE_BYTES_MIN);
}

void mmb_heap_open(struct mmb_heap *heap, struct mmb_allocator *allocator)
{
    mmb_biased_init(&heap->lock);
    heap->allocator = allocator;
    heap->source = allocator->source;
    heap->slot = allocator->slot;
    heap->page_bytes = page_bytes_for(heap->source);
    heap->large_from =
        heap->page_bytes == PAGE_BYTES ? MMB_CLASS_SMALL_BYTES : 4 * heap->page_bytes;
    size_t natural = mmb_source_min_alignment(heap->source);
    heap->natural = natural < heap->page_bytes ? natural : heap->page_bytes;
    for (size_t i = 0; i < MMB_CLASSES; i++)
        mmb_list_init(&heap->classes[i]);
    for (size_t i = 0; i < MMB_HEAP_BINS; i++)
        mmb_list_init(&heap->bins[i]);
    mmb_list_init(&heap->chunks);
}

bool mmb_heap_request(const struct mmb_heap *heap, size_t n_bytes, size_t alignment,
                      size_t *out_bytes)
{
    if (alignment <= 16) {
        *out_bytes = n_bytes;
        return true;
    }
    /* A class of a multiple of the alignment needs no slack: 64 B at 64 is a block of 64 B. */
    size_t rounded;
    if (alignment <= heap->natural && mmb_round_up_size(n_bytes, alignment, &rounded) &&
        rounded <= heap->large_from) {
        uint32_t c = mmb_class_of(rounded);
        while (c < MMB_CLASS_FIRST_LARGE && mmb_class_bytes[c] % alignment)
            c++;
        *out_bytes = c < MMB_CLASS_FIRST_LARGE ? mmb_class_bytes[c] : rounded;
        return true;
    }
    size_t sure = heap->natural; /* of a run of pages */
    if (n_bytes <= heap->large_from && alignment > sure)
        sure = 16;
    size_t slack = alignment > sure ? alignment - sure : 0;
    return mmb_add_size(n_bytes, slack, out_bytes);
}

/* ---- spans ---- */

static size_t least_pages(const struct mmb_heap *heap, size_t block_bytes)
{
    return (block_bytes + heap->page_bytes - 1) / heap->page_bytes;
}

static bool has_small_tail(const struct mmb_heap *heap, size_t n_pages, size_t block_bytes)
{
    size_t n_bytes = n_pages * heap->page_bytes;
    return n_bytes % block_bytes * TAIL_PARTS <= n_bytes;
}

/* The fewest pages whose unused tail is small enough; a class is never larger than 4 pages, so 48
 * pages always do. */
static size_t span_pages(const struct mmb_heap *heap, size_t block_bytes)
{
    size_t n_pages = least_pages(heap, block_bytes);
    while (!has_small_tail(heap, n_pages, block_bytes))
        n_pages++;
    return n_pages;
}

size_t mmb_heap_span_bytes(const struct mmb_heap *heap, size_t n_bytes)
{
    return span_pages(heap, mmb_class_bytes[mmb_class_of(n_bytes)]) * heap->page_bytes;
}

size_t mmb_heap_least_bytes(const struct mmb_heap *heap, size_t n_bytes)
{
    return least_pages(heap, mmb_class_bytes[mmb_class_of(n_bytes)]) * heap->page_bytes;
}

/* Shorter ones too, down to a single block's, rather than another chunk: so the ends of chunks are
 * used up. */
static struct mmb_span *take_span_run(struct mmb_heap *heap, uint32_t class_index)
{
    size_t block_bytes = mmb_class_bytes[class_index], few = span_pages(heap, block_bytes);
    struct mmb_span *span = NULL;
    if (heap->demand[class_index] && few < SPAN_PAGES_MORE && heap->page_bytes == PAGE_BYTES &&
        has_small_tail(heap, SPAN_PAGES_MORE, block_bytes))
        span = mmb_run_take(heap, SPAN_PAGES_MORE);
    for (size_t n = few; !span && n >= least_pages(heap, block_bytes); n--)
        span = mmb_run_take(heap, n);
    return span;
}

/* Else its blocks cannot be found in one step. */
static bool can_be_entered(const struct mmb_span *span)
{
    return span->heap->page_bytes == MMB_PAGE_BYTES && span->address % MMB_PAGE_BYTES == 0 &&
           span->address == (uintptr_t)span->host;
}

/* Before a record of it is handed out. block_bytes 0: it is one block. */
static void enter_pages(struct mmb_span *span, size_t n_most, const mmbAllocation *first,
                        size_t block_bytes)
{
    if (!can_be_entered(span))
        return;
    span->n_entered = span->n_pages < n_most ? span->n_pages : (uint32_t)n_most;
    mmb_page_map_enter(span->address, span->n_entered, first, block_bytes,
                       span->heap->allocator->is_findable);
}

void mmb_span_leave_pages(struct mmb_span *span)
{
    mmb_page_map_leave(span->address, span->n_entered);
    span->n_entered = 0;
}

static struct mmb_span *new_span(struct mmb_heap *heap, uint32_t class_index)
{
    struct mmb_span *span = take_span_run(heap, class_index);
    if (!span)
        return NULL;
    span->block_bytes = mmb_class_bytes[class_index];
    span->n_blocks = (uint32_t)(span->n_pages * heap->page_bytes / span->block_bytes);
    span->owner.kind = MMB_OWNER_SPAN;
    span->owner.n_records = span->n_blocks;
    if (!mmb_record_slab_alloc(&span->owner)) {
        heap->starved = true;
        mmb_run_put(heap, span);
        return NULL;
    }
    span->class_index = (uint8_t)class_index;
    span->n_carved = 0;
    span->n_free = 0;
    span->free_head = MMB_BLOCK_NONE;
    span->use = MMB_SPAN_SMALL;
    enter_pages(span, span->n_pages, span->owner.records, span->block_bytes);
    heap->n_empty_spans++;
    heap->demand[class_index] = true;
    mmb_list_push_front(&heap->classes[class_index], &span->link);
    return span;
}

void mmb_span_release(struct mmb_heap *heap, struct mmb_span *span)
{
    MMB_ASSERT(span->n_free == span->n_carved);
    heap->n_empty_spans--;
    mmb_list_remove(&span->link);
    mmb_span_leave_pages(span);
    mmb_record_slab_free(&span->owner);
    mmb_run_put(heap, span);
}

bool mmb_spans_release_empty(struct mmb_heap *heap)
{
    bool any = heap->n_empty_spans > 0;
    for (size_t c = 0; c < MMB_CLASSES && heap->n_empty_spans; c++)
        MMB_LIST_FOR_EACH_SAFE (node, next, &heap->classes[c]) {
            struct mmb_span *span = MMB_CONTAINER_OF(node, struct mmb_span, link);
            if (span->n_free == span->n_carved)
                mmb_span_release(heap, span);
        }
    return any;
}

struct mmb_span *mmb_heap_span_of(const mmbAllocation *record)
{
    struct mmb_record_owner *owner = mmb_record_owner_of(record);
    if (owner->kind == MMB_OWNER_SPAN)
        return MMB_CONTAINER_OF(owner, struct mmb_span, owner);
    return mmb_record_home_object(record);
}

/* ---- blocks ---- */

static mmbAllocation *carve(struct mmb_heap *heap, struct mmb_span *span)
{
    uint32_t index = span->n_carved;
    mmbAllocation *record = &span->owner.records[index];
    record->host = span->host ? span->host + index * span->block_bytes : NULL;
    record->home = heap->slot * MMB_SLOT_BYTES + MMB_MAGAZINE_OFFSET(span->class_index);
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_FREE << 24, __ATOMIC_RELAXED);
    __atomic_store_n(&span->n_carved, index + 1, __ATOMIC_RELEASE); /* find reads it */
    return record;
}

/* One block of a span that has one. */
static mmbAllocation *take_block(struct mmb_heap *heap, struct mmb_span *span)
{
    if (span->n_free)
        return mmb_span_pop(heap, span);
    if (span->n_carved == 0)
        heap->n_empty_spans--;
    mmbAllocation *record = carve(heap, span);
    if (span->n_carved == span->n_blocks)
        mmb_list_remove(&span->link);
    return record;
}

static struct mmb_span *span_with_room(struct mmb_heap *heap, uint32_t class_index)
{
    if (mmb_list_is_empty(&heap->classes[class_index]))
        return new_span(heap, class_index);
    return MMB_CONTAINER_OF(heap->classes[class_index].next, struct mmb_span, link);
}

static size_t large_pages(const struct mmb_heap *heap, size_t n_bytes)
{
    return n_bytes / heap->page_bytes + (n_bytes % heap->page_bytes != 0);
}

static mmbAllocation *take_large(struct mmb_heap *heap, size_t n_bytes, size_t n_entered)
{
    struct mmb_span *span = mmb_run_take(heap, large_pages(heap, n_bytes));
    if (!span)
        return NULL;
    mmbAllocation *record = mmb_record_new(span);
    if (!record) {
        heap->starved = true;
        mmb_run_put(heap, span);
        return NULL;
    }
    span->use = MMB_SPAN_LARGE;
    span->block_bytes = span->n_pages * heap->page_bytes;
    span->record = record;
    record->host = span->host;
    record->home = heap->slot * MMB_SLOT_BYTES;
    enter_pages(span, n_entered, record, 0);
    return record;
}

mmbAllocation *mmb_heap_take(struct mmb_heap *heap, size_t n_bytes)
{
    mmbAllocation *record = NULL;
    if (n_bytes > heap->large_from) {
        record = take_large(heap, n_bytes, ENTERED_ALONE);
    } else {
        struct mmb_span *span = span_with_room(heap, mmb_class_of(n_bytes));
        record = span ? take_block(heap, span) : NULL;
    }
    heap->n_out += record != NULL;
    return record;
}

uint32_t mmb_heap_take_batch(struct mmb_heap *heap, uint32_t class_index, mmbAllocation **out,
                             uint32_t want)
{
    uint32_t n = 0;
    while (n < want && class_index < MMB_CLASS_FIRST_LARGE) {
        struct mmb_span *span = span_with_room(heap, class_index);
        if (!span)
            break;
        while (n < want && (span->n_free || span->n_carved < span->n_blocks))
            out[n++] = take_block(heap, span);
    }
    for (; n < want && class_index >= MMB_CLASS_FIRST_LARGE; n++) {
        out[n] = take_large(heap, mmb_class_bytes[class_index], ENTERED_CACHED);
        if (!out[n])
            break;
        out[n]->home += MMB_MAGAZINE_OFFSET(class_index);
    }
    heap->n_out += n;
    return n;
}

static void put_small(struct mmb_heap *heap, struct mmb_span *span, mmbAllocation *record)
{
    if (!mmb_span_push(heap, span, record))
        return;
    const struct mmb_list *spans = &heap->classes[span->class_index];
    heap->n_empty_spans++;
    /* One empty span per class stays, so that a pair at the edge does not build and drop spans. */
    if (spans->next != spans->prev)
        mmb_span_release(heap, span);
}

static void put_large(struct mmb_heap *heap, struct mmb_span *span)
{
    span->record = NULL;
    mmb_span_leave_pages(span);
    mmb_run_put(heap, span);
}

void mmb_heap_put(struct mmb_heap *heap, mmbAllocation *record)
{
    struct mmb_span *span = mmb_heap_span_of(record);
    heap->n_out--;
    if (span->use == MMB_SPAN_SMALL) {
        put_small(heap, span, record);
        return;
    }
    mmb_record_delete(record);
    put_large(heap, span);
}

void mmb_heap_vacate(struct mmb_heap *heap, mmbAllocation *record)
{
    struct mmb_span *span = mmb_heap_span_of(record);
    if (span->use == MMB_SPAN_SMALL)
        return;
    heap->n_out--;
    mmb_record_set_home_object(record, NULL);
    put_large(heap, span);
}

void mmb_heap_reclaim(struct mmb_heap *heap, mmbAllocation *record)
{
    struct mmb_span *span = mmb_heap_span_of(record);
    size_t offset = (size_t)(record - span->owner.records) * span->block_bytes;
    record->host = span->host ? span->host + offset : NULL;
    heap->n_out--;
    put_small(heap, span, record);
}

/* What has a class may come from a thread's magazine, in use before. */
bool mmb_heap_is_fresh(const struct mmb_allocator *allocator, const mmbAllocation *record)
{
    (void)allocator;
    return record->home % MMB_SLOT_BYTES == 0 && !mmb_heap_span_of(record)->worn;
}

void mmb_heap_locate(const mmbAllocation *record, struct mmb_block *out_block)
{
    struct mmb_span *span = mmb_heap_span_of(record);
    size_t index = span->use == MMB_SPAN_SMALL ? (size_t)(record - span->owner.records) : 0;
    out_block->chunk = span->chunk;
    out_block->offset = span->address - span->chunk->memory.address + index * span->block_bytes;
    out_block->usable = span->block_bytes;
}

mmbAllocation *mmb_heap_find(const struct mmb_chunk *chunk, const struct mmb_heap *heap,
                             uintptr_t address)
{
    struct mmb_heap_chunk *table = mmb_chunk_pages(chunk);
    /* A power of two, but no compiler can know. */
    size_t page = (address - chunk->memory.address) >> __builtin_ctzl(heap->page_bytes);
    if (!table || page >= table->n_pages)
        return NULL;
    struct mmb_span *span = __atomic_load_n(&table->pages[page], __ATOMIC_ACQUIRE);
    if (!span || span->use == MMB_SPAN_FREE)
        return NULL;
    if (span->use == MMB_SPAN_LARGE)
        return span->record;
    /* A span is at most 48 pages of 16 KiB: the division is one of 32 bits. */
    uint32_t index = (uint32_t)(address - span->address) / (uint32_t)span->block_bytes;
    uint32_t n_carved = __atomic_load_n(&span->n_carved, __ATOMIC_ACQUIRE);
    return index < n_carved ? &span->owner.records[index] : NULL;
}

/* False when the visitor stopped. */
static bool show(mmbAllocation *record, mmb_record_visitor visit, void *user)
{
    struct mmb_block block;
    if (!mmb_record_is_live(record))
        return true;
    mmb_heap_locate(record, &block);
    return visit(user, record, &block);
}

bool mmb_span_for_each(struct mmb_span *span, mmb_record_visitor visit, void *user)
{
    if (span->use == MMB_SPAN_FREE)
        return true;
    if (span->use == MMB_SPAN_LARGE)
        return show(span->record, visit, user);
    for (uint32_t i = 0; i < span->n_carved; i++)
        if (!show(&span->owner.records[i], visit, user))
            return false;
    return true;
}
