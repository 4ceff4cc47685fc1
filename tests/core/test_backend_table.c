/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: names of everything that can be named; DEFAULT is what layer and context call
 * for; what cannot serve is refused with the reason. */
#include <string.h>
#include "src/core/backend_table.h"
#include "src/core/registry.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static void test_backend_names(void)
{
    static const char *const names[] = {
        "DEFAULT",  "MALLOC",  "MMAP",         "SHM",        "ARRAY",    "NUMA", "MEMKIND",
        "FILE",     "CUDA",    "CUDA_MANAGED", "CUDA_HOST",  "CUDA_SHM", "HIP",  "HIP_MANAGED",
        "HIP_HOST", "HIP_SHM", "OPENCL",       "OPENCL_SVM", "OPENACC"};
    static const int none[] = {-1, 19, 63, MMB_BACKEND_USER, MMB_BACKEND_MAX};
    for (size_t i = 0; i < N_ROWS(names); i++)
        CU_ASSERT_STRING_EQUAL(mmb_backend_name((mmbBackend)i), names[i]);
    for (size_t i = 0; i < N_ROWS(none); i++)
        SUITE_CHECK(!mmb_backend_name((mmbBackend)none[i]), "%d", none[i]);
}

static void test_strategy_names(void)
{
    static const char *const names[] = {"DEFAULT", "PASSTHROUGH", "STACK", "SCALABLE_PAGE",
                                        "THREAD_LOCAL"};
    for (size_t i = 0; i < N_ROWS(names); i++)
        CU_ASSERT_STRING_EQUAL(mmb_strategy_name((mmbStrategy)i), names[i]);
    CU_ASSERT_STRING_EQUAL(mmb_strategy_name(MMB_STRATEGY_NONE), "PASSTHROUGH");
    CU_ASSERT_PTR_NULL(mmb_strategy_name((mmbStrategy)5));
    CU_ASSERT_PTR_NULL(mmb_strategy_name((mmbStrategy)-1));
}

static void test_context_names(void)
{
    static const char *const names[] = {"DEFAULT", "CPU", "CUDA", "HIP", "OPENCL", "OPENACC"};
    for (size_t i = 0; i < N_ROWS(names); i++)
        CU_ASSERT_STRING_EQUAL(mmb_execution_context_name((mmbExecutionContext)i), names[i]);
    CU_ASSERT_PTR_NULL(mmb_execution_context_name((mmbExecutionContext)6));
    CU_ASSERT_PTR_NULL(mmb_execution_context_name((mmbExecutionContext)-1));
}

/* ---- the choice ---- */

static const struct mmb_backend_ops *chosen(mmbBackend id, const struct mmb_layer *layer,
                                            mmbExecutionContext context)
{
    const struct mmb_backend_ops *ops = NULL;
    mmb_registry_lock();
    mmbError error = mmb_backend_select(id, layer, context, &ops);
    mmb_registry_unlock();
    SUITE_CHECK((error == MMB_OK) == (ops != NULL) && (error == MMB_OK || error == MMB_UNSUPPORTED),
                "%s", mmb_error_name(error));
    return ops;
}

static void test_backend_default_for_host_memory(void)
{
    struct mmb_layer layer = {.name = "test"};
    for (int id = MMB_DRAM; id <= MMB_SSD; id++) {
        layer.id = (mmbMemLayer)id;
        const struct mmb_backend_ops *ops = chosen(MMB_BACKEND_DEFAULT, &layer, MMB_CPU);
        SUITE_CHECK(id == MMB_GDRAM ? !ops : ops && ops->id == MMB_BACKEND_MMAP, "layer %d", id);
    }
    layer.id = MMB_LAYER_USER;
    CU_ASSERT_EQUAL(chosen(MMB_BACKEND_DEFAULT, &layer, MMB_CPU)->id, MMB_BACKEND_MMAP);
}

/* Discovered memory is not stood for by other memory: whoever finds HBM wants HBM. */
static void test_backend_default_for_discovered_memory(void)
{
    struct mmb_layer layer = {.name = "test", .discovered = true};
    layer.id = MMB_DRAM;
    CU_ASSERT_EQUAL(chosen(MMB_BACKEND_DEFAULT, &layer, MMB_CPU)->id, MMB_BACKEND_MMAP);
    layer.id = MMB_HBM;
    const struct mmb_backend_ops *ops = chosen(MMB_BACKEND_DEFAULT, &layer, MMB_CPU);
    CU_ASSERT_TRUE(ops ? ops->id == MMB_BACKEND_NUMA : control_detail_has("NUMA"));
    layer.id = MMB_SSD;
    ops = chosen(MMB_BACKEND_DEFAULT, &layer, MMB_CPU);
    CU_ASSERT_TRUE(ops ? ops->id == MMB_BACKEND_FILE : control_detail_has("FILE"));
    layer.id = MMB_HBM;
    CU_ASSERT_EQUAL(chosen(MMB_BACKEND_MALLOC, &layer, MMB_CPU)->id, MMB_BACKEND_MALLOC);
}

