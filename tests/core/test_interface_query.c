/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: request finds what is there, makes only the default interface, and an
 * interface tells the truth about itself. */
#include <stdint.h>
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;

static void set_up(void)
{
    control_open();
    space = control_space(1 << 20);
}

static mmbMemInterface *create(const char *name, mmbStrategy strategy, mmbBackend backend)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.name = name;
    config.strategy = strategy;
    config.backend = backend;
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    return interface;
}

static mmbMemInterface *request(const char *name, mmbStrategy strategy, mmbBackend backend)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.name = name;
    config.strategy = strategy;
    config.backend = backend;
    mmb_request_interface(space, &config, &interface);
    return interface;
}

/* ---- request ---- */

static void test_request_default_is_made_once(void)
{
    mmbMemInterface *first = NULL, *second = NULL;
    mmbMemInterface *other = create("other", MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT);
    CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, &first), MMB_OK);
    CU_ASSERT_PTR_NOT_EQUAL(first, other);
    CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, &second), MMB_OK);
    CU_ASSERT_PTR_EQUAL(first, second);
    CU_ASSERT_PTR_EQUAL(request(NULL, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT), first);
    CU_ASSERT_EQUAL(mmb_interface_count(space), 2);
    CU_ASSERT_EQUAL(mmb_destroy_interface(first), MMB_OK);
    CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, &second), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_count(space), 2);
}

static void test_request_by_name_backend_and_strategy(void)
{
    mmbMemInterface *a = create("a", MMB_STRATEGY_STACK, MMB_BACKEND_MALLOC);
    mmbMemInterface *b = create("b", MMB_STRATEGY_STACK, MMB_BACKEND_MMAP);
    mmbMemInterface *c = create(NULL, MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_MMAP);
    const struct {
        const char *name;
        mmbStrategy strategy;
        mmbBackend backend;
        mmbMemInterface *expected;
    } rows[] = {
        {"a", MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT, a},
        {"b", MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT, b},
        {NULL, MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT, a},
        {NULL, MMB_STRATEGY_DEFAULT, MMB_BACKEND_MMAP, b},
        {NULL, MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_DEFAULT, c},
        {"b", MMB_STRATEGY_STACK, MMB_BACKEND_MMAP, b},
        {"b", MMB_STRATEGY_STACK, MMB_BACKEND_MALLOC, NULL},
        {"a", MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_DEFAULT, NULL},
        {"c", MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT, NULL},
        {"", MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT, NULL},
        {NULL, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT, NULL},
        {NULL, MMB_STRATEGY_DEFAULT, MMB_BACKEND_SHM, NULL},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++)
        SUITE_CHECK(request(rows[i].name, rows[i].strategy, rows[i].backend) == rows[i].expected,
                    "row %zu", i);
    CU_ASSERT_EQUAL(mmb_interface_count(space), 3);
}

/* covers: mmb_request_interface MMB_INVALID_SPACE MMB_INVALID_ARG MMB_NOT_FOUND */
static void test_request_refuses(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL(mmb_request_interface(NULL, NULL, &interface), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_request_interface(space, NULL, NULL), MMB_INVALID_ARG);
    config.strategy = (mmbStrategy)99;
    CU_ASSERT_EQUAL(mmb_request_interface(space, &config, &interface), MMB_INVALID_ARG);
    config = control_interface_config;
    config.reserved[2] = 1;
    CU_ASSERT_EQUAL(mmb_request_interface(space, &config, &interface), MMB_INVALID_ARG);
    config = control_interface_config;
    config.name = "nobody";
    CU_ASSERT_EQUAL(mmb_request_interface(space, &config, &interface), MMB_NOT_FOUND);
    CU_ASSERT_PTR_NULL(interface);
    CU_ASSERT_EQUAL(mmb_interface_count(space), 0);
}

/* Memory that was found is not stood for by other memory, and of a drive nothing can be had without
 * a directory. The space is fine: its interfaces may name a backend. */
