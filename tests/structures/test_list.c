/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a list between processes can be walked both ways and says the same in either,
 * a position names one element and no later one, and a kill leaves neither half a link nor a lost
 * node. */
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/suite.h"

#define N_EACH     1000
#define N_CHILDREN 3

static mmbSharedList list;

static void make(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_shared_list_create(objects_heap, sizeof(uint64_t), 0, &list), MMB_OK);
    objects_talk->pointer[0] = list.object.pointer;
}

static uint64_t insert(uint64_t before, uint64_t value)
{
    uint64_t position = 0;
    CU_ASSERT_EQUAL(mmb_shared_list_insert(&list, before, &value, &position), MMB_OK);
    CU_ASSERT_NOT_EQUAL(position, 0);
    return position;
}

static size_t count(void)
{
    size_t n = SIZE_MAX;
    CU_ASSERT_EQUAL(mmb_shared_list_count(&list, &n), MMB_OK);
    return n;
}

typedef mmbError (*walker)(const mmbSharedList *, uint64_t, uint64_t *);

/* Fills values in order; how many there are. */
static size_t walk(walker step, uint64_t *values, size_t most)
{
    uint64_t position = 0;
    size_t n = 0;
    mmbError error;
    while ((error = step(&list, position, &position)) == MMB_OK && n < most)
        if (mmb_shared_list_get(&list, position, &values[n++]) != MMB_OK)
            return SIZE_MAX;
    return error == MMB_NOT_FOUND ? n : SIZE_MAX;
}

/* The walks agree with each other and with the count. */
static bool is_right(void)
{
    static uint64_t there[N_CHILDREN * N_EACH + 16], back[N_CHILDREN * N_EACH + 16];
    size_t n = walk(mmb_shared_list_next, there, N_ROWS(there));
    size_t m = walk(mmb_shared_list_previous, back, N_ROWS(back));
    if (n != m || n != count())
        return false;
    for (size_t i = 0; i < n; i++)
        if (there[i] != back[n - 1 - i])
            return false;
    return true;
}

