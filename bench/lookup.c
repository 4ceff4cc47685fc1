/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding an allocation by an address inside it, and what is next to it in cost: freeing one. Both
 * see the same blocks in the same order. Owns nothing, takes no lock. */
#include "bench/block.h"
#include "bench/themes.h"

struct blocks {
    mmbAllocation **handles;
    uint32_t *order;
    size_t n;
};

static struct blocks blocks_make(const struct bench_workload *work)
{
    struct blocks out = {block_table(work->n_live), bench_table(work->n_live, sizeof(uint32_t)),
                         work->n_live};
    uint64_t state = 10;

    for (size_t i = 0; i < out.n; i++)
        out.order[i] = (uint32_t)i;
    for (size_t i = out.n; i-- > 1;) {
        size_t other = bench_random_below(&state, i + 1);
        uint32_t saved = out.order[i];
        out.order[i] = out.order[other];
        out.order[other] = saved;
    }
    return out;
}

static void blocks_allocate(struct blocks *blocks, const struct bench_plan *plan)
{
    for (size_t i = 0; i < blocks->n; i++)
        block_mark(blocks->handles[i] = block_allocate(bench_plan_size(plan, i)), i);
}

static void blocks_free(struct blocks *blocks)
{
    for (size_t i = 0; i < blocks->n; i++)
        block_free(blocks->handles[blocks->order[i]]);
}

static void find_all(const struct blocks *blocks)
{
    for (size_t i = 0; i < blocks->n; i++) {
        mmbAllocation *wanted = blocks->handles[blocks->order[i]];
        const char *address = block_ptr(wanted);
        mmbAllocation *found;

        if (mmb_allocation_find(address + 5, &found) != MMB_OK || found != wanted)
            bench_fail("another allocation is found, or none: %s", mmb_error_detail());
    }
}

void mmb_find(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    struct blocks blocks = blocks_make(work);
    size_t n_rounds = run->ops / blocks.n;

    blocks_allocate(&blocks, bench_plan_make(work->least, work->most, 10));
    find_all(&blocks);
    double start = bench_cpu_ns();
    for (size_t i = 0; i < n_rounds; i++)
        find_all(&blocks);
    run->value = (bench_cpu_ns() - start) / (double)(n_rounds * blocks.n);
    blocks_free(&blocks);
}

/* The free of the interface that is searched: by the same contender's flags. */
void reference_find(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    const struct bench_contender findable = {.strategy = MMB_STRATEGY_THREAD_LOCAL,
                                             .flags = MMB_INTERFACE_FINDABLE};
    struct blocks blocks = blocks_make(work);
    struct bench_plan *plan = bench_plan_make(work->least, work->most, 10);
    size_t n_rounds = run->ops / blocks.n;
    double spent = 0;

    bench_mmb_open(&findable);
    for (size_t i = 0; i <= n_rounds; i++) {
        blocks_allocate(&blocks, plan);
        double start = bench_cpu_ns();
        blocks_free(&blocks);
        spent += i ? bench_cpu_ns() - start : 0;
    }
    run->value = spent / (double)(n_rounds * blocks.n);
}
