/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: request finds the default space or one that is large enough, with room before
 * full; the best space is the best; what a space says of itself is true. */
#include <stdint.h>
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

/* Tests use a layer of their own: DRAM may have been discovered. */
static mmbMemLayer layer;

static void set_up(void)
{
    control_open();
    layer = control_new_layer("test layer");
}

static mmbMemSpace *add(mmbMemLayer to, size_t limit, bool registered)
{
    mmbMemSpaceConfig config = control_limit(limit);
    mmbMemSpace *space = NULL;
    mmbError error = registered ? mmb_register_memory(to, MMB_CPU, &config, &space)
                                : mmb_create_space(to, MMB_CPU, &config, &space);
    SUITE_CHECK(error == MMB_OK, "%s", mmb_error_detail());
    return space;
}

static mmbMemSpace *request(size_t n_bytes)
{
    mmbMemSpaceConfig config = control_limit(n_bytes);
    mmbMemSpace *space = NULL;
    mmb_request_space(layer, MMB_CPU, &config, &space);
    return space;
}

/* ---- request ---- */

static void test_request_default_is_the_first_registered(void)
{
    mmbMemSpace *first = add(layer, 1000, true);
    mmbMemSpace *second = add(layer, 2000, true);
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL(mmb_request_space(layer, MMB_CPU, NULL, &space), MMB_OK);
    CU_ASSERT_PTR_EQUAL(space, first);
    CU_ASSERT_EQUAL(mmb_request_space(layer, MMB_EXECUTION_CONTEXT_DEFAULT, NULL, &space), MMB_OK);
    CU_ASSERT_PTR_EQUAL(space, first);
    mmbMemSpaceConfig any = control_space_config;
    any.size_opts.action = MMB_SIZE_ANY;
    CU_ASSERT_EQUAL(mmb_request_space(layer, MMB_CPU, &any, &space), MMB_OK);
    CU_ASSERT_PTR_EQUAL(space, first);
    mmb_destroy_space(first);
    CU_ASSERT_EQUAL(mmb_request_space(layer, MMB_CPU, NULL, &space), MMB_OK);
    CU_ASSERT_PTR_EQUAL(space, second);
}

/* A created space is somebody's own: never the default, but found by size. */
static void test_request_default_is_no_created_one(void)
{
    mmbMemSpace *registered = add(layer, 1000, true);
    mmbMemSpace *created = add(layer, 2000, false);
    mmbMemSpace *space = NULL;
    mmb_destroy_space(registered);
    CU_ASSERT_EQUAL(mmb_request_space(layer, MMB_CPU, NULL, &space), MMB_NOT_FOUND);
    CU_ASSERT_PTR_EQUAL(request(1500), created);
}

static void test_request_default_is_the_discovered_one(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_DRAM, &info), MMB_OK);
    if (!info.discovered) {
        suite_skip("built without discovery");
        return;
    }
    mmbMemSpace *discovered = NULL, *space = NULL;
    CU_ASSERT_EQUAL(mmb_request_space(MMB_DRAM, MMB_CPU, NULL, &discovered), MMB_OK);
    control_space(1000);
    CU_ASSERT_EQUAL(mmb_request_space(MMB_DRAM, MMB_CPU, NULL, &space), MMB_OK);
    CU_ASSERT_PTR_EQUAL(space, discovered);
    CU_ASSERT_TRUE(control_limit_of(space) > 0 && control_limit_of(space) <= info.total_bytes);
}

static void test_request_by_size(void)
{
    mmbMemSpace *small = add(layer, 1000, true);
    mmbMemSpace *middle = add(layer, 3000, false);
    mmbMemSpace *large = add(layer, 9000, false);
    CU_ASSERT_PTR_EQUAL(request(0), small);
    CU_ASSERT_PTR_EQUAL(request(1000), small);
    CU_ASSERT_PTR_EQUAL(request(1001), middle);
    CU_ASSERT_PTR_EQUAL(request(9000), large);
    CU_ASSERT_PTR_NULL(request(9001));
}

static void test_request_prefers_room(void)
{
    mmbMemSpace *full = add(layer, 3000, true);
    mmbMemSpace *free_one = add(layer, 3000, false);
    mmbMemInterface *interface = control_interface(full, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT);
    CU_ASSERT_PTR_EQUAL(request(2000), full);
    mmbAllocation *allocation = control_allocation(interface, 2000);
    CU_ASSERT_PTR_EQUAL(request(2000), free_one);
    CU_ASSERT_PTR_EQUAL(request(1000), full);
    mmb_destroy_space(free_one);
    CU_ASSERT_PTR_EQUAL(request(2000), full); /* large enough, though not now */
    mmb_free(allocation);
}

/* covers: mmb_request_space MMB_INVALID_LAYER MMB_INVALID_EXECUTION_CONTEXT MMB_INVALID_ARG
   MMB_NOT_FOUND */
