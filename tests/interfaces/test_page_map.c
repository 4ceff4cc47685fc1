/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a page leads to the record of the block at any of its addresses; whatever the
 * entries say and whoever changes them meanwhile, what comes out can be read; and a heap's plain
 * blocks are all there, as long as they live. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <mmb.h>
#include "interfaces/page_map.h"
#include "interfaces/size_class.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "tests/support/bare_heap.h"
#include "tests/support/failing_mmap.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

/* Nothing is mapped there: only the table's numbers are looked at. */
#define NOWHERE ((uintptr_t)3 << 40)

static void set_up(void)
{
    failing_mmap_none();
    lab_open();
    mmb_record_delete(mmb_record_new(NULL)); /* the first makes room for many */
    CU_ASSERT_TRUE_FATAL(mmb_records.n_records > MMB_SPAN_PAGES_MAX * MMB_PAGE_BYTES / 16 - 1);
}

static void tear_down(void)
{
    failing_mmap_none();
    lab_close();
}

static mmbAllocation *record_at(size_t number)
{
    return mmb_record_by_number(number);
}

static void enter(uintptr_t address, size_t n_pages, size_t number, size_t block_bytes)
{
    mmb_page_map_enter(address, n_pages, record_at(number), block_bytes, false);
}

/* ---- one step ---- */

/* Records beyond the last are none. */
static mmbAllocation *expected(size_t number)
{
    return number < mmb_records.n_records ? record_at(number) : NULL;
}

/* The first address, the last, and those on both sides of every border of two blocks. */
static size_t n_wrong_in(size_t n_pages, size_t first, size_t block_bytes)
{
    size_t n_bytes = n_pages * MMB_PAGE_BYTES, n_wrong = 0;
    for (size_t offset = 0; offset < n_bytes; offset += block_bytes) {
        size_t last = offset + block_bytes - 1 < n_bytes ? offset + block_bytes - 1 : n_bytes - 1;
        mmbAllocation *record = expected(first + offset / block_bytes);
        n_wrong += mmb_page_guess(NOWHERE + offset) != record;
        n_wrong += mmb_page_guess(NOWHERE + last) != record;
    }
    return n_wrong;
}

static void test_page_leads_to_the_block_of_every_address(void)
{
    for (uint32_t c = 0; c < MMB_CLASS_FIRST_LARGE; c++) {
        size_t n_pages = MMB_SPAN_PAGES_MAX - 1;
        enter(NOWHERE, n_pages, 7, mmb_class_bytes[c]);
        size_t n_wrong = n_wrong_in(n_pages, 7, mmb_class_bytes[c]);
        SUITE_CHECK(n_wrong == 0, "%zu of class %u", n_wrong, c);
    }
}

static void test_page_of_one_block_leads_to_its_record(void)
{
    enter(NOWHERE, 300, 9, 0);
    uintptr_t end = NOWHERE + 300 * MMB_PAGE_BYTES;
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(NOWHERE), record_at(9));
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(end - 1), record_at(9));
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(end), record_at(0));
}

/* Record 0 is never live, so that what no page tells needs no question of its own. */
static void test_page_that_was_left_leads_to_nobody(void)
{
    enter(NOWHERE, 3, 5, 64);
    mmb_page_map_leave(NOWHERE + MMB_PAGE_BYTES, 1);
    CU_ASSERT_PTR_NOT_EQUAL(mmb_page_guess(NOWHERE + MMB_PAGE_BYTES - 1), record_at(0));
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(NOWHERE + MMB_PAGE_BYTES), record_at(0));
    CU_ASSERT_PTR_NOT_EQUAL(mmb_page_guess(NOWHERE + 2 * MMB_PAGE_BYTES), record_at(0));
    CU_ASSERT_FALSE(mmb_record_is_live(record_at(0)));
    CU_ASSERT_PTR_NULL(mmb_page_find(NOWHERE + MMB_PAGE_BYTES));
    CU_ASSERT_PTR_NULL(mmb_page_find(0));
}

