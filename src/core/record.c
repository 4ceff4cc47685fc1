/* SPDX-License-Identifier: BSD-3-Clause */
/* Records in slabs, and the table that leads from a record to its owner (spi/record.h).
 *
 * Owns one reserved range of addresses for records and one for the table; both are committed as
 * they grow and kept for the life of the process, so that a stale handle of any age can be looked
 * at and refused. A slab is a whole number of granules of 64 records; freed slabs are kept by their
 * exact size and split when only a larger one is there. Freed slabs are zeroed: a word of 0 is no
 * handle.
 *
 * Locks: `slabs.lock`, a leaf but for the metadata lock. Owner entries and the bound are read
 * without it: an entry is written before any record of its slab is handed out. */
#include "src/spi/record.h"
#include <string.h>
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/os.h"

#define GRANULE_BYTES ((size_t)MMB_RECORDS_PER_GRANULE * sizeof(struct mmbAllocation))
#define GRANULES_MAX  (MMB_SLAB_RECORDS_MAX / MMB_RECORDS_PER_GRANULE)
/* 64 GiB of addresses: 4 * 10^9 records. Where so much may not be reserved (ulimit -v, valgrind),
 * half is tried until 32 MiB, 2 * 10^6 records. */
#define RESERVE_FIRST ((size_t)64 << 30)
#define RESERVE_LAST  ((size_t)32 << 20)
/* One mprotect per 65,536 records, or as many as have a whole OS page of the table. */
#define COMMIT_BYTES ((size_t)1 << 20)

struct mmb_record_range mmb_records = {.range = MMB_RANGE_INIT(sizeof(struct mmbAllocation))};

/* An owner entry of a granule in a free slab holds the next free slab's first granule + 1. */
union granule {
    struct mmb_record_owner *owner;
    uintptr_t next;
};

static struct {
    struct mmb_lock lock;
    union granule *table;
    size_t n_used;                    /* granules: given at least once */
    uintptr_t free[GRANULES_MAX + 1]; /* by exact number of granules; 0 = none */
} slabs = {.lock = MMB_LOCK_INIT};

static size_t granules_of(uint32_t n_records)
{
    return ((size_t)n_records + MMB_RECORDS_PER_GRANULE - 1) / MMB_RECORDS_PER_GRANULE;
}

static mmbAllocation *granule_records(size_t granule)
{
    return mmb_record_by_number(granule * MMB_RECORDS_PER_GRANULE);
}

static size_t granule_of(const mmbAllocation *record)
{
    return mmb_record_number(record) / MMB_RECORDS_PER_GRANULE;
}

static size_t commit_bytes(void)
{
    size_t least = mmb_os_page_bytes() / sizeof(union granule) * GRANULE_BYTES;
    return least > COMMIT_BYTES ? least : COMMIT_BYTES;
}

static void count_committed(void)
{
    __atomic_store_n(&mmb_records.n_records,
                     mmb_records.range.n_committed / sizeof(struct mmbAllocation),
                     __ATOMIC_RELEASE);
}

static bool reserve(size_t n_bytes)
{
    size_t n_granules = n_bytes / GRANULE_BYTES;
    void *table = mmb_os_reserve(n_granules * sizeof(union granule));
    if (!table)
        return false;
    if (!mmb_os_commit(table, commit_bytes() / GRANULE_BYTES * sizeof(union granule)) ||
        !mmb_range_open(&mmb_records.range, n_bytes, commit_bytes())) {
        mmb_os_unmap(table, n_granules * sizeof(union granule));
        return false;
    }
    slabs.table = table;
    mmb_records.owners = &slabs.table->owner;
    slabs.n_used = 1; /* the first is never given: record 0 is nobody's (interfaces/page_map.h) */
    count_committed();
    return true;
}

mmbError mmb_records_open(void)
{
    if (mmb_range_is_open(&mmb_records.range))
        return MMB_OK;
    for (size_t n_bytes = RESERVE_FIRST; n_bytes >= RESERVE_LAST; n_bytes /= 2)
        if (reserve(n_bytes))
            return MMB_OK;
    return mmb_fail(MMB_OUT_OF_MEMORY, "init: cannot reserve %zu bytes of addresses for records",
                    RESERVE_LAST);
}

