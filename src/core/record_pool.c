/* SPDX-License-Identifier: BSD-3-Clause */
/* Free-standing records: for large blocks, chunks, slices and wrapped pointers, which have no place
 * in a span. Each granule of 64 has an owner that keeps one home object per record beside it.
 *
 * Owns the free list, threaded through the records' host words, and the list of owners. Never gives
 * granules back: the pool is as large as the most free-standing records that ever lived at once (24
 * bytes each). Locks: `pool.lock`, then the extensions', slab and metadata locks. */
#include <string.h>
#include "src/base/lock.h"
#include "src/base/meta.h"
#include "src/spi/record_home.h"

static struct {
    struct mmb_lock lock;
    mmbAllocation *free;
    struct mmb_record_pool_owner *owners;
} pool = {.lock = MMB_LOCK_INIT};

static void push(mmbAllocation *record)
{
    __atomic_store_n(&record->word, (uint32_t)MMB_RECORD_FREE << 24, __ATOMIC_RELAXED);
    record->host = pool.free;
    pool.free = record;
}

static bool grow(void)
{
    struct mmb_record_pool_owner *owner = mmb_meta_alloc(sizeof *owner);
    if (!owner)
        return false;
    owner->base.kind = MMB_OWNER_POOL;
    owner->base.n_records = MMB_RECORDS_PER_GRANULE;
    if (!mmb_record_slab_alloc(&owner->base)) {
        mmb_meta_free(owner, sizeof *owner);
        return false;
    }
    owner->next = pool.owners;
    pool.owners = owner;
    for (uint32_t i = MMB_RECORDS_PER_GRANULE; i > 0; i--)
        push(&owner->base.records[i - 1]);
    return true;
}

static void **home_of(const mmbAllocation *record)
{
    struct mmb_record_pool_owner *owner =
        (struct mmb_record_pool_owner *)mmb_record_owner_of(record);
    return &owner->homes[record - owner->base.records];
}

mmbAllocation *mmb_record_new(void *home_object)
{
    mmb_lock_acquire(&pool.lock);
    mmbAllocation *record = NULL;
    if (pool.free || grow()) {
        record = pool.free;
        pool.free = record->host;
        record->host = NULL;
        record->home = 0;
    }
    mmb_lock_release(&pool.lock);
    if (!record)
        return NULL;
    mmb_records_forget(record, 1);
    mmb_record_set_home_object(record, home_object);
    return record;
}

void mmb_record_delete(mmbAllocation *record)
{
    mmb_lock_acquire(&pool.lock);
    push(record);
    mmb_lock_release(&pool.lock);
}

void mmb_record_delete_all(void)
{
    mmb_lock_acquire(&pool.lock);
    for (struct mmb_record_pool_owner *owner = pool.owners; owner; owner = owner->next)
        for (uint32_t i = 0; i < MMB_RECORDS_PER_GRANULE; i++) {
            mmbAllocation *record = &owner->base.records[i];
            if (mmb_record_is_live(record)) {
                mmb_record_drop_extension(record);
                push(record);
            }
        }
    mmb_lock_release(&pool.lock);
}

void *mmb_record_home_object(const mmbAllocation *record)
{
    return __atomic_load_n(home_of(record), __ATOMIC_ACQUIRE);
}

void mmb_record_set_home_object(mmbAllocation *record, void *home_object)
{
    __atomic_store_n(home_of(record), home_object, __ATOMIC_RELEASE);
}

void mmb_record_pool_lock(void)
{
    mmb_lock_acquire(&pool.lock);
}

void mmb_record_pool_unlock(void)
{
    mmb_lock_release(&pool.lock);
}
