/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: spaces are registered, created and configured as asked, or nothing
 * has changed and the code says why. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/suite.h"

/* What both ways of making a space have in common. */
typedef mmbError (*maker)(const mmbMemLayer, const mmbExecutionContext, const mmbMemSpaceConfig *,
                          mmbMemSpace **);
static const maker makers[] = {mmb_register_memory, mmb_create_space};

static void set_up(void)
{
    control_open();
    control_space(0); /* DRAM is known, whoever built this */
}

static mmbSpaceInfo info_of(const mmbMemSpace *space)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    SUITE_CHECK(mmb_space_get_info(space, &info) == MMB_OK, "info: %s", mmb_error_detail());
    return info;
}

/* ---- making ---- */

static void test_space_register_and_create(void)
{
    for (size_t i = 0; i < N_ROWS(makers); i++) {
        mmbMemSpaceConfig config = control_limit(8000);
        mmbMemSpace *space = NULL;
        size_t count = mmb_space_count();
        CU_ASSERT_EQUAL(makers[i](MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
        CU_ASSERT_EQUAL(mmb_space_count(), count + 1);
        mmbSpaceInfo info = info_of(space);
        CU_ASSERT_TRUE(info.layer == MMB_DRAM && info.context == MMB_CPU && info.limit == 8000);
        CU_ASSERT_TRUE(info.used == 0 && info.peak == 0 && info.reserved == 0 &&
                       info.allocations == 0 && info.domains == 0);
    }
}

static void test_space_defaults(void)
{
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_DRAM, MMB_EXECUTION_CONTEXT_DEFAULT, NULL, &space),
                    MMB_OK);
    CU_ASSERT_EQUAL(info_of(space).context, MMB_CPU);
    CU_ASSERT_EQUAL(info_of(space).limit, MMB_NO_LIMIT);
    size_t count = mmb_space_count();
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_space_count(), count + 1);
}

static void test_space_size_actions(void)
{
    static const struct {
        mmbSizeConfigAction action;
        size_t mem_size, limit;
    } rows[] = {
        {MMB_SIZE_NONE, 77, MMB_NO_LIMIT},
        {MMB_SIZE_ANY, 77, MMB_NO_LIMIT},
        {MMB_SIZE_SET, 77, 77},
        {MMB_SIZE_SET, 0, 0},
        {MMB_SIZE_SET, SIZE_MAX, MMB_NO_LIMIT},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbMemSpaceConfig config = control_limit(rows[i].mem_size);
        mmbMemSpace *space = NULL;
        config.size_opts.action = rows[i].action;
        CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
        SUITE_CHECK(info_of(space).limit == rows[i].limit, "row %zu: %zu", i, info_of(space).limit);
    }
}

static void test_space_numa_aware_with_one_domain(void)
{
    size_t sizes[] = {4000, SIZE_MAX};
    mmbMemSpaceConfig config = control_limit(0);
    mmbMemSpace *space = NULL;
    mmbSpaceInfo domain = MMB_SPACE_INFO_INIT;
    config.size_opts.is_numa_aware = true;
    config.size_opts.numa_sizes = (mmbNumaSizes){1, sizes};
    CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
    CU_ASSERT_TRUE(info_of(space).limit == 4000 && info_of(space).domains == 1);
    CU_ASSERT_EQUAL(mmb_space_get_domain_info(space, 0, &domain), MMB_OK);
    CU_ASSERT_TRUE(domain.limit == 4000 && domain.domains == 0);
    CU_ASSERT_EQUAL(mmb_space_get_domain_info(space, 1, &domain), MMB_NOT_FOUND);
}

/* covers: mmb_register_memory MMB_INVALID_SIZE, mmb_create_space MMB_INVALID_SIZE */
static void test_space_domain_sizes_that_overflow(void)
{
    size_t sizes[] = {2, SIZE_MAX - 1};
    mmbMemLayer layer = control_new_layer("two unknown domains");
    mmbMemSpaceConfig config = control_limit(0);
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL(mmb_register_memory(layer, MMB_CPU, NULL, NULL), MMB_OK);
    config.size_opts.is_numa_aware = true;
    config.size_opts.numa_sizes = (mmbNumaSizes){2, sizes};
    for (size_t i = 0; i < N_ROWS(makers); i++)
        CU_ASSERT_EQUAL(makers[i](layer, MMB_CPU, &config, &space), MMB_INVALID_SIZE);
    CU_ASSERT_PTR_NULL(space);
}