static void test_backend_pairs_that_cannot_work(void)
{
    static const struct {
        mmbMemLayer layer;
        mmbExecutionContext context;
        mmbBackend backend;
    } rows[] = {
        {MMB_GDRAM, MMB_CPU, MMB_BACKEND_MALLOC},     {MMB_GDRAM, MMB_CPU, MMB_BACKEND_MMAP},
        {MMB_DRAM, MMB_GPU_CUDA, MMB_BACKEND_MMAP},   {MMB_DRAM, MMB_OPENACC, MMB_BACKEND_DEFAULT},
        {MMB_CXL, MMB_GPU_HIP, MMB_BACKEND_DEFAULT},  {MMB_DRAM, MMB_OPENCL, MMB_BACKEND_DEFAULT},
        {MMB_SSD, MMB_GPU_CUDA, MMB_BACKEND_DEFAULT},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        const struct mmb_layer layer = {.id = rows[i].layer, .name = "test"};
        SUITE_CHECK(!chosen(rows[i].backend, &layer, rows[i].context), "row %zu", i);
    }
}

static void test_strategy_default(void)
{
    const struct mmb_allocator_ops *ops = NULL, *local = NULL;
    CU_ASSERT_EQUAL(mmb_strategy_select(MMB_STRATEGY_DEFAULT, &ops), MMB_OK);
    mmbError error = mmb_strategy_select(MMB_STRATEGY_THREAD_LOCAL, &local);
    CU_ASSERT_EQUAL(ops->strategy,
                    error == MMB_OK ? MMB_STRATEGY_THREAD_LOCAL : MMB_STRATEGY_SCALABLE_PAGE);
}

/* ---- registration ---- */

static mmbError map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)n_bytes;
    (void)domain;
    (void)address;
    return MMB_OUT_OF_MEMORY;
}
static mmbError unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)address;
    (void)n_bytes;
    return MMB_OK;
}
static mmbError copy_in(void *user, void *dst, const void *host_src, size_t n)
{
    (void)user;
    (void)dst;
    (void)host_src;
    (void)n;
    return MMB_OK;
}

static const mmbBackendOps whole = {
    .size = sizeof whole, .name = "mine", .host_accessible = true, .map = map, .unmap = unmap};

static void test_backend_register(void)
{
    char name[] = "mine";
    mmbBackendOps ops = whole;
    mmbBackend first = MMB_BACKEND_DEFAULT, second = MMB_BACKEND_DEFAULT;
    ops.name = name;
    CU_ASSERT_EQUAL(mmb_backend_register(&ops, NULL, &first), MMB_OK);
    memset(name, 'x', 4); /* the table was copied */
    ops.name = "yours";
    CU_ASSERT_EQUAL(mmb_backend_register(&ops, NULL, &second), MMB_OK);
    CU_ASSERT_TRUE(first >= MMB_BACKEND_USER && second >= MMB_BACKEND_USER && first != second);
    CU_ASSERT_STRING_EQUAL(mmb_backend_name(first), "mine");
    CU_ASSERT_STRING_EQUAL(mmb_backend_name(second), "yours");
    mmb_finalize();
    control_open();
    CU_ASSERT_PTR_NULL(mmb_backend_name(first));
}

static void test_backend_register_many(void)
{
    char name[] = "backend 00";
    for (int i = 0; i < 50; i++) {
        mmbBackendOps ops = whole;
        mmbBackend id = MMB_BACKEND_DEFAULT;
        name[8] = (char)('0' + i / 10);
        name[9] = (char)('0' + i % 10);
        ops.name = name;
        CU_ASSERT_EQUAL(mmb_backend_register(&ops, NULL, &id), MMB_OK);
        CU_ASSERT_STRING_EQUAL(mmb_backend_name(id), name);
    }
}

/* covers: mmb_backend_register MMB_INVALID_ARG MMB_EXISTS */
static void test_backend_register_refuses(void)
{
    mmbBackendOps rows[8];
    static const mmbError errors[] = {MMB_INVALID_ARG, MMB_INVALID_ARG, MMB_INVALID_ARG,
                                      MMB_INVALID_ARG, MMB_INVALID_ARG, MMB_INVALID_ARG,
                                      MMB_EXISTS,      MMB_INVALID_ARG};
    mmbBackend id = MMB_BACKEND_DEFAULT;
    for (size_t i = 0; i < N_ROWS(rows); i++)
        rows[i] = whole;
    rows[0].name = NULL;
    rows[1].map = NULL;
    rows[2].unmap = NULL;
    rows[3].copy_in = copy_in;
    rows[4].host_accessible = false;
    rows[5].min_alignment = 48;
    rows[6].name = "mmap";
    rows[7].size = 8;
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbError error = mmb_backend_register(&rows[i], NULL, &id);
        SUITE_CHECK(error == errors[i] && id == MMB_BACKEND_DEFAULT, "row %zu: %s", i,
                    mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_backend_register(NULL, NULL, &id), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_backend_register(&whole, NULL, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_backend_register(&whole, NULL, &id), MMB_OK);
    CU_ASSERT_EQUAL(mmb_backend_register(&whole, NULL, &id), MMB_EXISTS);
}

MMB_SUITE_WITH("core/backend_table", control_open, control_close, T(test_backend_names),
               T(test_strategy_names), T(test_context_names),
               T(test_backend_default_for_host_memory),
               T(test_backend_default_for_discovered_memory),
               T(test_backend_pairs_that_cannot_work), T(test_strategy_default),
               T(test_backend_register), T(test_backend_register_many),
               T(test_backend_register_refuses))