static void test_page_of_no_leaf_is_none(void)
{
    static const uintptr_t addresses[] = {NOWHERE << 1, (uintptr_t)1 << MMB_PAGE_MAP_BITS,
                                          UINTPTR_MAX, (uintptr_t)1 << 63};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        mmb_page_map_leave(addresses[i] & ~(MMB_PAGE_BYTES - 1), 1);
        SUITE_CHECK(!mmb_page_guess(addresses[i]), "%#zx", (size_t)addresses[i]);
    }
    enter((uintptr_t)1 << MMB_PAGE_MAP_BITS, 1, 5, 64); /* does nothing */
    CU_ASSERT_PTR_NULL(mmb_page_guess((uintptr_t)1 << MMB_PAGE_MAP_BITS));
}

/* The border of two leaves is inside. */
static void test_page_map_resets_to_nothing(void)
{
    size_t before = mmb_meta_bytes();
    enter(NOWHERE - MMB_PAGE_BYTES, 2, 5, 64);
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(NOWHERE - 1), record_at(5 + MMB_PAGE_BYTES / 64 - 1));
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(NOWHERE), record_at(5 + MMB_PAGE_BYTES / 64));
    CU_ASSERT_TRUE(mmb_meta_bytes() > before);
    mmb_page_map_reset();
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
    CU_ASSERT_PTR_NULL(mmb_page_guess(NOWHERE));
}

/* Halves of any two entries: whatever number comes out is that of a record, or none. */
static void test_page_of_any_content_leads_to_what_can_be_read(void)
{
    uint64_t state = 4711;
    size_t n_found = 0, n_wrong = 0;
    for (size_t i = 0; i < 200000; i++) {
        const struct mmb_page_entry entry = {.first = (uint32_t)lab_random(&state) >> (i % 32),
                                             .start = (uint32_t)lab_random(&state),
                                             .reciprocal =
                                                 (uint32_t)lab_random(&state) >> (i / 32 % 32)};
        mmbAllocation *record = mmb_page_entry_guess(&entry, lab_random(&state));
        n_found += record != NULL;
        n_wrong += record && (!mmb_record_is_ours(record) || mmb_record_word(record) == 1);
    }
    CU_ASSERT_EQUAL(n_wrong, 0);
    CU_ASSERT_TRUE(n_found > 0);
}

/* ---- heaps ---- */

static mmbMemInterface *findable(mmbStrategy strategy, enum lab_memory memory)
{
    return lab_interface(lab_space(MMB_NO_LIMIT), strategy, memory, MMB_INTERFACE_FINDABLE);
}

/* In a debug build a handle is not the record. */
static bool is_of(const mmbAllocation *record, const mmbAllocation *block)
{
    return record && record->host == mmb_allocation_ptr(block);
}

/* All that a heap over mmap has without an extension and keeps in magazines. */
static void test_pages_of_a_heap_have_all_plain_blocks(void)
{
    static const size_t sizes[] = {1,     16,    17,    100,     1000,   5000,
                                   40000, 65536, 65537, 1000000, 4 << 20};
    enum { N = sizeof sizes / sizeof sizes[0] };
    mmbMemInterface *interface = findable(MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP);
    mmbAllocation *blocks[N];
    for (size_t i = 0; i < N; i++)
        blocks[i] = lab_new(interface, sizes[i]);
    for (size_t i = 0; i < N; i++) {
        uintptr_t first = (uintptr_t)mmb_allocation_ptr(blocks[i]);
        SUITE_CHECK(is_of(mmb_page_find(first), blocks[i]) &&
                        is_of(mmb_page_find(first + sizes[i] / 2), blocks[i]) &&
                        is_of(mmb_page_find(first + sizes[i] - 1), blocks[i]),
                    "%zu B", sizes[i]);
        SUITE_CHECK(!is_of(mmb_page_find(first + sizes[i]), blocks[i]), "behind %zu B", sizes[i]);
        lab_free(blocks[i]);
        SUITE_CHECK(!mmb_page_find(first), "%zu B, freed", sizes[i]);
    }
}