/* covers: mmb_request_interface MMB_UNSUPPORTED */
static void test_request_default_that_cannot_be_made(void)
{
    static const struct mmb_domain_found domain = {
        .os_index = 0, .total_bytes = 1 << 20, .available_bytes = 1 << 20};
    const struct mmb_layer_found found = {.id = MMB_SSD, .domains = &domain, .n_domains = 1};
    mmb_registry_lock();
    mmbError error = mmb_layer_add_found(&found);
    mmb_registry_unlock();
    mmbMemInterface *interface = NULL;
    mmbMemSpace *drive = NULL;
    CU_ASSERT_TRUE_FATAL(error == MMB_OK || error == MMB_EXISTS);
    CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_SSD, MMB_CPU, NULL, &drive), MMB_OK);
    CU_ASSERT_EQUAL(mmb_request_interface(drive, NULL, &interface), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("SSD"));
    CU_ASSERT_EQUAL(mmb_interface_count(drive), 0);
    mmb_free(control_allocation(control_interface(drive, MMB_STRATEGY_DEFAULT, MMB_BACKEND_MALLOC),
                                1000));
}

/* ---- the short way ---- */

static void test_get_interface_registers_the_layer(void)
{
    mmbMemLayer layer = control_new_layer("short way");
    mmbMemInterface *first = NULL, *second = NULL;
    CU_ASSERT_EQUAL(mmb_get_interface(layer, MMB_CPU, &first), MMB_OK);
    CU_ASSERT_EQUAL(mmb_get_interface(layer, MMB_EXECUTION_CONTEXT_DEFAULT, &second), MMB_OK);
    CU_ASSERT_PTR_EQUAL(first, second);
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmbMemSpace *registered = NULL;
    CU_ASSERT_EQUAL(mmb_interface_get_info(first, &info), MMB_OK);
    CU_ASSERT_EQUAL(mmb_request_space(layer, MMB_CPU, NULL, &registered), MMB_OK);
    CU_ASSERT_PTR_EQUAL(info.space, registered);
    mmb_free(control_allocation(first, 100));
}

/* covers: mmb_get_interface MMB_INVALID_LAYER MMB_INVALID_EXECUTION_CONTEXT MMB_INVALID_ARG
   MMB_UNSUPPORTED */
