/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: an address leads to the object that has it, wherever in it; and what lives in
 * an interface can be listed, also while other threads allocate and free there. */
#include <pthread.h>
#include <stdatomic.h>
#include <mmb.h>
#include "tests/support/failing_mmap.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page;

static void set_up(void)
{
    failing_mmap_none();
    lab_open();
    space = lab_space(MMB_NO_LIMIT);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, MMB_INTERFACE_FINDABLE);
}

static void tear_down(void)
{
    failing_mmap_none();
    lab_close();
}

/* covers: mmb_allocation_find MMB_INVALID_ARG MMB_NOT_FOUND */
static void test_find_refuses_what_is_nobodys(void)
{
    mmbAllocation *out = NULL;
    char mine[10];
    CU_ASSERT_EQUAL(mmb_allocation_find(NULL, &out), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_find(mine, NULL), MMB_INVALID_ARG);
    const void *const nobodys[] = {mine, (void *)1, (void *)UINTPTR_MAX, page,
                                   (void *)((uintptr_t)1 << 60)};
    for (size_t i = 0; i < sizeof nobodys / sizeof nobodys[0]; i++)
        SUITE_CHECK(mmb_allocation_find(nobodys[i], &out) == MMB_NOT_FOUND, "%zu", i);
    CU_ASSERT_PTR_NULL(out);
}

/* What a block has beyond its requested bytes is nobody's, and so is what its alignment skipped. */
static void test_find_covers_just_the_requested_bytes(void)
{
    for (size_t n_bytes = 1; n_bytes < 3000; n_bytes += 97) {
        mmbAllocation *block = lab_new_aligned(page, n_bytes, 1024), *out = NULL;
        char *first = mmb_allocation_ptr(block);
        CU_ASSERT_EQUAL(mmb_allocation_find(first, &out), MMB_OK);
        CU_ASSERT_EQUAL(mmb_allocation_find(first + n_bytes - 1, &out), MMB_OK);
        CU_ASSERT_EQUAL(mmb_allocation_find(first + n_bytes, &out), MMB_NOT_FOUND);
        CU_ASSERT_EQUAL(mmb_allocation_find(first - 1, &out), MMB_NOT_FOUND);
        CU_ASSERT_PTR_EQUAL(out, block);
        lab_free(block);
    }
}

static void test_contains_knows_its_memory_and_no_other(void)
{
    mmbMemInterface *other = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    mmbAllocation *block = lab_new(page, 100000), *foreign = lab_new(other, 100);
    char *first = mmb_allocation_ptr(block);
    CU_ASSERT_TRUE(mmb_contains_ptr(page, first) && mmb_contains_ptr(page, first + 99999));
    CU_ASSERT_FALSE(mmb_contains_ptr(page, mmb_allocation_ptr(foreign)));
    CU_ASSERT_FALSE(mmb_contains_ptr(other, first));
    CU_ASSERT_FALSE(mmb_contains_ptr(page, &block) || mmb_contains_ptr(page, NULL));
    CU_ASSERT_FALSE(mmb_contains_ptr(NULL, first));
    CU_ASSERT_FALSE(mmb_contains_ptr((mmbMemInterface *)&block, first));
    lab_free(block);
    lab_free(foreign);
}

static void test_contains_looks_into_the_fallback(void)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *front;
    config.fallback = page;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &front), MMB_OK);
    mmbAllocation *block = lab_new(page, 100);
    CU_ASSERT_TRUE(mmb_contains_ptr(front, mmb_allocation_ptr(block)));
    lab_free(block);
}

/* Of wrapped objects the smallest, of equal ones the last. */
static void test_find_prefers_the_smallest_wrapped_object(void)
{
    char bytes[1000];
    static const struct {
        size_t offset, n_bytes;
    } rows[] = {{0, 1000}, {100, 500}, {150, 100}, {150, 100}};
    mmbAllocation *wrapped[4], *out = NULL;
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes + rows[i].offset, rows[i].n_bytes,
                                                            page, &wrapped[i]),
                              MMB_OK);
        CU_ASSERT_EQUAL(mmb_allocation_find(bytes + 200, &out), MMB_OK);
        CU_ASSERT_PTR_EQUAL(out, wrapped[i]);
    }
    for (size_t i = 4; i > 1; i--) {
        lab_free(wrapped[i - 1]);
        CU_ASSERT_EQUAL(mmb_allocation_find(bytes + 200, &out), MMB_OK);
        CU_ASSERT_PTR_EQUAL(out, wrapped[i - 2]);
    }
    lab_free(wrapped[0]);
}

