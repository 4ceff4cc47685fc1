/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what is CUDA's own in the CUDA backends. The driver is found when it is
 * wanted and not before; without one there is a reason and no crash; a wrong device, a context
 * destroyed under us and a stream of the program's are met as the contract says; the caller's
 * context is his. On the fake driver, and where a test needs no fake on the one that
 * MMB_CUDA_LIBRARY names. */
#include <mmb/cuda.h>
#include <mmb.h>
#include <string.h>
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

static const struct fake_cuda_control *fake;

static void set_up(void)
{
    fakes_use();
    fake = fakes_cuda();
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(fake->live_ranges(), 0);
    CU_ASSERT_EQUAL(fake->live_events(), 0);
    CU_ASSERT_EQUAL(fake->retained(), 0);
    CU_ASSERT_EQUAL(fake->depth(), 0);
}

static mmbMemSpace *new_space(void)
{
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, NULL, &space), MMB_OK);
    return space;
}

static mmbError open_interface(mmbBackend backend, const mmbCudaOptions *options,
                               mmbMemInterface **out)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = backend;
    config.backend_opts.cuda = options;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    return mmb_create_interface(new_space(), &config, out);
}

static mmbMemInterface *new_interface(const mmbCudaOptions *options)
{
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL_FATAL(open_interface(MMB_BACKEND_CUDA, options, &interface), MMB_OK);
    return interface;
}

static mmbMemInterface *host_interface(void)
{
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_get_interface(MMB_DRAM, MMB_CPU, &interface), MMB_OK);
    return interface;
}

static mmbAllocation *new_object(mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *object = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(n_bytes, interface, &object), MMB_OK);
    return object;
}

static bool detail_has(const char *text)
{
    return strstr(mmb_error_detail(), text) != NULL;
}

/* ---- devices ---- */

static void test_cuda_refuses_a_device_that_is_not_there(void)
{
    static const int numbers[] = {2, 99, -1, -2147483647};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        mmbCudaOptions options = MMB_CUDA_OPTIONS_INIT;
        mmbMemInterface *interface = NULL;
        options.device = numbers[i];
        mmbError error = open_interface(MMB_BACKEND_CUDA, &options, &interface);
        SUITE_CHECK(error == MMB_INVALID_ARG && !interface, "%d: %s", numbers[i],
                    mmb_error_name(error));
        SUITE_CHECK(detail_has("no device"), "%s", mmb_error_detail());
    }
}

/* The space has what the options said when it was made, garbage included. */
static void test_cuda_options_of_a_space_are_copied(void)
{
    static const size_t sizes[] = {sizeof(mmbCudaOptions), 3, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mmbCudaOptions options = {.size = sizes[i], .device = 99};
        mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
        mmbMemSpace *space = NULL;
        mmbMemInterface *interface = NULL;
        config.interface_opts.backend = MMB_BACKEND_CUDA;
        config.interface_opts.backend_opts.cuda = &options;
        CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, &config, &space),
                              MMB_OK);
        options = (mmbCudaOptions)MMB_CUDA_OPTIONS_INIT;
        CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, &interface), MMB_INVALID_ARG);
        config.interface_opts.backend_opts.cuda = &options;
        CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
        options.device = 99;
        CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, &interface), MMB_OK);
    }
}

