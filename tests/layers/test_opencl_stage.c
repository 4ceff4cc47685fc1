/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a copy between an OpenCL buffer and memory that its runtime does not reach
 * goes through host memory that the runtime has pinned, and that is kept; where it is in use,
 * through other memory. The far side is a device of the test's own, whose transfers can be held. */
#include <mmb/opencl.h>
#include <mmb.h>
#include <pthread.h>
#include <string.h>
#include "layers/opencl/instance.h"
#include "layers/opencl/opencl.h"
#include "src/core/interface.h"
#include "tests/support/fake_device.h"
#include "tests/support/places.h"
#include "tests/support/suite.h"

#define N_BYTES (((size_t)5 << 20) + 777)

static const struct place opencl_places[] = {
    {"opencl", MMB_GDRAM, MMB_OPENCL, MMB_BACKEND_OPENCL},
    {"opencl svm", MMB_GDRAM, MMB_OPENCL, MMB_BACKEND_OPENCL_SVM}};
static struct fake_device device;
static mmbMemInterface *opencl, *own;

static void set_up(void)
{
    mmbBackendOps ops = fake_device_ops("test device");
    struct place own_place = {"own", MMB_DRAM, MMB_CPU, MMB_BACKEND_DEFAULT};
    fake_device_open(&device);
    places_open();
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, &device, &own_place.backend), MMB_OK);
    own = place_interface(&own_place, MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
    opencl = NULL;
    if (mmb_opencl_available() == MMB_OK)
        opencl = place_interface(&opencl_places[0], MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
}

static void tear_down(void)
{
    places_close();
    CU_ASSERT_EQUAL(fake_device_live(&device), 0);
    fake_device_close(&device);
}

static bool is_left_out(void)
{
    if (!opencl)
        suite_skip("no OpenCL device");
    return !opencl;
}

static void *take(size_t n_bytes)
{
    return mmb_opencl_stream.stage_take(opencl->backend, n_bytes);
}

static void give(void *stage)
{
    mmb_opencl_stream.stage_give(opencl->backend, stage);
}

static void check_copy(mmbMemInterface *to, mmbMemInterface *from, const char *what)
{
    mmbAllocation *source = place_new(from, N_BYTES), *target = place_new(to, N_BYTES);
    place_fill(source, 3);
    mmbError error = mmb_copy(target, source);
    SUITE_CHECK(error == MMB_OK, "%s: %s", what, mmb_error_detail());
    SUITE_CHECK(place_is_filled(target, N_BYTES, 3), "%s: contents", what);
    place_free(source);
    place_free(target);
}

/* ---- what it is ---- */

static void check_pinned(const struct mmb_opencl_stage *stage, const void *start, size_t n_bytes)
{
    cl_mem_flags flags = 0;
    cl_uint n_mapped = 0;
    size_t has_bytes = 0;
    clGetMemObjectInfo(stage->buffer, CL_MEM_FLAGS, sizeof flags, &flags, NULL);
    clGetMemObjectInfo(stage->buffer, CL_MEM_MAP_COUNT, sizeof n_mapped, &n_mapped, NULL);
    clGetMemObjectInfo(stage->buffer, CL_MEM_SIZE, sizeof has_bytes, &has_bytes, NULL);
    CU_ASSERT_TRUE((flags & CL_MEM_ALLOC_HOST_PTR) != 0 && n_mapped == 1);
    CU_ASSERT_TRUE(has_bytes >= n_bytes && start != NULL);
}

static void test_opencl_stage_is_pinned_and_kept(void)
{
    if (is_left_out())
        return;
    const struct mmb_opencl_stage *stage = &mmb_opencl_of(opencl->backend)->stage;
    char *start = take(100000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    check_pinned(stage, start, 100000);
    memset(start, 1, 100000);
    CU_ASSERT_PTR_NULL(take(10));
    cl_mem buffer = stage->buffer;
    give(start);
    CU_ASSERT_PTR_EQUAL(take(100000), start);
    CU_ASSERT_PTR_EQUAL(stage->buffer, buffer);
    give(start);
    start = take(300000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    check_pinned(stage, start, 300000);
    memset(start, 1, 300000);
    give(start);
}

/* The program's next step opens the gate: who waited for its queue here would never see that. */
static void test_opencl_stage_waits_for_no_queue(void)
{
    cl_int code;
    if (is_left_out())
        return;
    const struct mmb_opencl_objects *objects = &mmb_opencl_of(opencl->backend)->objects;
    cl_event gate = clCreateUserEvent(objects->context, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    CU_ASSERT_EQUAL(clEnqueueBarrierWithWaitList(objects->queue, 1, &gate, NULL), CL_SUCCESS);
    void *start = take(100000);
    CU_ASSERT_PTR_NOT_NULL(start);
    CU_ASSERT_EQUAL(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    clReleaseEvent(gate);
    give(start);
}

/* ---- who takes it ---- */

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

/* It stands at the far device's gate and has the pinned memory: nobody else gets it. */
static void check_taken(mmbMemInterface *to, mmbMemInterface *from, const char *what)
{
    struct copy copy = {place_new(to, N_BYTES), place_new(from, N_BYTES), MMB_ERROR};
    pthread_t thread;
    place_fill(copy.from, 5);
    fake_device_shut_gate(&device);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_copy, &copy), 0);
    fake_device_await(&device, 1);
    void *stage = take(100);
    SUITE_CHECK(!stage, "%s: the stage is free", what);
    if (stage)
        give(stage);
    fake_device_open_gate(&device, 1);
    pthread_join(thread, NULL);
    stage = take(100);
    SUITE_CHECK(stage, "%s: the stage was not given back", what);
    give(stage);
    SUITE_CHECK(copy.error == MMB_OK && place_is_filled(copy.to, N_BYTES, 5), "%s: contents", what);
    place_free(copy.to);
    place_free(copy.from);
}

static void test_opencl_staged_copies_take_it(void)
{
    if (is_left_out())
        return;
    check_taken(own, opencl, "from OpenCL");
    check_taken(opencl, own, "to OpenCL");
}

static void test_opencl_stage_in_use_keeps_no_copy_waiting(void)
{
    if (is_left_out())
        return;
    void *stage = take(100);
    check_copy(own, opencl, "from OpenCL");
    check_copy(opencl, own, "to OpenCL");
    give(stage);
}

static void test_opencl_staged_copies_arrive(void)
{
    if (is_left_out())
        return;
    mmbMemInterface *second =
        place_interface(&opencl_places[1], MMB_STRATEGY_PASSTHROUGH, MMB_NO_LIMIT);
    for (int i = 0; i < 3; i++) {
        check_copy(own, opencl, "from OpenCL");
        check_copy(opencl, own, "to OpenCL");
        check_copy(own, second, "from SVM");
        check_copy(second, opencl, "to SVM");
    }
}

MMB_SUITE_WITH("layers/opencl_stage", set_up, tear_down, T(test_opencl_stage_is_pinned_and_kept),
               T(test_opencl_stage_waits_for_no_queue), T(test_opencl_staged_copies_take_it),
               T(test_opencl_stage_in_use_keeps_no_copy_waiting),
               T(test_opencl_staged_copies_arrive))
