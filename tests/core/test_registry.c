/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the allocator table gives the lowest free slot, never 0, beyond 1,024 too,
 * and is read without a lock; the mutex knows whose it is. */
#include <pthread.h>
#include <stdint.h>
#include "src/core/registry.h"
#include "src/spi/record.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

#define MANY 3000u

static uint32_t slots[MANY];
static char allocators[MANY];

static struct mmb_allocator *allocator(size_t i)
{
    return (struct mmb_allocator *)(void *)&allocators[i];
}

static uint32_t take(void)
{
    uint32_t slot = 0;
    SUITE_CHECK(mmb_allocator_slot_take(&slot) == MMB_OK, "%s", mmb_error_detail());
    return slot;
}

static void test_registry_slot_0_is_never_given(void)
{
    uint32_t slot = take();
    CU_ASSERT_NOT_EQUAL(slot, 0);
    CU_ASSERT_PTR_NULL(mmb_allocator_at(0));
    CU_ASSERT_PTR_NULL(mmb_allocator_at(slot));
    mmb_allocator_slot_set(slot, allocator(0));
    CU_ASSERT_PTR_EQUAL(mmb_allocator_at(slot), allocator(0));
    mmb_allocator_slot_set(slot, NULL);
    CU_ASSERT_PTR_NULL(mmb_allocator_at(slot));
}

static void test_registry_gives_the_lowest_slot(void)
{
    uint32_t first = take(), second = take(), third = take();
    CU_ASSERT_TRUE(first < second && second < third);
    mmb_allocator_slot_set(second, NULL);
    CU_ASSERT_EQUAL(take(), second);
    mmb_allocator_slot_set(third, NULL);
    mmb_allocator_slot_set(first, NULL);
    CU_ASSERT_EQUAL(take(), first);
    mmb_allocator_slot_set(first, NULL);
    mmb_allocator_slot_set(second, NULL);
}

static void test_registry_table_grows(void)
{
    uint32_t highest = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        slots[i] = take();
        mmb_allocator_slot_set(slots[i], allocator(i));
        highest = slots[i] > highest ? slots[i] : highest;
    }
    CU_ASSERT_EQUAL(highest, MANY); /* 1 .. 3000, each once */
    for (uint32_t i = 0; i < MANY; i++)
        SUITE_CHECK(mmb_allocator_at(slots[i]) == allocator(i), "slot %u", slots[i]);
    for (uint32_t i = 0; i < MANY; i++)
        mmb_allocator_slot_set(slots[i], NULL);
    CU_ASSERT_EQUAL(take(), 1);
    mmb_allocator_slot_set(1, NULL);
}

/* A record's home can hold no slot from 2^19 on. */
static void test_registry_unused_slots_have_no_allocator(void)
{
    static const uint32_t unused[] = {0, 1, 1023, 1024, 100000, 524287, 524288, UINT32_MAX};
    for (size_t i = 0; i < N_ROWS(unused); i++)
        SUITE_CHECK(!mmb_allocator_at(unused[i]), "slot %u", unused[i]);
}

static void *ask_whose(void *out_is_mine)
{
    *(bool *)out_is_mine = mmb_registry_is_mine();
    return NULL;
}

static void test_registry_mutex_knows_its_holder(void)
{
    bool is_theirs = true;
    pthread_t other;
    CU_ASSERT_FALSE(mmb_registry_is_mine());
    mmb_registry_lock();
    CU_ASSERT_TRUE(mmb_registry_is_mine());
    CU_ASSERT_EQUAL_FATAL(pthread_create(&other, NULL, ask_whose, &is_theirs), 0);
    pthread_join(other, NULL);
    CU_ASSERT_FALSE(is_theirs);
    mmb_registry_unlock();
    CU_ASSERT_FALSE(mmb_registry_is_mine());
}

static void test_registry_is_closed_before_init(void)
{
    CU_ASSERT_EQUAL(mmb_registry_enter("sing"), MMB_NOT_INITIALIZED);
    CU_ASSERT_TRUE(control_detail_has("sing"));
    CU_ASSERT_FALSE(mmb_registry_is_mine());
    CU_ASSERT_EQUAL(mmb_library_check("dance"), MMB_NOT_INITIALIZED);
    CU_ASSERT_TRUE(control_detail_has("dance"));
    control_open();
    CU_ASSERT_EQUAL(mmb_registry_enter("sing"), MMB_OK);
    CU_ASSERT_TRUE(mmb_registry_is_mine());
    mmb_registry_unlock();
    control_close();
    CU_ASSERT_EQUAL(mmb_registry_enter("sing"), MMB_NOT_INITIALIZED);
}

MMB_SUITE("core/registry", T(test_registry_slot_0_is_never_given),
          T(test_registry_gives_the_lowest_slot), T(test_registry_table_grows),
          T(test_registry_unused_slots_have_no_allocator), T(test_registry_mutex_knows_its_holder),
          T(test_registry_is_closed_before_init))
