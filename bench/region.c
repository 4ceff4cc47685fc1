/* SPDX-License-Identifier: BSD-3-Clause */
/* A block that the network could be told of: out of an interface that registered its chunks long
 * ago, or a buffer that is registered for the occasion. Owns nothing, takes no lock. */
#include "bench/block.h"
#include "bench/themes.h"

static void region_use(const mmbAllocation *block, size_t n_bytes)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT;

    bench_mmb_check(mmb_allocation_get_region(block, 0, n_bytes, &view),
                    "mmb_allocation_get_region");
    *(volatile char *)view.ptr = 1;
}

void mmb_region(struct bench_run *run)
{
    size_t n_bytes = run->workload->least;
    mmbAllocation *kept = block_allocate(n_bytes); /* the chunk stays */
    double start = bench_cpu_ns();

    for (size_t i = 0; i < run->ops; i++) {
        mmbAllocation *block = block_allocate(n_bytes);
        region_use(block, n_bytes);
        block_free(block);
    }
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    block_free(kept);
}

void reference_region(struct bench_run *run)
{
    size_t n_bytes = run->workload->least;
    char *buffer = bench_table(n_bytes, 1);
    mmbAllocation *wrapped;

    bench_mmb_open(run->contender);
    double start = bench_cpu_ns();
    for (size_t i = 0; i < run->ops; i++) {
        bench_mmb_check(mmb_allocation_create_wrapped(buffer, n_bytes, bench_interface, &wrapped),
                        "mmb_allocation_create_wrapped");
        region_use(wrapped, n_bytes);
        block_free(wrapped);
    }
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
}
