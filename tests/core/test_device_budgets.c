/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: an interface over one device takes that device's memory and no more, whether
 * or not its space has limits per domain: what another device has free does not serve it, and what
 * another has used does not hinder it. Over two devices of the fake driver that differ in size.
 * Managed memory shows it best: the driver gives it without looking at what the device has. */
#include <mmb/cuda.h>
#include <mmb.h>
#include <stdlib.h>
#include <string.h>
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "src/core/space.h"
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

#define MIB   ((size_t)1 << 20)
#define SMALL (16 * MIB)
#define LARGE (64 * MIB)

/* As discovery would, where it is not built in. */
static mmbError find_devices(void)
{
    static const struct mmb_domain_found domains[] = {
        {.os_index = 0, .total_bytes = SMALL, .available_bytes = SMALL},
        {.os_index = 1, .total_bytes = LARGE, .available_bytes = LARGE}};
    const struct mmb_layer_found found = {.id = MMB_GDRAM, .domains = domains, .n_domains = 2};
    if (mmb_layer_lookup(MMB_GDRAM)->discovered)
        return MMB_OK;
    return mmb_layer_add_found(&found);
}

static void set_up(void)
{
    fakes_use();
    setenv("MMB_FAKE_CUDA_BYTES", "16777216,67108864", 1);
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_registry_enter("test"), MMB_OK);
    mmbError error = find_devices();
    mmb_registry_unlock();
    CU_ASSERT_EQUAL_FATAL(error, MMB_OK);
}

static void tear_down(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
}

static size_t reserved_of(size_t domain)
{
    mmb_registry_lock();
    size_t n_bytes = mmb_budget_reserved(&mmb_layer_lookup(MMB_GDRAM)->domains[domain].budget);
    mmb_registry_unlock();
    return n_bytes;
}

static mmbMemInterface *open_interface(mmbBackend backend, const mmbCudaOptions *options)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    config.backend = backend;
    config.backend_opts.cuda = options;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, NULL, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &interface), MMB_OK);
    return interface;
}

static mmbMemInterface *over_device(mmbBackend backend, int device)
{
    mmbCudaOptions options = MMB_CUDA_OPTIONS_INIT;
    options.device = device;
    return open_interface(backend, &options);
}

static mmbAllocation *take(mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *object = NULL;
    mmbError error = mmb_allocate(n_bytes, interface, &object);
    if (!SUITE_CHECK(error == MMB_OK, "%zu B: %s", n_bytes, mmb_error_detail()))
        CU_FAIL_FATAL("no object");
    return object;
}

static void check_refused(mmbMemInterface *interface, size_t n_bytes, const char *words)
{
    mmbAllocation *object = NULL;
    mmbError error = mmb_allocate(n_bytes, interface, &object);
    SUITE_CHECK(error == MMB_OUT_OF_MEMORY && !object, "%zu B: %s", n_bytes, mmb_error_name(error));
    SUITE_CHECK(strstr(mmb_error_detail(), words), "\"%s\" in: %s", words, mmb_error_detail());
}

static bool is_left_out(void)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_backend_get_info(MMB_BACKEND_CUDA, &info), MMB_OK);
    if (!info.available)
        suite_skip(info.detail);
    return !info.available;
}

static const mmbBackend backends[] = {MMB_BACKEND_CUDA, MMB_BACKEND_CUDA_MANAGED};

static void test_device_exhaustion_is_not_hidden_by_another(void)
{
    if (is_left_out())
        return;
    for (size_t i = 0; i < 2; i++) {
        mmbMemInterface *small = over_device(backends[i], 0);
        check_refused(small, SMALL + MIB, "domain 0, is exhausted");
        mmbAllocation *object = take(small, SMALL - MIB);
        CU_ASSERT_EQUAL(reserved_of(0), SMALL - MIB);
        CU_ASSERT_EQUAL(reserved_of(1), 0);
        check_refused(small, 2 * MIB, "domain 0, is exhausted");
        CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
        CU_ASSERT_EQUAL(reserved_of(0), 0);
    }
}

