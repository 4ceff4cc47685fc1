/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what of the malloc backend is its own. What it shares with every backend is
 * in tests/contract. */
#include <stdint.h>
#include <string.h>
#include "layers/host/malloc.h"
#include "src/base/meta.h"
#include "tests/support/suite.h"

static mmbBackendOptions options;
static const struct mmb_backend_request request = {
    .id = MMB_BACKEND_MALLOC,
    .layer = MMB_DRAM,
    .context = MMB_CPU,
    .options = &options,
    .domain = -1,
    .domain_os_index = -1,
};

static void set_up(void)
{
    memset(&options, 0, sizeof options);
}

static void test_malloc_serves_host_layers_on_the_cpu(void)
{
    static const struct {
        mmbMemLayer layer;
        mmbExecutionContext context;
        bool serves;
    } rows[] = {
        {MMB_DRAM, MMB_CPU, true},       {MMB_HBM, MMB_CPU, true},
        {MMB_NVDIMM, MMB_CPU, true},     {MMB_CXL, MMB_CPU, true},
        {MMB_NADRAM, MMB_CPU, true},     {MMB_SSD, MMB_CPU, true},
        {MMB_LAYER_USER, MMB_CPU, true}, {MMB_GDRAM, MMB_CPU, false},
        {MMB_DRAM, MMB_GPU_CUDA, false}, {MMB_DRAM, MMB_GPU_HIP, false},
        {MMB_DRAM, MMB_OPENCL, false},   {MMB_GDRAM, MMB_GPU_CUDA, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        SUITE_CHECK(mmb_malloc_backend.serves(rows[i].layer, rows[i].context) == rows[i].serves,
                    "row %zu", i);
}

static void test_malloc_refuses_options_it_does_not_know(void)
{
    for (size_t word = 0; word < 8; word++) {
        struct mmb_backend *backend = NULL;
        memset(&options, 0, sizeof options);
        options.reserved[word] = 1;
        SUITE_CHECK(mmb_malloc_backend.open(&request, &backend) == MMB_INVALID_ARG, "word %zu",
                    word);
        SUITE_CHECK(!backend, "word %zu: output was written", word);
    }
}

static void test_malloc_aligns_to_16_and_can_grow(void)
{
    struct mmb_backend *backend = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_malloc_backend.open(&request, &backend), MMB_OK);
    CU_ASSERT_EQUAL(backend->min_alignment, 16);
    CU_ASSERT_EQUAL(backend->bounded, SIZE_MAX);
    CU_ASSERT(backend->host_accessible);
    mmb_malloc_backend.close(backend);
}

/* Small requests must not cost whole OS pages. */
static void test_malloc_gives_small_ranges(void)
{
    struct mmb_backend *backend = NULL;
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(mmb_malloc_backend.open(&request, &backend), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_malloc_backend.map(backend, 1, 1, 0, &memory), MMB_OK);
    CU_ASSERT_EQUAL(memory.n_bytes, 16);
    mmb_malloc_backend.unmap(backend, &memory);
    mmb_malloc_backend.close(backend);
}

MMB_SUITE_WITH("layers/malloc", set_up, NULL, T(test_malloc_serves_host_layers_on_the_cpu),
               T(test_malloc_refuses_options_it_does_not_know),
               T(test_malloc_aligns_to_16_and_can_grow), T(test_malloc_gives_small_ranges))
