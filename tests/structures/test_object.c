/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what all objects have in common. They are found by their pointer and nothing
 * else, are refused with the right word when they are not what they seem, outlive their makers, and
 * damage gives errors, never a crash or a hang. MMB_TEST_ROUNDS sets how many damaged ones. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"
#include "tests/structures/kinds.h"

#define CHECK(kind, expected, call) check((kind), (expected), (call), #call)

static void check(const struct kind *kind, mmbError expected, mmbError got, const char *call)
{
    SUITE_CHECK(got == expected, "%s: %s: %s: %s", kind->name, call, mmb_error_name(got),
                mmb_error_detail());
}

/* ---- finding them ---- */

/* covers: mmb_shared_ring_open MMB_CORRUPT MMB_INVALID_ALLOCATION, mmb_shared_vector_open
   MMB_CORRUPT MMB_INVALID_ALLOCATION, mmb_shared_list_open MMB_CORRUPT MMB_INVALID_ALLOCATION,
   mmb_shared_map_open MMB_CORRUPT MMB_INVALID_ALLOCATION, mmb_shared_mutex_open MMB_CORRUPT
   MMB_INVALID_ALLOCATION, mmb_shared_rwlock_open MMB_CORRUPT MMB_INVALID_ALLOCATION */
static void test_object_is_what_was_created(void)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        union view made, found;
        CHECK(&kinds[i], MMB_OK, kinds[i].create(objects_heap, &made));
        mmbSharedPtr pointer = made.object.pointer,
                     inside = {pointer.allocator, pointer.offset + 8};
        mmbSharedPtr other = {pointer.allocator + 1, pointer.offset};
        CHECK(&kinds[i], MMB_OK, kinds[i].open(objects_heap, pointer, &found));
        CU_ASSERT_EQUAL(memcmp(&made.object, &found.object, sizeof made.object), 0);
        CHECK(&kinds[i], MMB_CORRUPT, kinds[(i + 1) % N_KINDS].open(objects_heap, pointer, &found));
        CHECK(&kinds[i], MMB_INVALID_ARG, kinds[(i + 1) % N_KINDS].use(&made));
        CHECK(&kinds[i], MMB_INVALID_ALLOCATION, kinds[i].open(objects_heap, inside, &found));
        CHECK(&kinds[i], MMB_INVALID_ARG, kinds[i].open(objects_heap, other, &found));
        CHECK(&kinds[i], MMB_INVALID_ARG, kinds[i].open(objects_heap, MMB_SHARED_PTR_NULL, &found));
        CHECK(&kinds[i], MMB_OK, kinds[i].use(&found));
        CHECK(&kinds[i], MMB_OK, kinds[i].destroy(&found));
        CHECK(&kinds[i], MMB_CORRUPT, kinds[i].use(&made));
        CHECK(&kinds[i], MMB_CORRUPT, kinds[i].destroy(&made));
        CHECK(&kinds[i], MMB_INVALID_ALLOCATION, kinds[i].open(objects_heap, pointer, &found));
    }
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static void test_object_needs_a_view_and_a_heap(void)
{
    mmbMemInterface *private_one =
        control_interface(objects_space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_MALLOC);
    for (size_t i = 0; i < N_KINDS; i++) {
        union view view;
        memset(&view, 0, sizeof view);
        CHECK(&kinds[i], MMB_OK, kinds[i].destroy(NULL));
        CHECK(&kinds[i], MMB_INVALID_ARG, kinds[i].use(NULL));
        CHECK(&kinds[i], MMB_INVALID_ARG, kinds[i].use(&view));
        CHECK(&kinds[i], MMB_INVALID_ARG, kinds[i].destroy(&view));
        CHECK(&kinds[i], MMB_UNSUPPORTED, kinds[i].create(private_one, &view));
        CHECK(&kinds[i], MMB_INVALID_INTERFACE, kinds[i].create(NULL, &view));
        CHECK(&kinds[i], MMB_INVALID_INTERFACE, kinds[i].open(NULL, MMB_SHARED_PTR_NULL, &view));
    }
    CU_ASSERT_EQUAL(mmb_destroy_interface(private_one), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_ring_create(objects_heap, 8, 8, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_list_create(objects_heap, 8, 8, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_mutex_create(objects_heap, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static void test_object_calls_need_their_pointers(void)
{
    union view ring, vector, list, map;
    uint64_t word = 0;
    kinds[0].create(objects_heap, &ring);
    kinds[1].create(objects_heap, &vector);
    kinds[2].create(objects_heap, &list);
    kinds[3].create(objects_heap, &map);
    CU_ASSERT_EQUAL(mmb_shared_ring_push(&ring.ring, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_ring_pop(&ring.ring, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_ring_count(&ring.ring, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_vector_push(&vector.vector, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_vector_get(&vector.vector, 0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_vector_set(&vector.vector, 0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_vector_count(&vector.vector, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_list_insert(&list.list, 0, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_list_get(&list.list, 0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_list_set(&list.list, 0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_list_next(&list.list, 0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_map_put(&map.map, NULL, &word), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_map_put(&map.map, &word, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_map_get(&map.map, NULL, &word), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_map_next(&map.map, NULL, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_shared_map_count(&map.map, NULL), MMB_INVALID_ARG);
}

/* covers: mmb_shared_ring_create MMB_INVALID_SIZE, mmb_shared_vector_create MMB_INVALID_SIZE,
   mmb_shared_list_create MMB_INVALID_SIZE, mmb_shared_map_create MMB_INVALID_SIZE */
static void test_object_sizes_must_be_possible(void)
{
    union view view;
    CU_ASSERT_EQUAL(mmb_shared_ring_create(objects_heap, 0, 8, &view.ring), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_ring_create(objects_heap, 8, 0, &view.ring), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_ring_create(objects_heap, 1, SIZE_MAX, &view.ring),
                    MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_ring_create(objects_heap, SIZE_MAX / 2, 8, &view.ring),
                    MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_vector_create(objects_heap, 0, 0, &view.vector), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_vector_create(objects_heap, SIZE_MAX, 0, &view.vector),
                    MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_vector_create(objects_heap, 16, SIZE_MAX / 8, &view.vector),
                    MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_list_create(objects_heap, 0, 0, &view.list), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_list_create(objects_heap, 1, SIZE_MAX, &view.list),
                    MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_map_create(objects_heap, 0, 1, 0, &view.map), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_map_create(objects_heap, 1, 0, 0, &view.map), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_map_create(objects_heap, 1, 1, SIZE_MAX, &view.map),
                    MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

/* covers: mmb_shared_ring_create MMB_OUT_OF_MEMORY, mmb_shared_vector_create MMB_OUT_OF_MEMORY,
   mmb_shared_list_create MMB_OUT_OF_MEMORY, mmb_shared_map_create MMB_OUT_OF_MEMORY,
   mmb_shared_mutex_create MMB_OUT_OF_MEMORY, mmb_shared_rwlock_create MMB_OUT_OF_MEMORY */
static void test_object_in_a_full_heap(void)
{
    union view view;
    mmbAllocation *block;
    size_t n = (size_t)32 << 10;
    objects_remake(MMB_STRATEGY_SCALABLE_PAGE, (size_t)64 << 10);
    for (; n >= 16; n /= 2)
        while (mmb_allocate(n, objects_heap, &block) == MMB_OK)
            continue;
    size_t live = objects_live_count();
    for (size_t i = 0; i < N_KINDS; i++)
        CHECK(&kinds[i], MMB_OUT_OF_MEMORY, kinds[i].create(objects_heap, &view));
    CU_ASSERT_EQUAL(objects_live_count(), live);
}

/* Only the second block of a table does not fit. */
static void test_object_that_fits_by_half(void)
{
    mmbSharedVector vector;
    CU_ASSERT_EQUAL(mmb_shared_vector_create(objects_heap, 8, (size_t)8 << 20, &vector),
                    MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static void test_object_view_of_a_destroyed_interface(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    union view views[N_KINDS];
    for (size_t i = 0; i < N_KINDS; i++)
        CHECK(&kinds[i], MMB_OK, kinds[i].create(objects_heap, &views[i]));
    CU_ASSERT_EQUAL(mmb_destroy_interface(objects_heap), MMB_OK);
    for (size_t i = 0; i < N_KINDS; i++)
        CHECK(&kinds[i], MMB_INVALID_INTERFACE, kinds[i].use(&views[i]));
    /* Another heap's interface may get the place of the old one. */
    mmbMemInterface *other =
        control_interface(objects_space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_MALLOC);
    for (size_t i = 0; i < N_KINDS; i++)
        CHECK(&kinds[i], MMB_INVALID_INTERFACE, kinds[i].use(&views[i]));
    CU_ASSERT_EQUAL(mmb_destroy_interface(other), MMB_OK);
    CU_ASSERT_EQUAL(segment_open(objects_space, &config, &objects_heap), MMB_OK);
    for (size_t i = 0; i < N_KINDS; i++) {
        CHECK(&kinds[i], MMB_OK, kinds[i].open(objects_heap, views[i].object.pointer, &views[i]));
        CHECK(&kinds[i], MMB_OK, kinds[i].use(&views[i]));
    }
}

/* ---- their makers ---- */

static int create_all(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    mmbSharedPtr pointers[N_KINDS];
    mmbAllocation *block;
    for (size_t i = 0; i < N_KINDS; i++) {
        union view view;
        if (!mine || kinds[i].create(mine, &view) != MMB_OK || kinds[i].use(&view) != MMB_OK)
            return 1;
        pointers[i] = view.object.pointer;
        atomic_store(&objects_talk->words[i], pointers[i].offset);
    }
    objects_talk->pointer[0] = pointers[0];
    return mmb_allocate(100, mine, &block) == MMB_OK ? 0 : 2;
}

/* Only the dead's own block goes when its memory is reclaimed. */
static void test_object_outlives_who_made_it(void)
{
    for (size_t s = 0; s < N_ROWS(segment_strategies); s++) {
        size_t freed = 0;
        objects_remake(segment_strategies[s], (size_t)1 << 20);
        CU_ASSERT_TRUE(objects_run_killed(create_all, NULL));
        CU_ASSERT_EQUAL(mmb_shm_reclaim(objects_heap, NULL, NULL, &freed), MMB_OK);
        CU_ASSERT_TRUE(freed >= 100 && freed < 200);
        for (size_t i = 0; i < N_KINDS; i++) {
            union view view;
            mmbSharedPtr pointer = {objects_talk->pointer[0].allocator,
                                    atomic_load(&objects_talk->words[i])};
            CHECK(&kinds[i], MMB_OK, kinds[i].open(objects_heap, pointer, &view));
            CHECK(&kinds[i], MMB_OK, kinds[i].use(&view));
            CHECK(&kinds[i], MMB_OK, kinds[i].destroy(&view));
        }
        CU_ASSERT_EQUAL(objects_live_count(), 0);
    }
}

/* Of each size, so that a word of 64 blocks is used up and comes into use again. */
#define REUSED ((size_t)140)

static int reuse_all(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    mmbAllocation *block;
    for (size_t i = 0; i < 2 * N_KINDS; i++) {
        union view view;
        if (!mine || kinds[i % N_KINDS].create(mine, &view) != MMB_OK ||
            kinds[i % N_KINDS].use(&view) != MMB_OK || kinds[i % N_KINDS].destroy(&view) != MMB_OK)
            return 1;
    }
    for (size_t n = 16; n <= 512; n += 16)
        for (size_t i = 0; i < REUSED; i++)
            if (mmb_allocate(n, mine, &block) != MMB_OK)
                return 2;
    return 0;
}

/* A block is no object's any more when something else is in it: with its owner it is the dead's. */
static void test_object_is_nobodys_only_while_it_lives(void)
{
    for (size_t s = 0; s < N_ROWS(segment_strategies); s++) {
        size_t freed = 0;
        objects_remake(segment_strategies[s], (size_t)4 << 20);
        CU_ASSERT_TRUE(objects_run_killed(reuse_all, NULL));
        CU_ASSERT_EQUAL(mmb_shm_reclaim(objects_heap, NULL, NULL, &freed), MMB_OK);
        CU_ASSERT_TRUE(freed >= REUSED * 16 * 32 * 33 / 2);
        CU_ASSERT_EQUAL(objects_live_count(), 0);
    }
}

/* ---- damage ---- */

struct damage {
    size_t kind;
    uint32_t seed;
};

/* Bits of the object's own blocks, and words that look like something. One lie cannot be refuted:
 * that a process which lives holds a lock. So of readers' counts only the name is spoilt. */
static void spoil(const struct damage *damage, const union view *view, uint64_t body)
{
    uint32_t state = damage->seed * 2654435761u | 1;
    unsigned char *base = (unsigned char *)view->object.address - view->object.pointer.offset;
    bool counts_readers = damage->kind == N_KINDS - 1;
    uint32_t n = 1 + objects_random(&state) % 6;
    for (uint32_t i = 0; i < n; i++) {
        bool in_body = body && objects_random(&state) % 2;
        uint64_t at =
            (in_body ? body : view->object.pointer.offset) + 8 * (objects_random(&state) % 40);
        uint64_t *word = (uint64_t *)(base + at);
        uint32_t how = counts_readers ? 0 : objects_random(&state) % 4;
        uint32_t bit = objects_random(&state) % 64 | (counts_readers ? 32 : 0);
        *word = how == 0   ? *word ^ (uint64_t)1 << bit
                : how == 1 ? objects_random(&state) % 64
                : how == 2 ? UINT64_MAX - objects_random(&state) % 4
                           : (uint64_t)objects_random(&state) << 32 | objects_random(&state);
    }
}

/* In a child, for it may crash or hang. Every answer will do. */
static int use_damaged(void *argument)
{
    const struct damage *damage = argument;
    const struct kind *kind = &kinds[damage->kind];
    union view view, again;
    if (kind->create(objects_heap, &view) != MMB_OK || kind->use(&view) != MMB_OK)
        return 1;
    bool is_table = damage->kind >= 1 && damage->kind <= 3;
    uint64_t body = is_table ? ((uint64_t *)view.object.address)[8] : 0;
    spoil(damage, &view, body);
    kind->use(&view);
    if (kind->open(objects_heap, view.object.pointer, &again) == MMB_OK)
        kind->use(&again);
    kind->use(&view);
    kind->destroy(&view);
    /* The heap is none the worse. */
    return mmb_shm_check(segment_url(), NULL) == MMB_OK ? 0 : 2;
}

static void test_object_damage_is_no_harm(void)
{
    const char *text = getenv("MMB_TEST_ROUNDS");
    uint32_t n_rounds = text ? (uint32_t)atoi(text) / 6 : 60;
    for (size_t kind = 0; kind < N_KINDS; kind++)
        for (uint32_t seed = 1; seed <= n_rounds; seed++) {
            struct damage damage = {kind, seed};
            struct suite_child child = suite_run_child(use_damaged, &damage, 20);
            if (!SUITE_CHECK(child.exited && child.code == 0, "%s, seed %u: code %d, timed out %d",
                             kinds[kind].name, seed, child.code, child.timed_out))
                return;
            if (seed % 16 == 0)
                objects_remake(MMB_STRATEGY_SCALABLE_PAGE, (size_t)1 << 20);
        }
}

/* What a check must find: each in its own way. */
static void test_object_contradictions_are_told(void)
{
    static const struct {
        size_t kind, word;
        uint64_t value;
    } rows[] = {
        {0, 1, 5},                               /* identity */
        {1, 8, 0},           {1, 8, UINT64_MAX}, /* body */
        {1, 9, 0},           {1, 9, UINT64_MAX}, /* capacity */
        {2, 10, UINT64_MAX},                     /* count */
        {2, 11, 1u << 20},                       /* used */
        {2, 12, 1u << 20},                       /* free */
        {3, 14, 9},                              /* log */
        {3, 9, 17},                              /* capacity, no power of two */
        {0, 16, 77},                             /* first, of the ring */
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        const struct kind *kind = &kinds[rows[i].kind];
        union view view;
        CHECK(kind, MMB_OK, kind->create(objects_heap, &view));
        ((uint64_t *)view.object.address)[rows[i].word] = rows[i].value;
        SUITE_CHECK(kind->use(&view) == MMB_CORRUPT, "row %zu: %s", i, mmb_error_detail());
    }
}

/* ---- over other memory ---- */

static void test_object_in_an_array(void)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbAllocation *block = control_allocation(objects_heap, (size_t)1 << 20);
    mmbMemInterface *inner = NULL;
    config.backend = MMB_BACKEND_ARRAY;
    config.backend_opts.array.base = mmb_allocation_ptr(block);
    config.backend_opts.array.bytes = (size_t)1 << 20;
    config.backend_opts.array.mode = MMB_SHM_CREATE;
    CU_ASSERT_EQUAL_FATAL(segment_open(objects_space, &config, &inner), MMB_OK);
    for (size_t i = 0; i < N_KINDS; i++) {
        union view view;
        CHECK(&kinds[i], MMB_OK, kinds[i].create(inner, &view));
        CHECK(&kinds[i], MMB_OK, kinds[i].use(&view));
        CHECK(&kinds[i], MMB_OK, kinds[i].destroy(&view));
    }
    CU_ASSERT_EQUAL(mmb_destroy_interface(inner), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
}

MMB_SUITE_WITH("structures/object", objects_set_up, objects_tear_down,
               T(test_object_is_what_was_created), T(test_object_needs_a_view_and_a_heap),
               T(test_object_calls_need_their_pointers), T(test_object_sizes_must_be_possible),
               T(test_object_in_a_full_heap), T(test_object_that_fits_by_half),
               T(test_object_view_of_a_destroyed_interface), T(test_object_outlives_who_made_it),
               T(test_object_is_nobodys_only_while_it_lives), T(test_object_damage_is_no_harm),
               T(test_object_contradictions_are_told), T(test_object_in_an_array))
