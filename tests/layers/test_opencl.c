/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a program's own OpenCL objects and the library's memory work together:
 * kernels run over an allocation and its offset, copies keep the order of the program's queue, and
 * what does not fit together is refused. On whatever device is here; without a GPU that is PoCL's.
 */
#include <mmb/opencl.h>
#include <mmb.h>
#include <stdio.h>
#include <string.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static cl_device_id device;
static cl_context context;
static cl_command_queue queue;

static cl_device_id find_device(void)
{
    cl_platform_id platforms[8];
    cl_device_id found = NULL;
    cl_uint n_platforms = 0;
    if (clGetPlatformIDs(8, platforms, &n_platforms) != CL_SUCCESS)
        return NULL;
    for (cl_uint i = 0; i < n_platforms && i < 8; i++)
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &found, NULL) == CL_SUCCESS)
            return found;
    return NULL;
}

static cl_command_queue new_queue(cl_context of)
{
    cl_int code;
    cl_command_queue made = clCreateCommandQueueWithProperties(of, device, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    return made;
}

static cl_context new_context(void)
{
    cl_int code;
    cl_context made = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    return made;
}

static void set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    device = find_device();
    if (!device)
        return;
    context = new_context();
    queue = new_queue(context);
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    if (!device)
        return;
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
}

/* True: the running test is skipped. */
static bool no_device(void)
{
    if (!device)
        suite_skip("no OpenCL device");
    return !device;
}

static mmbError open_interface(const mmbOpenCLOptions *options, mmbMemInterface **out)
{
    mmbMemSpace *space = NULL;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_OPENCL;
    config.backend_opts.opencl = options;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_OPENCL, NULL, &space), MMB_OK);
    return mmb_create_interface(space, &config, out);
}

static mmbMemInterface *new_interface(cl_context of, cl_command_queue on)
{
    mmbOpenCLOptions options = MMB_OPENCL_OPTIONS_INIT;
    mmbMemInterface *interface = NULL;
    options.context = of;
    options.queue = on;
    if (!SUITE_CHECK(open_interface(&options, &interface) == MMB_OK, "%s", mmb_error_detail()))
        CU_FAIL_FATAL("no interface");
    return interface;
}

/* ---- kernels ---- */

static const char *source = "__kernel void add(__global uint *a, uint first, uint n, uint what)"
                            "{ uint i = get_global_id(0); if (i < n) a[first + i] += what; }";

static cl_kernel new_kernel(cl_program *out_program)
{
    cl_int code;
    *out_program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    CU_ASSERT_EQUAL_FATAL(clBuildProgram(*out_program, 1, &device, "", NULL, NULL), CL_SUCCESS);
    cl_kernel kernel = clCreateKernel(*out_program, "add", &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    return kernel;
}

static void run_kernel(cl_kernel kernel, const mmbAllocation *object, cl_uint n, cl_uint what)
{
    void *buffer = NULL;
    size_t offset = 0, global = n;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_native(object, &buffer, &offset), MMB_OK);
    cl_uint first = (cl_uint)(offset / sizeof first);
    clSetKernelArg(kernel, 0, sizeof buffer, &buffer);
    clSetKernelArg(kernel, 1, sizeof first, &first);
    clSetKernelArg(kernel, 2, sizeof n, &n);
    clSetKernelArg(kernel, 3, sizeof what, &what);
    CU_ASSERT_EQUAL(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL),
                    CL_SUCCESS);
}

/* The second of two blocks of a pool, which begins at an offset in its buffer; the copy back is
 * queued behind the kernel, without the host waiting in between. */
