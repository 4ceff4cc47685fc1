/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: device memory that was discovered gets one default space per context whose
 * runtime sees a device, and DEFAULT means the first of them. The runtimes are the fakes, which
 * discovery asks; where it is not built in, core is told by hand. */
#include <mmb.h>
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "src/core/space.h"
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

#define DEVICE_BYTES ((size_t)64 << 20)

static mmbError find_two_devices(void)
{
    static const struct mmb_domain_found domains[] = {
        {.os_index = 0, .total_bytes = DEVICE_BYTES, .available_bytes = DEVICE_BYTES},
        {.os_index = 1, .total_bytes = DEVICE_BYTES, .available_bytes = DEVICE_BYTES}};
    const struct mmb_layer_found found = {.id = MMB_GDRAM, .domains = domains, .n_domains = 2};
    if (mmb_layer_lookup(MMB_GDRAM)->discovered)
        return MMB_OK;
    mmbError error = mmb_layer_add_found(&found);
    return error == MMB_OK ? mmb_spaces_add_discovered(0) : error;
}

static void set_up(void)
{
    fakes_use();
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_registry_enter("test"), MMB_OK);
    mmbError error = find_two_devices();
    mmb_registry_unlock();
    CU_ASSERT_EQUAL_FATAL(error, MMB_OK);
}

static void tear_down(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
}

static bool has_runtime(mmbBackend backend)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_backend_get_info(backend, &info), MMB_OK);
    return info.available;
}

/* What the devices of that context have together. */
static size_t room_of(mmbExecutionContext context)
{
    mmb_registry_lock();
    size_t room = mmb_layer_room(mmb_layer_lookup(MMB_GDRAM), context);
    mmb_registry_unlock();
    return room;
}

static const struct {
    mmbExecutionContext context;
    mmbBackend backend;
} rows[] = {{MMB_GPU_CUDA, MMB_BACKEND_CUDA},
            {MMB_GPU_HIP, MMB_BACKEND_HIP},
            {MMB_OPENCL, MMB_BACKEND_OPENCL}};
#define N_ROWS (sizeof rows / sizeof rows[0])

static void test_discovered_devices_have_a_space_per_context(void)
{
    bool is_first = true;
    for (size_t i = 0; i < N_ROWS; i++) {
        mmbMemSpace *space = NULL, *by_default = NULL;
        mmbError error = mmb_request_space(MMB_GDRAM, rows[i].context, NULL, &space);
        size_t room = room_of(rows[i].context);
        bool is_here = room > 0 && has_runtime(rows[i].backend);
        SUITE_CHECK(error == (is_here ? MMB_OK : MMB_NOT_FOUND), "row %zu: %s", i,
                    mmb_error_name(error));
        if (!is_here)
            continue;
        mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
        SUITE_CHECK(info.context == rows[i].context && info.limit == room,
                    "row %zu: context %d, limit %zu", i, (int)info.context, info.limit);
        CU_ASSERT_EQUAL(
            mmb_request_space(MMB_GDRAM, MMB_EXECUTION_CONTEXT_DEFAULT, NULL, &by_default), MMB_OK);
        SUITE_CHECK(!is_first || by_default == space, "row %zu is not the default", i);
        is_first = false;
    }
}

static void test_discovered_devices_serve_the_default_context(void)
{
    mmbMemInterface *interface = NULL;
    mmbAllocation *object = NULL;
    if (!has_runtime(MMB_BACKEND_CUDA)) {
        suite_skip("no CUDA");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(mmb_get_interface(MMB_GDRAM, MMB_EXECUTION_CONTEXT_DEFAULT, &interface),
                          MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &object), MMB_OK);
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_allocation_get_info(object, &info), MMB_OK);
    CU_ASSERT_TRUE(info.context == MMB_GPU_CUDA && info.layer == MMB_GDRAM && !info.ptr);
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

static bool is_discovered(mmbMemLayer layer)
{
    mmb_registry_lock();
    bool is_discovered = mmb_layer_lookup(layer)->discovered;
    mmb_registry_unlock();
    return is_discovered;
}

/* A block and a space of the first user are there as before. */
static void test_devices_left_out_are_found_by_the_next_init(void)
{
    mmbMemInterface *interface = NULL;
    mmbAllocation *object = NULL;
    tear_down();
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    size_t n_layers = mmb_layer_count(), n_spaces = mmb_space_count();
    bool has_devices = is_discovered(MMB_GDRAM);
    tear_down();
    CU_ASSERT_EQUAL_FATAL(mmb_init_host(NULL), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_init_host(NULL), MMB_OK);
    if (!is_discovered(MMB_DRAM)) {
        suite_skip("discovery is not built in");
        return;
    }
    CU_ASSERT_FALSE(is_discovered(MMB_GDRAM));
    CU_ASSERT_TRUE(mmb_layer_count() == n_layers - has_devices || is_discovered(MMB_SSD));
    CU_ASSERT_EQUAL(mmb_get_interface(MMB_DRAM, MMB_CPU, &interface), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &object), MMB_OK);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(mmb_init(NULL), MMB_OK);
        CU_ASSERT_EQUAL(is_discovered(MMB_GDRAM), has_devices);
        CU_ASSERT_TRUE(mmb_layer_count() == n_layers && mmb_space_count() == n_spaces);
    }
    CU_ASSERT_EQUAL(mmb_free(object), MMB_OK);
}

/* A layer that the program registered meanwhile stays the program's. */
static void test_devices_left_out_leave_the_users_layer(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    tear_down();
    CU_ASSERT_EQUAL_FATAL(mmb_init_host(NULL), MMB_OK);
    config.interface_opts.backend = MMB_BACKEND_CUDA;
    if (mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, &config, NULL) != MMB_OK) {
        suite_skip("no CUDA");
        return;
    }
    size_t n_spaces = mmb_space_count();
    CU_ASSERT_EQUAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_GDRAM, &info), MMB_OK);
    CU_ASSERT_TRUE(!info.discovered && mmb_space_count() == n_spaces);
}

MMB_SUITE_WITH("core/device_spaces", set_up, tear_down,
               T(test_discovered_devices_have_a_space_per_context),
               T(test_discovered_devices_serve_the_default_context),
               T(test_devices_left_out_are_found_by_the_next_init),
               T(test_devices_left_out_leave_the_users_layer))
