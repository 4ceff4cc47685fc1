/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: init and finalize count; before and after, every call answers
 * MMB_NOT_INITIALIZED; finalize frees what is live, says so, and leaves nothing behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "src/base/meta.h"
#include "src/core/registry.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static char warnings[4096];
static size_t n_warnings;

static void collect(mmbLogLevel level, const char *message, void *user)
{
    (void)user;
    if (level != MMB_LOG_WARNING)
        return;
    n_warnings++;
    size_t length = strlen(warnings);
    snprintf(warnings + length, sizeof warnings - length, "%s\n", message);
}

static void listen_for_warnings(void)
{
    warnings[0] = '\0';
    n_warnings = 0;
    mmb_logging_set_level(MMB_LOG_WARNING);
    mmb_logging_set_callback(collect, NULL);
}

static void tear_down(void)
{
    control_close();
    mmb_logging_set_callback(NULL, NULL);
    unsetenv("MMB_TOPOLOGY_XML");
}

/* ---- counting ---- */

/* covers: mmb_finalize MMB_NOT_INITIALIZED */
static void test_library_counts_its_users(void)
{
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
    control_open();
    control_open();
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_TRUE(mmb_interface_count(control_space(1000)) == 0);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL(mmb_space_count(), 0);
}

static void test_library_starts_again(void)
{
    for (int i = 0; i < 3; i++) {
        control_open();
        mmbMemInterface *interface =
            control_interface(control_space(1 << 20), MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
        mmb_free(control_allocation(interface, 1000));
        CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    }
}

static void test_library_forgets_layers_and_backends(void)
{
    control_open();
    size_t n_layers = mmb_layer_count();
    size_t n_spaces = mmb_space_count();
    mmbMemLayer layer = control_new_layer("forgotten");
    CU_ASSERT_EQUAL(mmb_register_memory(layer, MMB_CPU, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_count(), n_layers + 1);
    mmb_finalize();
    control_open();
    CU_ASSERT_EQUAL(mmb_layer_count(), n_layers);
    CU_ASSERT_EQUAL(mmb_space_count(), n_spaces);
    CU_ASSERT_EQUAL(mmb_layer_from_name("forgotten", &layer), MMB_NOT_FOUND);
}

static void fill_library(void)
{
    mmbMemSpace *space = control_space(1 << 20);
    mmbMemInterface *page = control_interface(space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_MMAP);
    mmbMemInterface *stack = control_interface(space, MMB_STRATEGY_STACK, MMB_BACKEND_MALLOC);
    control_allocation(page, 100);
    control_allocation(page, 200000);
    control_allocation(stack, 300);
}

/* The first round fills pools that are kept for the next. */
static void test_library_leaves_no_metadata_behind(void)
{
    size_t before = 0;
    listen_for_warnings();
    for (int round = 0; round < 3; round++) {
        control_open();
        fill_library();
        mmb_finalize();
        if (round == 0)
            before = mmb_meta_bytes();
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
    CU_ASSERT_EQUAL(n_warnings, 6);
}

/* ---- the leak report ---- */

static void test_library_reports_leaks_per_interface(void)
{
    control_open();
    mmbMemSpace *space = control_space(1 << 20);
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *leaky = NULL;
    config.name = "leaky";
    config.strategy = MMB_STRATEGY_SCALABLE_PAGE;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &leaky), MMB_OK);
    mmbMemInterface *clean = control_interface(space, MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT);
    control_allocation(leaky, 100);
    control_allocation(leaky, 23);
    mmb_free(control_allocation(clean, 50));
    listen_for_warnings();
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(n_warnings, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "interface leaky "));
    CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "2 allocations"));
    CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "123 B"));
}

static void test_library_reports_wrapped_objects(void)
{
    static char bytes[64];
    control_open();
    mmbMemInterface *interface =
        control_interface(control_space(1000), MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmbAllocation *wrapped = NULL;
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, sizeof bytes, interface, &wrapped),
                    MMB_OK);
    listen_for_warnings();
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(n_warnings, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(warnings, "1 wrapped"));
}

