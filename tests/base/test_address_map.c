/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: a lookup finds the smallest range over an address, for ranges of every size and
 * alignment, and what was removed is gone. Beside this: test_address_map_model.c and
 * test_address_map_threads.c. */
#include "src/base/address_map.h"
#include "src/base/meta.h"
#include "tests/support/suite.h"
#include <signal.h>

#define KIB    ((uintptr_t)1 << 10)
#define MIB    ((uintptr_t)1 << 20)
#define GIB    ((uintptr_t)1 << 30)
#define TIB    ((uintptr_t)1 << 40)
#define GRAIN  (64 * KIB)  /* of a leaf */
#define MIDDLE (512 * MIB) /* of a middle node's slot */
#define ROOT   (8 * TIB)   /* of the root's */
#define LIMIT  ((uintptr_t)1 << MMB_ADDRESS_BITS)

static struct mmb_address_map map = MMB_ADDRESS_MAP_INIT;
static size_t meta_before;
static char values[16];

static void set_up(void)
{
    mmb_address_map_insert(&map, 0, 0, values); /* fails, and so makes the buffer of the detail */
    meta_before = mmb_meta_bytes();
}

static void tear_down(void)
{
    mmb_address_map_reset(&map);
}

static void *value_at(uintptr_t address)
{
    struct mmb_address_range range;

    return mmb_address_map_lookup(&map, address, &range) ? range.value : NULL;
}

static mmbError insert(uintptr_t base, size_t n_bytes, void *value)
{
    return mmb_address_map_insert(&map, base, n_bytes, value);
}

static void test_address_map_empty_finds_nothing(void)
{
    CU_ASSERT_PTR_NULL(value_at(0));
    CU_ASSERT_PTR_NULL(value_at(LIMIT - 1));
    CU_ASSERT_PTR_NULL(value_at(LIMIT));
    CU_ASSERT_PTR_NULL(value_at(UINTPTR_MAX));
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), 0);
}

/* Every shape of range with respect to the slots, alone in the map: found from its first to its
 * last byte only. */
static void test_address_map_finds_exactly_the_range(void)
{
    static const struct {
        uintptr_t base, n_bytes;
    } rows[] = {
        {0, 1},
        {0, LIMIT},
        {LIMIT - 1, 1},
        {GRAIN - 1, 1},
        {GRAIN - 1, 2},
        {GRAIN, GRAIN},
        {GRAIN + 1, GRAIN},
        {3 * GRAIN - 5, 7 * GRAIN + 11},
        {MIDDLE - 1, 2},
        {MIDDLE, MIDDLE},
        {MIDDLE - GRAIN, MIDDLE + 2 * GRAIN},
        {5 * MIDDLE + 1, 3 * MIDDLE},
        {ROOT - 1, 2},
        {ROOT, ROOT},
        {ROOT - MIDDLE - GRAIN - 1, 2 * (ROOT + MIDDLE + GRAIN + 1)},
        {7 * TIB + 3, TIB},
        {LIMIT - ROOT - 1, ROOT + 1},
        {1, LIMIT - 1},
        {1, LIMIT - 2},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uintptr_t first = rows[i].base, last = first + (rows[i].n_bytes - 1);
        struct mmb_address_range range = {0, 0, NULL};

        CU_ASSERT_EQUAL(insert(first, rows[i].n_bytes, values), MMB_OK);
        SUITE_CHECK(mmb_address_map_lookup(&map, first + rows[i].n_bytes / 2, &range), "%zu", i);
        SUITE_CHECK(range.base == first && range.n_bytes == rows[i].n_bytes &&
                        range.value == values,
                    "row %zu", i);
        SUITE_CHECK(value_at(first) && value_at(last), "row %zu: ends", i);
        SUITE_CHECK(first == 0 || !value_at(first - 1), "row %zu: below", i);
        SUITE_CHECK(!value_at(last + 1), "row %zu: above", i);
        CU_ASSERT_EQUAL(mmb_address_map_count(&map), 1);
        mmb_address_map_remove(&map, first, rows[i].n_bytes, values);
        SUITE_CHECK(!value_at(first) && !value_at(last), "row %zu: removed", i);
        CU_ASSERT_EQUAL(mmb_address_map_count(&map), 0);
    }
}

static void test_address_map_lookup_that_fails_writes_nothing(void)
{
    struct mmb_address_range range = {1, 2, values};

    CU_ASSERT_EQUAL(insert(GRAIN, 16, values), MMB_OK);
    CU_ASSERT_FALSE(mmb_address_map_lookup(&map, GRAIN + 16, &range));
    CU_ASSERT_TRUE(range.base == 1 && range.n_bytes == 2 && range.value == values);
}

