/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: seven standard layers and the user's, with names, what is known of them, and
 * the order in which they became known. */
#include <stdint.h>
#include <string.h>
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static const struct {
    mmbMemLayer layer;
    const char *name;
} standard[] = {
    {MMB_DRAM, "DRAM"}, {MMB_GDRAM, "GDRAM"},   {MMB_HBM, "HBM"}, {MMB_NVDIMM, "NVDIMM"},
    {MMB_CXL, "CXL"},   {MMB_NADRAM, "NADRAM"}, {MMB_SSD, "SSD"},
};

static mmbLayerInfo info_of(mmbMemLayer layer)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    SUITE_CHECK(mmb_layer_get_info(layer, &info) == MMB_OK, "info: %s", mmb_error_detail());
    return info;
}

static bool is_known(mmbMemLayer layer)
{
    mmbMemLayer known = MMB_LAYER_MAX;
    for (size_t i = 0; mmb_layer_at(i, &known) == MMB_OK; i++)
        if (known == layer)
            return true;
    return false;
}

static void test_layer_standard_names(void)
{
    for (size_t i = 0; i < N_ROWS(standard); i++) {
        mmbMemLayer layer = MMB_LAYER_MAX;
        CU_ASSERT_STRING_EQUAL(mmb_layer_name(standard[i].layer), standard[i].name);
        CU_ASSERT_STRING_EQUAL(info_of(standard[i].layer).name, standard[i].name);
        CU_ASSERT_EQUAL(mmb_layer_from_name(standard[i].name, &layer), MMB_OK);
        CU_ASSERT_EQUAL(layer, standard[i].layer);
    }
}

static void test_layer_names_in_any_case(void)
{
    mmbMemLayer layer = MMB_LAYER_MAX;
    CU_ASSERT_EQUAL(mmb_layer_from_name("nvdimm", &layer), MMB_OK);
    CU_ASSERT_EQUAL(layer, MMB_NVDIMM);
}

/* covers: mmb_layer_from_name MMB_NOT_FOUND */
static void test_layer_from_name_refuses(void)
{
    mmbMemLayer layer = MMB_SSD;
    CU_ASSERT_EQUAL(mmb_layer_from_name("MRAM", &layer), MMB_NOT_FOUND);
    CU_ASSERT_TRUE(control_detail_has("MRAM"));
    CU_ASSERT_EQUAL(mmb_layer_from_name("", &layer), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_layer_from_name(NULL, &layer), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_layer_from_name("DRAM", NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(layer, MMB_SSD);
}

/* covers: mmb_layer_get_info MMB_INVALID_LAYER, mmb_layer_set_info MMB_INVALID_LAYER */
static void test_layer_unknown_values(void)
{
    static const int values[] = {-1, 7, 63, MMB_LAYER_USER, MMB_LAYER_USER + 1, MMB_LAYER_MAX};
    for (size_t i = 0; i < N_ROWS(values); i++) {
        mmbMemLayer layer = (mmbMemLayer)values[i];
        mmbLayerInfo info = MMB_LAYER_INFO_INIT;
        SUITE_CHECK(mmb_layer_get_info(layer, &info) == MMB_INVALID_LAYER &&
                        mmb_layer_set_info(layer, &info) == MMB_INVALID_LAYER &&
                        !mmb_layer_name(layer) && !info.name,
                    "layer %d", values[i]);
    }
}

static void test_layer_info_refuses(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_DRAM, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_layer_set_info(MMB_DRAM, NULL), MMB_INVALID_ARG);
    info.size = 7;
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_DRAM, &info), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_layer_set_info(MMB_DRAM, &info), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NULL(info.name);
}

/* ---- the user's layers ---- */

