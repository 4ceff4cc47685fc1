/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a copy between devices that do not know each other goes through host memory
 * that the runtime has pinned; where that is in use or cannot be had, through other memory, and
 * arrives all the same. One side is CUDA on the fake driver, which tells what was not pinned, the
 * other a device of the test's own, whose transfers can be held. */
#include <mmb.h>
#include <cuda.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/fake_device.h"
#include "tests/support/fakes.h"
#include "tests/support/places.h"
#include "tests/support/suite.h"

#define N_BYTES (((size_t)5 << 20) + 777)

static const struct place cuda_place = {"cuda", MMB_GDRAM, MMB_GPU_CUDA, MMB_BACKEND_CUDA};
static const struct fake_cuda_control *fake;
static struct fake_device device, second_device;
static mmbMemInterface *cuda, *own, *other;

static void set_up(void)
{
    mmbBackendOps ops = fake_device_ops("test device");
    struct place own_place = {"own", MMB_DRAM, MMB_CPU, MMB_BACKEND_DEFAULT};
    fake_device_open(&device);
    fake_device_open(&second_device);
    places_open();
    fake = fakes_cuda();
    CU_ASSERT_PTR_NOT_NULL_FATAL(fake);
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, &device, &own_place.backend), MMB_OK);
    cuda = place_interface(&cuda_place, MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
    own = place_interface(&own_place, MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
    ops = fake_device_ops("second device");
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, &second_device, &own_place.backend), MMB_OK);
    other = place_interface(&own_place, MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
}

static void tear_down(void)
{
    places_close();
    CU_ASSERT_EQUAL(fake_device_live(&device) + fake_device_live(&second_device), 0);
    fake_device_close(&device);
    fake_device_close(&second_device);
}

static void check_copy(mmbMemInterface *to, mmbMemInterface *from, const char *what)
{
    mmbAllocation *source = place_new(from, N_BYTES), *target = place_new(to, N_BYTES);
    place_fill(source, 3);
    size_t before = fake->pageable_copies();
    mmbError error = mmb_copy(target, source);
    SUITE_CHECK(error == MMB_OK, "%s: %s", what, mmb_error_detail());
    SUITE_CHECK(fake->pageable_copies() == before, "%s: %zu transfers were not pinned", what,
                fake->pageable_copies() - before);
    SUITE_CHECK(place_is_filled(target, N_BYTES, 3), "%s: contents", what);
    place_free(source);
    place_free(target);
}

static void test_stage_is_pinned(void)
{
    check_copy(own, cuda, "from CUDA");
    check_copy(cuda, own, "to CUDA");
}

/* One piece per instance, however often it is used. */
static void test_stage_is_kept(void)
{
    check_copy(own, cuda, "first");
    size_t n_ranges = fake->live_ranges();
    for (int i = 0; i < 5; i++)
        check_copy(own, cuda, "again");
    SUITE_CHECK(fake->live_ranges() == n_ranges, "%zu ranges were %zu", fake->live_ranges(),
                n_ranges);
}

static void test_stage_that_cannot_be_had_is_done_without(void)
{
    mmbAllocation *source = place_new(cuda, N_BYTES), *target = place_new(own, N_BYTES);
    place_fill(source, 4);
    size_t before = fake->pageable_copies();
    fake->fail(CUDA_ERROR_OUT_OF_MEMORY, 0);
    CU_ASSERT_EQUAL(mmb_copy(target, source), MMB_OK);
    CU_ASSERT_TRUE(fake->pageable_copies() > before);
    CU_ASSERT_TRUE(place_is_filled(target, N_BYTES, 4));
    place_free(source);
    place_free(target);
}

struct copy {
    mmbAllocation *to, *from;
    mmbError error;
};

static void *run_copy(void *argument)
{
    struct copy *copy = argument;
    copy->error = mmb_copy(copy->to, copy->from);
    return NULL;
}

/* The first stands at the device's gate and has the pinned memory; the second goes past it, to
 * another device. */
static void test_stage_in_use_keeps_no_copy_waiting(void)
{
    struct copy first = {place_new(own, N_BYTES), place_new(cuda, N_BYTES), MMB_ERROR};
    mmbAllocation *source = first.from, *target = place_new(other, N_BYTES);
    pthread_t thread;
    place_fill(source, 5);
    fake_device_shut_gate(&device);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_copy, &first), 0);
    fake_device_await(&device, 1);
    size_t before = fake->pageable_copies();
    CU_ASSERT_EQUAL(mmb_copy(target, source), MMB_OK);
    CU_ASSERT_TRUE(fake->pageable_copies() > before);
    CU_ASSERT_TRUE(place_is_filled(target, N_BYTES, 5));
    fake_device_open_gate(&device, 1);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(first.error, MMB_OK);
    CU_ASSERT_TRUE(place_is_filled(first.to, N_BYTES, 5));
    place_free(first.to);
    place_free(source);
    place_free(target);
}

MMB_SUITE_WITH("layers/gpu_stage", set_up, tear_down, T(test_stage_is_pinned),
               T(test_stage_is_kept), T(test_stage_that_cannot_be_had_is_done_without),
               T(test_stage_in_use_keeps_no_copy_waiting))
