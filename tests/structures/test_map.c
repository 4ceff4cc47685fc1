/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a map between processes has for each key the value that was put last, finds
 * every key and only those, grows without losing any, and outlives who is killed. */
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/suite.h"

#define N_EACH     1500
#define N_CHILDREN 3
#define N_KEYS     300

struct value {
    uint64_t key;
    uint64_t again[3];
};

static mmbSharedMap map;

static void make(void)
{
    CU_ASSERT_EQUAL_FATAL(
        mmb_shared_map_create(objects_heap, sizeof(uint64_t), sizeof(struct value), 0, &map),
        MMB_OK);
    objects_talk->pointer[0] = map.object.pointer;
}

/* What may stand at a key: its number and three times the same. */
static struct value value_of(uint64_t key, uint64_t what)
{
    struct value made = {key, {what, what, what}};
    return made;
}

static bool belongs(const struct value *value, uint64_t key)
{
    return value->key == key && value->again[0] == value->again[1] &&
           value->again[1] == value->again[2];
}

static mmbError put(uint64_t key, uint64_t what)
{
    struct value value = value_of(key, what);
    return mmb_shared_map_put(&map, &key, &value);
}

static size_t count(void)
{
    size_t n = SIZE_MAX;
    CU_ASSERT_EQUAL(mmb_shared_map_count(&map, &n), MMB_OK);
    return n;
}

/* Going through meets as many keys as are counted, each with its value, and each can be found. */
static bool is_right(void)
{
    uint64_t cursor = 0, key;
    struct value value, found;
    size_t n = 0;
    mmbError error;
    while ((error = mmb_shared_map_next(&map, &cursor, &key, &value)) == MMB_OK) {
        if (!belongs(&value, key) || mmb_shared_map_get(&map, &key, &found) != MMB_OK ||
            memcmp(&value, &found, sizeof value) != 0)
            return false;
        n++;
    }
    return error == MMB_NOT_FOUND && n == count();
}

/* covers: mmb_shared_map_get MMB_NOT_FOUND, mmb_shared_map_remove MMB_NOT_FOUND,
   mmb_shared_map_next MMB_NOT_FOUND */