static void test_request_refuses(void)
{
    mmbMemSpaceConfig garbage = control_space_config, reserved = control_space_config;
    mmbMemSpace *space = NULL;
    garbage.size_opts.action = (mmbSizeConfigAction)-1;
    reserved.interface_opts.reserved[0] = 1;
    const mmbError rows[][2] = {
        {mmb_request_space((mmbMemLayer)9, MMB_CPU, NULL, &space), MMB_INVALID_LAYER},
        {mmb_request_space(layer, (mmbExecutionContext)9, NULL, &space),
         MMB_INVALID_EXECUTION_CONTEXT},
        {mmb_request_space(layer, MMB_CPU, NULL, NULL), MMB_INVALID_ARG},
        {mmb_request_space(layer, MMB_CPU, &garbage, &space), MMB_INVALID_ARG},
        {mmb_request_space(layer, MMB_CPU, &reserved, &space), MMB_INVALID_ARG},
        {mmb_request_space(layer, MMB_CPU, NULL, &space), MMB_NOT_FOUND},
        {mmb_request_space(MMB_GDRAM, MMB_EXECUTION_CONTEXT_DEFAULT, NULL, &space), MMB_NOT_FOUND},
        {mmb_request_space(MMB_DRAM, MMB_OPENACC, NULL, &space), MMB_NOT_FOUND},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++)
        SUITE_CHECK(rows[i][0] == rows[i][1], "row %zu: %s", i, mmb_error_name(rows[i][0]));
    CU_ASSERT_PTR_NULL(space);
}

/* ---- the best ---- */

static void set_speed(mmbMemLayer of, size_t bandwidth_mib_s, size_t latency_ns)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    info.bandwidth_mib_s = bandwidth_mib_s;
    info.latency_ns = latency_ns;
    CU_ASSERT_EQUAL(mmb_layer_set_info(of, &info), MMB_OK);
}

/* Of spaces with so much left that only those of the test are meant: 2^50 B, no layer's size. */
#define PLENTY ((size_t)1 << 50)

static mmbMemSpace *best(mmbRank rank, size_t n_bytes)
{
    mmbMemSpace *space = NULL;
    mmb_request_best_space(rank, MMB_CPU, n_bytes, &space);
    return space;
}

/* The host's budget would say no to all of them. */
static void lift_budgets(void)
{
    static const mmbMemLayer lifted[] = {MMB_HBM, MMB_DRAM, MMB_CXL, MMB_NVDIMM, MMB_SSD};
    mmb_registry_lock();
    atomic_store(&mmb_host_budget.capacity, SIZE_MAX);
    for (size_t i = 0; i < N_ROWS(lifted); i++)
        atomic_store(&mmb_layer_lookup(lifted[i])->budget.capacity, SIZE_MAX);
    mmb_registry_unlock();
}

static void test_best_by_bandwidth_and_latency(void)
{
    mmbMemLayer other = control_new_layer("other");
    mmbMemSpace *wide = add(layer, PLENTY, true), *quick = add(other, PLENTY, true);
    lift_budgets();
    set_speed(layer, 400000, 120);
    set_speed(other, 100000, 80);
    CU_ASSERT_PTR_EQUAL(best(MMB_BEST_BANDWIDTH, PLENTY), wide);
    CU_ASSERT_PTR_EQUAL(best(MMB_BEST_LATENCY, PLENTY), quick);
    set_speed(layer, 1, 1);
    CU_ASSERT_PTR_EQUAL(best(MMB_BEST_BANDWIDTH, PLENTY), quick);
    CU_ASSERT_PTR_EQUAL(best(MMB_BEST_LATENCY, PLENTY), wide);
}

/* Where one speed is unknown the usual order decides, whatever is known of others. */
static void test_best_when_speeds_are_unknown(void)
{
    static const mmbMemLayer order[] = {MMB_HBM, MMB_DRAM, MMB_CXL, MMB_NVDIMM, MMB_SSD};
    mmbMemSpaceConfig config = control_limit(PLENTY);
    mmbMemSpace *spaces[N_ROWS(order)];
    lift_budgets();
    config.interface_opts.backend = MMB_BACKEND_MALLOC;
    for (size_t i = N_ROWS(order); i-- > 0;) {
        CU_ASSERT_EQUAL_FATAL(mmb_register_memory(order[i], MMB_CPU, &config, &spaces[i]), MMB_OK);
        set_speed(order[i], 0, 0);
    }
    set_speed(MMB_SSD, 1000000, 1);
    for (size_t i = 0; i + 1 < N_ROWS(order); i++) {
        SUITE_CHECK(best(MMB_BEST_BANDWIDTH, PLENTY) == spaces[i], "bandwidth, %zu", i);
        SUITE_CHECK(best(MMB_BEST_LATENCY, PLENTY) == spaces[i], "latency, %zu", i);
        mmb_destroy_space(spaces[i]);
    }
}

static void test_best_by_room(void)
{
    mmbMemSpace *less = add(layer, PLENTY, true), *more = add(layer, PLENTY + 4000, true);
    lift_budgets();
    CU_ASSERT_PTR_EQUAL(best(MMB_MOST_FREE, PLENTY), more);
    mmbAllocation *allocation = control_allocation(
        control_interface(more, MMB_STRATEGY_DEFAULT, MMB_BACKEND_DEFAULT), 5000);
    CU_ASSERT_PTR_EQUAL(best(MMB_MOST_FREE, PLENTY), less);
    CU_ASSERT_PTR_EQUAL(best(MMB_BEST_BANDWIDTH, PLENTY), less);
    mmb_free(allocation);
}