static void test_device_is_not_hindered_by_another_that_is_full(void)
{
    if (is_left_out())
        return;
    for (size_t i = 0; i < 2; i++) {
        mmbMemInterface *small = over_device(backends[i], 0), *large = over_device(backends[i], 1);
        mmbAllocation *all = take(large, LARGE);
        check_refused(large, MIB, "domain 1, is exhausted");
        mmbAllocation *object = take(small, SMALL);
        CU_ASSERT_EQUAL(mmb_free(all), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    }
}

/* Device 0 where nothing is said. What two interfaces have of one device they have together. */
static void test_device_is_the_first_unless_it_is_named(void)
{
    if (is_left_out())
        return;
    mmbMemInterface *unnamed = open_interface(MMB_BACKEND_CUDA_MANAGED, NULL);
    mmbMemInterface *named = over_device(MMB_BACKEND_CUDA, 0);
    mmbAllocation *object = take(unnamed, 10 * MIB);
    check_refused(named, 10 * MIB, "domain 0, is exhausted");
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    object = take(named, 10 * MIB);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

static void test_device_is_told_as_the_domain(void)
{
    if (is_left_out())
        return;
    for (int device = 0; device < 2; device++) {
        mmbAllocation *object = take(over_device(MMB_BACKEND_CUDA, device), 1000);
        mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_allocation_get_info(object, &info), MMB_OK);
        SUITE_CHECK(info.domain == device, "domain %d of device %d", info.domain, device);
        CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    }
}

/* The program resets the device: the driver has taken everything back, the objects are left. */
static void test_device_is_free_again_after_a_reset(void)
{
    CUresult (*reset)(CUdevice) = fakes_cuda_function("cuDevicePrimaryCtxReset_v2");
    if (is_left_out())
        return;
    mmbAllocation *object = take(over_device(MMB_BACKEND_CUDA, 0), 10 * MIB);
    CU_ASSERT_EQUAL_FATAL(reset(0), CUDA_SUCCESS);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
    CU_ASSERT_EQUAL(reserved_of(0), 0);
}

/* Its numbers are nodes' there, whatever device pins the memory. */
static void test_pinned_memory_is_no_devices(void)
{
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    if (is_left_out())
        return;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_DRAM, MMB_GPU_CUDA, NULL, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, NULL, &interface), MMB_OK);
    mmbAllocation *object = take(interface, SMALL + MIB);
    CU_ASSERT_EQUAL(reserved_of(0) + reserved_of(1), 0);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

/* A space with limits per domain: the domain that is asked for wins over the options' device. */
static void test_domain_wins_over_the_device(void)
{
    size_t limits[2] = {SMALL, LARGE};
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbCudaOptions options = MMB_CUDA_OPTIONS_INIT;
    mmbAllocateOptions where = MMB_ALLOCATE_OPTIONS_INIT;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbAllocation *object = NULL;
    if (is_left_out())
        return;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.is_numa_aware = true;
    config.size_opts.numa_sizes.sizes = limits;
    config.size_opts.numa_sizes.d_size = 2;
    config.interface_opts.backend_opts.cuda = &options;
    config.interface_opts.backend = MMB_BACKEND_CUDA;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, &config, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, NULL, &interface), MMB_OK);
    where.domain = 1;
    size_t before = reserved_of(0);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(SMALL + MIB, interface, &where, &object), MMB_OK);
    CU_ASSERT_TRUE(reserved_of(0) == before && reserved_of(1) >= SMALL + MIB);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

MMB_SUITE_WITH("core/device_budgets", set_up, tear_down,
               T(test_device_exhaustion_is_not_hidden_by_another),
               T(test_device_is_not_hindered_by_another_that_is_full),
               T(test_device_is_the_first_unless_it_is_named), T(test_device_is_told_as_the_domain),
               T(test_pinned_memory_is_no_devices), T(test_domain_wins_over_the_device),
               T(test_device_is_free_again_after_a_reset))