static void test_layer_define(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    mmbMemLayer first = MMB_DRAM, second = MMB_DRAM, found = MMB_DRAM;
    info.total_bytes = 1 << 20;
    info.bandwidth_mib_s = 1000;
    info.latency_ns = 20;
    info.domains = 9;
    info.discovered = true;
    char name[] = "scratchpad";
    CU_ASSERT_EQUAL(mmb_layer_define(name, &info, &first), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_define("tape", NULL, &second), MMB_OK);
    memset(name, 'x', sizeof name - 1); /* it was copied */
    CU_ASSERT_TRUE(first >= MMB_LAYER_USER && second >= MMB_LAYER_USER && first != second);
    CU_ASSERT_STRING_EQUAL(mmb_layer_name(first), "scratchpad");
    CU_ASSERT_EQUAL(mmb_layer_from_name("SCRATCHPAD", &found), MMB_OK);
    CU_ASSERT_EQUAL(found, first);
    mmbLayerInfo known = info_of(first);
    CU_ASSERT_TRUE(known.total_bytes == 1 << 20 && known.bandwidth_mib_s == 1000 &&
                   known.latency_ns == 20 && known.domains == 0 && !known.discovered);
    known = info_of(second);
    CU_ASSERT_TRUE(known.total_bytes == 0 && known.bandwidth_mib_s == 0 && known.latency_ns == 0);
}

static void test_layer_many_can_be_defined(void)
{
    char name[] = "layer 00";
    for (int i = 0; i < 100; i++) {
        name[6] = (char)('0' + i / 10);
        name[7] = (char)('0' + i % 10);
        mmbMemLayer layer = control_new_layer(name);
        CU_ASSERT_EQUAL((int)layer, MMB_LAYER_USER + i);
        CU_ASSERT_STRING_EQUAL(mmb_layer_name(layer), name);
    }
    CU_ASSERT_STRING_EQUAL(mmb_layer_name(MMB_LAYER_USER), "layer 00");
}

