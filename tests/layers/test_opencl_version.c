/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a device whose OpenCL is too old is refused with its version, and one that is
 * old enough is given no call of a later version: the driver has none behind it. The version is
 * what this file makes the device say. */
#include <mmb/opencl.h>
#include <mmb.h>
#include <string.h>
#include "layers/opencl/native.h"
#include "tests/support/suite.h"

static const char *version; /* NULL: its own */
static unsigned int n_later_calls;

cl_int __real_clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t capacity, void *out,
                              size_t *n_bytes);
cl_int __wrap_clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t capacity, void *out,
                              size_t *n_bytes);
cl_command_queue __real_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                           const cl_queue_properties *properties,
                                                           cl_int *code);
cl_command_queue __wrap_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                           const cl_queue_properties *properties,
                                                           cl_int *code);

cl_int __wrap_clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t capacity, void *out,
                              size_t *n_bytes)
{
    if (name != CL_DEVICE_VERSION || !version)
        return __real_clGetDeviceInfo(device, name, capacity, out, n_bytes);
    if (strlen(version) >= capacity)
        return CL_INVALID_VALUE;
    memcpy(out, version, strlen(version) + 1);
    return CL_SUCCESS;
}

cl_command_queue __wrap_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                           const cl_queue_properties *properties,
                                                           cl_int *code)
{
    n_later_calls++;
    return __real_clCreateCommandQueueWithProperties(context, device, properties, code);
}

static void set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    version = NULL;
    n_later_calls = 0;
}

static void tear_down(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
}

static bool is_left_out(void)
{
    bool is_here = mmb_opencl_available() == MMB_OK;
    if (!is_here)
        suite_skip("no OpenCL device");
    return !is_here;
}

static mmbError open_interface(mmbMemInterface **out)
{
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_OPENCL, NULL, &space), MMB_OK);
    return mmb_create_interface(space, NULL, out);
}

static void test_opencl_too_old_is_refused(void)
{
    static const char *const rows[] = {"OpenCL 1.1 Somebody's", "OpenCL 1.0",
                                       "nothing of the kind"};
    static const char *const told[] = {"1.1", "1.0", "0.0"};
    if (is_left_out())
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmbMemInterface *interface = NULL;
        version = rows[i];
        mmbError error = open_interface(&interface);
        SUITE_CHECK(error == MMB_UNSUPPORTED && !interface, "%s: %s", version,
                    mmb_error_name(error));
        SUITE_CHECK(strstr(mmb_error_detail(), told[i]), "%s", mmb_error_detail());
    }
}

static void test_opencl_is_given_calls_of_its_version(void)
{
    static const char *const rows[] = {"OpenCL 1.2 Somebody's", "OpenCL 2.0", "OpenCL 3.0 x"};
    if (is_left_out())
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmbMemInterface *interface = NULL;
        mmbAllocation *object = NULL;
        version = rows[i];
        n_later_calls = 0;
        mmbError error = open_interface(&interface);
        SUITE_CHECK(error == MMB_OK, "%s: %s", version, mmb_error_detail());
        SUITE_CHECK(n_later_calls == (i == 0 ? 0 : 1), "%s: %u calls", version, n_later_calls);
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &object), MMB_OK);
        CU_ASSERT_EQUAL(mmb_memset(object, 0, 1, 1000), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    }
}

MMB_SUITE_WITH("layers/opencl_version", set_up, tear_down, T(test_opencl_too_old_is_refused),
               T(test_opencl_is_given_calls_of_its_version))
