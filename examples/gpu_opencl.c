/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of an OpenCL device under a program's own context and queue: a pool of it, a kernel over
 * one block, and copies that wait for the kernel without the host. Without a GPU any OpenCL device
 * serves, as PoCL's; without a device the program says so and ends well.
 *
 *     gcc -std=c99 gpu_opencl.c $(pkg-config --cflags --libs mmb) -lOpenCL -o gpu_opencl &&
 * ./gpu_opencl
 */
#include <mmb/opencl.h>
#include <mmb.h>
#include <stdio.h>
#include <stdlib.h>

#define N_NUMBERS 10000u

/* Every call is checked, and so is whatever this program claims of the library. */
#define CHECK(call)    check((call), #call)
#define CHECK_CL(call) check((call) == CL_SUCCESS ? MMB_OK : MMB_ERROR, #call)
#define EXPECT(claim)  check((claim) ? MMB_OK : MMB_ERROR, #claim)

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    exit(EXIT_FAILURE);
}

struct device {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
};

/* The first device of the first platform that has one. */
static int open_device(struct device *device)
{
    cl_platform_id platforms[8];
    cl_uint n_platforms = 0;
    cl_int code;
    if (clGetPlatformIDs(8, platforms, &n_platforms) != CL_SUCCESS)
        return 0;
    for (cl_uint i = 0; i < n_platforms && i < 8; i++) {
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &device->id, NULL) != CL_SUCCESS)
            continue;
        device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
        CHECK_CL(code);
        device->queue =
            clCreateCommandQueueWithProperties(device->context, device->id, NULL, &code);
        CHECK_CL(code);
        return 1;
    }
    return 0;
}

static void close_device(struct device *device)
{
    CHECK_CL(clReleaseCommandQueue(device->queue));
    CHECK_CL(clReleaseContext(device->context));
}

/* [opencl interface] */
/* The options are read while the interface is made; context and queue are held as long as it is. */
static mmbMemInterface *make_pool(const struct device *device)
{
    mmbOpenCLOptions options = MMB_OPENCL_OPTIONS_INIT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    mmbMemInterface *pool;
    options.context = device->context;
    options.queue = device->queue;
    config.backend = MMB_BACKEND_OPENCL;
    config.backend_opts.opencl = &options;
    CHECK(mmb_register_memory(MMB_GDRAM, MMB_OPENCL, NULL, &space));
    CHECK(mmb_create_interface(space, &config, &pool));
    return pool;
}
/* [opencl interface] */

static const char *source = "__kernel void add(__global uint *numbers, uint first, uint what)"
                            "{ numbers[first + get_global_id(0)] += what; }";

/* [opencl kernel] */
/* A block is a buffer and an offset in it: both go to the kernel. */
static void run_kernel(const struct device *device, const mmbAllocation *block, cl_uint what)
{
    cl_int code;
    void *buffer;
    size_t offset, n_items = N_NUMBERS;
    CHECK(mmb_allocation_native(block, &buffer, &offset));
    cl_uint first = (cl_uint)(offset / sizeof(cl_uint));
    cl_program program = clCreateProgramWithSource(device->context, 1, &source, NULL, &code);
    CHECK_CL(code);
    CHECK_CL(clBuildProgram(program, 1, &device->id, "", NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, "add", &code);
    CHECK_CL(code);
    CHECK_CL(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    CHECK_CL(clSetKernelArg(kernel, 1, sizeof first, &first));
    CHECK_CL(clSetKernelArg(kernel, 2, sizeof what, &what));
    CHECK_CL(clEnqueueNDRangeKernel(device->queue, kernel, 1, NULL, &n_items, NULL, 0, NULL, NULL));
    CHECK_CL(clReleaseKernel(kernel));
    CHECK_CL(clReleaseProgram(program));
}
/* [opencl kernel] */

static void use(const struct device *device)
{
    mmbMemInterface *pool = make_pool(device), *host;
    mmbAllocation *first, *second, *numbers;
    mmbEvent *event;
    CHECK(mmb_get_interface(MMB_DRAM, MMB_CPU, &host));
    CHECK(mmb_allocate(N_NUMBERS * sizeof(cl_uint), pool, &first));
    CHECK(mmb_allocate(N_NUMBERS * sizeof(cl_uint), pool, &second));
    CHECK(mmb_allocate(N_NUMBERS * sizeof(cl_uint), host, &numbers));
    EXPECT(mmb_allocation_ptr(second) == NULL);
    CHECK(mmb_memset(second, 0, 0, N_NUMBERS * sizeof(cl_uint)));
    run_kernel(device, second, 40);
    run_kernel(device, second, 2);
    CHECK(mmb_copy_async(numbers, second, &event)); /* queued behind the kernels */
    CHECK(mmb_event_wait(&event));
    for (size_t i = 0; i < N_NUMBERS; i++)
        EXPECT(MMB_PTR(numbers, cl_uint)[i] == 42);
    printf("two kernels added 42 to each of %u numbers\n", N_NUMBERS);
    CHECK(mmb_migrate(second, host));
    EXPECT(MMB_PTR(second, cl_uint)[N_NUMBERS - 1] == 42);
    printf("the block moved to host memory\n");
    CHECK(mmb_free(first));
    CHECK(mmb_free(second));
    CHECK(mmb_free(numbers));
}

int main(void)
{
    struct device device;
    CHECK(mmb_init(MMB_INIT_DEFAULT));
    if (open_device(&device)) {
        use(&device);
        CHECK(mmb_finalize()); /* lets go of context and queue */
        close_device(&device);
    } else {
        printf("no OpenCL device here\n");
        CHECK(mmb_finalize());
    }
    return EXIT_SUCCESS;
}
