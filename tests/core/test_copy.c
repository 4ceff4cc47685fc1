/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocking copies of whole objects and of ranges: between all kinds of objects and places, what is
 * refused, and that nothing moves when it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "src/core/interface.h"
#include "tests/support/copy_world.h"
#include "tests/support/suite.h"

static uint64_t random_state;

static size_t pick(size_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % bound;
}

/* ---- what is copied ---- */

static void check_whole(enum world_place to, enum world_place from, size_t n_bytes)
{
    mmbAllocation *dst = world_new(to, n_bytes), *src = world_new(from, n_bytes);
    world_fill(world_bytes(src), n_bytes, 7);
    memset(world_bytes(dst), 0, n_bytes);
    SUITE_CHECK(mmb_copy(dst, src) == MMB_OK, "%s from %s, %zu B: %s", world_names[to],
                world_names[from], n_bytes, mmb_error_detail());
    SUITE_CHECK(world_is_filled(world_bytes(dst), n_bytes, 7), "%s from %s, %zu B: wrong bytes",
                world_names[to], world_names[from], n_bytes);
    SUITE_CHECK(world_is_filled(world_bytes(src), n_bytes, 7), "%s from %s: source changed",
                world_names[to], world_names[from]);
    world_free(dst);
    world_free(src);
}

/* 16 B to 64 B have a way of their own; sizes from 16 MiB up do not fit into a record. */
static void test_copy_moves_whole_objects_between_all_places(void)
{
    static const size_t sizes[] = {
        1, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 4096, 100001, (size_t)20 << 20};
    for (int to = 0; to < WORLD_PLACES; to++)
        for (int from = 0; from < WORLD_PLACES; from++)
            for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
                check_whole((enum world_place)to, (enum world_place)from, sizes[i]);
}

static void check_range(enum world_place to, enum world_place from)
{
    unsigned char expected[300];
    mmbAllocation *dst = world_new(to, 300), *src = world_new(from, 200);
    for (int round = 0; round < 100; round++) {
        size_t doffset = pick(200), soffset = pick(100), n_bytes = pick(101);
        world_fill(world_bytes(src), 200, 1);
        world_fill(world_bytes(dst), 300, 2);
        world_fill(expected, 300, 2);
        memcpy(expected + doffset, world_bytes(src) + soffset, n_bytes);
        mmbError error = mmb_copy_1d(dst, doffset, src, soffset, n_bytes);
        if (!SUITE_CHECK(error == MMB_OK && memcmp(world_bytes(dst), expected, 300) == 0,
                         "%s from %s, round %d: error %d", world_names[to], world_names[from],
                         round, (int)error))
            break;
    }
    world_free(dst);
    world_free(src);
}

static void test_copy_1d_moves_just_its_range(void)
{
    random_state = 1;
    for (int to = 0; to < WORLD_PLACES; to++)
        for (int from = 0; from < WORLD_PLACES; from++)
            check_range((enum world_place)to, (enum world_place)from);
}

/* Objects over one block: itself, two slices, a slice of a slice, a wrapped pointer. */
struct views {
    mmbAllocation *object[5];
    size_t offset[5], n_bytes[5]; /* in the block */
};

static void open_views(struct views *views, enum world_place place)
{
    mmbAllocation *block = world_new(place, 1000);
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_get_info(block, &info), MMB_OK);
    *views = (struct views){{block}, {0, 100, 300, 450, 600}, {1000, 300, 500, 100, 333}};
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 100, 300, &views->object[1]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 300, 500, &views->object[2]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(views->object[2], 150, 100, &views->object[3]),
                          MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped((char *)info.native + 600, 333,
                                                        world.interfaces[place], &views->object[4]),
                          MMB_OK);
}

static void close_views(struct views *views)
{
    for (int i = 4; i >= 0; i--)
        world_free(views->object[i]);
}

/* A model of 1000 bytes says what must happen to the block. */
static void check_views(enum world_place place)
{
    struct views views;
    open_views(&views, place);
    unsigned char *bytes = world_bytes(views.object[0]);
    size_t overlapping = 0;
    for (int round = 0; round < 2000; round++) {
        size_t d = pick(5), s = pick(5), n_bytes = 1 + pick(99);
        size_t doffset = pick(views.n_bytes[d] - n_bytes + 1);
        size_t soffset = pick(views.n_bytes[s] - n_bytes + 1);
        size_t to = views.offset[d] + doffset, from = views.offset[s] + soffset;
        bool overlaps = to < from + n_bytes && from < to + n_bytes;
        unsigned char expected[1000];
        world_fill(bytes, 1000, (unsigned int)round);
        memcpy(expected, bytes, 1000);
        if (!overlaps)
            memcpy(expected + to, bytes + from, n_bytes);
        mmbError error = mmb_copy_1d(views.object[d], doffset, views.object[s], soffset, n_bytes);
        overlapping += overlaps;
        if (!SUITE_CHECK(error == (overlaps ? MMB_INVALID_ARG : MMB_OK) &&
                             memcmp(bytes, expected, 1000) == 0,
                         "%s, round %d: error %d", world_names[place], round, (int)error))
            break;
    }
    CU_ASSERT(overlapping > 100 && overlapping < 1900);
    close_views(&views);
}