/* covers: mmb_layer_define MMB_INVALID_ARG MMB_EXISTS */
static void test_layer_define_refuses(void)
{
    mmbMemLayer layer = MMB_SSD;
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    control_new_layer("tape");
    CU_ASSERT_EQUAL(mmb_layer_define(NULL, NULL, &layer), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_layer_define("", NULL, &layer), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_layer_define("x", NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_layer_define("tape", NULL, &layer), MMB_EXISTS);
    CU_ASSERT_EQUAL(mmb_layer_define("Tape", NULL, &layer), MMB_EXISTS);
    CU_ASSERT_EQUAL(mmb_layer_define("DRAM", NULL, &layer), MMB_EXISTS);
    info.size = 1;
    CU_ASSERT_EQUAL(mmb_layer_define("x", &info, &layer), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(layer, MMB_SSD);
    CU_ASSERT_EQUAL(mmb_layer_from_name("x", &layer), MMB_NOT_FOUND);
}

/* Bandwidth and latency only; 0 makes one unknown again. */
static void test_layer_set_info(void)
{
    mmbLayerInfo before = info_of(MMB_CXL);
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    info.name = "nonsense";
    info.total_bytes = 1;
    info.domains = 99;
    info.discovered = !before.discovered;
    info.bandwidth_mib_s = 12345;
    info.latency_ns = 250;
    CU_ASSERT_EQUAL(mmb_layer_set_info(MMB_CXL, &info), MMB_OK);
    mmbLayerInfo after = info_of(MMB_CXL);
    CU_ASSERT_TRUE(after.bandwidth_mib_s == 12345 && after.latency_ns == 250);
    CU_ASSERT_TRUE(after.total_bytes == before.total_bytes && after.domains == before.domains &&
                   after.discovered == before.discovered && after.name == before.name);
    info.latency_ns = 0;
    CU_ASSERT_EQUAL(mmb_layer_set_info(MMB_CXL, &info), MMB_OK);
    CU_ASSERT_EQUAL(info_of(MMB_CXL).latency_ns, 0);
    CU_ASSERT_EQUAL(is_known(MMB_CXL), before.discovered);
}

/* ---- known layers ---- */

static void test_layer_becomes_known_by_registration(void)
{
    size_t count = mmb_layer_count();
    mmbMemLayer first = control_new_layer("first");
    mmbMemLayer second = control_new_layer("second");
    mmbMemLayer at = MMB_DRAM;
    CU_ASSERT_FALSE(is_known(first));
    CU_ASSERT_EQUAL(mmb_register_memory(second, MMB_CPU, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_register_memory(first, MMB_CPU, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_register_memory(second, MMB_CPU, NULL, NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_count(), count + 2);
    CU_ASSERT_EQUAL(mmb_layer_at(count, &at), MMB_OK);
    CU_ASSERT_EQUAL(at, second);
    CU_ASSERT_EQUAL(mmb_layer_at(count + 1, &at), MMB_OK);
    CU_ASSERT_EQUAL(at, first);
}

static void test_layer_stays_unknown_when_registration_fails(void)
{
    mmbMemLayer layer = control_new_layer("refused");
    mmbMemSpaceConfig config = control_space_config;
    config.interface_opts.backend = MMB_BACKEND_CUDA;
    CU_ASSERT_EQUAL(mmb_register_memory(layer, MMB_CPU, &config, NULL), MMB_UNSUPPORTED);
    CU_ASSERT_FALSE(is_known(layer));
}

/* covers: mmb_layer_at MMB_NOT_FOUND */
static void test_layer_at_refuses(void)
{
    mmbMemLayer layer = MMB_SSD;
    CU_ASSERT_EQUAL(mmb_layer_at(mmb_layer_count(), &layer), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_layer_at(SIZE_MAX, &layer), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_layer_at(0, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(layer, MMB_SSD);
}

/* ---- what discovery gives ---- */

/* NADRAM and HBM are on no machine that tests run on; if one has them, this test has nothing to
 * add. */
static mmbError add_found(mmbMemLayer id, size_t n_domains)
{
    static const struct mmb_domain_found domains[] = {
        {.os_index = 3, .total_bytes = 1000, .available_bytes = 900},
        {.os_index = 5, .total_bytes = 2000, .available_bytes = 1500}};
    const struct mmb_layer_found found = {.id = id,
                                          .domains = domains,
                                          .n_domains = n_domains,
                                          .bandwidth_mib_s = 777,
                                          .latency_ns = 88};
    mmb_registry_lock();
    mmbError error = mmb_layer_add_found(&found);
    mmb_registry_unlock();
    return error;
}

static void test_layer_found_by_discovery(void)
{
    if (is_known(MMB_NADRAM)) {
        suite_skip("this machine has network-attached memory");
        return;
    }
    CU_ASSERT_EQUAL(add_found(MMB_NADRAM, 2), MMB_OK);
    mmbLayerInfo info = info_of(MMB_NADRAM);
    CU_ASSERT_TRUE(info.discovered && info.domains == 2 && info.total_bytes == 3000);
    CU_ASSERT_TRUE(info.bandwidth_mib_s == 777 && info.latency_ns == 88);
    CU_ASSERT_TRUE(is_known(MMB_NADRAM));
    mmb_registry_lock();
    struct mmb_layer *layer = mmb_layer_lookup(MMB_NADRAM);
    CU_ASSERT_EQUAL(mmb_budget_room(&layer->budget), 2400);
    CU_ASSERT_EQUAL(mmb_budget_room(&layer->domains[0].budget), 900);
    CU_ASSERT_EQUAL(layer->domains[1].os_index, 5);
    CU_ASSERT_PTR_EQUAL(layer->domains[1].budget.parent, &layer->budget);
    mmb_registry_unlock();
    CU_ASSERT_EQUAL(add_found(MMB_NADRAM, 1), MMB_EXISTS);
    CU_ASSERT_EQUAL(add_found((mmbMemLayer)7, 1), MMB_INVALID_LAYER);
}

MMB_SUITE_WITH("core/layer", control_open, control_close, T(test_layer_standard_names),
               T(test_layer_names_in_any_case), T(test_layer_from_name_refuses),
               T(test_layer_unknown_values), T(test_layer_info_refuses), T(test_layer_define),
               T(test_layer_many_can_be_defined), T(test_layer_define_refuses),
               T(test_layer_set_info), T(test_layer_becomes_known_by_registration),
               T(test_layer_stays_unknown_when_registration_fails), T(test_layer_at_refuses),
               T(test_layer_found_by_discovery))
