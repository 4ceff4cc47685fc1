/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: records lie side by side in slabs, each leads to its owner, any pointer at
 * all can be told from a live record, and what was freed is dead and given out again. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "src/base/meta.h"
#include "src/spi/record.h"
#include "tests/support/failing_mmap.h"
#include "tests/support/suite.h"

static void set_up(void)
{
    failing_mmap_none();
    CU_ASSERT_EQUAL_FATAL(mmb_records_open(), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_extensions_open(), MMB_OK);
}

static struct mmb_record_owner new_slab(uint32_t n_records)
{
    struct mmb_record_owner owner = {.kind = MMB_OWNER_SPAN, .n_records = n_records};
    if (!SUITE_CHECK(mmb_record_slab_alloc(&owner), "no slab of %u records", n_records))
        CU_FAIL_FATAL("no slab");
    return owner;
}

static void set_live(mmbAllocation *record, uint32_t n_bytes)
{
    CU_ASSERT_EQUAL(mmb_record_publish(record, MMB_RECORD_LOCKED, n_bytes, 0, 16), MMB_OK);
}

/* ---- slabs ---- */

static void test_slab_records_lead_to_their_owner(void)
{
    static const uint32_t sizes[] = {1, 63, 64, 65, 1000, MMB_SLAB_RECORDS_MAX};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct mmb_record_owner before = new_slab(sizes[s]), owner = {.kind = MMB_OWNER_SPAN};
        struct mmb_record_owner after = new_slab(sizes[s]);
        owner.n_records = sizes[s];
        mmb_record_slab_adopt(before.records, &owner);
        for (uint32_t i = 0; i < sizes[s]; i++) {
            mmbAllocation *record = &owner.records[i];
            SUITE_CHECK(mmb_record_owner_of(record) == &owner, "%u: record %u", sizes[s], i);
            SUITE_CHECK(mmb_record_is_ours(record) && !mmb_record_is_live(record), "%u: record %u",
                        sizes[s], i);
        }
        mmb_record_slab_free(&owner);
        mmb_record_slab_free(&after);
    }
}

static void test_slab_pointers_between_records_are_not_ours(void)
{
    struct mmb_record_owner owner = new_slab(64);
    for (size_t byte = 1; byte < sizeof(mmbAllocation); byte++)
        SUITE_CHECK(!mmb_record_is_ours((char *)owner.records + byte), "%zu", byte);
    const void *const foreign[] = {NULL, &owner, (void *)UINTPTR_MAX,
                                   (char *)mmb_records.range.base - sizeof(mmbAllocation),
                                   (char *)mmb_records.range.base + mmb_records.range.n_shown};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        SUITE_CHECK(!mmb_record_is_ours(foreign[i]) && !mmb_record_is_live(foreign[i]), "%zu", i);
    mmb_record_slab_free(&owner);
}

/* Whatever the records said, after the slab is freed none of them is live; nor are they when it is
 * given out again. Also where the system does not take the pages (mlockall). */
static void test_slab_freed_is_dead(void)
{
    for (int refuses = 0; refuses < 2; refuses++)
        for (uint32_t n = 64; n <= MMB_SLAB_RECORDS_MAX; n *= 2) {
            struct mmb_record_owner owner = new_slab(n);
            mmbAllocation *records = owner.records;
            for (uint32_t i = 0; i < n; i++)
                set_live(&records[i], i + 1);
            failing_madvise(refuses ? 22 : 0);
            mmb_record_slab_free(&owner);
            failing_mmap_none();
            size_t n_live = 0;
            for (uint32_t i = 0; i < n; i++)
                n_live += mmb_record_is_live(&records[i]);
            SUITE_CHECK(n_live == 0, "%zu of %u records are live", n_live, n);
            struct mmb_record_owner again = new_slab(n);
            CU_ASSERT_PTR_EQUAL(again.records, records);
            CU_ASSERT_EQUAL(mmb_record_word(&again.records[n - 1]), 0);
            mmb_record_slab_free(&again);
        }
}

/* A larger one that is free is cut before new ground is taken. */
static void test_slab_large_one_is_cut(void)
{
    struct mmb_record_owner large = new_slab(2048), pieces[8];
    mmbAllocation *first = large.records;
    mmb_record_slab_free(&large);
    for (size_t i = 0; i < 8; i++) {
        pieces[i] = new_slab(256 - (i == 3 ? 60 : 0));
        SUITE_CHECK(pieces[i].records >= first && pieces[i].records < first + 2048, "piece %zu", i);
    }
    for (size_t i = 0; i < 8; i++)
        for (size_t k = i + 1; k < 8; k++)
            SUITE_CHECK(pieces[i].records + 256 <= pieces[k].records ||
                            pieces[k].records + 256 <= pieces[i].records,
                        "pieces %zu and %zu overlap", i, k);
    for (size_t i = 0; i < 8; i++)
        mmb_record_slab_free(&pieces[i]);
}

