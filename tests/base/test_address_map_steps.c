/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: wherever a lookup is overtaken by writers, and wherever those stand when it goes on, its
 * answer was right at some moment of the lookup. Threads hit such moments by luck; here each one is
 * played, in one thread: the map's own source is compiled into this file with a hook in front of
 * its atomic loads and stores. At its kth load the lookup stops, writers run up to their jth store
 * and stop for good, and the lookup goes on, for every k and j. What the hooks cannot play is
 * stores that another processor sees in another order: the comment in address_map.c argues those.
 */
#include "src/base/address_tree.h"
#include "src/base/error.h"
#include "tests/support/suite.h"
#include <setjmp.h>

static void before_load(void);
static void before_store(void);

#undef atomic_load_explicit
#undef atomic_store_explicit
#ifdef __clang__
#define atomic_load_explicit(object, order) (before_load(), __c11_atomic_load((object), (order)))
#define atomic_store_explicit(object, value, order)                                                \
    (before_store(), __c11_atomic_store((object), (value), (order)))
#else
#define atomic_load_explicit(object, order) (before_load(), __atomic_load_n((object), (order)))
#define atomic_store_explicit(object, value, order)                                                \
    (before_store(), __atomic_store_n((object), (value), (order)))
#endif
#include "src/base/address_map.c"

#define GRAIN ((uintptr_t)64 << 10)
#define HERE  ((uintptr_t)5 << 32)
#define PROBE (HERE + 0x4000)

static struct mmb_address_map map;
static char values[8];

/* All cover the probe, except beside, which stands in its grain, and its mirror image. */
static const struct mmb_address_range around = {HERE - (4 * GRAIN << 13), 8 * GRAIN << 13,
                                                &values[0]};
static const struct mmb_address_range below = {HERE, 64, &values[1]};
static const struct mmb_address_range above = {HERE + 0x8000, 0x7000, &values[2]};
static const struct mmb_address_range small = {PROBE - 8, 16, &values[3]};
static const struct mmb_address_range larger = {HERE + 0x2000, 0x5000, &values[4]};
static const struct mmb_address_range grain = {HERE, GRAIN, &values[5]};

static void insert(const struct mmb_address_range *range)
{
    if (mmb_address_map_insert(&map, range->base, range->n_bytes, range->value) != MMB_OK)
        SUITE_CHECK(false, "no memory");
}

static void remove_range(const struct mmb_address_range *range)
{
    mmb_address_map_remove(&map, range->base, range->n_bytes, range->value);
}

/* ---- what the writers do, and which answers were right at some moment ---- */

/* The entry of the one becomes that of the other: base of the first and size of the second cover
 * the probe. */
static void reuse_entry(void)
{
    remove_range(&below);
    insert(&above);
}

static void reuse_entry_back(void)
{
    remove_range(&above);
    insert(&below);
}

/* The larger one takes over the entry that the lookup is looking at, but is never there without the
 * small one. */
static void reuse_entry_under_a_smaller(void)
{
    insert(&small);
    remove_range(&below);
    insert(&larger);
}

static void replace_by_a_covering_one(void)
{
    remove_range(&below);
    insert(&small);
}

static void share_and_unshare(void)
{
    insert(&above);
    remove_range(&below);
    insert(&below);
    remove_range(&above);
}

static void insert_beside(void)
{
    insert(&below);
    insert(&above);
}

struct play {
    const char *name;
    const struct mmb_address_range *there[3]; /* before */
    void (*write)(void);
    const struct mmb_address_range *right[2];
};

static const struct play plays[] = {
    {"reuse", {&around, &below, NULL}, reuse_entry, {&around, NULL}},
    {"reuse back", {&around, &above, NULL}, reuse_entry_back, {&around, NULL}},
    {"reuse under", {&around, &below, NULL}, reuse_entry_under_a_smaller, {&around, &small}},
    {"replace", {&around, &below, NULL}, replace_by_a_covering_one, {&around, &small}},
    {"share", {&around, &below, NULL}, share_and_unshare, {&around, NULL}},
    {"beside", {&around, &grain, NULL}, insert_beside, {&grain, NULL}},
    {"beside, empty", {&around, NULL, NULL}, insert_beside, {&around, NULL}},
    {"beside, listed", {&around, &grain, &small}, insert_beside, {&small, NULL}},
};

/* ---- the stage ---- */

static const struct play *play;
static long loads_left = -1, stores_left = -1; /* until the stop; negative: no stop to come */
static bool did_stop, did_finish;
static jmp_buf lookup_goes_on;

static void run_writers(void)
{
    if (setjmp(lookup_goes_on) == 0) {
        play->write();
        did_finish = true;
    }
    stores_left = -1;
}

static void before_load(void)
{
    if (loads_left < 0 || loads_left-- > 0)
        return;
    did_stop = true;
    run_writers();
}

static void before_store(void)
{
    if (stores_left < 0 || stores_left-- > 0)
        return;
    longjmp(lookup_goes_on, 1);
}

/* A writer that stopped for good may have left the lock held. */
static void clear_stage(void)
{
    mmb_lock_init(&map.lock);
    mmb_address_map_reset(&map);
}

static bool is_right(const struct mmb_address_range *range)
{
    for (size_t i = 0; i < 2 && play->right[i]; i++) {
        if (range->base == play->right[i]->base && range->n_bytes == play->right[i]->n_bytes &&
            range->value == play->right[i]->value)
            return true;
    }
    return false;
}

/* False when there is no kth load. */
static bool perform(long k, long j)
{
    struct mmb_address_range found = {0, 0, NULL};
    bool is_answer;

    clear_stage();
    for (size_t i = 0; i < 3 && play->there[i]; i++)
        insert(play->there[i]);
    did_stop = false;
    did_finish = false;
    loads_left = k;
    stores_left = j;
    /* the half of the lookup that takes no lock; it may ask for it, then there is nothing to see */
    is_answer = descend(&map, PROBE, look, &found);
    loads_left = -1;
    stores_left = -1;
    if (is_answer)
        SUITE_CHECK(is_right(&found), "%s: load %ld, store %ld: [%zx, +%zx)", play->name, k, j,
                    (size_t)found.base, found.n_bytes);
    return did_stop;
}

static void test_address_map_lookup_is_right_at_every_step(void)
{
    size_t n = 0;

    for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
        play = &plays[i];
        for (long k = 0; perform(k, 0); k++) {
            for (long j = 1; perform(k, j) && !did_finish; j++)
                n++;
        }
    }
    clear_stage();
    CU_ASSERT_TRUE(n > 200); /* the hooks are there */
}

/* And the whole lookup, with the lock, once the writers have ended. */
static void test_address_map_lookup_is_right_after_every_play(void)
{
    for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
        struct mmb_address_range found;

        play = &plays[i];
        clear_stage();
        for (size_t j = 0; j < 3 && play->there[j]; j++)
            insert(play->there[j]);
        play->write();
        CU_ASSERT_TRUE(mmb_address_map_lookup(&map, PROBE, &found));
        SUITE_CHECK(is_right(&found), "%s", play->name);
    }
    clear_stage();
}

MMB_SUITE("base/address_map_steps", T(test_address_map_lookup_is_right_at_every_step),
          T(test_address_map_lookup_is_right_after_every_play))
