/* SPDX-License-Identifier: BSD-3-Clause */
/* Asynchronous copies: the right bytes, objects that stay busy exactly as long as a copy is in
 * flight, and failures that come back from the wait. A gate in the device stops copies where a test
 * needs them to be under way. */
#include <stdint.h>
#include <string.h>
#include "src/core/interface.h"
#include "tests/support/copy_world.h"
#include "tests/support/suite.h"

/* ---- the right bytes ---- */

enum variant { WHOLE, RANGE, RECTANGLE, BOX, RANGE_ON, BOX_ON, VARIANTS };

/* All of them copy 60 of 60 bytes. */
static mmbError start(enum variant variant, mmbAllocation *dst, const mmbAllocation *src,
                      mmbEvent **event)
{
    size_t zero[2] = {0, 0}, dims[2] = {6, 10}, pitch[1] = {10};
    switch (variant) {
    case WHOLE:
        return mmb_copy_async(dst, src, event);
    case RANGE:
        return mmb_copy_1d_async(dst, 0, src, 0, 60, event);
    case RECTANGLE:
        return mmb_copy_2d_async(dst, 0, 0, 10, src, 0, 0, 10, 10, 6, event);
    case BOX:
        return mmb_copy_nd_async(dst, zero, pitch, src, zero, NULL, 2, dims, event);
    case RANGE_ON:
        return mmb_copy_1d_on(dst, 0, src, 0, 60, NULL, event);
    case BOX_ON:
        return mmb_copy_nd_on(dst, zero, NULL, src, zero, pitch, 2, dims, NULL, event);
    case VARIANTS:
        break;
    }
    return MMB_UNIMPLEMENTED;
}

static void check_variant(enum variant variant, enum world_place to, enum world_place from)
{
    mmbAllocation *dst = world_new(to, 60), *src = world_new(from, 60);
    mmbEvent *event = NULL;
    memset(world_bytes(dst), 0, 60);
    world_fill(world_bytes(src), 60, (unsigned int)variant);
    CU_ASSERT_EQUAL_FATAL(start(variant, dst, src, &event), MMB_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_PTR_NULL(event);
    SUITE_CHECK(world_is_filled(world_bytes(dst), 60, (unsigned int)variant),
                "variant %d, %s from %s", (int)variant, world_names[to], world_names[from]);
    world_free(dst);
    world_free(src);
}

static void test_copy_async_moves_the_bytes(void)
{
    for (int variant = 0; variant < VARIANTS; variant++)
        for (int to = 0; to < WORLD_PLACES; to++)
            for (int from = 0; from < WORLD_PLACES; from++)
                check_variant((enum variant)variant, (enum world_place)to, (enum world_place)from);
}

static void test_copy_async_takes_boxes_apart(void)
{
    mmbAllocation *dst = world_new(WORLD_LEFT, 1000), *src = world_new(WORLD_HOST, 1000);
    mmbEvent *event = NULL;
    size_t dims[2] = {5, 7}, doffset[2] = {1, 2}, soffset[2] = {3, 4};
    size_t dpitch[1] = {20}, spitch[1] = {30};
    memset(world_bytes(dst), 0, 1000);
    world_fill(world_bytes(src), 1000, 9);
    CU_ASSERT_EQUAL_FATAL(
        mmb_copy_nd_async(dst, doffset, dpitch, src, soffset, spitch, 2, dims, &event), MMB_OK);
    memset(dims, 0xff, sizeof(dims)); /* nobody reads the arrays after the call */
    dpitch[0] = spitch[0] = 0;
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    for (size_t row = 0; row < 5; row++)
        CU_ASSERT_EQUAL(
            memcmp(world_bytes(dst) + (row + 1) * 20 + 2, world_bytes(src) + (row + 3) * 30 + 4, 7),
            0);
    world_free(dst);
    world_free(src);
}

static void test_memset_async_fills(void)
{
    for (int place = 0; place < WORLD_PLACES; place++) {
        mmbAllocation *object = world_new((enum world_place)place, 100);
        mmbEvent *event = NULL;
        memset(world_bytes(object), 0, 100);
        CU_ASSERT_EQUAL(mmb_memset_async(object, 10, 0x144, 80, &event), MMB_OK);
        CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
        for (size_t i = 0; i < 100; i++)
            CU_ASSERT_EQUAL(world_bytes(object)[i], i >= 10 && i < 90 ? 0x44 : 0);
        world_free(object);
    }
}

static void test_copy_async_of_0_bytes_is_done_at_once(void)
{
    mmbAllocation *dst = world_new(WORLD_HOST, 64), *src = world_new(WORLD_LEFT, 64);
    mmbEvent *event = NULL;
    bool done = false;
    CU_ASSERT_EQUAL(mmb_copy_1d_async(dst, 99, src, 99, 0, &event), MMB_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(mmb_event_query(event, &done), MMB_OK);
    CU_ASSERT_TRUE(done);
    CU_ASSERT_EQUAL(mmb_copy_1d_async(dst, 99, src, 99, 0, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset_async(dst, 99, 0, 0, NULL), MMB_OK);
    world_free(dst); /* nothing is in flight */
    world_free(src);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(fake_device_transfers(&world.left), 0);
}

/* ---- in flight ---- */

static void check_busy(mmbAllocation *object, const char *what)
{
    SUITE_CHECK(mmb_free(object) == MMB_BUSY, "%s can be freed", what);
    SUITE_CHECK(mmb_reallocate(object, 128) == MMB_BUSY, "%s can be reallocated", what);
    SUITE_CHECK(mmb_migrate(object, world.interfaces[WORLD_RIGHT]) == MMB_BUSY,
                "%s can be migrated", what);
}

static void test_copy_async_keeps_its_objects_until_the_wait(void)
{
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    mmbEvent *event = NULL;
    bool done = true;
    world_fill(world_bytes(src), 64, 1);
    fake_device_shut_gate(&world.left);
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, &event), MMB_OK);
    fake_device_await(&world.left, 1);
    check_busy(dst, "the destination");
    check_busy(src, "the source");
    CU_ASSERT_EQUAL(mmb_event_query(event, &done), MMB_OK);
    CU_ASSERT_FALSE(done);
    check_busy(src, "the source of a copy that was asked for");
    fake_device_open_gate(&world.left, 1);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(dst), 64, 1));
    world_free(dst);
    world_free(src);
}

