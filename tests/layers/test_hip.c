/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what is HIP's own in the HIP backends: a wrong device and a context destroyed
 * under us are met as the contract says, and the device that a thread has current is the same after
 * every call. On HIP over the fake CUDA driver. */
#include <mmb/hip.h>
#include <mmb.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

static void *hip_function(const char *name)
{
    void *library = dlopen(getenv("MMB_HIP_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

static bool has_hip(void)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_backend_get_info(MMB_BACKEND_HIP, &info), MMB_OK);
    if (!info.available)
        suite_skip(info.detail);
    return info.available && fakes_cuda();
}

static void set_up(void)
{
    fakes_use();
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    const struct fake_cuda_control *fake = fakes_cuda();
    CU_ASSERT_TRUE(!fake || (fake->live_ranges() == 0 && fake->depth() == 0));
}

static mmbError open_interface(int device, mmbMemInterface **out)
{
    mmbHipOptions options = MMB_HIP_OPTIONS_INIT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    options.device = device;
    config.backend = MMB_BACKEND_HIP;
    config.backend_opts.hip = &options;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_GPU_HIP, NULL, &space), MMB_OK);
    return mmb_create_interface(space, &config, out);
}

static void test_hip_refuses_a_device_that_is_not_there(void)
{
    static const int numbers[] = {2, 99, -1, -2147483647};
    if (!has_hip())
        return;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        mmbMemInterface *interface = NULL;
        mmbError error = open_interface(numbers[i], &interface);
        SUITE_CHECK(error == MMB_INVALID_ARG && !interface, "%d: %s", numbers[i],
                    mmb_error_name(error));
        SUITE_CHECK(strstr(mmb_error_detail(), "no device"), "%s", mmb_error_detail());
    }
}

static void test_hip_survives_a_context_destroyed_under_it(void)
{
    if (!has_hip())
        return;
    int (*reset)(int) = NULL;
    *(void **)&reset = fakes_cuda_function("cuDevicePrimaryCtxReset_v2");
    mmbMemInterface *interface = NULL;
    mmbAllocation *object = NULL, *more = NULL;
    CU_ASSERT_EQUAL_FATAL(open_interface(1, &interface), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &object), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(reset(1), 0);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 1000), MMB_ERROR);
    SUITE_CHECK(strstr(mmb_error_detail(), "hipErrorContextIsDestroyed"), "%s", mmb_error_detail());
    CU_ASSERT_EQUAL(mmb_allocate(10, interface, &more), MMB_ERROR);
    CU_ASSERT_PTR_NULL(more);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
}

static void test_hip_leaves_the_callers_device_current(void)
{
    if (!has_hip())
        return;
    int (*get)(int *) = NULL, (*set)(int) = NULL, current = -1;
    *(void **)&get = hip_function("hipGetDevice");
    *(void **)&set = hip_function("hipSetDevice");
    mmbMemInterface *interface = NULL;
    mmbAllocation *object = NULL, *more = NULL;
    CU_ASSERT_EQUAL_FATAL(open_interface(0, &interface), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(set(1), 0);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &object), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 1000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate((size_t)1 << 40, interface, &more), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    CU_ASSERT_TRUE(get(&current) == 0 && current == 1);
    CU_ASSERT_EQUAL(set(0), 0);
}

/* A program asks for the last error after its kernels, and means theirs. */
static void test_hip_leaves_no_error_behind(void)
{
    if (!has_hip())
        return;
    int (*take_last)(void) = NULL, (*set)(int) = NULL;
    *(void **)&take_last = hip_function("hipGetLastError");
    *(void **)&set = hip_function("hipSetDevice");
    mmbMemInterface *interface = NULL, *host = NULL;
    mmbAllocation *object = NULL, *from = NULL, *more = NULL;
    mmbEvent *event = NULL;
    bool done = true;
    CU_ASSERT_EQUAL_FATAL(open_interface(0, &interface), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_get_interface(MMB_DRAM, MMB_CPU, &host), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, interface, &object), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, host, &from), MMB_OK);
    (void)take_last();
    fakes_cuda()->hold(NULL);
    CU_ASSERT_EQUAL(mmb_copy_async(object, from, &event), MMB_OK);
    CU_ASSERT_TRUE(mmb_event_query(event, &done) == MMB_OK && !done);
    CU_ASSERT_EQUAL(take_last(), 0);
    fakes_cuda()->let_go(NULL);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    fakes_cuda()->fail(2, 0); /* out of memory */
    CU_ASSERT_EQUAL(mmb_allocate(1000, interface, &more), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(take_last(), 0);
    CU_ASSERT_NOT_EQUAL(set(99), 0);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 100), MMB_OK);
    CU_ASSERT_NOT_EQUAL(take_last(), 0);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(from), MMB_OK);
}

static void test_hip_copies_on_a_stream_of_the_sources_device(void)
{
    if (!has_hip())
        return;
    int (*create)(void **, unsigned int) = NULL, (*destroy)(void *) = NULL;
    int (*push)(void *) = NULL, (*pop)(void **) = NULL, (*retain)(void **, int) = NULL;
    *(void **)&create = fakes_cuda_function("cuStreamCreate");
    *(void **)&destroy = fakes_cuda_function("cuStreamDestroy_v2");
    *(void **)&retain = fakes_cuda_function("cuDevicePrimaryCtxRetain");
    *(void **)&push = fakes_cuda_function("cuCtxPushCurrent_v2");
    *(void **)&pop = fakes_cuda_function("cuCtxPopCurrent_v2");
    mmbMemInterface *interfaces[2] = {NULL, NULL};
    mmbAllocation *objects[2] = {NULL, NULL};
    mmbEvent *event = NULL;
    void *context = NULL, *stream = NULL;
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(open_interface(i, &interfaces[i]), MMB_OK);
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(100, interfaces[i], &objects[i]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_memset(objects[i], 0, i, 100), MMB_OK);
    }
    CU_ASSERT_TRUE_FATAL(retain(&context, 1) == 0 && push(context) == 0);
    CU_ASSERT_EQUAL_FATAL(create(&stream, 0), 0);
    pop(&context);
    mmbError error = mmb_copy_1d_on(objects[0], 0, objects[1], 0, 100, stream, &event);
    SUITE_CHECK(error == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)fakes_cuda()->bytes(mmb_device_ptr(objects[0]), 1), 1);
    destroy(stream);
    CU_ASSERT_TRUE(mmb_free(objects[0]) == MMB_OK && mmb_free(objects[1]) == MMB_OK);
}

/* The one that destroys a context comes last: the runtime holds it for the life of the process. */
MMB_SUITE_WITH("layers/hip", set_up, tear_down, T(test_hip_refuses_a_device_that_is_not_there),
               T(test_hip_leaves_the_callers_device_current), T(test_hip_leaves_no_error_behind),
               T(test_hip_copies_on_a_stream_of_the_sources_device),
               T(test_hip_survives_a_context_destroyed_under_it))