static void test_space_layers_for_any_backend_that_does_not_bind(void)
{
    mmbMemSpaceConfig config = control_limit(100000);
    config.interface_opts.backend = MMB_BACKEND_MALLOC;
    for (int layer = MMB_HBM; layer <= MMB_SSD; layer++) {
        mmbMemSpace *space = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_register_memory((mmbMemLayer)layer, MMB_CPU, &config, &space),
                              MMB_OK);
        mmbMemInterface *interface = NULL;
        CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, &interface), MMB_OK);
        mmb_free(control_allocation(interface, 1000));
    }
}

/* ---- refusals ---- */

/* covers: mmb_register_memory MMB_INVALID_LAYER MMB_INVALID_EXECUTION_CONTEXT MMB_UNSUPPORTED,
   mmb_create_space MMB_INVALID_LAYER MMB_INVALID_EXECUTION_CONTEXT MMB_UNSUPPORTED */
static void test_space_pairs_that_cannot_work(void)
{
    static const struct {
        int layer, context;
        mmbError error;
    } rows[] = {
        {7, MMB_CPU, MMB_INVALID_LAYER},
        {-1, MMB_CPU, MMB_INVALID_LAYER},
        {MMB_LAYER_USER, MMB_CPU, MMB_INVALID_LAYER},
        {MMB_LAYER_MAX, MMB_CPU, MMB_INVALID_LAYER},
        {MMB_DRAM, 6, MMB_INVALID_EXECUTION_CONTEXT},
        {MMB_DRAM, -1, MMB_INVALID_EXECUTION_CONTEXT},
        {MMB_DRAM, MMB_OPENACC, MMB_UNSUPPORTED},
    };
    for (size_t i = 0; i < N_ROWS(rows) * 2; i++) {
        mmbMemLayer layer = (mmbMemLayer)rows[i / 2].layer;
        mmbExecutionContext context = (mmbExecutionContext)rows[i / 2].context;
        mmbMemSpace *space = NULL;
        mmbError error = makers[i % 2](layer, context, NULL, &space);
        SUITE_CHECK(error == rows[i / 2].error && !space, "row %zu: %s", i / 2,
                    mmb_error_name(error));
    }
    CU_ASSERT_TRUE(control_detail_has("DRAM") && control_detail_has("OPENACC"));
}

static void test_space_device_memory_for_the_cpu(void)
{
    CU_ASSERT_EQUAL(mmb_register_memory(MMB_GDRAM, MMB_CPU, NULL, NULL), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("GDRAM") && control_detail_has("CPU"));
}

/* The reserved words, the unknown values, the parts that are not there. */
struct garbage {
    const char *what;
    void (*put)(mmbMemSpaceConfig *config);
    mmbError error;
};

static void put_action(mmbMemSpaceConfig *config)
{
    config->size_opts.action = (mmbSizeConfigAction)3;
}
static void put_size_reserved(mmbMemSpaceConfig *config)
{
    config->size_opts.reserved[1] = 1;
}
static void put_interface_reserved(mmbMemSpaceConfig *config)
{
    config->interface_opts.reserved[3] = 1;
}
static void put_backend(mmbMemSpaceConfig *config)
{
    config->interface_opts.backend = (mmbBackend)63;
}
static void put_user_backend(mmbMemSpaceConfig *config)
{
    config->interface_opts.backend = MMB_BACKEND_USER;
}
static void put_strategy(mmbMemSpaceConfig *config)
{
    config->interface_opts.strategy = (mmbStrategy)5;
}
static void put_flag(mmbMemSpaceConfig *config)
{
    config->interface_opts.flags = 4;
}
static void put_no_sizes(mmbMemSpaceConfig *config)
{
    config->size_opts.action = MMB_SIZE_SET;
    config->size_opts.is_numa_aware = true;
    config->size_opts.numa_sizes = (mmbNumaSizes){1, NULL};
}
static void put_zero_sizes(mmbMemSpaceConfig *config)
{
    static size_t size = 1;
    config->size_opts.action = MMB_SIZE_SET;
    config->size_opts.is_numa_aware = true;
    config->size_opts.numa_sizes = (mmbNumaSizes){0, &size};
}
static void put_fallback(mmbMemSpaceConfig *config)
{
    config->interface_opts.fallback = (mmbMemInterface *)(void *)config;
}
static void put_provider(mmbMemSpaceConfig *config)
{
    config->interface_opts.region_provider = (mmbRegionProvider *)(void *)config;
}
static void put_missing_backend(mmbMemSpaceConfig *config)
{
    config->interface_opts.backend = MMB_BACKEND_CUDA;
}
static void put_missing_strategy(mmbMemSpaceConfig *config)
{
    config->interface_opts.strategy = MMB_STRATEGY_THREAD_LOCAL;
}