/* covers: mmb_copy_1d MMB_INVALID_ARG */
static void test_copy_1d_sees_overlap_through_slices_and_wrapped_objects(void)
{
    random_state = 2;
    check_views(WORLD_HOST);
    check_views(WORLD_LEFT);
}

static void test_copy_follows_an_object_that_moved(void)
{
    mmbAllocation *object = world_new(WORLD_HOST, 500), *other = world_new(WORLD_RIGHT, 500);
    world_fill(world_bytes(other), 500, 3);
    CU_ASSERT_EQUAL_FATAL(mmb_migrate(object, world.interfaces[WORLD_LEFT]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(object, other), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(object), 500, 3));
    CU_ASSERT_EQUAL_FATAL(mmb_migrate(object, world.interfaces[WORLD_HOST]), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(object), 500, 3));
    memset(world_bytes(other), 0, 500);
    CU_ASSERT_EQUAL(mmb_copy(other, object), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(other), 500, 3));
    world_free(object);
    world_free(other);
}

/* ---- what is refused ---- */

/* covers: mmb_copy MMB_INVALID_SIZE MMB_INVALID_ARG */
static void test_copy_refuses_other_sizes_and_itself(void)
{
    for (int place = 0; place < WORLD_PLACES; place++) {
        mmbAllocation *small = world_new((enum world_place)place, 99);
        mmbAllocation *large = world_new((enum world_place)place, 100);
        CU_ASSERT_EQUAL(mmb_copy(large, small), MMB_INVALID_SIZE);
        CU_ASSERT_EQUAL(mmb_copy(small, large), MMB_INVALID_SIZE);
        CU_ASSERT_EQUAL(mmb_copy(large, large), MMB_INVALID_ARG);
        CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "overlap"));
        world_free(small);
        world_free(large);
    }
    CU_ASSERT_EQUAL(fake_device_transfers(&world.left) + fake_device_transfers(&world.right), 0);
}

struct range_row {
    size_t doffset, soffset, n_bytes;
    mmbError expected;
};

/* covers: mmb_copy_1d MMB_INVALID_SIZE */
static void test_copy_1d_refuses_what_is_out_of_range(void)
{
    static const struct range_row rows[] = {
        {0, 0, 100, MMB_OK},
        {0, 0, 101, MMB_INVALID_SIZE},
        {1, 0, 100, MMB_INVALID_SIZE},
        {0, 1, 100, MMB_INVALID_SIZE},
        {100, 0, 1, MMB_INVALID_SIZE},
        {0, 100, 1, MMB_INVALID_SIZE},
        {SIZE_MAX, 0, 1, MMB_INVALID_SIZE},
        {0, SIZE_MAX, 1, MMB_INVALID_SIZE},
        {0, 0, SIZE_MAX, MMB_INVALID_SIZE},
        {50, 50, SIZE_MAX - 49, MMB_INVALID_SIZE},
        {99, 99, 1, MMB_OK},
        {100, 100, 0, MMB_OK},
        {SIZE_MAX, SIZE_MAX, 0, MMB_OK}, /* 0 bytes lie nowhere */
    };
    for (int place = 0; place < WORLD_PLACES; place++) {
        mmbAllocation *dst = world_new((enum world_place)place, 100);
        mmbAllocation *src = world_new((enum world_place)place, 100);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            world_fill(world_bytes(dst), 100, 5);
            world_fill(world_bytes(src), 100, 6);
            mmbError error =
                mmb_copy_1d(dst, rows[i].doffset, src, rows[i].soffset, rows[i].n_bytes);
            SUITE_CHECK(error == rows[i].expected, "%s, row %zu: error %d", world_names[place], i,
                        (int)error);
            SUITE_CHECK(error == MMB_OK || world_is_filled(world_bytes(dst), 100, 5),
                        "%s, row %zu: bytes moved", world_names[place], i);
        }
        world_free(dst);
        world_free(src);
    }
}

/* covers: mmb_copy MMB_INVALID_ALLOCATION, mmb_copy_1d MMB_INVALID_ALLOCATION */
static void test_copy_refuses_what_is_no_live_object(void)
{
    mmbAllocation *good = world_new(WORLD_HOST, 64), *freed = world_new(WORLD_HOST, 64);
    world_free(freed);
    uint64_t foreign[8] = {0};
    mmbAllocation *inside = (mmbAllocation *)(void *)((char *)good + 8);
    mmbAllocation *bad[] = {NULL, freed, (mmbAllocation *)(void *)foreign, inside};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        SUITE_CHECK(mmb_copy(bad[i], good) == MMB_INVALID_ALLOCATION, "destination %zu", i);
        SUITE_CHECK(mmb_copy(good, bad[i]) == MMB_INVALID_ALLOCATION, "source %zu", i);
        SUITE_CHECK(mmb_copy_1d(bad[i], 0, good, 0, 8) == MMB_INVALID_ALLOCATION, "1d to %zu", i);
        SUITE_CHECK(mmb_copy_1d(good, 0, bad[i], 0, 8) == MMB_INVALID_ALLOCATION, "1d from %zu", i);
        SUITE_CHECK(mmb_copy_1d(good, 0, bad[i], 0, 0) == MMB_INVALID_ALLOCATION, "empty %zu", i);
    }
    CU_ASSERT_EQUAL(mmb_copy(NULL, NULL), MMB_INVALID_ALLOCATION);
    world_free(good);
}