static void test_cuda_refuses_options_of_another_size(void)
{
    mmbCudaOptions options = MMB_CUDA_OPTIONS_INIT;
    mmbMemInterface *interface = NULL;
    options.size = 3;
    CU_ASSERT_EQUAL(open_interface(MMB_BACKEND_CUDA, &options, &interface), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NULL(interface);
}

static void test_cuda_devices_copy_to_each_other(void)
{
    mmbCudaOptions second = MMB_CUDA_OPTIONS_INIT;
    second.device = 1;
    mmbAllocation *from = new_object(new_interface(NULL), 5000);
    mmbAllocation *to = new_object(new_interface(&second), 5000);
    CU_ASSERT_EQUAL(mmb_memset(from, 0, 0x5a, 5000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(to, from), MMB_OK);
    const unsigned char *bytes = fake->bytes(mmb_device_ptr(to), 5000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_TRUE(bytes[0] == 0x5a && bytes[4999] == 0x5a);
    mmb_free(from);
    mmb_free(to);
}

/* Boxes, whose command wants to be told of both devices; one that comes out even and one that does
 * not. */
static void test_cuda_devices_copy_boxes_to_each_other(void)
{
    static const size_t zero[3] = {0, 0, 0}, dims[3] = {4, 5, 6};
    static const size_t pitches[2][2] = {{80, 8}, {83, 8}};
    mmbCudaOptions second = MMB_CUDA_OPTIONS_INIT;
    second.device = 1;
    mmbAllocation *from = new_object(new_interface(NULL), 1000);
    mmbAllocation *to = new_object(new_interface(&second), 1000);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(mmb_memset(to, 0, 0, 1000), MMB_OK);
        CU_ASSERT_EQUAL(mmb_memset(from, 0, 0x5b, 1000), MMB_OK);
        mmbError error = mmb_copy_nd(to, zero, pitches[i], from, zero, pitches[i], 3, dims);
        SUITE_CHECK(error == MMB_OK, "%zu: %s", pitches[i][0], mmb_error_detail());
        const unsigned char *bytes = fake->bytes(mmb_device_ptr(to), 1000);
        size_t n_set = 0;
        for (size_t j = 0; j < 1000; j++)
            n_set += bytes[j] == 0x5b;
        SUITE_CHECK(n_set == 120 && bytes[3 * pitches[i][0] + 4 * 8 + 5] == 0x5b, "%zu: %zu B",
                    pitches[i][0], n_set);
    }
    mmb_free(from);
    mmb_free(to);
}

static void test_cuda_tells_what_the_driver_says(void)
{
    mmbMemInterface *interface = new_interface(NULL);
    mmbAllocation *object = NULL;
    fake->fail(CUDA_ERROR_OUT_OF_MEMORY, 0);
    CU_ASSERT_EQUAL(mmb_allocate((size_t)1 << 20, interface, &object), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(detail_has("CUDA_ERROR_OUT_OF_MEMORY"));
    object = new_object(interface, 100);
    fake->fail(CUDA_ERROR_ILLEGAL_ADDRESS, 0);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 100), MMB_ERROR);
    CU_ASSERT_TRUE(detail_has("CUDA_ERROR_ILLEGAL_ADDRESS"));
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 100), MMB_OK);
    mmb_free(object);
}

/* ---- contexts ---- */