static void test_library_is_silent_when_all_was_freed(void)
{
    control_open();
    mmbMemInterface *interface =
        control_interface(control_space(1 << 20), MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmb_free(control_allocation(interface, 1000));
    listen_for_warnings();
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(n_warnings, 0);
}

/* Fallbacks in both directions across spaces: the older interface is closed after the younger. */
static void test_library_ends_with_fallbacks_across_spaces(void)
{
    control_open();
    mmbMemSpace *spaces[2] = {control_space(1 << 20), control_space(1 << 20)};
    mmbMemInterfaceConfig config = control_interface_config;
    for (int i = 0; i < 4; i++) {
        mmbMemInterface *interface = NULL;
        CU_ASSERT_EQUAL_FATAL(mmb_create_interface(spaces[i % 2], &config, &interface), MMB_OK);
        control_allocation(interface, 100);
        config.fallback = interface;
    }
    mmbMemSpaceConfig space_config = MMB_MEMSPACE_CONFIG_DEFAULT;
    space_config.interface_opts.fallback = config.fallback;
    CU_ASSERT_EQUAL(mmb_memspace_configure(&space_config, spaces[0]), MMB_OK);
    listen_for_warnings();
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(n_warnings, 4);
}

/* ---- outside ---- */

static void check_names_and_counts_are_refused(void)
{
    CU_ASSERT_EQUAL(mmb_layer_count() + mmb_space_count() + mmb_interface_count(NULL), 0);
    CU_ASSERT_PTR_NULL(mmb_layer_name(MMB_DRAM));
    CU_ASSERT_PTR_NULL(mmb_execution_context_name(MMB_CPU));
    CU_ASSERT_PTR_NULL(mmb_backend_name(MMB_BACKEND_MMAP));
    CU_ASSERT_PTR_NULL(mmb_strategy_name(MMB_STRATEGY_STACK));
    CU_ASSERT_TRUE(control_detail_has("mmb_init"));
}

static void check_all_are_refused(void)
{
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbMemLayer layer = MMB_DRAM;
    mmbBackend backend = MMB_BACKEND_DEFAULT;
    mmbLayerInfo layer_info = MMB_LAYER_INFO_INIT;
    mmbSpaceInfo space_info = MMB_SPACE_INFO_INIT;
    mmbMemInterfaceInfo interface_info = MMB_MEMINTERFACE_INFO_INIT;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    mmbStackMark mark = {{0}};
    const mmbError rows[] = {
        mmb_layer_define("x", NULL, &layer),
        mmb_layer_set_info(MMB_DRAM, &layer_info),
        mmb_layer_get_info(MMB_DRAM, &layer_info),
        mmb_layer_at(0, &layer),
        mmb_layer_from_name("DRAM", &layer),
        mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space),
        mmb_create_space(MMB_DRAM, MMB_CPU, NULL, &space),
        mmb_request_space(MMB_DRAM, MMB_CPU, NULL, &space),
        mmb_memspace_configure(NULL, NULL),
        mmb_destroy_space(NULL),
        mmb_request_best_space(MMB_MOST_FREE, MMB_CPU, 0, &space),
        mmb_space_at(0, &space),
        mmb_space_get_info(NULL, &space_info),
        mmb_space_get_domain_info(NULL, 0, &space_info),
        mmb_create_interface(NULL, NULL, &interface),
        mmb_request_interface(NULL, NULL, &interface),
        mmb_destroy_interface(NULL),
        mmb_get_interface(MMB_DRAM, MMB_CPU, &interface),
        mmb_interface_at(NULL, 0, &interface),
        mmb_interface_from_id(1, &interface),
        mmb_interface_get_info(NULL, &interface_info),
        mmb_interface_get_stats(NULL, &stats),
        mmb_interface_trim(NULL, 0),
        mmb_backend_register(NULL, NULL, &backend),
        mmb_stack_mark(NULL, &mark),
        mmb_stack_release(NULL, mark),
        mmb_stack_reset(NULL),
        mmb_finalize(),
    };
    for (size_t i = 0; i < N_ROWS(rows); i++)
        SUITE_CHECK(rows[i] == MMB_NOT_INITIALIZED, "row %zu: %s", i, mmb_error_name(rows[i]));
    CU_ASSERT_TRUE(!space && !interface && layer == MMB_DRAM && backend == MMB_BACKEND_DEFAULT);
}

static void test_library_refuses_everything_before_init(void)
{
    check_all_are_refused();
    check_names_and_counts_are_refused();
}

static void test_library_refuses_everything_after_finalize(void)
{
    control_open();
    mmb_finalize();
    check_all_are_refused();
    check_names_and_counts_are_refused();
}

static void test_library_handles_are_dead_after_finalize(void)
{
    control_open();
    mmbMemSpace *space = control_space(1000);
    mmbMemInterface *interface =
        control_interface(space, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmb_finalize();
    control_open();
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    mmbAllocation *allocation = NULL;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_allocate(1, interface, &allocation), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_INVALID_INTERFACE);
}

/* ---- options ---- */