/* Makes n more granules usable. */
static bool commit(size_t n_granules)
{
    size_t n_bytes = (slabs.n_used + n_granules) * GRANULE_BYTES;
    if (n_bytes > mmb_records.range.n_reserved)
        return false;
    while (n_bytes > mmb_records.range.n_committed) {
        size_t n_before = mmb_records.range.n_committed / GRANULE_BYTES;
        size_t table_bytes = commit_bytes() / GRANULE_BYTES * sizeof(union granule);
        if (!mmb_os_commit(slabs.table + n_before, table_bytes) ||
            !mmb_range_grow(&mmb_records.range, commit_bytes()))
            return false;
        count_committed();
    }
    return true;
}

static void push_free(size_t granule, size_t n_granules)
{
    slabs.table[granule].next = slabs.free[n_granules];
    slabs.free[n_granules] = granule + 1;
}

/* First granule of a free slab of n, or SIZE_MAX. Exact first; a split second; new ground last. */
static size_t take(size_t n_granules)
{
    for (size_t n = n_granules; n <= GRANULES_MAX; n++) {
        if (!slabs.free[n])
            continue;
        size_t granule = slabs.free[n] - 1;
        slabs.free[n] = slabs.table[granule].next;
        if (n > n_granules)
            push_free(granule + n_granules, n - n_granules);
        return granule;
    }
    if (!commit(n_granules))
        return SIZE_MAX;
    size_t granule = slabs.n_used;
    slabs.n_used += n_granules;
    return granule;
}

bool mmb_record_slab_alloc(struct mmb_record_owner *owner)
{
    size_t n_granules = granules_of(owner->n_records);
    mmb_lock_acquire(&slabs.lock);
    size_t granule = take(n_granules);
    if (granule != SIZE_MAX)
        mmb_record_slab_adopt(granule_records(granule), owner);
    mmb_lock_release(&slabs.lock);
    return granule != SIZE_MAX;
}

void mmb_record_slab_adopt(mmbAllocation *records, struct mmb_record_owner *owner)
{
    size_t granule = granule_of(records);
    size_t n_granules = granules_of(owner->n_records);
    for (size_t i = 0; i < n_granules; i++)
        __atomic_store_n(&slabs.table[granule + i].owner, owner, __ATOMIC_RELAXED);
    owner->records = records;
}

/* Zeroes the words; whole OS pages go back to the system, which zeroes them as well unless it
 * refuses (mlockall): the last byte tells. */
static void wipe(mmbAllocation *records, size_t n_bytes)
{
    size_t page = mmb_os_page_bytes();
    uintptr_t begin = (uintptr_t)records, end = begin + n_bytes;
    uintptr_t first = (begin + page - 1) & ~(page - 1), last = end & ~(page - 1);
    if (first >= last) {
        memset(records, 0, n_bytes);
        return;
    }
    unsigned char *witness = (unsigned char *)last - 1;
    *witness = 1;
    mmb_os_discard((void *)first, last - first);
    if (*witness)
        memset((void *)first, 0, last - first);
    memset(records, 0, first - begin);
    memset((void *)last, 0, end - last);
}

void mmb_record_slab_free(struct mmb_record_owner *owner)
{
    size_t n_granules = granules_of(owner->n_records);
    mmb_records_forget(owner->records, owner->n_records);
    wipe(owner->records, n_granules * GRANULE_BYTES);
    mmb_lock_acquire(&slabs.lock);
    push_free(granule_of(owner->records), n_granules);
    mmb_lock_release(&slabs.lock);
    owner->records = NULL;
}

struct mmb_record_owner *mmb_record_owner_of(const mmbAllocation *record)
{
    return __atomic_load_n(&mmb_records.owners[granule_of(record)], __ATOMIC_RELAXED);
}

void mmb_record_slabs_lock(void)
{
    mmb_lock_acquire(&slabs.lock);
}

void mmb_record_slabs_unlock(void)
{
    mmb_lock_release(&slabs.lock);
}
