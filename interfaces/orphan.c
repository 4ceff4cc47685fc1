/* SPDX-License-Identifier: BSD-3-Clause */
/* See orphan.h. Owns the orphan descriptors; the last handle that goes frees its slab. Takes the
 * extension, slab and metadata locks only. */
#include "interfaces/orphan.h"
#include "src/base/list.h"
#include "src/base/meta.h"

struct orphan {
    struct mmb_record_owner owner;
    _Atomic uint32_t n_handles;
};

static bool is_moved(const mmbAllocation *record)
{
    if (!mmb_record_is_live(record))
        return false;
    struct mmb_extension *extension = mmb_record_extension(record);
    return extension && extension->flags & MMB_EXTENSION_MOVED;
}

/* The number of records that stay. */
static uint32_t drop_all_but_moved(struct mmb_record_owner *owner, uint32_t n_used)
{
    uint32_t n_moved = 0;
    for (uint32_t i = 0; i < n_used; i++) {
        mmbAllocation *record = &owner->records[i];
        if (is_moved(record)) {
            n_moved++;
            continue;
        }
        mmb_record_drop_extension(record);
        __atomic_store_n(&record->word, 0, __ATOMIC_RELEASE);
    }
    return n_moved;
}

void mmb_slab_close(struct mmb_record_owner *owner, uint32_t n_used)
{
    uint32_t n_moved = 0;
    if (atomic_load_explicit(&owner->n_extended, memory_order_relaxed))
        n_moved = drop_all_but_moved(owner, n_used);
    if (!n_moved) {
        mmb_record_slab_free(owner);
        return;
    }
    /* Without metadata the slab is left to its handles and never reused: a small leak at the worst,
     * not a handle that dangles. */
    struct orphan *orphan = mmb_meta_alloc(sizeof *orphan);
    if (!orphan)
        return;
    orphan->owner.kind = MMB_OWNER_ORPHAN;
    orphan->owner.n_records = owner->n_records;
    atomic_init(&orphan->owner.n_extended, n_moved);
    atomic_init(&orphan->n_handles, n_moved);
    mmb_record_slab_adopt(owner->records, &orphan->owner);
}

void mmb_orphan_release(mmbAllocation *record)
{
    struct orphan *orphan = MMB_CONTAINER_OF(mmb_record_owner_of(record), struct orphan, owner);
    __atomic_store_n(&record->word, 0, __ATOMIC_RELEASE);
    if (atomic_fetch_sub(&orphan->n_handles, 1) != 1)
        return;
    mmb_record_slab_free(&orphan->owner);
    mmb_meta_free(orphan, sizeof *orphan);
}