static void test_opencl_kernel_runs_over_allocation_and_offset(void)
{
    enum { N = 1000 };
    if (no_device())
        return;
    cl_program program;
    cl_kernel kernel = new_kernel(&program);
    mmbMemInterface *interface = new_interface(context, queue);
    mmbAllocation *first = lab_new(interface, N * 4), *second = lab_new(interface, N * 4);
    mmbAllocation *host = lab_new_host(N * 4, 0);
    CU_ASSERT_EQUAL(mmb_memset(first, 0, 0, N * 4), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset(second, 0, 0, N * 4), MMB_OK);
    run_kernel(kernel, second, N, 41);
    run_kernel(kernel, second, N, 1);
    CU_ASSERT_EQUAL(mmb_copy(host, second), MMB_OK);
    const cl_uint *numbers = mmb_allocation_ptr(host);
    CU_ASSERT_TRUE(numbers[0] == 42 && numbers[N - 1] == 42);
    CU_ASSERT_EQUAL(mmb_copy(host, first), MMB_OK);
    CU_ASSERT_TRUE(numbers[0] == 0 && numbers[N - 1] == 0);
    mmb_free(first);
    mmb_free(second);
    mmb_free(host);
    clReleaseKernel(kernel);
    clReleaseProgram(program);
}

/* An allocation begins where a sub-buffer may. */
static void test_opencl_sub_buffers_fit_allocations(void)
{
    if (no_device())
        return;
    mmbMemInterface *interface = new_interface(context, queue);
    mmbAllocation *objects[5];
    for (size_t i = 0; i < 5; i++) {
        void *buffer = NULL;
        cl_int code;
        cl_buffer_region region = {0, 100 + i};
        objects[i] = lab_new(interface, 100 + i);
        CU_ASSERT_EQUAL(mmb_allocation_native(objects[i], &buffer, &region.origin), MMB_OK);
        cl_mem part = clCreateSubBuffer(buffer, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION,
                                        &region, &code);
        SUITE_CHECK(code == CL_SUCCESS, "at %zu: %d", region.origin, (int)code);
        clReleaseMemObject(part);
    }
    for (size_t i = 0; i < 5; i++)
        mmb_free(objects[i]);
}

static void test_opencl_refuses_more_than_the_devices_alignment(void)
{
    if (no_device())
        return;
    mmbMemInterface *interface = new_interface(NULL, NULL);
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *object = NULL;
    options.alignment = (size_t)1 << 20;
    CU_ASSERT_EQUAL(mmb_allocate_opts(100, interface, &options, &object), MMB_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(object);
}

/* ---- objects of the program ---- */

/* The interface holds them: the program may let go. */
static void test_opencl_objects_are_retained(void)
{
    if (no_device())
        return;
    cl_context other = new_context();
    cl_command_queue on = new_queue(other);
    cl_uint before = 0, during = 0, after = 0;
    clGetContextInfo(other, CL_CONTEXT_REFERENCE_COUNT, sizeof before, &before, NULL);
    mmbMemInterface *interface = new_interface(other, on);
    clGetContextInfo(other, CL_CONTEXT_REFERENCE_COUNT, sizeof during, &during, NULL);
    CU_ASSERT_TRUE(during > before);
    mmbAllocation *object = lab_new(interface, 1000);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 1000), MMB_OK);
    mmb_free(object);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    clGetContextInfo(other, CL_CONTEXT_REFERENCE_COUNT, sizeof after, &after, NULL);
    CU_ASSERT_EQUAL(after, before);
    clReleaseCommandQueue(on);
    clReleaseContext(other);
}

static void test_opencl_refuses_objects_that_do_not_fit(void)
{
    if (no_device())
        return;
    cl_context other = new_context();
    mmbOpenCLOptions rows[] = {
        {sizeof rows[0], other, queue, NULL}, {3, NULL, NULL, NULL}, {0, context, queue, device}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmbMemInterface *interface = NULL;
        mmbError error = open_interface(&rows[i], &interface);
        SUITE_CHECK(error == MMB_INVALID_ARG && !interface, "row %zu: %s", i,
                    mmb_error_name(error));
    }
    clReleaseContext(other);
}

