/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: memory of OpenACC's devices by the runtime that is found at run time: the
 * runtime is asked with the device that the interface is for, and the caller's is current again
 * after every call; a missing runtime or device is refused in its own words. Beside GCC's runtime
 * one of this file stands in for three devices, which counts what it is asked. */
#include <mmb.h>
#include <stdlib.h>
#include <string.h>
#include "layers/openacc/openacc.h"
#include "layers/openacc/runtime.h"
#include "src/spi/backend.h"
#include "tests/support/suite.h"

static bool has_runtime(void)
{
    size_t n_devices = 0;
    bool is_here = mmb_openacc_load(&n_devices) == MMB_OK;
    if (!is_here)
        suite_skip(mmb_error_detail());
    return is_here;
}

static void tear_down(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
}

/* ---- the runtime that is here ---- */

static mmbMemInterface *open_interface(void)
{
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_OPENACC, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_get_interface(MMB_GDRAM, MMB_OPENACC, &interface), MMB_OK);
    return interface;
}

static void test_openacc_serves_its_context_by_default(void)
{
    mmbAllocation *object = NULL;
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    if (!has_runtime())
        return;
    mmbMemInterface *interface = open_interface();
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &object), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_get_info(object, &info), MMB_OK);
    CU_ASSERT_TRUE(info.context == MMB_OPENACC && info.layer == MMB_GDRAM);
    CU_ASSERT_PTR_NULL(mmb_allocation_ptr(object));
    CU_ASSERT_PTR_NOT_NULL(mmb_device_ptr(object));
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

/* What a region of the program's own sees at the device pointer is what was copied. */
static void test_openacc_memory_is_the_runtimes(void)
{
    mmbAllocation *object = NULL;
    char seen[100] = "";
    if (!has_runtime())
        return;
    mmbMemInterface *interface = open_interface();
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(sizeof seen, interface, &object), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset(object, 0, 'x', sizeof seen), MMB_OK);
    mmb_openacc.copy_out(seen, mmb_device_ptr(object), sizeof seen);
    for (size_t i = 0; i < sizeof seen; i++)
        CU_ASSERT_EQUAL(seen[i], 'x');
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

static void test_openacc_tells_exhaustion(void)
{
    mmbAllocation *object = NULL;
    if (!has_runtime())
        return;
    mmbMemInterface *interface = open_interface();
    CU_ASSERT_EQUAL(mmb_allocate((size_t)1 << 60, interface, &object), MMB_OUT_OF_MEMORY);
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "acc_malloc"));
    CU_ASSERT_PTR_NULL(object);
}

static int refuse(void *library)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    setenv("MMB_OPENACC_LIBRARY", library, 1);
    if (mmb_init(NULL) != MMB_OK || mmb_backend_get_info(MMB_BACKEND_OPENACC, &info) != MMB_OK)
        return 1;
    if (!info.built || info.available || !strstr(info.detail, library))
        return 2;
    return mmb_register_memory(MMB_GDRAM, MMB_OPENACC, NULL, NULL) == MMB_UNSUPPORTED ? 0 : 3;
}

static void test_openacc_without_a_runtime_is_refused(void)
{
    static char *const libraries[] = {"/nowhere/libgomp.so.1", "libm.so.6"};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        struct suite_child child = suite_run_child(refuse, libraries[i], 60);
        SUITE_CHECK(child.exited && child.code == 0, "%s: %d", libraries[i], child.code);
    }
}

/* ---- three devices of this file's, of kind 7 ---- */

enum { KIND = 7, N_DEVICES = 3, NOBODY = -1 };
static int current_type, current_number, n_fatal, last_number;

static int get_device_type(void)
{
    return current_type;
}

static int get_num_devices(int type)
{
    return type == KIND ? N_DEVICES : 1;
}

static int get_device_num(int type)
{
    return type == current_type ? current_number : 0;
}

/* The real ones end the program. */
static void set_device_num(int number, int type)
{
    n_fatal += number < 0 || number >= get_num_devices(type);
    current_number = number;
    current_type = type;
}

static void *allocate(size_t n_bytes)
{
    last_number = current_number;
    return malloc(n_bytes);
}

static void take_back(void *start)
{
    last_number = current_number;
    free(start);
}

static void copy(void *to, void *from, size_t n_bytes)
{
    last_number = current_number;
    memcpy(to, from, n_bytes);
}

static struct mmb_openacc_runtime real;

