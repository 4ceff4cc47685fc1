/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling a range: the low 8 bits, that range and no other byte, in every kind of memory. */
#include <stdint.h>
#include <string.h>
#include "src/core/interface.h"
#include "tests/support/copy_world.h"
#include "tests/support/suite.h"

static bool is_all(const unsigned char *bytes, size_t n_bytes, unsigned char value)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static void check_fill(mmbAllocation *object, size_t n_object, size_t offset, size_t n_bytes)
{
    unsigned char *bytes = world_bytes(object);
    memset(bytes, 0x77, n_object);
    CU_ASSERT_EQUAL(mmb_memset(object, offset, 0x1a5, n_bytes), MMB_OK);
    SUITE_CHECK(is_all(bytes, offset, 0x77) && is_all(bytes + offset, n_bytes, 0xa5) &&
                    is_all(bytes + offset + n_bytes, n_object - offset - n_bytes, 0x77),
                "%zu B at %zu of %zu", n_bytes, offset, n_object);
}

/* 20 MiB: sizes from 16 MiB up do not fit into a record. */
static void test_memset_fills_just_its_range(void)
{
    for (int place = 0; place < WORLD_PLACES; place++) {
        mmbAllocation *small = world_new((enum world_place)place, 5000);
        mmbAllocation *large = world_new((enum world_place)place, (size_t)20 << 20);
        mmbAllocation *slice = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(small, 1000, 200, &slice), MMB_OK);
        check_fill(small, 5000, 0, 5000);
        check_fill(small, 5000, 1, 4998);
        check_fill(small, 5000, 4999, 1);
        check_fill(small, 5000, 5000, 0);
        check_fill(large, (size_t)20 << 20, 12345, (size_t)17 << 20);
        check_fill(slice, 200, 100, 100);
        world_free(slice);
        world_free(small);
        world_free(large);
    }
}

static void test_memset_takes_negative_values(void)
{
    mmbAllocation *object = world_new(WORLD_LEFT, 100);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, -1, 100), MMB_OK);
    CU_ASSERT_TRUE(is_all(world_bytes(object), 100, 0xff));
    world_free(object);
}

/* covers: mmb_memset MMB_INVALID_SIZE */
static void test_memset_refuses_what_is_out_of_range(void)
{
    static const size_t rows[][2] = {{0, 101},      {1, 100},       {100, 1},
                                     {SIZE_MAX, 1}, {0, SIZE_MAX},  {50, SIZE_MAX - 49},
                                     {101, 1},      {99, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}};
    for (int place = 0; place < WORLD_PLACES; place++) {
        mmbAllocation *object = world_new((enum world_place)place, 100);
        memset(world_bytes(object), 0x77, 100);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            SUITE_CHECK(mmb_memset(object, rows[i][0], 0, rows[i][1]) == MMB_INVALID_SIZE,
                        "%s, row %zu", world_names[place], i);
        CU_ASSERT_TRUE(is_all(world_bytes(object), 100, 0x77));
        CU_ASSERT_EQUAL(mmb_memset(object, SIZE_MAX, 0, 0), MMB_OK);
        world_free(object);
    }
}

/* covers: mmb_memset MMB_INVALID_ALLOCATION */
static void test_memset_refuses_what_is_no_live_object(void)
{
    mmbAllocation *freed = world_new(WORLD_HOST, 64);
    world_free(freed);
    uint64_t foreign[8] = {0};
    CU_ASSERT_EQUAL(mmb_memset(NULL, 0, 0, 8), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_memset(freed, 0, 0, 8), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_memset((mmbAllocation *)(void *)foreign, 0, 0, 8), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_memset(NULL, 0, 0, 0), MMB_INVALID_ALLOCATION);
}

/* covers: mmb_memset MMB_ERROR MMB_OUT_OF_MEMORY */
static void test_memset_passes_on_a_backends_failure(void)
{
    mmbAllocation *object = world_new(WORLD_LEFT, 64);
    fake_device_fail_after(&world.left, 0, MMB_ERROR);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 0, 64), MMB_ERROR);
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "left"));
    fake_device_fail_after(&world.left, 0, MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 0, 64), MMB_OUT_OF_MEMORY);
    fake_device_fail_after(&world.left, 1, MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 0, 64), MMB_OK);
    world_free(object);
}

/* No backend can be registered without these, so the table is taken away behind its back. */
/* covers: mmb_memset MMB_UNSUPPORTED */
static void test_memset_refuses_backends_without_a_way(void)
{
    mmbAllocation *object = world_new(WORLD_LEFT, 64);
    struct mmb_backend *backend = world.interfaces[WORLD_LEFT]->backend;
    const struct mmb_backend_ops *whole = backend->ops;
    struct mmb_backend_ops bare = *whole;
    bare.copy_in = NULL;
    bare.copy_out = NULL;
    bare.set = NULL;
    backend->ops = &bare;
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 0, 64), MMB_UNSUPPORTED);
    backend->ops = whole;
    world_free(object);
}

MMB_SUITE_WITH("core/memset", world_open, world_close, T(test_memset_fills_just_its_range),
               T(test_memset_takes_negative_values), T(test_memset_refuses_what_is_out_of_range),
               T(test_memset_refuses_what_is_no_live_object),
               T(test_memset_passes_on_a_backends_failure),
               T(test_memset_refuses_backends_without_a_way))
