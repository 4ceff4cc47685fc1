/* SPDX-License-Identifier: BSD-3-Clause */
/* See chunk_size.h. Owns nothing, takes no lock. */
#include "interfaces/chunk_size.h"
#include "src/base/os.h"

#define CHUNK_BYTES_FIRST ((size_t)256 << 10)
#define CHUNK_BYTES_MAX   ((size_t)4 << 20)
/* The most that one interface's chunks have beyond its space's limit: 64 KiB, or an eighth. */
#define SLACK_BYTES_MIN ((size_t)64 << 10)
#define SLACK_SHIFT     3

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* In whole OS pages, since backends round up to them. */
static size_t left_of_limit(size_t limit, size_t reserved)
{
    if (limit > SIZE_MAX / 2)
        return SIZE_MAX;
    size_t most = limit + larger(limit >> SLACK_SHIFT, SLACK_BYTES_MIN);
    size_t left = most > reserved ? most - reserved : 0;
    return left & ~(mmb_os_page_bytes() - 1);
}

size_t mmb_chunk_want(const struct mmb_allocator *allocator, size_t needed)
{
    const struct mmb_source *source = allocator->source;
    size_t bounded = mmb_source_bounded(source);
    if (bounded != SIZE_MAX)
        return larger(bounded, needed); /* what cannot grow is never shared */
    size_t reserved = mmb_source_reserved(source);
    size_t want = smaller(larger(reserved, CHUNK_BYTES_FIRST), CHUNK_BYTES_MAX);
    want = smaller(want, left_of_limit(mmb_quota_limit(allocator->quota), reserved));
    return larger(larger(want, mmb_source_min_chunk(source)), needed);
}