/* Also of what has memory of its own, and as soon as nothing is wrapped there the block again. */
static void test_find_prefers_what_is_wrapped_in_a_block(void)
{
    mmbAllocation *block = lab_new(page, 1000), *wrapped = NULL, *out = NULL;
    char *first = mmb_allocation_ptr(block);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(first + 100, 50, page, &wrapped), MMB_OK);
    for (size_t offset = 0; offset < 1000; offset += 7) {
        mmbAllocation *expected = offset >= 100 && offset < 150 ? wrapped : block;
        SUITE_CHECK(mmb_allocation_find(first + offset, &out) == MMB_OK && out == expected, "%zu",
                    offset);
    }
    lab_free(wrapped);
    CU_ASSERT_EQUAL(mmb_allocation_find(first + 120, &out), MMB_OK);
    CU_ASSERT_PTR_EQUAL(out, block);
    lab_free(block);
}

/* An interface over an array that is a block of another one: the nearer one has what lies in both,
 * whatever size the inner heap's pages have, and the outer one the rest. */
static void find_within(mmbStrategy strategy, size_t n_bytes)
{
    mmbAllocation *outer = lab_new(page, n_bytes + 1000), *out = NULL, *block = NULL;
    char *array = MMB_PTR(outer, char) + 500;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *inner = NULL;
    config.backend = MMB_BACKEND_ARRAY;
    config.backend_opts.array.base = array;
    config.backend_opts.array.bytes = n_bytes;
    config.strategy = strategy;
    config.flags = MMB_INTERFACE_FINDABLE;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &inner), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, inner, &block), MMB_OK);
    char *first = mmb_allocation_ptr(block);
    SUITE_CHECK(mmb_allocation_find(first + 50, &out) == MMB_OK && out == block, "%s in %zu B",
                mmb_strategy_name(strategy), n_bytes);
    CU_ASSERT_EQUAL(mmb_allocation_find(array - 1, &out), MMB_OK);
    CU_ASSERT_PTR_EQUAL(out, outer);
    CU_ASSERT_TRUE(mmb_usable_size(inner, first) >= 100);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, first), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_ptr(inner, first), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_find(array, &out), MMB_OK);
    CU_ASSERT_PTR_EQUAL(out, outer);
    lab_free(outer);
}

static void test_find_prefers_the_inner_interface(void)
{
    static const size_t sizes[] = {20000, (size_t)1 << 20, (size_t)5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int s = MMB_STRATEGY_PASSTHROUGH; s <= MMB_STRATEGY_THREAD_LOCAL; s++)
            if (s != MMB_STRATEGY_STACK)
                find_within((mmbStrategy)s, sizes[i]);
}

/* Nor is a block of an interface without the flag, though its page tells of it. */
static void test_find_asks_for_the_flag(void)
{
    mmbAllocation *out = NULL;
    for (int s = MMB_STRATEGY_PASSTHROUGH; s <= MMB_STRATEGY_THREAD_LOCAL; s++) {
        mmbAllocation *block = lab_new(lab_interface(space, (mmbStrategy)s, LAB_MMAP, 0), 100);
        SUITE_CHECK(mmb_allocation_find(mmb_allocation_ptr(block), &out) == MMB_NOT_FOUND, "%d", s);
        lab_free(block);
    }
    CU_ASSERT_PTR_NULL(out);
}

/* ---- enumeration ---- */

struct count {
    size_t n, n_wanted;
};

static bool count(void *user, const mmbAllocationInfo *info, const char *label)
{
    struct count *counted = user;
    (void)label;
    counted->n += info->n_bytes > 0;
    return counted->n != counted->n_wanted;
}

/* covers: mmb_for_each_allocation MMB_INVALID_INTERFACE MMB_INVALID_ARG */
static void test_for_each_checks_its_arguments(void)
{
    struct count counted = {0, SIZE_MAX};
    CU_ASSERT_EQUAL(mmb_for_each_allocation(NULL, count, &counted), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_for_each_allocation(page, NULL, &counted), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_for_each_allocation(page, count, &counted), MMB_OK);
    CU_ASSERT_EQUAL(counted.n, 0);
}

static void test_for_each_ends_when_told(void)
{
    mmbAllocation *blocks[50];
    for (size_t i = 0; i < 50; i++)
        blocks[i] = lab_new(page, 1 + i * 100);
    struct count counted = {0, 20}, all = {0, SIZE_MAX};
    CU_ASSERT_EQUAL(mmb_for_each_allocation(page, count, &counted), MMB_OK);
    CU_ASSERT_EQUAL(counted.n, 20);
    CU_ASSERT_EQUAL(mmb_for_each_allocation(page, count, &all), MMB_OK);
    CU_ASSERT_EQUAL(all.n, 50);
    for (size_t i = 0; i < 50; i++)
        lab_free(blocks[i]);
}

