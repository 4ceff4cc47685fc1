/* SPDX-License-Identifier: BSD-3-Clause */
/* The short ways of a heap: a block that was free before, from a span at hand and back to it. They
 * are written in place into the calls that allocate and free; whatever else is to be done is left
 * to mmb_heap_take and mmb_heap_put. The heap's lock is held. */
#ifndef MMB_INTERFACES_HEAP_BLOCK_H
#define MMB_INTERFACES_HEAP_BLOCK_H
#include "interfaces/heap.h"

/* Takes the first block of a span's free list. The span is in its class's list, and stays there as
 * long as it has another one. */
static inline mmbAllocation *mmb_span_pop(struct mmb_heap *heap, struct mmb_span *span)
{
    mmbAllocation *record = &span->owner.records[span->free_head];
    if (span->n_carved == span->n_free)
        heap->n_empty_spans--;
    span->free_head = record->word & MMB_RECORD_LOW;
    if (--span->n_free == 0 && span->n_carved == span->n_blocks)
        mmb_list_remove(&span->link);
    return record;
}

/* Makes a block the first of its span's free list. True when that makes the span empty. */
static inline bool mmb_span_push(struct mmb_heap *heap, struct mmb_span *span,
                                 mmbAllocation *record)
{
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_FREE << 24 | span->free_head,
                     __ATOMIC_RELAXED);
    span->free_head = (uint32_t)(record - span->owner.records);
    if (span->n_free++ == 0 && span->n_carved == span->n_blocks)
        mmb_list_push_front(&heap->classes[span->class_index], &span->link);
    return span->n_free == span->n_carved;
}

/* A small block that was free before; NULL: ask mmb_heap_take. */
static inline mmbAllocation *mmb_heap_take_quickly(struct mmb_heap *heap, size_t n_bytes)
{
    if (n_bytes > heap->large_from)
        return NULL;
    const struct mmb_list *spans = &heap->classes[mmb_class_of(n_bytes)];
    struct mmb_span *span = MMB_CONTAINER_OF(spans->next, struct mmb_span, link);
    if (mmb_list_is_empty(spans) || !span->n_free)
        return NULL;
    heap->n_out++;
    return mmb_span_pop(heap, span);
}

/* False, and nothing done: ask mmb_heap_put. */
static inline bool mmb_heap_put_quickly(struct mmb_heap *heap, mmbAllocation *record)
{
    struct mmb_record_owner *owner = mmb_record_owner_of(record);
    struct mmb_span *span = MMB_CONTAINER_OF(owner, struct mmb_span, owner);
    if (owner->kind != MMB_OWNER_SPAN || span->n_free + 1 == span->n_carved)
        return false;
    heap->n_out--;
    mmb_span_push(heap, span, record);
    return true;
}

#endif
