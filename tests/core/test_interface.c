/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: interfaces are created from what the config says and the space fills in, and
 * destroyed only when nothing needs them. */
#include <stdint.h>
#include <string.h>
#include "src/base/meta.h"
#include "src/core/interface.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;

static void set_up(void)
{
    control_open();
    space = control_space(1 << 20);
}

static mmbMemInterfaceInfo info_of(const mmbMemInterface *interface)
{
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    SUITE_CHECK(mmb_interface_get_info(interface, &info) == MMB_OK, "%s", mmb_error_detail());
    return info;
}

static mmbError create(const mmbMemInterfaceConfig *config, mmbMemInterface **out)
{
    return mmb_create_interface(space, config, out);
}

static mmbMemInterface *must_create(const mmbMemInterfaceConfig *config)
{
    mmbMemInterface *interface = NULL;
    SUITE_CHECK(create(config, &interface) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

/* ---- creation ---- */

static void test_interface_every_strategy_over_every_backend(void)
{
    static _Alignas(64) char array[1 << 20];
    static const mmbBackend backends[] = {MMB_BACKEND_MALLOC, MMB_BACKEND_MMAP, MMB_BACKEND_ARRAY};
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE};
    for (size_t i = 0; i < N_ROWS(backends) * N_ROWS(strategies); i++) {
        mmbMemInterfaceConfig config = control_interface_config;
        config.backend = backends[i / N_ROWS(strategies)];
        config.strategy = strategies[i % N_ROWS(strategies)];
        if (config.backend == MMB_BACKEND_ARRAY) {
            config.backend_opts.array.base = array;
            config.backend_opts.array.bytes = sizeof array;
        }
        mmbMemInterface *interface = must_create(&config);
        mmbMemInterfaceInfo info = info_of(interface);
        SUITE_CHECK(info.backend == config.backend && info.strategy == config.strategy &&
                        info.space == space && !info.name && info.host_accessible &&
                        info.min_alignment == 16,
                    "%s over %s", mmb_strategy_name(config.strategy),
                    mmb_backend_name(config.backend));
        mmb_free(control_allocation(interface, 1000));
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    }
}

/* With a thread-local strategy in the build DEFAULT is that one, else the page. */
static void test_interface_defaults(void)
{
    mmbMemInterfaceInfo info = info_of(must_create(NULL));
    CU_ASSERT_EQUAL(info.backend, MMB_BACKEND_MMAP);
    CU_ASSERT_TRUE(info.strategy == MMB_STRATEGY_THREAD_LOCAL ||
                   info.strategy == MMB_STRATEGY_SCALABLE_PAGE);
}

static void test_interface_name_is_copied(void)
{
    char name[] = "halo";
    mmbMemInterfaceConfig config = control_interface_config;
    config.name = name;
    mmbMemInterface *interface = must_create(&config);
    memset(name, 'x', 4);
    CU_ASSERT_STRING_EQUAL(info_of(interface).name, "halo");
}

/* ---- what the space fills in ---- */

static void configure(const mmbMemInterfaceConfig *defaults)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.interface_opts = *defaults;
    SUITE_CHECK(mmb_memspace_configure(&config, space) == MMB_OK, "%s", mmb_error_detail());
}

static void test_interface_takes_the_spaces_values(void)
{
    mmbMemInterfaceConfig defaults = control_interface_config;
    defaults.backend = MMB_BACKEND_MALLOC;
    defaults.strategy = MMB_STRATEGY_STACK;
    defaults.name = "of the space";
    configure(&defaults);
    mmbMemInterfaceInfo info = info_of(must_create(NULL));
    CU_ASSERT_TRUE(info.backend == MMB_BACKEND_MALLOC && info.strategy == MMB_STRATEGY_STACK);
    CU_ASSERT_STRING_EQUAL(info.name, "of the space");
}