/* In flight until somebody has seen that it is done, even if it is. */
static void test_copy_async_leaves_flight_when_queried_done(void)
{
    mmbAllocation *dst = world_new(WORLD_HOST, 64), *src = world_new(WORLD_HOST, 64);
    mmbAllocation *other = world_new(WORLD_HOST, 64);
    mmbEvent *first = NULL, *second = NULL;
    bool done = false;
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, &first), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_memset_async(other, 0, 0, 64, &second), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&second), MMB_OK); /* so the first is done too */
    check_busy(dst, "the destination");
    CU_ASSERT_EQUAL(mmb_event_query(first, &done), MMB_OK);
    CU_ASSERT_TRUE(done);
    world_free(dst);
    world_free(src);
    CU_ASSERT_EQUAL(mmb_event_query(first, &done), MMB_OK); /* the event lives until the wait */
    CU_ASSERT_TRUE(done);
    CU_ASSERT_EQUAL(mmb_event_wait(&first), MMB_OK);
    world_free(other);
}

static void test_copy_async_counts_every_copy_of_an_object(void)
{
    mmbAllocation *object = world_new(WORLD_HOST, 64);
    mmbEvent *events[3] = {NULL};
    CU_ASSERT_EQUAL_FATAL(mmb_copy_1d_async(object, 0, object, 32, 32, &events[0]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_memset_async(object, 0, 0, 8, &events[1]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_memset_async(object, 8, 0, 8, &events[2]), MMB_OK);
    for (size_t i = 0; i < 3; i++) {
        check_busy(object, "an object with copies");
        CU_ASSERT_EQUAL(mmb_event_wait(&events[i]), MMB_OK);
    }
    world_free(object);
}

/* The worker takes copies in turn: when the second is done, the first has left flight. */
static void test_copy_async_without_event_is_in_flight_until_it_ends(void)
{
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    mmbAllocation *other = world_new(WORLD_HOST, 64);
    mmbEvent *event = NULL;
    world_fill(world_bytes(src), 64, 4);
    fake_device_shut_gate(&world.left);
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, NULL), MMB_OK);
    fake_device_await(&world.left, 1);
    check_busy(dst, "the destination");
    check_busy(src, "the source");
    CU_ASSERT_EQUAL_FATAL(mmb_memset_async(other, 0, 0, 64, &event), MMB_OK);
    fake_device_open_gate(&world.left, 1);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(dst), 64, 4));
    world_free(dst);
    world_free(src);
    world_free(other);
}