static void test_get_interface_refuses(void)
{
    mmbMemInterface *interface = NULL;
    size_t count = mmb_space_count();
    CU_ASSERT_EQUAL(mmb_get_interface((mmbMemLayer)8, MMB_CPU, &interface), MMB_INVALID_LAYER);
    CU_ASSERT_EQUAL(mmb_get_interface(MMB_DRAM, (mmbExecutionContext)8, &interface),
                    MMB_INVALID_EXECUTION_CONTEXT);
    CU_ASSERT_EQUAL(mmb_get_interface(MMB_DRAM, MMB_CPU, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_get_interface(MMB_DRAM, MMB_OPENACC, &interface), MMB_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(interface);
    CU_ASSERT_EQUAL(mmb_space_count(), count);
}

/* ---- enumeration ---- */

/* covers: mmb_interface_at MMB_INVALID_SPACE MMB_NOT_FOUND */
static void test_interface_at_in_order_of_making(void)
{
    mmbMemInterface *first = create("1", MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmbMemInterface *second = create("2", MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmbMemInterface *at = NULL;
    CU_ASSERT_EQUAL(mmb_interface_count(space), 2);
    CU_ASSERT_EQUAL(mmb_interface_at(space, 0, &at), MMB_OK);
    CU_ASSERT_PTR_EQUAL(at, first);
    CU_ASSERT_EQUAL(mmb_interface_at(space, 1, &at), MMB_OK);
    CU_ASSERT_PTR_EQUAL(at, second);
    CU_ASSERT_EQUAL(mmb_interface_at(space, 2, &at), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_interface_at(space, SIZE_MAX, &at), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_interface_at(space, 0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_interface_at(NULL, 0, &at), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_interface_count(NULL), 0);
    CU_ASSERT_TRUE(control_detail_has("interface_count"));
    CU_ASSERT_PTR_EQUAL(at, second);
}

/* ---- info, statistics, trim ---- */

/* covers: mmb_interface_get_info MMB_INVALID_INTERFACE, mmb_interface_get_stats
   MMB_INVALID_INTERFACE, mmb_interface_trim MMB_INVALID_INTERFACE */
static void test_interface_asking_refuses(void)
{
    mmbMemInterface *interface = create(NULL, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_info(interface, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, NULL), MMB_INVALID_ARG);
    info.size = stats.size = 1;
    CU_ASSERT_EQUAL(mmb_interface_get_info(interface, &info), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_INVALID_ARG);
    info.size = sizeof info;
    stats.size = sizeof stats;
    mmb_destroy_interface(interface);
    mmbMemInterface *dead[] = {NULL, interface};
    for (size_t i = 0; i < N_ROWS(dead); i++) {
        CU_ASSERT_EQUAL(mmb_interface_get_info(dead[i], &info), MMB_INVALID_INTERFACE);
        CU_ASSERT_EQUAL(mmb_interface_get_stats(dead[i], &stats), MMB_INVALID_INTERFACE);
        CU_ASSERT_EQUAL(mmb_interface_trim(dead[i], 0), MMB_INVALID_INTERFACE);
    }
    CU_ASSERT_TRUE(!info.space && !stats.total_allocations);
}

static mmbMemInterfaceStats stats_of(const mmbMemInterface *interface)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    SUITE_CHECK(mmb_interface_get_stats(interface, &stats) == MMB_OK, "%s", mmb_error_detail());
    return stats;
}

static void test_interface_stats_are_exact(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE};
    for (size_t i = 0; i < N_ROWS(strategies); i++) {
        mmbMemInterface *interface = create(NULL, strategies[i], MMB_BACKEND_DEFAULT);
        mmbAllocation *first = control_allocation(interface, 1000);
        mmbAllocation *second = control_allocation(interface, 23);
        mmbAllocation *refused = NULL;
        CU_ASSERT_EQUAL(mmb_allocate(2 << 20, interface, &refused), MMB_OUT_OF_MEMORY);
        mmbMemInterfaceStats stats = stats_of(interface);
        SUITE_CHECK(stats.live_bytes == 1023 && stats.live_count == 2 && stats.peak_bytes == 1023 &&
                        stats.total_allocations == 2 && stats.total_frees == 0 &&
                        stats.refused == 1 && stats.chunks >= 1 && stats.reserved_bytes >= 1023,
                    "%s", mmb_strategy_name(strategies[i]));
        mmb_free(second);
        mmb_free(first);
        stats = stats_of(interface);
        SUITE_CHECK(stats.live_bytes == 0 && stats.live_count == 0 && stats.peak_bytes == 1023 &&
                        stats.total_frees == 2,
                    "%s", mmb_strategy_name(strategies[i]));
        CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
        stats = stats_of(interface);
        SUITE_CHECK(stats.chunks == 0 && stats.reserved_bytes == 0, "%s: %zu chunks, %zu B",
                    mmb_strategy_name(strategies[i]), stats.chunks, stats.reserved_bytes);
        mmb_destroy_interface(interface);
    }
}

MMB_SUITE_WITH("core/interface_query", set_up, control_close, T(test_request_default_is_made_once),
               T(test_request_by_name_backend_and_strategy), T(test_request_refuses),
               T(test_request_default_that_cannot_be_made),
               T(test_get_interface_registers_the_layer), T(test_get_interface_refuses),
               T(test_interface_at_in_order_of_making), T(test_interface_asking_refuses),
               T(test_interface_stats_are_exact))