/* covers: mmb_shared_list_next MMB_NOT_FOUND, mmb_shared_list_previous MMB_NOT_FOUND */
static void test_list_inserts_anywhere(void)
{
    uint64_t values[5], position = 0;
    make();
    CU_ASSERT_EQUAL(mmb_shared_list_next(&list, 0, &position), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_previous(&list, 0, &position), MMB_NOT_FOUND);
    uint64_t third = insert(0, 3), first = insert(third, 1);
    insert(third, 2);
    insert(first, 0);
    insert(0, 4);
    CU_ASSERT_EQUAL(walk(mmb_shared_list_next, values, 5), 5);
    for (uint64_t i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(values[i], i);
    CU_ASSERT_TRUE(is_right());
    CU_ASSERT_EQUAL(mmb_shared_list_next(&list, third, &position), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_list_next(&list, position, &position), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_destroy(&list), MMB_OK);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

/* covers: mmb_shared_list_remove MMB_NOT_FOUND, mmb_shared_list_get MMB_NOT_FOUND,
   mmb_shared_list_set MMB_NOT_FOUND, mmb_shared_list_insert MMB_NOT_FOUND */
static void test_list_positions_are_not_used_again(void)
{
    uint64_t value = 0, next;
    make();
    uint64_t stale = insert(0, 1), kept = insert(0, 2);
    CU_ASSERT_EQUAL(mmb_shared_list_remove(&list, stale, &value), MMB_OK);
    CU_ASSERT_EQUAL(value, 1);
    uint64_t fresh = insert(0, 3);
    CU_ASSERT_NOT_EQUAL(fresh, stale);
    CU_ASSERT_EQUAL(mmb_shared_list_remove(&list, stale, NULL), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_get(&list, stale, &value), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_set(&list, stale, &value), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_insert(&list, stale, &value, &next), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_next(&list, stale, &next), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_remove(&list, 0, NULL), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_get(&list, 0, &value), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_list_get(&list, ~(uint64_t)0, &value), MMB_NOT_FOUND);
    value = 20;
    CU_ASSERT_EQUAL(mmb_shared_list_set(&list, kept, &value), MMB_OK);
    value = 0;
    CU_ASSERT_EQUAL(mmb_shared_list_get(&list, kept, &value), MMB_OK);
    CU_ASSERT_EQUAL(value, 20);
    CU_ASSERT_EQUAL(count(), 2);
}

/* covers: mmb_shared_list_insert MMB_OUT_OF_MEMORY */
static void test_list_of_a_full_heap_is_as_it_was(void)
{
    mmbError error = MMB_OK;
    uint64_t n = 0, position;
    objects_remake(MMB_STRATEGY_STACK, (size_t)64 << 10);
    make();
    while ((error = mmb_shared_list_insert(&list, 0, &n, NULL)) == MMB_OK)
        n++;
    CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(n >= 16 && count() == n && is_right());
    CU_ASSERT_EQUAL(mmb_shared_list_next(&list, 0, &position), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_list_remove(&list, position, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_list_insert(&list, 0, &n, NULL), MMB_OK);
    CU_ASSERT_TRUE(is_right());
}

/* ---- processes ---- */

/* Inserts at both ends, and removes every other one of its own. */
static int insert_and_remove(void *argument)
{
    uint64_t self = *(uint64_t *)argument, first = 0;
    mmbMemInterface *mine = objects_attach();
    mmbSharedList own;
    if (!mine || mmb_shared_list_open(mine, objects_talk->pointer[0], &own) != MMB_OK)
        return 1;
    for (uint64_t i = 0; i < N_EACH; i++) {
        uint64_t value = self * N_EACH + i, position, again = 0;
        if (i % 3 == 0 && mmb_shared_list_next(&own, 0, &first) == MMB_CORRUPT)
            return 2;
        mmbError error = mmb_shared_list_insert(&own, i % 3 == 0 ? first : 0, &value, &position);
        if (error == MMB_NOT_FOUND) /* another removed the first meanwhile */
            error = mmb_shared_list_insert(&own, 0, &value, &position);
        if (error != MMB_OK)
            return 3;
        if (i % 2 && (mmb_shared_list_remove(&own, position, &again) != MMB_OK || again != value))
            return 4;
    }
    return 0;
}

static void test_list_between_processes(void)
{
    uint64_t numbers[N_CHILDREN] = {0, 1, 2}, values[N_CHILDREN * N_EACH];
    unsigned char seen[N_CHILDREN * N_EACH] = {0};
    pid_t pids[N_CHILDREN];
    size_t n_wrong = 0;
    make();
    for (size_t i = 0; i < N_CHILDREN; i++)
        pids[i] = objects_spawn(insert_and_remove, &numbers[i]);
    for (size_t i = 0; i < N_CHILDREN; i++)
        objects_ended(pids[i]);
    CU_ASSERT_TRUE(is_right());
    size_t n = walk(mmb_shared_list_next, values, N_ROWS(values));
    CU_ASSERT_EQUAL_FATAL(n, N_CHILDREN * N_EACH / 2);
    for (size_t i = 0; i < n; i++)
        seen[values[i] % N_ROWS(seen)]++;
    for (size_t i = 0; i < N_ROWS(seen); i++)
        n_wrong += seen[i] != (i % 2 == 0);
    CU_ASSERT_EQUAL(n_wrong, 0);
}

/* ---- kills ---- */

static int work(void *seed)
{
    uint32_t state = *(uint32_t *)seed;
    for (;;) {
        uint64_t value = objects_random(&state), at = 0;
        for (uint32_t i = objects_random(&state) % 8; i > 0; i--)
            if (mmb_shared_list_next(&list, at, &at) != MMB_OK)
                break;
        size_t n = 0;
        mmbError error = mmb_shared_list_count(&list, &n);
        if (error == MMB_OK)
            error = objects_random(&state) % 100 < (n < 60 ? 60u : 30u)
                        ? mmb_shared_list_insert(&list, at, &value, NULL)
                        : mmb_shared_list_remove(&list, at, NULL);
        if (error != MMB_OK && error != MMB_NOT_FOUND)
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
    }
}

static void test_list_survives_random_kills(void)
{
    size_t freed = 0;
    make();
    objects_kill_many(work, is_right);
    CU_ASSERT_EQUAL(mmb_shm_reclaim(objects_heap, NULL, NULL, &freed), MMB_OK);
    CU_ASSERT_TRUE(is_right());
}

MMB_SUITE_WITH("structures/list", objects_set_up, objects_tear_down, T(test_list_inserts_anywhere),
               T(test_list_positions_are_not_used_again), T(test_list_of_a_full_heap_is_as_it_was),
               T(test_list_between_processes), T(test_list_survives_random_kills))
