/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles of shared blocks and their charge, whatever the strategy (shared.h).
 *
 * A record says in its home's low bits for which generation of its block it was made, and whether
 * the block's bytes are charged in this process. Whoever takes the CHARGED mark away uncharges: the
 * free here, or the collecting of a free elsewhere. Owns nothing; the pool and the quota lock for
 * themselves. */
#include "interfaces/shared.h"

bool mmb_shared_uncharge_once(mmbAllocation *record)
{
    return __atomic_fetch_and(&record->home, ~MMB_SHARED_CHARGED, __ATOMIC_ACQ_REL) &
           MMB_SHARED_CHARGED;
}

bool mmb_shared_record_in_use(const mmbAllocation *record)
{
    struct mmb_extension view;
    return mmb_record_view(record, &view) &&
           (view.slices || view.holds || view.copies ||
            (view.flags & (MMB_EXTENSION_HIDDEN | MMB_EXTENSION_MOVED)));
}

void mmb_shared_record_fill(const struct mmb_shared_heap *heap, mmbAllocation *record,
                            uint64_t offset, uint8_t generation)
{
    record->host = heap->segment->base + offset;
    __atomic_store_n(&record->home, heap->base.slot * MMB_SLOT_BYTES + generation,
                     __ATOMIC_RELEASE);
}

void mmb_shared_record_end(mmbAllocation *record)
{
    mmb_record_drop_extension(record);
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_FREE << 24, __ATOMIC_RELEASE);
}

void mmb_shared_record_delete(mmbAllocation *record)
{
    if (!record)
        return;
    mmb_record_drop_extension(record);
    mmb_record_delete(record);
}

void mmb_shared_pay(struct mmb_shared_heap *heap)
{
    size_t debt = atomic_exchange_explicit(&heap->debt, 0, memory_order_relaxed);
    if (debt)
        mmb_quota_uncharge(heap->base.quota, debt);
}

void mmb_shared_count_in(struct mmb_shared_heap *heap)
{
    atomic_fetch_add_explicit(&heap->n_allocations, 1, memory_order_relaxed);
}