/* Releasing touches no record, so a stale handle looks alive but to its stack. */
static void test_copy_refuses_what_a_stack_released(void)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    mmbMemInterface *stack = NULL;
    mmbAllocation *below = NULL, *above = NULL, *other = world_new(WORLD_HOST, 64);
    mmbStackMark mark;
    config.interface_opts.strategy = MMB_STRATEGY_STACK;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, NULL, &stack), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, stack, &below), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_stack_mark(stack, &mark), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, stack, &above), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(above, below), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_stack_release(stack, mark), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(other, above), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_copy_1d(above, 0, other, 0, 8), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_memset(above, 0, 0, 8), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_copy(other, below), MMB_OK);
    world_free(below);
    world_free(other);
}

/* The reason is the backend's own code, with its name in the detail. */
/* covers: mmb_copy MMB_ERROR MMB_OUT_OF_MEMORY, mmb_copy_1d MMB_ERROR MMB_OUT_OF_MEMORY */
static void test_copy_passes_on_a_backends_failure(void)
{
    static const mmbError errors[] = {MMB_ERROR, MMB_OUT_OF_MEMORY, MMB_PERMISSION};
    mmbAllocation *host = world_new(WORLD_HOST, 64), *left = world_new(WORLD_LEFT, 64);
    mmbAllocation *right = world_new(WORLD_RIGHT, 64);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fake_device_fail_after(&world.left, 0, errors[i]);
        CU_ASSERT_EQUAL(mmb_copy(left, host), errors[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "left"));
        CU_ASSERT_EQUAL(mmb_copy(host, left), errors[i]);
        CU_ASSERT_EQUAL(mmb_copy(right, left), errors[i]);
        CU_ASSERT_EQUAL(mmb_copy_1d(left, 1, right, 2, 3), errors[i]);
    }
    CU_ASSERT_EQUAL(mmb_copy(right, host), MMB_OK);
    world_free(host);
    world_free(left);
    world_free(right);
}

/* No backend can be registered without both directions, so the table is taken away behind its back.
 */
/* covers: mmb_copy MMB_UNSUPPORTED, mmb_copy_1d MMB_UNSUPPORTED, mmb_copy_2d MMB_UNSUPPORTED,
 * mmb_copy_nd MMB_UNSUPPORTED */
static void test_copy_refuses_backends_without_a_way(void)
{
    mmbAllocation *host = world_new(WORLD_HOST, 64), *left = world_new(WORLD_LEFT, 64);
    struct mmb_backend *backend = world.interfaces[WORLD_LEFT]->backend;
    const struct mmb_backend_ops *whole = backend->ops;
    struct mmb_backend_ops bare = *whole;
    bare.copy_in = NULL;
    bare.copy_out = NULL;
    backend->ops = &bare;
    CU_ASSERT_EQUAL(mmb_copy(host, left), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_copy_1d(left, 0, host, 0, 5), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_copy_2d(left, 0, 0, 8, host, 0, 0, 8, 8, 8), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(
        mmb_copy_nd(left, (size_t[]){0}, NULL, host, (size_t[]){0}, NULL, 1, (size_t[]){64}),
        MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_copy_1d(left, 0, left, 32, 32), MMB_OK); /* it can still copy inside */
    CU_ASSERT_EQUAL(mmb_copy_1d(left, 0, host, 0, 0), MMB_OK);
    backend->ops = whole;
    world_free(host);
    world_free(left);
}

static void test_copy_needs_the_library(void)
{
    mmbAllocation *object = world_new(WORLD_HOST, 64), *other = world_new(WORLD_HOST, 64);
    CU_ASSERT_EQUAL_FATAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(object, other), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_copy(NULL, NULL), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_copy_1d(object, 0, other, 0, 8), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_copy_1d(object, 0, other, 0, 0), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 0, 8), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_copy_2d(object, 0, 0, 8, other, 0, 0, 8, 8, 8), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_copy_nd(object, NULL, NULL, other, NULL, NULL, 0, NULL),
                    MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK); /* tear_down finalizes */
}

MMB_SUITE_WITH(
    "core/copy", world_open, world_close, T(test_copy_moves_whole_objects_between_all_places),
    T(test_copy_1d_moves_just_its_range),
    T(test_copy_1d_sees_overlap_through_slices_and_wrapped_objects),
    T(test_copy_follows_an_object_that_moved), T(test_copy_refuses_other_sizes_and_itself),
    T(test_copy_1d_refuses_what_is_out_of_range), T(test_copy_refuses_what_is_no_live_object),
    T(test_copy_refuses_what_a_stack_released), T(test_copy_passes_on_a_backends_failure),
    T(test_copy_refuses_backends_without_a_way), T(test_copy_needs_the_library))