static void test_cuda_leaves_the_callers_context_current(void)
{
    CUresult (*retain)(CUcontext *, CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxRetain");
    CUresult (*release)(CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxRelease_v2");
    CUresult (*push)(CUcontext) = fakes_cuda_function("cuCtxPushCurrent_v2");
    CUresult (*pop)(CUcontext *) = fakes_cuda_function("cuCtxPopCurrent_v2");
    CUresult (*current)(CUcontext *) = fakes_cuda_function("cuCtxGetCurrent");
    CUcontext mine = NULL, now = NULL;
    mmbMemInterface *interface = new_interface(NULL);
    CU_ASSERT_EQUAL_FATAL(retain(&mine, 1), CUDA_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(push(mine), CUDA_SUCCESS);
    mmbAllocation *object = new_object(interface, 1000);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 1000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate((size_t)1 << 40, interface, &object), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    CU_ASSERT_TRUE(current(&now) == CUDA_SUCCESS && now == mine && fake->depth() == 1);
    pop(&now);
    release(1);
}

/* The program resets the device: every call says so, and nothing hangs on to what is gone. */
static void test_cuda_survives_a_context_destroyed_under_it(void)
{
    CUresult (*reset)(CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxReset_v2");
    mmbMemInterface *interface = new_interface(NULL);
    mmbAllocation *object = new_object(interface, 1000), *more = NULL;
    CU_ASSERT_EQUAL_FATAL(reset(0), CUDA_SUCCESS);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 1000), MMB_ERROR);
    CU_ASSERT_TRUE(detail_has("CUDA_ERROR_CONTEXT_IS_DESTROYED"));
    CU_ASSERT_EQUAL(mmb_allocate(10, interface, &more), MMB_ERROR);
    CU_ASSERT_PTR_NULL(more);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
}

/* A copy that was under way is told as failed; both of its objects can go, and so does the event.
 */
static void test_cuda_event_ends_with_its_context(void)
{
    CUresult (*reset)(CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxReset_v2");
    mmbAllocation *to = new_object(new_interface(NULL), 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    mmbEvent *event = NULL;
    bool done = false;
    fake->hold(NULL);
    CU_ASSERT_EQUAL(mmb_copy_async(to, from, &event), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(reset(0), CUDA_SUCCESS);
    fake->let_go(NULL);
    CU_ASSERT_EQUAL(mmb_event_query(event, &done), MMB_ERROR);
    CU_ASSERT_TRUE(detail_has("CUDA_ERROR_CONTEXT_IS_DESTROYED"));
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_ERROR);
    CU_ASSERT_PTR_NULL(event);
    CU_ASSERT_EQUAL(mmb_free(to), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(from), MMB_OK);
    CU_ASSERT_TRUE(fake->live_events() == 0 && fake->depth() == 0);
}

/* ---- streams ---- */

static CUstream new_stream(void)
{
    CUresult (*create)(CUstream *, unsigned int) = fakes_cuda_function("cuStreamCreate");
    CUstream stream = NULL;
    CU_ASSERT_EQUAL_FATAL(create(&stream, 0), CUDA_SUCCESS);
    return stream;
}

static void end_stream(CUstream stream)
{
    CUresult (*destroy)(CUstream) = fakes_cuda_function("cuStreamDestroy_v2");
    CU_ASSERT_EQUAL(destroy(stream), CUDA_SUCCESS);
}

static bool is_done(mmbEvent *event)
{
    bool done = false;
    CU_ASSERT_EQUAL(mmb_event_query(event, &done), MMB_OK);
    return done;
}

/* In flight while the stream stands: not done, both objects busy. */
static void test_cuda_copies_on_the_interfaces_stream(void)
{
    mmbCudaOptions options = MMB_CUDA_OPTIONS_INIT;
    options.stream = new_stream();
    mmbAllocation *to = new_object(new_interface(&options), 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    mmbEvent *event = NULL;
    memset(mmb_allocation_ptr(from), 7, 100);
    fake->hold(options.stream);
    CU_ASSERT_EQUAL(mmb_copy_async(to, from, &event), MMB_OK);
    CU_ASSERT_FALSE(is_done(event));
    CU_ASSERT_EQUAL(mmb_free(to), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_free(from), MMB_BUSY);
    fake->let_go(options.stream);
    CU_ASSERT_TRUE(is_done(event));
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)fake->bytes(mmb_device_ptr(to), 1), 7);
    CU_ASSERT_EQUAL(mmb_free(to), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(from), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    end_stream(options.stream);
    CU_ASSERT_EQUAL(mmb_init(NULL), MMB_OK);
}

static void test_cuda_copies_on_a_stream_that_is_named(void)
{
    CUstream stream = new_stream();
    mmbAllocation *to = new_object(new_interface(NULL), 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    mmbEvent *event = NULL;
    memset(mmb_allocation_ptr(from), 9, 100);
    fake->hold(stream);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(to, 10, from, 0, 50, stream, &event), MMB_OK);
    CU_ASSERT_FALSE(is_done(event));
    fake->let_go(stream);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)fake->bytes((char *)mmb_device_ptr(to) + 59, 1), 9);
    end_stream(stream);
    mmb_free(to);
    mmb_free(from);
}

/* The stream may be that of either side's device; an event is of one device. */
static void test_cuda_copies_on_a_stream_of_the_sources_device(void)
{
    CUresult (*retain)(CUcontext *, CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxRetain");
    CUresult (*release)(CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxRelease_v2");
    CUresult (*push)(CUcontext) = fakes_cuda_function("cuCtxPushCurrent_v2");
    CUresult (*pop)(CUcontext *) = fakes_cuda_function("cuCtxPopCurrent_v2");
    CUcontext of_second = NULL;
    mmbCudaOptions second = MMB_CUDA_OPTIONS_INIT;
    second.device = 1;
    mmbAllocation *from = new_object(new_interface(&second), 100);
    mmbAllocation *to = new_object(new_interface(NULL), 100);
    mmbEvent *event = NULL;
    CU_ASSERT_EQUAL(mmb_memset(from, 0, 4, 100), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(retain(&of_second, 1), CUDA_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(push(of_second), CUDA_SUCCESS);
    CUstream stream = new_stream();
    pop(&of_second);
    mmbError error = mmb_copy_1d_on(to, 0, from, 0, 100, stream, &event);
    SUITE_CHECK(error == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)fake->bytes(mmb_device_ptr(to), 1), 4);
    CU_ASSERT_EQUAL(fake->depth(), 0);
    end_stream(stream);
    release(1);
    mmb_free(from);
    mmb_free(to);
}

/* A second stream waits for the copy on the device, while the host goes on. */
static void test_cuda_orders_a_stream_behind_a_copy(void)
{
    CUstream first = new_stream(), second = new_stream();
    mmbMemInterface *device = new_interface(NULL);
    mmbAllocation *middle = new_object(device, 100), *end = new_object(device, 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    mmbEvent *events[2] = {NULL, NULL};
    memset(mmb_allocation_ptr(from), 3, 100);
    fake->hold(first);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(middle, 0, from, 0, 100, first, &events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(events[0], second), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(end, 0, middle, 0, 100, second, &events[1]), MMB_OK);
    CU_ASSERT_FALSE(is_done(events[1]));
    fake->let_go(first);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)fake->bytes(mmb_device_ptr(end), 1), 3);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(events[0], second), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    end_stream(first);
    end_stream(second);
    mmb_free(middle);
    mmb_free(end);
    mmb_free(from);
}

/* Nobody waits: the objects are free when the stream has come past. */
static void test_cuda_copy_without_event_ends_by_itself(void)
{
    mmbAllocation *to = new_object(new_interface(NULL), 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    CU_ASSERT_EQUAL(mmb_copy_async(to, from, NULL), MMB_OK);
    while (mmb_free(to) == MMB_BUSY)
        continue;
    CU_ASSERT_EQUAL(mmb_free(from), MMB_OK);
}

/* covers: mmb_copy_async MMB_ERROR, mmb_copy_1d_async MMB_ERROR, mmb_copy_2d_async MMB_ERROR,
 * mmb_copy_nd_async MMB_ERROR, mmb_memset_async MMB_ERROR, mmb_copy_1d_on MMB_ERROR,
 * mmb_copy_nd_on MMB_ERROR */
static void test_cuda_refusal_to_queue_leaves_nothing_in_flight(void)
{
    static const size_t zero[2] = {0, 0}, dims[2] = {2, 8}, pitch[1] = {16};
    mmbAllocation *to = new_object(new_interface(NULL), 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    mmbEvent *event = NULL;
    for (int call = 0; call < 7; call++) {
        fake->fail(CUDA_ERROR_ILLEGAL_ADDRESS, 0);
        mmbError error =
            call == 0   ? mmb_copy_async(to, from, &event)
            : call == 1 ? mmb_copy_1d_async(to, 0, from, 0, 10, &event)
            : call == 2 ? mmb_copy_2d_async(to, 0, 0, 16, from, 0, 0, 16, 8, 2, &event)
            : call == 3 ? mmb_copy_nd_async(to, zero, pitch, from, zero, pitch, 2, dims, &event)
            : call == 4 ? mmb_memset_async(to, 0, 1, 10, &event)
            : call == 5 ? mmb_copy_1d_on(to, 0, from, 0, 10, NULL, &event)
                        : mmb_copy_nd_on(to, zero, pitch, from, zero, pitch, 2, dims, NULL, &event);
        SUITE_CHECK(error == MMB_ERROR && !event, "call %d: %s", call, mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_free(to), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(from), MMB_OK);
}

/* covers: mmb_event_stream_wait MMB_ERROR */
static void test_cuda_refusal_to_order_is_told(void)
{
    mmbAllocation *to = new_object(new_interface(NULL), 100);
    mmbAllocation *from = new_object(host_interface(), 100);
    mmbEvent *event = NULL;
    CUstream stream = new_stream();
    fake->hold(NULL);
    CU_ASSERT_EQUAL(mmb_copy_async(to, from, &event), MMB_OK);
    fake->fail(CUDA_ERROR_ILLEGAL_ADDRESS, 0);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(event, stream), MMB_ERROR);
    fake->let_go(NULL);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    end_stream(stream);
    mmb_free(to);
    mmb_free(from);
}

MMB_SUITE_WITH(
    "layers/cuda", set_up, tear_down, T(test_cuda_refuses_a_device_that_is_not_there),
    T(test_cuda_options_of_a_space_are_copied), T(test_cuda_refuses_options_of_another_size),
    T(test_cuda_devices_copy_to_each_other), T(test_cuda_devices_copy_boxes_to_each_other),
    T(test_cuda_event_ends_with_its_context), T(test_cuda_copies_on_a_stream_of_the_sources_device),
    T(test_cuda_tells_what_the_driver_says), T(test_cuda_leaves_the_callers_context_current),
    T(test_cuda_survives_a_context_destroyed_under_it),
    T(test_cuda_copies_on_the_interfaces_stream), T(test_cuda_copies_on_a_stream_that_is_named),
    T(test_cuda_orders_a_stream_behind_a_copy), T(test_cuda_copy_without_event_ends_by_itself),
    T(test_cuda_refusal_to_queue_leaves_nothing_in_flight), T(test_cuda_refusal_to_order_is_told))