static const struct garbage garbage[] = {
    {"action", put_action, MMB_INVALID_ARG},
    {"reserved of the size", put_size_reserved, MMB_INVALID_ARG},
    {"reserved of the interface", put_interface_reserved, MMB_INVALID_ARG},
    {"backend", put_backend, MMB_INVALID_ARG},
    {"user backend", put_user_backend, MMB_INVALID_ARG},
    {"strategy", put_strategy, MMB_INVALID_ARG},
    {"flag", put_flag, MMB_INVALID_ARG},
    {"sizes NULL", put_no_sizes, MMB_INVALID_ARG},
    {"no sizes", put_zero_sizes, MMB_INVALID_ARG},
    {"fallback", put_fallback, MMB_INVALID_INTERFACE},
    {"region provider", put_provider, MMB_INVALID_ARG},
    {"missing backend", put_missing_backend, MMB_UNSUPPORTED},
};

/* covers: mmb_register_memory MMB_INVALID_ARG MMB_INVALID_INTERFACE, mmb_create_space
   MMB_INVALID_ARG MMB_INVALID_INTERFACE */
static void test_space_making_refuses_garbage(void)
{
    size_t count = mmb_space_count();
    for (size_t i = 0; i < N_ROWS(garbage) * 2; i++) {
        const struct garbage *row = &garbage[i / 2];
        mmbMemSpaceConfig config = control_space_config;
        mmbMemSpace *space = NULL;
        row->put(&config);
        mmbError error = makers[i % 2](MMB_DRAM, MMB_CPU, &config, &space);
        SUITE_CHECK(error == row->error && !space, "%s: %s", row->what, mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_create_space(MMB_DRAM, MMB_CPU, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_space_count(), count);
}

/* covers: mmb_memspace_configure MMB_INVALID_ARG MMB_INVALID_INTERFACE MMB_UNSUPPORTED
   MMB_INVALID_SPACE */
static void test_space_configure_refuses_garbage(void)
{
    mmbMemSpace *space = control_space(1000);
    for (size_t i = 0; i < N_ROWS(garbage); i++) {
        mmbMemSpaceConfig config = control_limit(5);
        garbage[i].put(&config);
        mmbError error = mmb_memspace_configure(&config, space);
        SUITE_CHECK(error == garbage[i].error && control_limit_of(space) == 1000, "%s: %s",
                    garbage[i].what, mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_memspace_configure(NULL, NULL), MMB_INVALID_SPACE);
    mmb_destroy_space(space);
    CU_ASSERT_EQUAL(mmb_memspace_configure(NULL, space), MMB_INVALID_SPACE);
}

/* A strategy that this build lacks is refused with the space, not with its first interface. */
static void test_space_strategy_that_is_not_built_in(void)
{
    mmbMemSpaceConfig config = control_space_config;
    mmbMemSpace *space = NULL;
    put_missing_strategy(&config);
    mmbError error = mmb_create_space(MMB_DRAM, MMB_CPU, &config, &space);
    if (error == MMB_OK) {
        suite_skip("this build has every strategy");
        return;
    }
    CU_ASSERT_EQUAL(error, MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("THREAD_LOCAL"));
}

static void test_space_create_needs_a_known_layer(void)
{
    mmbMemLayer layer = control_new_layer("nobody registered it");
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL(mmb_create_space(layer, MMB_CPU, NULL, &space), MMB_INVALID_LAYER);
    CU_ASSERT_PTR_NULL(space);
    CU_ASSERT_EQUAL(mmb_register_memory(layer, MMB_CPU, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_create_space(layer, MMB_CPU, NULL, &space), MMB_OK);
}

/* ---- configure ---- */

static void test_space_configure_limit(void)
{
    mmbMemSpace *space = control_space(1000);
    mmbMemSpaceConfig config = control_limit(500);
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), 500);
    config.size_opts.action = MMB_SIZE_NONE;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), 500);
    CU_ASSERT_EQUAL(mmb_memspace_configure(NULL, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), 500);
    config.size_opts.action = MMB_SIZE_ANY;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    CU_ASSERT_EQUAL(control_limit_of(space), MMB_NO_LIMIT);
}