/* What the layer can really give counts as well as the limit. */
static void test_best_knows_what_is_left_of_the_host(void)
{
    add(layer, PLENTY, true);
    mmb_registry_lock();
    atomic_store(&mmb_host_budget.capacity, 1 << 20);
    mmb_registry_unlock();
    CU_ASSERT_PTR_NULL(best(MMB_MOST_FREE, (1 << 20) + 1));
    CU_ASSERT_PTR_NOT_NULL(best(MMB_MOST_FREE, 1 << 20));
}

/* covers: mmb_request_best_space MMB_INVALID_ARG MMB_INVALID_EXECUTION_CONTEXT MMB_NOT_FOUND */
static void test_best_refuses(void)
{
    mmbMemSpace *space = NULL;
    add(layer, 1000, true);
    CU_ASSERT_EQUAL(mmb_request_best_space((mmbRank)3, MMB_CPU, 1, &space), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_request_best_space(MMB_MOST_FREE, MMB_CPU, 1, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_request_best_space(MMB_MOST_FREE, (mmbExecutionContext)6, 1, &space),
                    MMB_INVALID_EXECUTION_CONTEXT);
    CU_ASSERT_EQUAL(mmb_request_best_space(MMB_MOST_FREE, MMB_CPU, SIZE_MAX, &space),
                    MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_request_best_space(MMB_MOST_FREE, MMB_OPENACC, 0, &space), MMB_NOT_FOUND);
    CU_ASSERT_PTR_NULL(space);
    CU_ASSERT_EQUAL(mmb_request_best_space(MMB_MOST_FREE, MMB_EXECUTION_CONTEXT_DEFAULT, 0, &space),
                    MMB_OK);
}

/* ---- enumeration and info ---- */

/* covers: mmb_space_at MMB_NOT_FOUND */
static void test_space_at_in_order_of_making(void)
{
    size_t count = mmb_space_count();
    mmbMemSpace *first = add(layer, 1, true), *second = add(layer, 2, false), *at = NULL;
    CU_ASSERT_EQUAL(mmb_space_count(), count + 2);
    CU_ASSERT_EQUAL(mmb_space_at(count, &at), MMB_OK);
    CU_ASSERT_PTR_EQUAL(at, first);
    CU_ASSERT_EQUAL(mmb_space_at(count + 1, &at), MMB_OK);
    CU_ASSERT_PTR_EQUAL(at, second);
    CU_ASSERT_EQUAL(mmb_space_at(count + 2, &at), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_space_at(SIZE_MAX, &at), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_space_at(0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_PTR_EQUAL(at, second);
}

static void test_space_info_counts_all_interfaces(void)
{
    mmbMemSpace *space = add(layer, 1 << 20, true);
    mmbAllocation *allocations[2];
    static const mmbStrategy strategies[] = {MMB_STRATEGY_STACK, MMB_STRATEGY_PASSTHROUGH};
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    for (size_t i = 0; i < 2; i++)
        allocations[i] = control_allocation(
            control_interface(space, strategies[i], MMB_BACKEND_DEFAULT), 1000 * (i + 1));
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_TRUE(info.used == 3000 && info.peak == 3000 && info.allocations == 2);
    CU_ASSERT_TRUE(info.reserved >= 3000 && info.layer == layer);
    mmb_free(allocations[0]);
    mmb_free(allocations[1]);
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_OK);
    CU_ASSERT_TRUE(info.used == 0 && info.peak == 3000 && info.allocations == 0);
}

/* covers: mmb_space_get_info MMB_INVALID_SPACE, mmb_space_get_domain_info MMB_INVALID_SPACE
   MMB_NOT_FOUND */
static void test_space_info_refuses(void)
{
    mmbMemSpace *space = add(layer, 1, true);
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_space_get_info(NULL, &info), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_space_get_domain_info(NULL, 0, &info), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_space_get_domain_info(space, 0, &info), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_space_get_info(space, NULL), MMB_INVALID_ARG);
    info.size = 3;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_INVALID_ARG);
    mmb_destroy_space(space);
    info.size = sizeof info;
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &info), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(info.limit, 0);
}

MMB_SUITE_WITH("core/space_query", set_up, control_close,
               T(test_request_default_is_the_first_registered),
               T(test_request_default_is_no_created_one),
               T(test_request_default_is_the_discovered_one), T(test_request_by_size),
               T(test_request_prefers_room), T(test_request_refuses),
               T(test_best_by_bandwidth_and_latency), T(test_best_when_speeds_are_unknown),
               T(test_best_by_room), T(test_best_knows_what_is_left_of_the_host),
               T(test_best_refuses), T(test_space_at_in_order_of_making),
               T(test_space_info_counts_all_interfaces), T(test_space_info_refuses))