static void test_interface_config_wins_over_the_space(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    config.backend = MMB_BACKEND_MALLOC;
    config.strategy = MMB_STRATEGY_STACK;
    config.name = "of the space";
    configure(&config);
    config.backend = MMB_BACKEND_MMAP;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    config.name = "own";
    mmbMemInterfaceInfo info = info_of(must_create(&config));
    CU_ASSERT_TRUE(info.backend == MMB_BACKEND_MMAP && info.strategy == MMB_STRATEGY_PASSTHROUGH);
    CU_ASSERT_STRING_EQUAL(info.name, "own");
}

/* Options of a backend go with the name of the backend. */
static void test_interface_backend_options_come_with_the_backend(void)
{
    static _Alignas(64) char array[65536], other[65536];
    mmbMemInterfaceConfig config = control_interface_config;
    config.backend = MMB_BACKEND_ARRAY;
    config.backend_opts.array.base = array;
    config.backend_opts.array.bytes = sizeof array;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    configure(&config);
    mmbMemInterfaceConfig rows[3] = {MMB_MEMINTERFACE_CONFIG_DEFAULT,
                                     MMB_MEMINTERFACE_CONFIG_DEFAULT,
                                     MMB_MEMINTERFACE_CONFIG_DEFAULT};
    const char *expected[3] = {array, array, other};
    rows[0].backend_opts.reserved[0] = 77; /* ignored: the default backend */
    rows[1].backend = MMB_BACKEND_ARRAY;
    rows[2].backend = MMB_BACKEND_ARRAY;
    rows[2].backend_opts.array.base = other;
    rows[2].backend_opts.array.bytes = sizeof other;
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbAllocation *allocation = control_allocation(must_create(&rows[i]), 100);
        char *host = mmb_allocation_ptr(allocation);
        SUITE_CHECK(host >= expected[i] && host < expected[i] + sizeof array, "row %zu", i);
        mmb_free(allocation);
    }
    rows[0].backend = MMB_BACKEND_MMAP; /* neither the space's options nor nonsense of its own */
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL(create(&rows[0], &interface), MMB_INVALID_ARG);
    rows[0].backend_opts.reserved[0] = 0;
    CU_ASSERT_EQUAL(create(&rows[0], &interface), MMB_OK);
}

static void test_interface_ors_flags_and_takes_the_fallback(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *fallback = must_create(NULL);
    config.fallback = fallback;
    config.flags = MMB_INTERFACE_OWN_REGION;
    configure(&config);
    config.fallback = NULL;
    config.flags = MMB_INTERFACE_FINDABLE;
    mmbMemInterface *interface = must_create(&config);
    CU_ASSERT_EQUAL(interface->flags, MMB_INTERFACE_OWN_REGION | MMB_INTERFACE_FINDABLE);
    CU_ASSERT_PTR_EQUAL(interface->fallback, fallback);
}

static void test_interface_stack_bytes_of_the_space(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    config.strategy = MMB_STRATEGY_STACK;
    config.strategy_opts.stack_bytes = 4096;
    configure(&config);
    mmbMemInterface *interface = must_create(NULL);
    mmbAllocation *allocation = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(8192, interface, &allocation), MMB_OUT_OF_MEMORY);
    mmb_free(control_allocation(interface, 4000));
}

/* ---- refusals ---- */