/* covers: mmb_memspace_configure MMB_BUSY */
static void test_space_configure_limit_under_use(void)
{
    mmbMemSpace *space = control_space(8000);
    mmbMemInterface *interface =
        control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmbAllocation *allocation = control_allocation(interface, 5000);
    mmbMemSpaceConfig config = control_limit(4999);
    config.interface_opts.name = "not taken over";
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_BUSY);
    CU_ASSERT_TRUE(control_detail_has("5000"));
    CU_ASSERT_EQUAL(control_limit_of(space), 8000);
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmb_interface_get_info(control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT),
                           &info);
    CU_ASSERT_PTR_NULL(info.name);
    config.size_opts.mem_size = 5000;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    mmbAllocation *more = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(1, interface, &more), MMB_OUT_OF_MEMORY);
    mmb_free(allocation);
    mmb_free(control_allocation(interface, 5000));
}

/* covers: mmb_memspace_configure MMB_INVALID_SIZE */
static void test_space_configure_domain_sizes_that_overflow(void)
{
    size_t sizes[] = {SIZE_MAX, 1};
    mmbMemLayer layer = control_new_layer("domains");
    mmbMemSpace *space = NULL;
    mmbMemSpaceConfig config = control_limit(0);
    CU_ASSERT_EQUAL(mmb_register_memory(layer, MMB_CPU, NULL, &space), MMB_OK);
    config.size_opts.is_numa_aware = true;
    config.size_opts.numa_sizes = (mmbNumaSizes){2, sizes};
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(control_limit_of(space), MMB_NO_LIMIT);
}

/* Replaced as a whole; what was made before keeps what it was made with. */
static void test_space_configure_interface_defaults(void)
{
    mmbMemSpaceConfig config = control_space_config;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interfaces[3];
    static const mmbBackend backends[] = {MMB_BACKEND_MALLOC, MMB_BACKEND_MMAP, MMB_BACKEND_MMAP};
    static const mmbStrategy strategies[] = {MMB_STRATEGY_STACK, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE};
    config.interface_opts.backend = MMB_BACKEND_MALLOC;
    config.interface_opts.strategy = MMB_STRATEGY_STACK;
    CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
    interfaces[0] = control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    config.interface_opts.backend = MMB_BACKEND_DEFAULT;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    interfaces[1] = control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    config.interface_opts.strategy = MMB_STRATEGY_SCALABLE_PAGE;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    interfaces[2] = control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    for (size_t i = 0; i < N_ROWS(interfaces); i++) {
        mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_interface_get_info(interfaces[i], &info), MMB_OK);
        SUITE_CHECK(info.backend == backends[i] && info.strategy == strategies[i], "%zu: %s %s", i,
                    mmb_backend_name(info.backend), mmb_strategy_name(info.strategy));
    }
}

/* ---- what a config points to ---- */

static void test_space_keeps_the_path_of_its_interfaces(void)
{
    const char *folder = getenv("TMPDIR");
    char path[256];
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    snprintf(path, sizeof path, "%s", folder ? folder : "/tmp");
    config.interface_opts.backend = MMB_BACKEND_FILE;
    config.interface_opts.backend_opts.file.path = path;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_SSD, MMB_CPU, &config, &space), MMB_OK);
    memset(path, 'x', sizeof path - 1);
    SUITE_CHECK(mmb_request_interface(space, NULL, &interface) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    mmb_free(control_allocation(interface, 1000));
    config.interface_opts.backend_opts.file.path = "/nonexistent/folder/file";
    CU_ASSERT_EQUAL(mmb_memspace_configure(&config, space), MMB_OK);
    mmbAllocation *block = NULL;
    mmbError error = mmb_create_interface(space, NULL, &interface);
    if (error == MMB_OK)
        error = mmb_allocate(1000, interface, &block);
    SUITE_CHECK(error != MMB_OK && strstr(mmb_error_detail(), "/nonexistent/folder"), "%s",
                mmb_error_detail());
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

MMB_SUITE_WITH("core/space", set_up, control_close, T(test_space_register_and_create),
               T(test_space_defaults), T(test_space_size_actions),
               T(test_space_numa_aware_with_one_domain), T(test_space_domain_sizes_that_overflow),
               T(test_space_layers_for_any_backend_that_does_not_bind),
               T(test_space_pairs_that_cannot_work), T(test_space_device_memory_for_the_cpu),
               T(test_space_making_refuses_garbage), T(test_space_configure_refuses_garbage),
               T(test_space_strategy_that_is_not_built_in),
               T(test_space_create_needs_a_known_layer), T(test_space_configure_limit),
               T(test_space_configure_limit_under_use),
               T(test_space_configure_domain_sizes_that_overflow),
               T(test_space_configure_interface_defaults),
               T(test_space_keeps_the_path_of_its_interfaces))
