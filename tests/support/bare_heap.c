/* SPDX-License-Identifier: BSD-3-Clause */
/* See bare_heap.h. Owns nothing but what the caller's struct has. */
#include "tests/support/bare_heap.h"
#include <string.h>
#include "layers/host/array.h"
#include "layers/host/mmap.h"
#include "src/core/layer.h"
#include "src/core/source.h"
#include "tests/support/suite.h"

void bare_heap_open(struct bare_heap *bare, size_t limit, void *array, size_t n_bytes)
{
    const struct mmb_backend_ops *ops = array ? &mmb_array_backend : &mmb_mmap_backend;
    mmbBackendOptions options = {{0}};
    const struct mmb_backend_request request = {.id = ops->id,
                                                .layer = MMB_DRAM,
                                                .context = MMB_CPU,
                                                .options = &options,
                                                .domain = -1,
                                                .domain_os_index = -1};
    memset(bare, 0, sizeof *bare);
    if (array) {
        options.array.base = array;
        options.array.bytes = n_bytes;
    }
    CU_ASSERT_EQUAL_FATAL(mmb_records_open(), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_extensions_open(), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(ops->open(&request, &bare->backend), MMB_OK);
    mmb_quota_init(&bare->quota, limit);
    mmb_budget_init(&bare->budget, SIZE_MAX, NULL, "test");
    mmb_budget_init(&mmb_host_budget, SIZE_MAX, NULL, "host");
    bare->source = mmb_source_open(bare->backend, &bare->budget);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bare->source);
    bare->allocator.quota = &bare->quota;
    bare->allocator.source = bare->source;
    bare->allocator.slot = 1;
    bare->allocator.domain = -1;
    mmb_heap_open(&bare->heap, &bare->allocator);
}

void bare_heap_close(struct bare_heap *bare)
{
    mmb_heap_close(&bare->heap);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare->source), 0);
    CU_ASSERT_EQUAL(mmb_source_reserved(bare->source), 0);
    mmb_source_close(bare->source);
    bare->backend->ops->close(bare->backend);
}

mmbAllocation *bare_heap_take(struct bare_heap *bare, size_t n_bytes)
{
    mmbAllocation *record = NULL;
    for (;;) {
        mmb_biased_acquire(&bare->heap.lock);
        record = mmb_heap_take(&bare->heap, n_bytes);
        mmb_biased_release(&bare->heap.lock);
        if (record)
            break;
        if (mmb_heap_grow(&bare->heap, n_bytes))
            return NULL;
    }
    if (mmb_record_publish(record, MMB_RECORD_LOCKED, n_bytes, 0, 16) == MMB_OK)
        return record;
    bare_heap_put(bare, record);
    return NULL;
}

void bare_heap_put(struct bare_heap *bare, mmbAllocation *record)
{
    mmb_record_drop_extension(record);
    mmb_biased_acquire(&bare->heap.lock);
    mmb_heap_put(&bare->heap, record);
    mmb_biased_release(&bare->heap.lock);
}

struct mmb_block bare_heap_block(const mmbAllocation *record)
{
    struct mmb_block block;
    mmb_heap_locate(record, &block);
    return block;
}

/* ---- the look at the pages ---- */

/* What was seen on the way. */
struct seen {
    size_t n_pages, n_used, n_free_runs, n_empty_chunks, longest;
};

static const char *flaw_of_run(const struct mmb_heap_chunk *table, const struct mmb_span *span,
                               size_t page)
{
    if (!span)
        return "a run without a descriptor";
    if (span->first_page != page || span->n_pages == 0 || page + span->n_pages > table->n_pages)
        return "a run that does not lie where its page says";
    if (span->use == MMB_SPAN_FREE)
        return table->pages[page + span->n_pages - 1] == span ? NULL
                                                              : "the last page of a free run";
    for (size_t i = 0; i < span->n_pages; i++)
        if (table->pages[page + i] != span)
            return "a page in the middle of a used run";
    if (span->use == MMB_SPAN_SMALL &&
        (span->n_free > span->n_carved || span->n_carved > span->n_blocks))
        return "the counts of a span";
    return NULL;
}

static const char *flaw_of_chunk(const struct mmb_chunk *chunk, struct seen *seen)
{
    const struct mmb_heap_chunk *table = mmb_chunk_pages(chunk);
    bool was_free = false;
    size_t n_used = 0;
    for (size_t page = 0; page < table->n_pages;) {
        const struct mmb_span *span = table->pages[page];
        const char *flaw = flaw_of_run(table, span, page);
        if (flaw)
            return flaw;
        bool is_free = span->use == MMB_SPAN_FREE;
        if (is_free && was_free)
            return "two free neighbours";
        was_free = is_free;
        n_used += is_free ? 0 : span->n_pages;
        seen->n_free_runs += is_free;
        if (is_free && span->n_pages > seen->longest)
            seen->longest = span->n_pages;
        page += span->n_pages;
    }
    seen->n_pages += table->n_pages;
    seen->n_empty_chunks += n_used == 0;
    return n_used == table->n_used ? NULL : "a chunk's count of used pages";
}

static const char *flaw_of_bins(const struct bare_heap *bare, const struct seen *seen)
{
    size_t n_binned = 0;
    for (size_t bin = 0; bin < MMB_HEAP_BINS; bin++)
        MMB_LIST_FOR_EACH (node, &bare->heap.bins[bin]) {
            const struct mmb_span *span = MMB_CONTAINER_OF(node, struct mmb_span, link);
            if (bin != (span->n_pages < MMB_HEAP_BINS ? span->n_pages : 0))
                return "a run in the wrong bin";
            n_binned++;
        }
    return n_binned == seen->n_free_runs ? NULL : "a free run in no bin";
}

const char *bare_heap_flaw(const struct bare_heap *bare)
{
    struct seen seen = {0, 0, 0, 0, 0};
    MMB_LIST_FOR_EACH (node, &bare->heap.chunks) {
        const char *flaw = flaw_of_chunk(MMB_CONTAINER_OF(node, struct mmb_chunk, link), &seen);
        if (flaw)
            return flaw;
    }
    if (seen.n_pages != bare->heap.n_pages)
        return "the count of pages";
    if (seen.n_empty_chunks != bare->heap.n_empty_chunks)
        return "the count of empty chunks";
    if (seen.longest != mmb_run_longest(&bare->heap))
        return "the longest run";
    return flaw_of_bins(bare, &seen);
}