static void put_backend(mmbMemInterfaceConfig *config)
{
    config->backend = (mmbBackend)63;
}
static void put_user_backend(mmbMemInterfaceConfig *config)
{
    config->backend = MMB_BACKEND_MAX;
}
static void put_negative_backend(mmbMemInterfaceConfig *config)
{
    config->backend = (mmbBackend)-1;
}
static void put_strategy(mmbMemInterfaceConfig *config)
{
    config->strategy = (mmbStrategy)-1;
}
static void put_flags(mmbMemInterfaceConfig *config)
{
    config->flags = UINT64_MAX;
}
static void put_reserved(mmbMemInterfaceConfig *config)
{
    config->reserved[0] = UINT64_MAX;
}
static void put_array_without_base(mmbMemInterfaceConfig *config)
{
    config->backend = MMB_BACKEND_ARRAY;
}
static void put_tiny_array(mmbMemInterfaceConfig *config)
{
    static _Alignas(16) char bytes[16];
    config->backend = MMB_BACKEND_ARRAY;
    config->backend_opts.array.base = bytes;
    config->backend_opts.array.bytes = sizeof bytes;
    config->strategy = MMB_STRATEGY_STACK;
    config->strategy_opts.stack_bytes = sizeof bytes + 1;
}
static void put_foreign_fallback(mmbMemInterfaceConfig *config)
{
    config->fallback = (mmbMemInterface *)(void *)config;
}
static void put_space_as_fallback(mmbMemInterfaceConfig *config)
{
    config->fallback = (mmbMemInterface *)(void *)space;
}
static void put_dead_fallback(mmbMemInterfaceConfig *config)
{
    config->fallback = must_create(NULL);
    mmb_destroy_interface(config->fallback);
}
static void put_provider(mmbMemInterfaceConfig *config)
{
    config->region_provider = (mmbRegionProvider *)(void *)config;
}
static void put_shm(mmbMemInterfaceConfig *config)
{
    config->backend = MMB_BACKEND_SHM;
}
static void put_cuda(mmbMemInterfaceConfig *config)
{
    config->backend = MMB_BACKEND_CUDA;
}

static const struct {
    const char *what;
    void (*put)(mmbMemInterfaceConfig *config);
    mmbError error;
} garbage[] = {
    {"backend", put_backend, MMB_INVALID_ARG},
    {"user backend", put_user_backend, MMB_INVALID_ARG},
    {"negative backend", put_negative_backend, MMB_INVALID_ARG},
    {"strategy", put_strategy, MMB_INVALID_ARG},
    {"flags", put_flags, MMB_INVALID_ARG},
    {"reserved", put_reserved, MMB_INVALID_ARG},
    {"array without base", put_array_without_base, MMB_INVALID_ARG},
    {"array smaller than its stack", put_tiny_array, MMB_INVALID_SIZE},
    {"foreign fallback", put_foreign_fallback, MMB_INVALID_INTERFACE},
    {"a space as fallback", put_space_as_fallback, MMB_INVALID_INTERFACE},
    {"dead fallback", put_dead_fallback, MMB_INVALID_INTERFACE},
    {"region provider", put_provider, MMB_INVALID_ARG},
    {"shm without URL", put_shm, MMB_INVALID_ARG},
    {"device memory in DRAM", put_cuda, MMB_UNSUPPORTED},
};

/* covers: mmb_create_interface MMB_INVALID_ARG MMB_INVALID_SIZE MMB_INVALID_INTERFACE
   MMB_UNSUPPORTED */
static void test_interface_create_refuses(void)
{
    for (size_t i = 0; i < N_ROWS(garbage); i++) {
        mmbMemInterfaceConfig config = control_interface_config;
        mmbMemInterface *interface = NULL;
        garbage[i].put(&config);
        mmbError error = create(&config, &interface);
        SUITE_CHECK(error == garbage[i].error && !interface, "%s: %s", garbage[i].what,
                    mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_interface_count(space), 0);
    CU_ASSERT_EQUAL(mmb_create_interface(space, NULL, NULL), MMB_INVALID_ARG);
}

static void test_interface_refusal_names_what_is_missing(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.backend = MMB_BACKEND_OPENCL;
    CU_ASSERT_EQUAL(create(&config, &interface), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("OPENCL"));
    config = control_interface_config;
    put_provider(&config);
    CU_ASSERT_EQUAL(create(&config, &interface), MMB_INVALID_ARG);
    CU_ASSERT_TRUE(control_detail_has("no live region provider"));
}

/* covers: mmb_create_interface MMB_INVALID_SPACE */
static void test_interface_create_in_what_is_no_space(void)
{
    mmbMemInterface *interface = NULL;
    mmbMemSpace *dead = control_space(1);
    char foreign[1024];
    mmb_destroy_space(dead);
    CU_ASSERT_EQUAL(mmb_create_interface(NULL, NULL, &interface), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_create_interface(dead, NULL, &interface), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_create_interface((mmbMemSpace *)(void *)foreign, NULL, &interface),
                    MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(
        mmb_create_interface((mmbMemSpace *)(void *)must_create(NULL), NULL, &interface),
        MMB_INVALID_SPACE);
    CU_ASSERT_PTR_NULL(interface);
}

/* ---- destruction ---- */

/* covers: mmb_destroy_interface MMB_BUSY */
static void test_interface_destroy_in_use(void)
{
    mmbMemInterface *interface = must_create(NULL);
    mmbAllocation *allocation = control_allocation(interface, 100);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_BUSY);
    memset(mmb_allocation_ptr(allocation), 1, 100); /* nothing is lost */
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_count(space), 0);
}