static void test_map_keeps_what_was_put_last(void)
{
    struct value out;
    uint64_t cursor = 0;
    make();
    CU_ASSERT_EQUAL(mmb_shared_map_next(&map, &cursor, NULL, NULL), MMB_NOT_FOUND);
    for (uint64_t key = 0; key < 1000; key++)
        CU_ASSERT_EQUAL(put(key * 977, key), MMB_OK);
    for (uint64_t key = 0; key < 1000; key += 3)
        CU_ASSERT_EQUAL(put(key * 977, key + 5000), MMB_OK);
    CU_ASSERT_EQUAL(count(), 1000);
    CU_ASSERT_TRUE(is_right());
    for (uint64_t key = 0; key < 1000; key++) {
        uint64_t name = key * 977;
        CU_ASSERT_EQUAL(mmb_shared_map_get(&map, &name, &out), MMB_OK);
        CU_ASSERT_TRUE(belongs(&out, name) && out.again[0] == (key % 3 ? key : key + 5000));
        if (key % 2)
            CU_ASSERT_EQUAL(mmb_shared_map_remove(&map, &name, key % 4 == 1 ? &out : NULL), MMB_OK);
    }
    uint64_t gone = 977;
    CU_ASSERT_EQUAL(mmb_shared_map_get(&map, &gone, &out), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_shared_map_remove(&map, &gone, NULL), MMB_NOT_FOUND);
    gone = 0;
    CU_ASSERT_EQUAL(mmb_shared_map_get(&map, &gone, NULL), MMB_OK);
    CU_ASSERT_EQUAL(count(), 500);
    CU_ASSERT_TRUE(is_right());
    CU_ASSERT_EQUAL(mmb_shared_map_destroy(&map), MMB_OK);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static void test_map_of_long_keys(void)
{
    char key[33] = "a key of which the end differs 0", out[3] = "";
    CU_ASSERT_EQUAL_FATAL(mmb_shared_map_create(objects_heap, sizeof key, 3, 200, &map), MMB_OK);
    for (char c = '0'; c <= 'z'; c++) {
        char value[3] = {c, c, 0};
        key[31] = c;
        CU_ASSERT_EQUAL(mmb_shared_map_put(&map, key, value), MMB_OK);
    }
    CU_ASSERT_EQUAL(count(), 'z' - '0' + 1);
    key[31] = 'k';
    CU_ASSERT_EQUAL(mmb_shared_map_get(&map, key, out), MMB_OK);
    CU_ASSERT_STRING_EQUAL(out, "kk");
}

/* covers: mmb_shared_map_put MMB_OUT_OF_MEMORY */
static void test_map_of_a_full_heap_is_as_it_was(void)
{
    mmbError error = MMB_OK;
    uint64_t n = 0;
    objects_remake(MMB_STRATEGY_SCALABLE_PAGE, (size_t)128 << 10);
    make();
    while ((error = put(n, n)) == MMB_OK)
        n++;
    CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(n >= 16 && count() == n && is_right());
    CU_ASSERT_EQUAL(put(0, 99), MMB_OK);
    uint64_t key = 1;
    CU_ASSERT_EQUAL(mmb_shared_map_remove(&map, &key, NULL), MMB_OK);
    CU_ASSERT_EQUAL(put(n, n), MMB_OK);
    CU_ASSERT_TRUE(is_right());
}

/* ---- processes ---- */

/* Keys of its own, and one that all put again and again. */
static int put_and_get(void *argument)
{
    uint64_t self = *(uint64_t *)argument, common = UINT64_MAX;
    mmbMemInterface *mine = objects_attach();
    struct value out;
    if (!mine || mmb_shared_map_open(mine, objects_talk->pointer[0], &map) != MMB_OK)
        return 1;
    for (uint64_t i = 0; i < N_EACH; i++) {
        uint64_t key = self << 32 | i;
        if (put(key, i) != MMB_OK || put(common, key) != MMB_OK)
            return 2;
        if (mmb_shared_map_get(&map, &key, &out) != MMB_OK || !belongs(&out, key) ||
            out.again[0] != i)
            return 3;
        if (mmb_shared_map_get(&map, &common, &out) != MMB_OK || !belongs(&out, common))
            return 4;
        if (i % 2 && mmb_shared_map_remove(&map, &key, NULL) != MMB_OK)
            return 5;
    }
    return 0;
}

static void test_map_between_processes(void)
{
    uint64_t numbers[N_CHILDREN] = {0, 1, 2};
    pid_t pids[N_CHILDREN];
    make();
    for (size_t i = 0; i < N_CHILDREN; i++)
        pids[i] = objects_spawn(put_and_get, &numbers[i]);
    for (size_t i = 0; i < N_CHILDREN; i++)
        objects_ended(pids[i]);
    CU_ASSERT_EQUAL(count(), N_CHILDREN * N_EACH / 2 + 1);
    CU_ASSERT_TRUE(is_right());
}

/* ---- kills ---- */

static int work(void *seed)
{
    uint32_t state = *(uint32_t *)seed;
    for (;;) {
        uint64_t key = objects_random(&state) % N_KEYS;
        mmbError error = objects_random(&state) % 3 ? put(key, objects_random(&state))
                                                    : mmb_shared_map_remove(&map, &key, NULL);
        if (error != MMB_OK && error != MMB_NOT_FOUND)
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
    }
}

static void test_map_survives_random_kills(void)
{
    size_t freed = 0;
    make();
    objects_kill_many(work, is_right);
    CU_ASSERT_EQUAL(mmb_shm_reclaim(objects_heap, NULL, NULL, &freed), MMB_OK);
    CU_ASSERT_TRUE(is_right());
}

MMB_SUITE_WITH("structures/map", objects_set_up, objects_tear_down,
               T(test_map_keeps_what_was_put_last), T(test_map_of_long_keys),
               T(test_map_of_a_full_heap_is_as_it_was), T(test_map_between_processes),
               T(test_map_survives_random_kills))
