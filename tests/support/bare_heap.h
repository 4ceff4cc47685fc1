/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_BARE_HEAP_H
#define MMB_TESTS_SUPPORT_BARE_HEAP_H
/* A heap of size classes without an interface around it, over a real source, and a look at its
 * pages. */
#include "interfaces/heap.h"
#include "src/core/budget.h"
#include "src/spi/quota.h"

struct bare_heap {
    struct mmb_heap heap;
    struct mmb_allocator allocator;
    struct mmb_quota quota;
    struct mmb_budget budget;
    struct mmb_backend *backend;
    struct mmb_source *source;
};

/* Over mmap, or over the array where there is one. limit SIZE_MAX: none. */
void bare_heap_open(struct bare_heap *bare, size_t limit, void *array, size_t n_bytes);
/* Closes the heap, with whatever lives in it, and checks that its source got everything back. */
void bare_heap_close(struct bare_heap *bare);
/* A block, its record live; the heap grows where it has to. NULL: refused. */
mmbAllocation *bare_heap_take(struct bare_heap *bare, size_t n_bytes);
void bare_heap_put(struct bare_heap *bare, mmbAllocation *record);
struct mmb_block bare_heap_block(const mmbAllocation *record);
/* NULL, or what is wrong with the pages, runs and counts. */
const char *bare_heap_flaw(const struct bare_heap *bare);

#endif