static void test_interface_destroy_a_fallback(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *fallback = must_create(NULL);
    config.fallback = fallback;
    mmbMemInterface *user = must_create(&config);
    CU_ASSERT_EQUAL(mmb_destroy_interface(fallback), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_destroy_interface(user), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(fallback), MMB_OK);
}

/* covers: mmb_destroy_interface MMB_INVALID_INTERFACE */
static void test_interface_destroy_what_is_none(void)
{
    mmbMemInterface *interface = must_create(NULL);
    char foreign[1024];
    const void *others[] = {foreign,   foreign + 8,          space, (char *)interface + 16,
                            (void *)1, (void *)~(uintptr_t)0};
    CU_ASSERT_EQUAL(mmb_destroy_interface(NULL), MMB_OK);
    for (size_t i = 0; i < N_ROWS(others); i++) {
        mmbError error = mmb_destroy_interface((mmbMemInterface *)(uintptr_t)others[i]);
        SUITE_CHECK(error == MMB_INVALID_INTERFACE, "row %zu: %s", i, mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_INVALID_INTERFACE);
}

static void test_interface_destroy_gives_everything_back(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    size_t before = 0;
    config.name = "a name";
    for (int round = 0; round < 10; round++) {
        mmbMemInterface *interface = must_create(&config);
        mmb_free(control_allocation(interface, 300000));
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        if (round == 1)
            before = mmb_meta_bytes();
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    mmb_space_get_info(space, &info);
    CU_ASSERT_TRUE(info.reserved == 0 && info.used == 0);
}

/* More than the fast part of the allocator table has. */
static void test_interface_many(void)
{
    static mmbMemInterface *interfaces[1500];
    for (size_t i = 0; i < N_ROWS(interfaces); i++)
        interfaces[i] = must_create(NULL);
    CU_ASSERT_EQUAL(mmb_interface_count(space), N_ROWS(interfaces));
    for (size_t i = 0; i < N_ROWS(interfaces); i += 100)
        mmb_free(control_allocation(interfaces[i], 64));
    for (size_t i = 0; i < N_ROWS(interfaces); i++)
        CU_ASSERT_EQUAL(mmb_destroy_interface(interfaces[i]), MMB_OK);
}

MMB_SUITE_WITH("core/interface", set_up, control_close,
               T(test_interface_every_strategy_over_every_backend), T(test_interface_defaults),
               T(test_interface_name_is_copied), T(test_interface_takes_the_spaces_values),
               T(test_interface_config_wins_over_the_space),
               T(test_interface_backend_options_come_with_the_backend),
               T(test_interface_ors_flags_and_takes_the_fallback),
               T(test_interface_stack_bytes_of_the_space), T(test_interface_create_refuses),
               T(test_interface_refusal_names_what_is_missing),
               T(test_interface_create_in_what_is_no_space), T(test_interface_destroy_in_use),
               T(test_interface_destroy_a_fallback), T(test_interface_destroy_what_is_none),
               T(test_interface_destroy_gives_everything_back), T(test_interface_many))
