/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: any pointer can be told from a handle without being followed; a slot comes
 * back zeroed and only for the same type. */
#include <string.h>
#include "src/core/handles.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static struct mmb_handles handles = MMB_HANDLES_INIT(256);

static void set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_handles_open(&handles, "tests"), MMB_OK);
}

static void test_handles_know_their_slots(void)
{
    char *slot = mmb_handles_take(&handles);
    char foreign[512];
    CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
    CU_ASSERT_TRUE(mmb_handles_own(&handles, slot));
    const void *others[] = {
        NULL,      slot + 1, slot + 8,   slot + 255, foreign, &handles, (void *)~(uintptr_t)0,
        (void *)1, slot - 1, (void *)256};
    for (size_t i = 0; i < N_ROWS(others); i++)
        SUITE_CHECK(!mmb_handles_own(&handles, others[i]), "%zu: %p", i, others[i]);
    mmb_handles_give(&handles, slot);
}

static void test_handles_nothing_is_owned_before_open(void)
{
    static const struct mmb_handles closed = MMB_HANDLES_INIT(256);
    CU_ASSERT_FALSE(mmb_handles_own(&closed, NULL));
    CU_ASSERT_FALSE(mmb_handles_own(&closed, &closed));
}

static void test_handles_give_zeroed_slots_again(void)
{
    unsigned char *first = mmb_handles_take(&handles);
    static const unsigned char zeros[256];
    memset(first, 0xff, 256);
    mmb_handles_give(&handles, first);
    CU_ASSERT_TRUE(mmb_handles_own(&handles, first));
    unsigned char *second = mmb_handles_take(&handles);
    CU_ASSERT_PTR_EQUAL(second, first);
    CU_ASSERT_EQUAL(memcmp(second, zeros, sizeof zeros), 0);
    mmb_handles_give(&handles, second);
}

/* More than one commit of 64 KiB. */
static void test_handles_grow(void)
{
    static void *slots[1000];
    for (size_t i = 0; i < N_ROWS(slots); i++) {
        slots[i] = mmb_handles_take(&handles);
        CU_ASSERT_PTR_NOT_NULL_FATAL(slots[i]);
        memset(slots[i], (int)i, 256);
    }
    for (size_t i = 0; i < N_ROWS(slots); i++) {
        SUITE_CHECK(*(unsigned char *)slots[i] == (unsigned char)i, "slot %zu is shared", i);
        mmb_handles_give(&handles, slots[i]);
    }
}

static void test_handles_end_with_the_range(void)
{
    static struct mmb_handles large = MMB_HANDLES_INIT((size_t)1 << 16);
    size_t count = 0;
    CU_ASSERT_EQUAL_FATAL(mmb_handles_open(&large, "tests"), MMB_OK);
    while (mmb_handles_take(&large))
        count++;
    CU_ASSERT_EQUAL(count, large.range.n_reserved >> 16);
    CU_ASSERT_TRUE(count > 0);
}

MMB_SUITE_WITH("core/handles", set_up, NULL, T(test_handles_know_their_slots),
               T(test_handles_nothing_is_owned_before_open),
               T(test_handles_give_zeroed_slots_again), T(test_handles_grow),
               T(test_handles_end_with_the_range))