static void test_address_map_refuses_impossible_ranges(void)
{
    CU_ASSERT_EQUAL(insert(GRAIN, 0, values), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(insert(GRAIN, 1, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(insert(LIMIT, 1, values), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(insert(LIMIT - 1, 2, values), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(insert(GRAIN, SIZE_MAX, values), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(insert(UINTPTR_MAX, 1, values), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), 0);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), meta_before);
}

/* Ranges nested in one another from one byte to everything, entered in an order that is neither up
 * nor down. */
static void test_address_map_prefers_the_smallest(void)
{
    static const uintptr_t sizes[] = {LIMIT / 2, 1,         GRAIN,       3 * ROOT, 64,
                                      MIDDLE,    GRAIN * 3, 40 * MIDDLE, 4096};
    static const size_t by_size[] = {1, 4, 8, 2, 6, 5, 7, 3, 0};
    enum { N = sizeof(sizes) / sizeof(sizes[0]) };
    const uintptr_t base = LIMIT / 4;

    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL_FATAL(insert(base, sizes[i], &values[i]), MMB_OK);
    for (size_t i = 0; i < N; i++) {
        SUITE_CHECK(value_at(base) == &values[by_size[i]], "smallest, %zu gone", i);
        SUITE_CHECK(value_at(base + sizes[by_size[i]] - 1) == &values[by_size[i]], "%zu", i);
        mmb_address_map_remove(&map, base, sizes[by_size[i]], &values[by_size[i]]);
    }
    CU_ASSERT_PTR_NULL(value_at(base));
}

static void test_address_map_of_equal_ranges_the_last_wins(void)
{
    const uintptr_t base = 7 * MIDDLE - 3;
    const size_t n_bytes = MIDDLE + 6;

    CU_ASSERT_EQUAL(insert(base, n_bytes, &values[0]), MMB_OK);
    CU_ASSERT_EQUAL(insert(base, n_bytes, &values[1]), MMB_OK);
    CU_ASSERT_EQUAL(insert(base, n_bytes, &values[2]), MMB_OK);
    CU_ASSERT_PTR_EQUAL(value_at(base), &values[2]);
    mmb_address_map_remove(&map, base, n_bytes, &values[1]);
    CU_ASSERT_PTR_EQUAL(value_at(base + n_bytes - 1), &values[2]);
    mmb_address_map_remove(&map, base, n_bytes, &values[2]);
    CU_ASSERT_PTR_EQUAL(value_at(base + n_bytes / 2), &values[0]);
    mmb_address_map_remove(&map, base, n_bytes, &values[0]);
    CU_ASSERT_PTR_NULL(value_at(base));
}

static void test_address_map_many_in_one_grain(void)
{
    enum { N = 1024 };
    static char own[N];

    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL_FATAL(insert(GRAIN + i * 64, 64, &own[i]), MMB_OK);
    for (size_t i = 0; i < N; i++)
        SUITE_CHECK(value_at(GRAIN + i * 64 + i % 64) == &own[i], "%zu", i);
    for (size_t i = 0; i < N; i += 2)
        mmb_address_map_remove(&map, GRAIN + i * 64, 64, &own[i]);
    for (size_t i = 0; i < N; i++)
        SUITE_CHECK(value_at(GRAIN + i * 64) == (i % 2 ? &own[i] : NULL), "%zu", i);
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), N / 2);
}

static int remove_unknown(void *argument)
{
    (void)argument;
    mmb_address_map_remove(&map, GRAIN, 63, values);
    return 0;
}

static void test_address_map_removing_the_unknown_changes_nothing(void)
{
    CU_ASSERT_EQUAL(insert(GRAIN, 64, values), MMB_OK);
#if defined(MMB_DEBUG) && MMB_DEBUG
    {
        struct suite_child child = suite_run_child(remove_unknown, NULL, 60);

        CU_ASSERT_TRUE(child.signalled);
        CU_ASSERT_EQUAL(child.code, SIGABRT);
    }
#else
    remove_unknown(NULL);
    mmb_address_map_remove(&map, GRAIN, 64, &values[1]);
    mmb_address_map_remove(&map, 5 * ROOT, 64, values);
#endif
    CU_ASSERT_PTR_EQUAL(value_at(GRAIN), values);
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), 1);
}

static void test_address_map_reset_gives_everything_back(void)
{
    for (uintptr_t i = 0; i < 300; i++)
        CU_ASSERT_EQUAL_FATAL(insert(i * i * GIB, 3 * GIB, values), MMB_OK);
    CU_ASSERT_TRUE(mmb_meta_bytes() > meta_before);
    mmb_address_map_reset(&map);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), meta_before);
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), 0);
    CU_ASSERT_PTR_NULL(value_at(0));
    CU_ASSERT_EQUAL(insert(GRAIN, 64, values), MMB_OK);
    CU_ASSERT_PTR_EQUAL(value_at(GRAIN), values);
}

static void test_address_map_churn_does_not_grow(void)
{
    size_t after_first = 0;

    for (int i = 0; i < 2000; i++) {
        CU_ASSERT_EQUAL_FATAL(insert(3 * GRAIN + 7, MIB, &values[0]), MMB_OK);
        CU_ASSERT_EQUAL_FATAL(insert(3 * GRAIN + 7, 100 * KIB, &values[1]), MMB_OK);
        if (i == 0)
            after_first = mmb_meta_bytes();
        mmb_address_map_remove(&map, 3 * GRAIN + 7, MIB, &values[0]);
        mmb_address_map_remove(&map, 3 * GRAIN + 7, 100 * KIB, &values[1]);
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), after_first);
}

MMB_SUITE_WITH("base/address_map", set_up, tear_down, T(test_address_map_empty_finds_nothing),
               T(test_address_map_finds_exactly_the_range),
               T(test_address_map_lookup_that_fails_writes_nothing),
               T(test_address_map_refuses_impossible_ranges),
               T(test_address_map_prefers_the_smallest),
               T(test_address_map_of_equal_ranges_the_last_wins),
               T(test_address_map_many_in_one_grain),
               T(test_address_map_removing_the_unknown_changes_nothing),
               T(test_address_map_reset_gives_everything_back),
               T(test_address_map_churn_does_not_grow))
