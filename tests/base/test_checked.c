/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: arithmetic on sizes is exact, or says that the result does not fit and writes nothing.
 */
#include "src/base/checked.h"
#include "tests/support/suite.h"

#define UNTOUCHED ((size_t)0xa5a5)
#define TOP       ((size_t)1 << (sizeof(size_t) * 8 - 1))

struct row {
    size_t a, b;
    bool fits;
    size_t result;
};

static void check_rows(bool (*f)(size_t, size_t, size_t *), const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t out = UNTOUCHED;
        bool fits = f(rows[i].a, rows[i].b, &out);

        SUITE_CHECK(fits == rows[i].fits, "row %zu: fits %d", i, fits);
        SUITE_CHECK(out == (rows[i].fits ? rows[i].result : UNTOUCHED), "row %zu: %zu", i, out);
    }
}

static void test_checked_add_size(void)
{
    static const struct row rows[] = {
        {0, 0, true, 0},
        {1, 2, true, 3},
        {SIZE_MAX, 0, true, SIZE_MAX},
        {SIZE_MAX - 1, 1, true, SIZE_MAX},
        {SIZE_MAX, 1, false, 0},
        {1, SIZE_MAX, false, 0},
        {TOP, TOP, false, 0},
    };
    check_rows(mmb_add_size, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_checked_mul_size(void)
{
    static const struct row rows[] = {
        {0, SIZE_MAX, true, 0},
        {3, 5, true, 15},
        {SIZE_MAX, 1, true, SIZE_MAX},
        {SIZE_MAX / 3, 3, true, SIZE_MAX / 3 * 3},
        {TOP, 2, false, 0},
        {((size_t)1 << 60) + 1, 16, false, 0},
        {SIZE_MAX, SIZE_MAX, false, 0},
    };
    check_rows(mmb_mul_size, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_checked_round_up_size(void)
{
    static const struct row rows[] = {
        {0, 4096, true, 0},
        {1, 4096, true, 4096},
        {4096, 4096, true, 4096},
        {4097, 4096, true, 8192},
        {7, 1, true, 7},
        {SIZE_MAX, 1, true, SIZE_MAX},
        {SIZE_MAX - 4095, 4096, true, SIZE_MAX - 4095},
        {SIZE_MAX - 4094, 4096, false, 0},
        {SIZE_MAX, 2, false, 0},
        {TOP, TOP, true, TOP},
        {TOP + 1, TOP, false, 0},
    };
    check_rows(mmb_round_up_size, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_checked_round_up_and_down(void)
{
    CU_ASSERT_EQUAL(mmb_round_up(0, 16), 0);
    CU_ASSERT_EQUAL(mmb_round_up(1, 16), 16);
    CU_ASSERT_EQUAL(mmb_round_up(16, 16), 16);
    CU_ASSERT_EQUAL(mmb_round_up(17, 16), 32);
    CU_ASSERT_EQUAL(mmb_round_down(0, 16), 0);
    CU_ASSERT_EQUAL(mmb_round_down(15, 16), 0);
    CU_ASSERT_EQUAL(mmb_round_down(16, 16), 16);
    CU_ASSERT_EQUAL(mmb_round_down(SIZE_MAX, 16), SIZE_MAX - 15);
}

static void test_checked_is_power_of_two(void)
{
    CU_ASSERT_FALSE(mmb_is_power_of_two(0));
    CU_ASSERT_FALSE(mmb_is_power_of_two(3));
    CU_ASSERT_FALSE(mmb_is_power_of_two(SIZE_MAX));
    CU_ASSERT_FALSE(mmb_is_power_of_two(TOP + 1));
    for (size_t bit = 1; bit != 0; bit <<= 1)
        SUITE_CHECK(mmb_is_power_of_two(bit), "%zu", bit);
}

MMB_SUITE("base/checked", T(test_checked_add_size), T(test_checked_mul_size),
          T(test_checked_round_up_size), T(test_checked_round_up_and_down),
          T(test_checked_is_power_of_two))
