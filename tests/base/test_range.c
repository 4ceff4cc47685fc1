/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: any pointer can be asked whether it is a slot's address, and what is one can
 * be read. */
#include <string.h>
#include "src/base/os.h"
#include "src/base/range.h"
#include "tests/support/suite.h"

#define SLOT     ((size_t)64)
#define RESERVED ((size_t)1 << 20)
#define STEP     ((size_t)64 << 10)

static struct mmb_range range;

static void set_up(void)
{
    range = (struct mmb_range)MMB_RANGE_INIT(SLOT);
    CU_ASSERT_TRUE_FATAL(mmb_range_open(&range, RESERVED, STEP));
}

static void tear_down(void)
{
    CU_ASSERT_TRUE(mmb_os_unmap((void *)range.base, RESERVED));
}

static const char *at(size_t offset)
{
    return (const char *)range.base + offset;
}

static void test_range_that_is_closed_has_nothing(void)
{
    static const struct mmb_range closed = MMB_RANGE_INIT(SLOT);
    const void *const pointers[] = {NULL, (void *)1, (void *)SLOT, &closed, (void *)UINTPTR_MAX};
    CU_ASSERT_FALSE(mmb_range_is_open(&closed));
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
        SUITE_CHECK(!mmb_range_has(&closed, pointers[i]), "%zu", i);
}

static void test_range_has_its_slots_only(void)
{
    CU_ASSERT_TRUE(mmb_range_is_open(&range));
    CU_ASSERT_EQUAL(range.base % RESERVED, 0);
    for (size_t offset = 0; offset < STEP; offset++)
        SUITE_CHECK(mmb_range_has(&range, at(offset)) == (offset % SLOT == 0), "%zu", offset);
    const void *const others[] = {
        NULL,         at(0) - SLOT, at(STEP),           at(RESERVED - SLOT),
        at(RESERVED), &range,       (void *)UINTPTR_MAX};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        SUITE_CHECK(!mmb_range_has(&range, others[i]), "%zu", i);
}

/* Three steps are readable as four. */
static void test_range_can_be_read_where_it_has_slots(void)
{
    memset((char *)range.base, 1, STEP);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(mmb_range_grow(&range, STEP));
        memset((char *)range.base + range.n_committed - STEP, 1, STEP);
    }
    CU_ASSERT_EQUAL(range.n_committed, 3 * STEP);
    for (size_t offset = 0; offset < 4 * STEP; offset += SLOT)
        SUITE_CHECK(mmb_range_has(&range, at(offset)) && *at(offset) == (offset < 3 * STEP), "%zu",
                    offset);
    CU_ASSERT_FALSE(mmb_range_has(&range, at(4 * STEP)));
}

static void test_range_ends(void)
{
    while (range.n_committed < RESERVED)
        CU_ASSERT_TRUE_FATAL(mmb_range_grow(&range, STEP));
    CU_ASSERT_FALSE(mmb_range_grow(&range, STEP));
    CU_ASSERT_TRUE(mmb_range_has(&range, at(RESERVED - SLOT)));
    CU_ASSERT_FALSE(mmb_range_has(&range, at(RESERVED)));
}

static void test_range_that_cannot_be_had_stays_closed(void)
{
    struct mmb_range other = MMB_RANGE_INIT(SLOT);
    CU_ASSERT_FALSE(mmb_range_open(&other, ~(SIZE_MAX >> 1), STEP));
    CU_ASSERT_FALSE(mmb_range_open(&other, (SIZE_MAX >> 2) + 1, STEP));
    CU_ASSERT_FALSE(mmb_range_open(&other, RESERVED, 2 * RESERVED));
    CU_ASSERT_FALSE(mmb_range_is_open(&other));
    CU_ASSERT_FALSE(mmb_range_has(&other, NULL));
}

MMB_SUITE_WITH("base/range", set_up, tear_down, T(test_range_that_is_closed_has_nothing),
               T(test_range_has_its_slots_only), T(test_range_can_be_read_where_it_has_slots),
               T(test_range_ends), T(test_range_that_cannot_be_had_stays_closed))
