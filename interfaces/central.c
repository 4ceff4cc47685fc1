/* SPDX-License-Identifier: BSD-3-Clause */
/* See central.h. Lock order: a class's lock -> heap lock. */
#include "interfaces/central.h"
#include <string.h>
#include "src/base/meta.h"

uint32_t mmb_central_get(struct mmb_central *central, mmbAllocation **out, uint32_t want)
{
    if (__atomic_load_n(&central->n, __ATOMIC_RELAXED) == 0)
        return 0;
    mmb_lock_acquire(&central->lock);
    uint32_t n = central->n < want ? central->n : want;
    __atomic_store_n(&central->n, central->n - n, __ATOMIC_RELAXED);
    if (n)
        memcpy(out, central->records + central->n, n * sizeof *out);
    mmb_lock_release(&central->lock);
    return n;
}

/* Without metadata the store has no room and the heap takes all. */
static bool open_store(struct mmb_central *central)
{
    if (!central->records)
        central->records = mmb_meta_alloc(central->capacity * sizeof(mmbAllocation *));
    return central->records != NULL;
}

uint32_t mmb_central_put(struct mmb_central *central, mmbAllocation *const *records, uint32_t n)
{
    if (!central->capacity)
        return n;
    mmb_lock_acquire(&central->lock);
    uint32_t room = open_store(central) ? central->capacity - central->n : 0;
    uint32_t taken = n < room ? n : room;
    if (taken)
        memcpy(central->records + central->n, records + (n - taken), taken * sizeof *records);
    __atomic_store_n(&central->n, central->n + taken, __ATOMIC_RELAXED);
    mmb_lock_release(&central->lock);
    return n - taken;
}

void mmb_central_flush(struct mmb_central *central, struct mmb_heap *heap)
{
    mmb_lock_acquire(&central->lock);
    mmb_biased_acquire(&heap->lock);
    for (uint32_t i = 0; i < central->n; i++)
        mmb_heap_put(heap, central->records[i]);
    mmb_biased_release(&heap->lock);
    __atomic_store_n(&central->n, 0, __ATOMIC_RELAXED);
    mmb_meta_free(central->records, central->capacity * sizeof(mmbAllocation *));
    central->records = NULL;
    mmb_lock_release(&central->lock);
}