/* Buffers of two contexts know nothing of each other: the bytes go through the host. */
static void test_opencl_copies_between_contexts(void)
{
    enum { N_BYTES = (3 << 20) + 77 };
    if (no_device())
        return;
    cl_context other = new_context();
    cl_command_queue on = new_queue(other);
    mmbAllocation *from = lab_new(new_interface(context, queue), N_BYTES);
    mmbAllocation *to = lab_new(new_interface(other, on), N_BYTES);
    mmbAllocation *host = lab_new_host(N_BYTES, 0);
    CU_ASSERT_EQUAL(mmb_memset(from, 0, 0x77, N_BYTES), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(to, from), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(host, to), MMB_OK);
    const unsigned char *bytes = mmb_allocation_ptr(host);
    CU_ASSERT_TRUE(bytes[0] == 0x77 && bytes[N_BYTES - 1] == 0x77);
    mmbEvent *event = NULL;
    CU_ASSERT_EQUAL(mmb_copy_1d_on(to, 0, from, 0, 10, on, &event), MMB_UNSUPPORTED);
    mmb_free(from);
    mmb_free(to);
    mmb_free(host);
    clReleaseCommandQueue(on);
    clReleaseContext(other);
}

/* ---- queues ---- */

/* Nothing goes past the gate until it is opened. */
static cl_event shut_gate(cl_command_queue on)
{
    cl_int code;
    cl_event gate = clCreateUserEvent(context, &code);
    CU_ASSERT_EQUAL_FATAL(code, CL_SUCCESS);
    CU_ASSERT_EQUAL(clEnqueueBarrierWithWaitList(on, 1, &gate, NULL), CL_SUCCESS);
    return gate;
}

static void open_gate(cl_event gate)
{
    CU_ASSERT_EQUAL(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
    clReleaseEvent(gate);
}

static bool is_done(mmbEvent *event)
{
    bool done = false;
    CU_ASSERT_EQUAL(mmb_event_query(event, &done), MMB_OK);
    return done;
}

static void test_opencl_copies_stay_in_the_queues_order(void)
{
    if (no_device())
        return;
    mmbAllocation *object = lab_new(new_interface(context, queue), 100);
    mmbAllocation *from = lab_new_host(100, 5), *to = lab_new_host(100, 0);
    mmbEvent *events[2] = {NULL, NULL};
    cl_event gate = shut_gate(queue);
    CU_ASSERT_EQUAL(mmb_copy_async(object, from, &events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_async(to, object, &events[1]), MMB_OK);
    CU_ASSERT_FALSE(is_done(events[0]));
    CU_ASSERT_EQUAL(mmb_free(object), MMB_BUSY);
    CU_ASSERT_EQUAL(*(char *)mmb_allocation_ptr(to), 0);
    open_gate(gate);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)mmb_allocation_ptr(to), 5);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    mmb_free(from);
    mmb_free(to);
}

static void test_opencl_orders_another_queue_behind_a_copy(void)
{
    if (no_device())
        return;
    cl_command_queue second = new_queue(context);
    mmbMemInterface *interface = new_interface(context, queue);
    mmbAllocation *object = lab_new(interface, 100), *end = lab_new(interface, 100);
    mmbAllocation *from = lab_new_host(100, 6), *to = lab_new_host(100, 0);
    mmbEvent *events[2] = {NULL, NULL};
    CU_ASSERT_EQUAL(mmb_memset(end, 0, 0, 100), MMB_OK);
    cl_event gate = shut_gate(queue);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(object, 0, from, 0, 100, queue, &events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(events[0], second), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(end, 0, object, 0, 100, second, &events[1]), MMB_OK);
    CU_ASSERT_FALSE(is_done(events[1]));
    open_gate(gate);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(to, end), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)mmb_allocation_ptr(to), 6);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    mmb_free(object);
    mmb_free(end);
    mmb_free(from);
    mmb_free(to);
    clReleaseCommandQueue(second);
}

MMB_SUITE_WITH("layers/opencl", set_up, tear_down,
               T(test_opencl_kernel_runs_over_allocation_and_offset),
               T(test_opencl_sub_buffers_fit_allocations),
               T(test_opencl_refuses_more_than_the_devices_alignment),
               T(test_opencl_objects_are_retained), T(test_opencl_refuses_objects_that_do_not_fit),
               T(test_opencl_copies_between_contexts),
               T(test_opencl_copies_stay_in_the_queues_order),
               T(test_opencl_orders_another_queue_behind_a_copy))