/* What no page tells is found all the same. */
static void test_blocks_that_no_page_has_are_found(void)
{
    mmbMemInterface *interface = findable(MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP);
    mmbAllocation *rows[] = {lab_new_aligned(interface, 100, 4096), lab_new(interface, 5 << 20),
                             lab_new(interface, 20 << 20),
                             lab_new(findable(MMB_STRATEGY_STACK, LAB_MMAP), 100),
                             lab_new(findable(MMB_STRATEGY_THREAD_LOCAL, LAB_MALLOC), 100)};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmbAllocation *found = NULL;
        const char *last = (char *)mmb_allocation_ptr(rows[i]) + mmb_allocation_size(rows[i]) - 1;
        SUITE_CHECK(mmb_allocation_find(last, &found) == MMB_OK && found == rows[i], "%zu", i);
        lab_free(rows[i]);
        SUITE_CHECK(mmb_allocation_find(last, &found) == MMB_NOT_FOUND, "%zu, freed", i);
    }
}

static void test_blocks_are_found_without_metadata_for_a_leaf(void)
{
    struct bare_heap bare;
    bare_heap_open(&bare, SIZE_MAX, NULL, 0);
    mmbAllocation *first = bare_heap_take(&bare, 100); /* what a heap needs besides is there */
    mmb_page_map_reset();
    CU_ASSERT_PTR_NULL(mmb_page_find((uintptr_t)first->host));
    failing_mmap_beyond(MMB_LEAF_ENTRIES * sizeof(struct mmb_page_entry) - 1, ENOMEM);
    mmbAllocation *block = bare_heap_take(&bare, 5000);
    failing_mmap_none();
    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    uintptr_t address = (uintptr_t)block->host;
    CU_ASSERT_PTR_NULL(mmb_page_find(address));
    CU_ASSERT_PTR_EQUAL(mmb_heap_find(mmb_chunk_find(address), &bare.heap, address), block);
    bare_heap_put(&bare, block);
    bare_heap_put(&bare, first);
    bare_heap_close(&bare);
}

/* Its memory may be another heap's next. */
static void test_pages_of_a_closed_heap_are_nobodys(void)
{
    struct bare_heap bare;
    bare_heap_open(&bare, SIZE_MAX, NULL, 0);
    uintptr_t small = (uintptr_t)bare_heap_take(&bare, 100)->host;
    uintptr_t large = (uintptr_t)bare_heap_take(&bare, 100000)->host;
    CU_ASSERT_PTR_NOT_NULL(mmb_page_find(small));
    CU_ASSERT_PTR_NOT_NULL(mmb_page_find(large));
    bare_heap_close(&bare);
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(small), record_at(0));
    CU_ASSERT_PTR_EQUAL(mmb_page_guess(large), record_at(0));
}

/* ---- threads ---- */

#define N_THREADS 4
#define N_STALE   64
#define ROUNDS    150

static atomic_uintptr_t stale[N_STALE];
static atomic_size_t n_working, n_failed;

static void *make_leaves(void *argument)
{
    uintptr_t own = (uintptr_t)argument * MMB_PAGE_BYTES;
    for (size_t i = 0; i < 50; i++)
        enter(NOWHERE + ((uintptr_t)i << MMB_LEAF_SHIFT) + own, 1, (uintptr_t)argument + 1, 0);
    return NULL;
}

