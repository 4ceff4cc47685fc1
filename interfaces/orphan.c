/* SPDX-License-Identifier: BSD-3-Clause */
/* See orphan.h. Owns the orphan descriptors; the last handle that goes frees its slab.
 *
 * Locks: `homes` comes before the allocators' locks, the extensions', slabs' and the metadata's.
 * The list of orphans is guarded by it too, which is why releasing one's last handle takes it
 * alone. */
#include "interfaces/orphan.h"
#include <pthread.h>
#include "src/base/list.h"
#include "src/base/meta.h"

struct orphan {
    struct mmb_record_owner owner;
    struct mmb_list link;
    uint32_t n_used; /* of its records, when its allocator closed */
    _Atomic uint32_t n_handles;
};

static pthread_rwlock_t homes = PTHREAD_RWLOCK_INITIALIZER;
static struct mmb_list orphans = MMB_LIST_INIT(orphans);

void mmb_homes_enter(void)
{
    pthread_rwlock_rdlock(&homes);
}

void mmb_homes_leave(void)
{
    pthread_rwlock_unlock(&homes);
}

void mmb_homes_close_begin(void)
{
    pthread_rwlock_wrlock(&homes);
}

void mmb_homes_close_end(void)
{
    pthread_rwlock_unlock(&homes);
}

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
    orphan->n_used = n_used;
    atomic_init(&orphan->owner.n_extended, n_moved);
    atomic_init(&orphan->n_handles, n_moved);
    mmb_list_push_back(&orphans, &orphan->link);
    mmb_record_slab_adopt(owner->records, &orphan->owner);
}

/* `homes` is held alone. */
static void delete (struct orphan *orphan)
{
    mmb_list_remove(&orphan->link);
    mmb_record_slab_free(&orphan->owner);
    mmb_meta_free(orphan, sizeof *orphan);
}

void mmb_orphan_release(mmbAllocation *record)
{
    struct orphan *orphan = MMB_CONTAINER_OF(mmb_record_owner_of(record), struct orphan, owner);
    mmb_record_drop_extension(record);
    __atomic_store_n(&record->word, 0, __ATOMIC_RELEASE);
    if (atomic_fetch_sub(&orphan->n_handles, 1) != 1)
        return;
    mmb_homes_close_begin();
    delete (orphan);
    mmb_homes_close_end();
}

void mmb_orphans_close(void)
{
    mmb_homes_close_begin();
    MMB_LIST_FOR_EACH_SAFE (node, next, &orphans) {
        struct orphan *orphan = MMB_CONTAINER_OF(node, struct orphan, link);
        for (uint32_t i = 0; i < orphan->n_used; i++)
            mmb_record_drop_extension(&orphan->owner.records[i]);
        delete (orphan);
    }
    mmb_homes_close_end();
}
