/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: programs compiled against an older or newer release pass their structs safely, both
 * ways. The library here is release 2; release 1 lacks a member, release 3 has one more. */
#include "src/base/struct_size.h"
#include "tests/support/suite.h"
#include <mmb/error.h>
#include <stdint.h>
#include <string.h>

struct release_1 {
    size_t size;
    uint64_t a;
};

struct release_2 {
    size_t size;
    uint64_t a, b;
};

struct release_3 {
    size_t size;
    uint64_t a, b, c;
};

static struct release_2 known;

static void set_up(void)
{
    known = (struct release_2){sizeof(known), 10, 20};
}

static mmbError in(const void *from)
{
    return mmb_struct_in(&known, sizeof(known), from, sizeof(struct release_1), "thing");
}

static mmbError out(void *to)
{
    return mmb_struct_out(to, &known, sizeof(known), sizeof(struct release_1), "thing");
}

static bool known_is(uint64_t a, uint64_t b)
{
    return known.size == sizeof(known) && known.a == a && known.b == b;
}

static void test_struct_in_null_keeps_the_defaults(void)
{
    CU_ASSERT_EQUAL(in(NULL), MMB_OK);
    CU_ASSERT_TRUE(known_is(10, 20));
}

static void test_struct_in_same_release_copies_all(void)
{
    const struct release_2 from = {sizeof(from), 1, 2};

    CU_ASSERT_EQUAL(in(&from), MMB_OK);
    CU_ASSERT_TRUE(known_is(1, 2));
}

static void test_struct_in_older_caller_gets_defaults(void)
{
    const struct release_1 from = {sizeof(from), 1};

    CU_ASSERT_EQUAL(in(&from), MMB_OK);
    CU_ASSERT_TRUE(known_is(1, 20));
}

static void test_struct_in_newer_caller_with_zeros_is_served(void)
{
    const struct release_3 from = {sizeof(from), 1, 2, 0};

    CU_ASSERT_EQUAL(in(&from), MMB_OK);
    CU_ASSERT_TRUE(known_is(1, 2));
}

static void test_struct_in_newer_caller_with_a_wish_is_refused(void)
{
    struct release_3 from = {sizeof(from), 1, 2, 0};
    unsigned char *unknown = (unsigned char *)&from.c;

    for (size_t i = 0; i < sizeof(from.c); i++) {
        unknown[i] = 1;
        SUITE_CHECK(in(&from) == MMB_UNSUPPORTED, "byte %zu", i);
        unknown[i] = 0;
    }
    CU_ASSERT_TRUE(known_is(10, 20));
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "thing"));
}

static void test_struct_in_refuses_impossible_sizes(void)
{
    static const size_t sizes[] = {0,    1,       sizeof(size_t), sizeof(struct release_1) - 1,
                                   4097, SIZE_MAX};
    struct release_2 from = {0, 1, 2};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        from.size = sizes[i];
        SUITE_CHECK(in(&from) == MMB_INVALID_ARG, "size %zu", sizes[i]);
    }
    CU_ASSERT_TRUE(known_is(10, 20));
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "thing"));
}

static void test_struct_in_reads_nothing_beyond_the_size(void)
{
    const struct {
        struct release_1 from;
        uint64_t behind;
    } memory = {{sizeof(struct release_1), 1}, 99};

    CU_ASSERT_EQUAL(in(&memory.from), MMB_OK);
    CU_ASSERT_TRUE(known_is(1, 20));
}

static void test_struct_out_same_release_gets_all(void)
{
    struct release_2 to = {sizeof(to), 0, 0};

    CU_ASSERT_EQUAL(out(&to), MMB_OK);
    CU_ASSERT_EQUAL(to.size, sizeof(to));
    CU_ASSERT_EQUAL(to.a, 10);
    CU_ASSERT_EQUAL(to.b, 20);
}

static void test_struct_out_older_caller_is_not_overrun(void)
{
    struct {
        struct release_1 to;
        uint64_t behind;
    } memory = {{sizeof(struct release_1), 0}, 99};

    CU_ASSERT_EQUAL(out(&memory.to), MMB_OK);
    CU_ASSERT_EQUAL(memory.to.size, sizeof(struct release_1));
    CU_ASSERT_EQUAL(memory.to.a, 10);
    CU_ASSERT_EQUAL(memory.behind, 99);
}

static void test_struct_out_newer_caller_keeps_its_own(void)
{
    struct release_3 to = {sizeof(to), 0, 0, 77};

    CU_ASSERT_EQUAL(out(&to), MMB_OK);
    CU_ASSERT_EQUAL(to.size, sizeof(to));
    CU_ASSERT_EQUAL(to.a, 10);
    CU_ASSERT_EQUAL(to.b, 20);
    CU_ASSERT_EQUAL(to.c, 77);
}

static void test_struct_out_refuses_small_size_and_null(void)
{
    struct release_2 to = {sizeof(struct release_1) - 1, 1, 2};

    CU_ASSERT_EQUAL(out(&to), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(to.a, 1);
    CU_ASSERT_EQUAL(to.b, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "thing"));
    CU_ASSERT_EQUAL(out(NULL), MMB_INVALID_ARG);
}

MMB_SUITE_WITH(
    "base/struct_size", set_up, NULL, T(test_struct_in_null_keeps_the_defaults),
    T(test_struct_in_same_release_copies_all), T(test_struct_in_older_caller_gets_defaults),
    T(test_struct_in_newer_caller_with_zeros_is_served),
    T(test_struct_in_newer_caller_with_a_wish_is_refused),
    T(test_struct_in_refuses_impossible_sizes), T(test_struct_in_reads_nothing_beyond_the_size),
    T(test_struct_out_same_release_gets_all), T(test_struct_out_older_caller_is_not_overrun),
    T(test_struct_out_newer_caller_keeps_its_own), T(test_struct_out_refuses_small_size_and_null))