/* Leaves that several threads make at the same time are one. */
static void test_leaves_are_made_once(void)
{
    pthread_t threads[N_THREADS];
    size_t before = mmb_meta_bytes(), n_wrong = 0;
    for (uintptr_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, make_leaves, (void *)i), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 50 * N_THREADS; i++) {
        uintptr_t leaf = NOWHERE + ((uintptr_t)(i / N_THREADS) << MMB_LEAF_SHIFT);
        n_wrong +=
            mmb_page_guess(leaf + i % N_THREADS * MMB_PAGE_BYTES) != record_at(i % N_THREADS + 1);
    }
    CU_ASSERT_EQUAL(n_wrong, 0);
    mmb_page_map_reset();
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

#if !defined(__SANITIZE_THREAD__)

static mmbMemSpace *busy;

static mmbError use_once(mmbMemInterface *interface, uint64_t *state)
{
    mmbAllocation *block;
    size_t n_bytes = 1 + lab_random(state) % (lab_random(state) % 4 ? 3000 : 300000);
    mmbError error = mmb_allocate(n_bytes, interface, &block);
    if (error)
        return error;
    atomic_store(&stale[lab_random(state) % N_STALE],
                 (uintptr_t)mmb_allocation_ptr(block) + n_bytes / 2);
    return mmb_free(block);
}

/* Heaps come and go, and with them chunks, spans and records. */
static void *churn(void *argument)
{
    uint64_t state = (uintptr_t)argument + 1;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_MMAP;
    for (size_t i = 0; i < ROUNDS; i++) {
        mmbMemInterface *interface = NULL;
        atomic_fetch_add(&n_failed, mmb_create_interface(busy, &config, &interface) != MMB_OK);
        for (size_t k = 0; k < 100; k++)
            atomic_fetch_add(&n_failed, use_once(interface, &state) != MMB_OK);
        mmb_interface_trim(interface, 0);
        atomic_fetch_add(&n_failed, mmb_destroy_interface(interface) != MMB_OK);
    }
    atomic_fetch_sub(&n_working, 1);
    return NULL;
}

/* Addresses of blocks that may be gone, in pages that are just changing hands: whatever comes out
 * can be read. A block that stays is found all the time. */
static void test_pages_are_asked_while_they_change_hands(void)
{
    pthread_t threads[2];
    mmbAllocation *fixed = lab_new(findable(MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP), 333);
    uintptr_t address = (uintptr_t)mmb_allocation_ptr(fixed) + 332;
    size_t n_lost = 0, n_wrong = 0;
    busy = lab_space(MMB_NO_LIMIT);
    atomic_store(&n_working, 2);
    for (uintptr_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (size_t i = 0; atomic_load(&n_working); i++) {
        const mmbAllocation *record = mmb_page_find(atomic_load(&stale[i % N_STALE]));
        n_wrong += record && !mmb_record_is_ours(record);
        n_lost += !is_of(mmb_page_find(address), fixed);
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(n_wrong, 0);
    CU_ASSERT_EQUAL(n_lost, 0);
    CU_ASSERT_EQUAL(n_failed, 0);
    lab_free(fixed);
}

#else

/* It looks at records that are others' at that moment, which is the point. */
static void test_pages_are_asked_while_they_change_hands(void)
{
    suite_skip("ThreadSanitizer reports what this test does");
}

#endif

MMB_SUITE_WITH("interfaces/page_map", set_up, tear_down,
               T(test_page_leads_to_the_block_of_every_address),
               T(test_page_of_one_block_leads_to_its_record),
               T(test_page_that_was_left_leads_to_nobody), T(test_page_of_no_leaf_is_none),
               T(test_page_map_resets_to_nothing),
               T(test_page_of_any_content_leads_to_what_can_be_read),
               T(test_pages_of_a_heap_have_all_plain_blocks),
               T(test_blocks_that_no_page_has_are_found),
               T(test_blocks_are_found_without_metadata_for_a_leaf),
               T(test_pages_of_a_closed_heap_are_nobodys), T(test_leaves_are_made_once),
               T(test_pages_are_asked_while_they_change_hands))