static void test_copy_async_refusal_leaves_objects_free(void)
{
    mmbAllocation *dst = world_new(WORLD_HOST, 64), *src = world_new(WORLD_HOST, 64);
    mmbEvent *const untouched = (mmbEvent *)(void *)&world;
    mmbEvent *event = untouched;
    CU_ASSERT_EQUAL(mmb_copy_1d_async(dst, 0, src, 1, 64, &event), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(dst, 0, src, 0, 64, dst, &event), MMB_UNSUPPORTED);
    CU_ASSERT_PTR_EQUAL(event, untouched);
    world_free(dst);
    world_free(src);
}

/* ---- failures ---- */

/* covers: mmb_event_wait MMB_ERROR MMB_OUT_OF_MEMORY */
static void test_copy_async_failure_comes_from_the_wait(void)
{
    static const mmbError errors[] = {MMB_ERROR, MMB_OUT_OF_MEMORY, MMB_CORRUPT};
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    for (size_t i = 0; i < 3; i++) {
        mmbEvent *event = NULL;
        fake_device_fail_after(&world.left, 0, errors[i]);
        CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, &event), MMB_OK);
        CU_ASSERT_EQUAL(mmb_event_wait(&event), errors[i]);
        CU_ASSERT_PTR_NULL(event);
        CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "left"));
    }
    fake_device_fail_after(&world.left, 1000, MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(dst, src), MMB_OK);
    world_free(dst);
    world_free(src);
}

static atomic_uint n_logged;

static void count_errors(mmbLogLevel level, const char *message, void *user)
{
    (void)user;
    if (level == MMB_LOG_ERROR && strstr(message, "left") != NULL)
        atomic_fetch_add(&n_logged, 1);
}