static bool use_three_devices(void)
{
    if (!has_runtime())
        return false;
    real = mmb_openacc;
    mmb_openacc = (struct mmb_openacc_runtime){.get_device_type = get_device_type,
                                               .get_num_devices = get_num_devices,
                                               .get_device_num = get_device_num,
                                               .set_device_num = set_device_num,
                                               .allocate = allocate,
                                               .free = take_back,
                                               .copy_in = copy,
                                               .copy_out = copy};
    set_device_num(1, KIND);
    n_fatal = 0;
    return true;
}

static mmbError open_device(int number, struct mmb_backend **out)
{
    static const mmbBackendOptions options = {{0}};
    const struct mmb_backend_request request = {.id = MMB_BACKEND_OPENACC,
                                                .layer = MMB_GDRAM,
                                                .context = MMB_OPENACC,
                                                .options = &options,
                                                .domain = number < 0 ? -1 : 0,
                                                .domain_os_index = number};
    return mmb_openacc_backend.open(&request, out);
}

/* The caller has device 0 of kind 7 current in all calls but the opening. */
static void check_calls(struct mmb_backend *backend, int number)
{
    const struct mmb_backend_ops *ops = backend->ops;
    struct mmb_memory memory;
    char bytes[10] = "";
    set_device_num(0, KIND);
    last_number = NOBODY;
    CU_ASSERT_EQUAL_FATAL(ops->map(backend, 100, 100, 64, &memory), MMB_OK);
    SUITE_CHECK(last_number == number && current_number == 0, "map: %d", last_number);
    last_number = NOBODY;
    CU_ASSERT_EQUAL(ops->set(backend, &memory, 3, 'y', 90), MMB_OK);
    SUITE_CHECK(last_number == number && current_number == 0, "set: %d", last_number);
    last_number = NOBODY;
    CU_ASSERT_EQUAL(ops->copy_out(backend, bytes, &memory, 5, sizeof bytes), MMB_OK);
    SUITE_CHECK(last_number == number && current_number == 0, "copy_out: %d", last_number);
    CU_ASSERT_TRUE(memcmp(bytes, "yyyyyyyyyy", sizeof bytes) == 0);
    last_number = NOBODY;
    CU_ASSERT_EQUAL(ops->copy_in(backend, &memory, 5, bytes, sizeof bytes), MMB_OK);
    SUITE_CHECK(last_number == number && current_number == 0, "copy_in: %d", last_number);
    last_number = NOBODY;
    CU_ASSERT_EQUAL(ops->unmap(backend, &memory), MMB_OK);
    SUITE_CHECK(last_number == number && current_number == 0, "unmap: %d", last_number);
}

static void test_openacc_leaves_the_callers_device_current(void)
{
    static const int wishes[] = {NOBODY, 0, 2}, numbers[] = {1, 0, 2};
    if (!use_three_devices())
        return;
    for (size_t i = 0; i < 3; i++) {
        struct mmb_backend *backend = NULL;
        set_device_num(1, KIND);
        CU_ASSERT_EQUAL_FATAL(open_device(wishes[i], &backend), MMB_OK);
        check_calls(backend, numbers[i]);
        backend->ops->close(backend);
    }
    CU_ASSERT_EQUAL(n_fatal, 0);
    mmb_openacc = real;
}

/* The runtime would end the program. */
static void test_openacc_refuses_a_device_that_is_not_there(void)
{
    struct mmb_backend *backend = NULL;
    if (!use_three_devices())
        return;
    CU_ASSERT_EQUAL(open_device(3, &backend), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NULL(backend);
    CU_ASSERT_EQUAL(n_fatal, 0);
    mmb_openacc = real;
}

static void test_openacc_refuses_options(void)
{
    mmbBackendOptions options = {{0, 1}};
    const struct mmb_backend_request request = {.id = MMB_BACKEND_OPENACC,
                                                .layer = MMB_GDRAM,
                                                .context = MMB_OPENACC,
                                                .options = &options,
                                                .domain = -1,
                                                .domain_os_index = -1};
    struct mmb_backend *backend = NULL;
    CU_ASSERT_EQUAL(mmb_openacc_backend.open(&request, &backend), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NULL(backend);
}

MMB_SUITE_WITH("layers/openacc", NULL, tear_down, T(test_openacc_without_a_runtime_is_refused),
               T(test_openacc_serves_its_context_by_default),
               T(test_openacc_memory_is_the_runtimes), T(test_openacc_tells_exhaustion),
               T(test_openacc_leaves_the_callers_device_current),
               T(test_openacc_refuses_a_device_that_is_not_there), T(test_openacc_refuses_options))