static uint64_t model_id(void)
{
    return 1;
}
static void model_yield(void) {}
static void model_sleep(uint64_t microseconds)
{
    (void)microseconds;
}
static int model_create(void **key, void (*destructor)(void *))
{
    (void)key;
    (void)destructor;
    return 0;
}
static void *model_get(void *key)
{
    return key;
}
static int model_set(void *key, void *value)
{
    (void)key;
    (void)value;
    return 0;
}
static void model_destroy(void *key)
{
    (void)key;
}

static const mmbThreadModel whole_model = {
    .size = sizeof whole_model,
    .name = "test",
    .get_id = model_id,
    .yield = model_yield,
    .sleep_us = model_sleep,
    .tls_create = model_create,
    .tls_get = model_get,
    .tls_set = model_set,
    .tls_destroy = model_destroy,
};

/* covers: mmb_init MMB_INVALID_ARG, mmb_init_host MMB_INVALID_ARG */
static void test_library_checks_thread_models(void)
{
    mmbThreadModel model = whole_model;
    mmbOptions options = MMB_OPTIONS_INIT;
    options.thread_model = &model;
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    model.tls_get = NULL;
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_init_host(&options), MMB_INVALID_ARG);
    model = whole_model;
    model.name = NULL;
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_INVALID_ARG);
    model = whole_model;
    model.size = 8;
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
}

/* covers: mmb_init MMB_BUSY, mmb_init_host MMB_BUSY */
static void test_library_is_not_initialised_within_a_call(void)
{
    mmb_registry_lock();
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_init_host(MMB_INIT_DEFAULT), MMB_BUSY);
    mmb_registry_unlock();
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
}

static void test_library_checks_the_options_of_every_call(void)
{
    mmbOptions options = MMB_OPTIONS_INIT;
    options.size = 4;
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_INVALID_ARG);
    control_open();
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_INVALID_ARG);
    options.size = sizeof options;
    CU_ASSERT_EQUAL(mmb_init(&options), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
}

static void test_library_options_of_a_newer_program(void)
{
    struct {
        mmbOptions known;
        uint64_t unknown;
    } options = {.known = MMB_OPTIONS_INIT};
    options.known.size = sizeof options;
    CU_ASSERT_EQUAL(mmb_init(&options.known), MMB_OK);
    options.unknown = 1;
    CU_ASSERT_EQUAL(mmb_init(&options.known), MMB_UNSUPPORTED);
}

/* A failed init leaves the library as it was: the next one works. */
static void test_library_topology_that_is_not_there(void)
{
    mmbOptions options = MMB_OPTIONS_INIT;
    options.topology_xml = "/nonexistent/topology.xml";
    size_t before = mmb_meta_bytes();
    mmbError error = mmb_init(&options);
    CU_ASSERT_TRUE(error == MMB_NOT_FOUND || error == MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
    setenv("MMB_TOPOLOGY_XML", options.topology_xml, 1);
    CU_ASSERT_EQUAL(mmb_init(NULL), error);
    unsetenv("MMB_TOPOLOGY_XML");
    CU_ASSERT_EQUAL(mmb_init(NULL), MMB_OK);
}

/* covers: mmb_version MMB_INVALID_ARG */
static void test_library_version_works_always(void)
{
    int major = -1, minor = -1, patch = -1;
    CU_ASSERT_EQUAL(mmb_version(&major, &minor, &patch), MMB_OK);
    CU_ASSERT_TRUE(major == MMB_VERSION_MAJOR && minor == MMB_VERSION_MINOR &&
                   patch == MMB_VERSION_PATCH);
    CU_ASSERT_EQUAL(mmb_version(NULL, &minor, &patch), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_version(&major, NULL, &patch), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_version(&major, &minor, NULL), MMB_INVALID_ARG);
}

MMB_SUITE_WITH(
    "core/library", NULL, tear_down, T(test_library_counts_its_users), T(test_library_starts_again),
    T(test_library_forgets_layers_and_backends), T(test_library_leaves_no_metadata_behind),
    T(test_library_reports_leaks_per_interface), T(test_library_reports_wrapped_objects),
    T(test_library_is_silent_when_all_was_freed), T(test_library_ends_with_fallbacks_across_spaces),
    T(test_library_refuses_everything_before_init),
    T(test_library_refuses_everything_after_finalize),
    T(test_library_handles_are_dead_after_finalize), T(test_library_checks_thread_models),
    T(test_library_is_not_initialised_within_a_call),
    T(test_library_checks_the_options_of_every_call), T(test_library_options_of_a_newer_program),
    T(test_library_topology_that_is_not_there), T(test_library_version_works_always))