static void test_copy_async_failure_without_event_is_logged(void)
{
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    mmbEvent *event = NULL;
    atomic_store(&n_logged, 0);
    CU_ASSERT_EQUAL_FATAL(mmb_logging_set_callback(count_errors, NULL), MMB_OK);
    fake_device_fail_after(&world.left, 0, MMB_ERROR);
    CU_ASSERT_EQUAL(mmb_copy_async(dst, src, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset_async(src, 0, 0, 1, &event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(atomic_load(&n_logged), 1);
    CU_ASSERT_EQUAL(mmb_logging_set_callback(NULL, NULL), MMB_OK);
    world_free(dst);
    world_free(src);
}

/* The arguments are those of the blocking calls, checked at the time of the call. */
/* covers: mmb_copy_async MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG,
 * mmb_copy_1d_async MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG,
 * mmb_copy_2d_async MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG,
 * mmb_copy_nd_async MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG,
 * mmb_copy_1d_on MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG,
 * mmb_copy_nd_on MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_INVALID_ARG,
 * mmb_memset_async MMB_INVALID_ALLOCATION MMB_INVALID_SIZE */
static void test_copy_async_checks_at_the_call(void)
{
    mmbAllocation *object = world_new(WORLD_HOST, 60), *small = world_new(WORLD_HOST, 59);
    mmbEvent *event = NULL;
    for (int i = 0; i < VARIANTS; i++) {
        enum variant variant = (enum variant)i;
        CU_ASSERT_EQUAL(start(variant, NULL, object, &event), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(start(variant, object, NULL, &event), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(start(variant, small, object, &event), MMB_INVALID_SIZE);
        CU_ASSERT_EQUAL(start(variant, object, small, &event), MMB_INVALID_SIZE);
        CU_ASSERT_EQUAL(start(variant, object, object, &event), MMB_INVALID_ARG);
        CU_ASSERT_EQUAL(start(variant, object, object, NULL), MMB_INVALID_ARG);
    }
    CU_ASSERT_EQUAL(mmb_memset_async(NULL, 0, 0, 8, &event), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_memset_async(object, 1, 0, 60, &event), MMB_INVALID_SIZE);
    CU_ASSERT_PTR_NULL(event);
    world_free(object);
    world_free(small);
}

/* No backend can be registered without both directions, so they are taken away behind its back. */
/* covers: mmb_copy_async MMB_UNSUPPORTED, mmb_copy_1d_async MMB_UNSUPPORTED,
 * mmb_copy_2d_async MMB_UNSUPPORTED, mmb_copy_nd_async MMB_UNSUPPORTED,
 * mmb_copy_1d_on MMB_UNSUPPORTED, mmb_copy_nd_on MMB_UNSUPPORTED,
 * mmb_memset_async MMB_UNSUPPORTED */
static void test_copy_async_refuses_backends_without_a_way(void)
{
    mmbAllocation *left = world_new(WORLD_LEFT, 60), *host = world_new(WORLD_HOST, 60);
    struct mmb_backend *backend = world.interfaces[WORLD_LEFT]->backend;
    const struct mmb_backend_ops *whole = backend->ops;
    struct mmb_backend_ops bare = *whole;
    mmbEvent *event = NULL;
    bare.copy_in = NULL;
    bare.copy_out = NULL;
    bare.set = NULL;
    backend->ops = &bare;
    for (int variant = 0; variant < VARIANTS; variant++) {
        CU_ASSERT_EQUAL(start((enum variant)variant, left, host, &event), MMB_UNSUPPORTED);
        CU_ASSERT_EQUAL(start((enum variant)variant, host, left, NULL), MMB_UNSUPPORTED);
    }
    CU_ASSERT_EQUAL(mmb_memset_async(left, 0, 0, 60, &event), MMB_UNSUPPORTED);
    backend->ops = whole;
    CU_ASSERT_PTR_NULL(event);
    world_free(left);
    world_free(host);
}

/* covers: mmb_copy_1d_on MMB_UNSUPPORTED, mmb_copy_nd_on MMB_UNSUPPORTED,
 * mmb_event_stream_wait MMB_UNSUPPORTED MMB_INVALID_ARG */
static void test_copy_on_a_stream_needs_a_backend_with_streams(void)
{
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    mmbEvent *event = NULL;
    size_t zero[1] = {0}, all[1] = {64};
    CU_ASSERT_EQUAL(mmb_copy_1d_on(dst, 0, src, 0, 64, &event, &event), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_copy_nd_on(dst, zero, NULL, src, zero, NULL, 1, all, &event, &event),
                    MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_copy_async(dst, src, &event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(event, &world), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(event, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(NULL, &world), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    world_free(dst);
    world_free(src);
}

/* covers: mmb_event_query MMB_INVALID_ARG, mmb_event_wait MMB_INVALID_ARG */
static void test_event_calls_refuse_what_is_no_event(void)
{
    mmbAllocation *object = world_new(WORLD_HOST, 64);
    mmbEvent *event = NULL;
    bool done = false;
    CU_ASSERT_EQUAL(mmb_event_wait(NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_query(NULL, &done), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL_FATAL(mmb_memset_async(object, 0, 0, 64, &event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_query(event, NULL), MMB_INVALID_ARG);
    mmbEvent *stale = event;
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_query(stale, &done), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_event_wait(&stale), MMB_INVALID_ARG);
    uint64_t foreign[64] = {0};
    mmbEvent *no_event = (mmbEvent *)(void *)foreign;
    CU_ASSERT_EQUAL(mmb_event_wait(&no_event), MMB_INVALID_ARG);
    world_free(object);
}

static void test_copy_async_needs_the_library(void)
{
    mmbAllocation *object = world_new(WORLD_HOST, 60), *other = world_new(WORLD_HOST, 60);
    mmbEvent *event = NULL;
    bool done = false;
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(object, other, &event), MMB_OK);
    mmbEvent *old = event;
    CU_ASSERT_EQUAL_FATAL(mmb_finalize(), MMB_OK);
    for (int variant = 0; variant < VARIANTS; variant++)
        CU_ASSERT_EQUAL(start((enum variant)variant, object, other, &event), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_memset_async(object, 0, 0, 8, &event), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(object, 0, other, 0, 8, &done, &event), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_event_query(old, &done), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_event_wait(&old), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(old, &done), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK); /* tear_down finalizes */
    CU_ASSERT_EQUAL(mmb_event_query(old, &done), MMB_INVALID_ARG);
}

MMB_SUITE_WITH("core/copy_async", world_open, world_close, T(test_copy_async_moves_the_bytes),
               T(test_copy_async_takes_boxes_apart), T(test_memset_async_fills),
               T(test_copy_async_of_0_bytes_is_done_at_once),
               T(test_copy_async_keeps_its_objects_until_the_wait),
               T(test_copy_async_leaves_flight_when_queried_done),
               T(test_copy_async_counts_every_copy_of_an_object),
               T(test_copy_async_without_event_is_in_flight_until_it_ends),
               T(test_copy_async_refusal_leaves_objects_free),
               T(test_copy_async_failure_comes_from_the_wait),
               T(test_copy_async_failure_without_event_is_logged),
               T(test_copy_async_checks_at_the_call),
               T(test_copy_async_refuses_backends_without_a_way),
               T(test_copy_on_a_stream_needs_a_backend_with_streams),
               T(test_event_calls_refuse_what_is_no_event), T(test_copy_async_needs_the_library))