/* covers: mmb_for_each_allocation MMB_OUT_OF_MEMORY */
static void test_for_each_without_memory(void)
{
    struct count counted = {0, SIZE_MAX};
    mmbAllocation *block = lab_new(page, 10);
    failing_mmap_after(0, 12);
    mmbError error = mmb_for_each_allocation(page, count, &counted);
    failing_mmap_none();
    CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(counted.n, 0);
    CU_ASSERT_EQUAL(mmb_for_each_allocation(page, count, &counted), MMB_OK);
    CU_ASSERT_EQUAL(counted.n, 1);
    lab_free(block);
}

/* ---- with threads ---- */

#define CHURNS 3000

static mmbMemInterface *busy;
static atomic_bool done;
static atomic_size_t n_failed; /* CUnit's assertions are for one thread */

static mmbError make(uint64_t *state, mmbAllocation **out)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = lab_random(state) % 4 ? 16 : 256;
    return mmb_allocate_opts(1 + lab_random(state) % 3000, busy, &options, out);
}

static mmbError change(uint64_t *state, mmbAllocation **block)
{
    mmbAllocation *old = *block;
    switch (lab_random(state) % 4) {
    case 0:
        return mmb_reallocate(old, 1 + lab_random(state) % 70000);
    case 1:
        return mmb_migrate(old, lab_random(state) % 2 ? busy : page);
    default:
        *block = NULL;
        return mmb_free(old);
    }
}

/* Blocks come and go, move, and are aligned, while another thread lists and looks up. */
static void *churn(void *seed)
{
    uint64_t state = (uintptr_t)seed;
    mmbAllocation *blocks[32] = {NULL};
    for (int i = 0; i < CHURNS; i++) {
        mmbAllocation **at = &blocks[lab_random(&state) % 32];
        mmbError error = *at ? change(&state, at) : make(&state, at);
        atomic_fetch_add(&n_failed, error != MMB_OK);
    }
    for (size_t i = 0; i < 32; i++)
        atomic_fetch_add(&n_failed, mmb_free(blocks[i]) != MMB_OK);
    atomic_store(&done, true);
    return NULL;
}

struct senseless {
    size_t n;
    mmbAllocationInfo first;
};

static bool is_sane(void *user, const mmbAllocationInfo *info, const char *label)
{
    struct senseless *senseless = user;
    if (info->interface == busy && info->n_bytes >= 1 && info->n_bytes <= 70000 &&
        info->usable_bytes >= info->n_bytes && info->ptr && !label)
        return true;
    if (senseless->n++ == 0)
        senseless->first = *info;
    return true;
}

static void run_against_churn(mmbStrategy strategy)
{
    pthread_t thread;
    struct senseless senseless = {.n = 0};
    size_t n_lost = 0;
    busy = lab_interface(space, strategy, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    mmbAllocation *fixed = lab_new(busy, 333), *found = NULL;
    atomic_store(&done, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, churn, (void *)(uintptr_t)12345), 0);
    while (!atomic_load(&done)) {
        CU_ASSERT_EQUAL(mmb_for_each_allocation(busy, is_sane, &senseless), MMB_OK);
        n_lost += mmb_allocation_find((char *)mmb_allocation_ptr(fixed) + 300, &found) != MMB_OK ||
                  found != fixed;
    }
    pthread_join(thread, NULL);
    SUITE_CHECK(n_failed == 0, "%s: %zu calls failed", mmb_strategy_name(strategy),
                (size_t)n_failed);
    SUITE_CHECK(senseless.n == 0, "%s: %zu senseless infos, one of %zu B with %zu usable at %p",
                mmb_strategy_name(strategy), senseless.n, senseless.first.n_bytes,
                senseless.first.usable_bytes, senseless.first.ptr);
    SUITE_CHECK(n_lost == 0, "%s: %zu times not found", mmb_strategy_name(strategy), n_lost);
    lab_free(fixed);
    CU_ASSERT_EQUAL(mmb_destroy_interface(busy), MMB_OK);
}

static void test_find_and_for_each_beside_other_threads(void)
{
    run_against_churn(MMB_STRATEGY_PASSTHROUGH);
    run_against_churn(MMB_STRATEGY_STACK);
    run_against_churn(MMB_STRATEGY_SCALABLE_PAGE);
    run_against_churn(MMB_STRATEGY_THREAD_LOCAL);
}

MMB_SUITE_WITH("core/find", set_up, tear_down, T(test_find_refuses_what_is_nobodys),
               T(test_find_covers_just_the_requested_bytes),
               T(test_find_prefers_the_smallest_wrapped_object),
               T(test_find_prefers_what_is_wrapped_in_a_block),
               T(test_find_prefers_the_inner_interface), T(test_find_asks_for_the_flag),
               T(test_contains_knows_its_memory_and_no_other),
               T(test_contains_looks_into_the_fallback), T(test_for_each_checks_its_arguments),
               T(test_for_each_ends_when_told), T(test_for_each_without_memory),
               T(test_find_and_for_each_beside_other_threads))