/* ---- free-standing records ---- */

static void test_pool_record_knows_its_home(void)
{
    int homes[2];
    mmbAllocation *record = mmb_record_new(&homes[0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    CU_ASSERT_PTR_EQUAL(mmb_record_home_object(record), &homes[0]);
    CU_ASSERT_EQUAL(mmb_record_owner_of(record)->kind, MMB_OWNER_POOL);
    CU_ASSERT_FALSE(mmb_record_is_live(record));
    mmb_record_set_home_object(record, &homes[1]);
    CU_ASSERT_PTR_EQUAL(mmb_record_home_object(record), &homes[1]);
    set_live(record, 5);
    CU_ASSERT_TRUE(mmb_record_is_live(record));
    mmb_record_delete(record);
    CU_ASSERT_FALSE(mmb_record_is_live(record));
}

static void test_pool_gives_each_record_once(void)
{
    enum { N = 1000 };
    static mmbAllocation *records[N];
    for (size_t i = 0; i < N; i++) {
        records[i] = mmb_record_new(&records[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(records[i]);
        CU_ASSERT_PTR_NULL(records[i]->host);
        set_live(records[i], 1);
    }
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_PTR_EQUAL(mmb_record_home_object(records[i]), &records[i]);
    size_t n_meta = mmb_meta_bytes();
    for (size_t i = 0; i < N; i++)
        mmb_record_delete(records[i]);
    for (size_t i = 0; i < N; i++)
        records[i] = mmb_record_new(NULL);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), n_meta);
    for (size_t i = 0; i < N; i++)
        mmb_record_delete(records[i]);
}

/* At the library's end; what was not live is given out no more than once afterwards. */
static void test_pool_all_can_be_ended(void)
{
    enum { N = 100 };
    mmbAllocation *records[N];
    for (size_t i = 0; i < N; i++) {
        records[i] = mmb_record_new(NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(records[i]);
        if (i % 2)
            CU_ASSERT_EQUAL(mmb_record_publish(records[i], MMB_RECORD_LOCKED, 10, 0, 512), MMB_OK);
    }
    for (size_t i = 0; i < N; i += 2)
        mmb_record_delete(records[i]);
    mmb_record_delete_all();
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_FALSE(mmb_record_is_live(records[i]));
    for (size_t i = 0; i < N; i++) {
        records[i] = mmb_record_new(&records[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(records[i]);
    }
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_PTR_EQUAL(mmb_record_home_object(records[i]), &records[i]);
    for (size_t i = 0; i < N; i++)
        mmb_record_delete(records[i]);
}

/* ---- threads ---- */

#define N_THREADS 4

static atomic_size_t n_wrong;

/* Slabs and single records come and go; nobody else writes into ours. */
static void *churn(void *argument)
{
    uint32_t tag = (uint32_t)(uintptr_t)argument;
    for (uint32_t round = 0; round < 300; round++) {
        struct mmb_record_owner owner = {.kind = MMB_OWNER_SPAN,
                                         .n_records = 1 + (round * 37 + tag) % 500};
        mmbAllocation *single = mmb_record_new(&owner);
        if (!single || !mmb_record_slab_alloc(&owner)) {
            n_wrong++;
            return NULL;
        }
        for (uint32_t i = 0; i < owner.n_records; i++)
            owner.records[i].home = tag;
        for (uint32_t i = 0; i < owner.n_records; i++)
            n_wrong +=
                owner.records[i].home != tag || mmb_record_owner_of(&owner.records[i]) != &owner;
        n_wrong += mmb_record_home_object(single) != (void *)&owner;
        mmb_record_slab_free(&owner);
        mmb_record_delete(single);
    }
    return NULL;
}

static void test_records_serve_threads(void)
{
    pthread_t threads[N_THREADS];
    n_wrong = 0;
    for (size_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, (void *)(uintptr_t)(i + 1)),
                              0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(n_wrong, 0);
}

/* The cut one first: it wants to find no other free slabs. */
MMB_SUITE_WITH("core/record", set_up, failing_mmap_none, T(test_slab_large_one_is_cut),
               T(test_slab_records_lead_to_their_owner),
               T(test_slab_pointers_between_records_are_not_ours), T(test_slab_freed_is_dead),
               T(test_pool_record_knows_its_home), T(test_pool_gives_each_record_once),
               T(test_pool_all_can_be_ended), T(test_records_serve_threads))
