/* SPDX-License-Identifier: BSD-3-Clause */
/* A space that is kept nearly full: where a cache of credit or of empty blocks would make the limit
 * refuse what fits. Owns nothing, takes no lock. */
#include "bench/block.h"
#include "bench/themes.h"

struct live {
    const struct bench_plan *plan;
    block_handle *blocks;
    uint32_t *sizes;
    size_t n;
    uint64_t written, read;
};

static void put(struct live *live, size_t place, size_t n_bytes, uint64_t number)
{
    block_mark(live->blocks[place] = block_allocate(n_bytes), number);
    live->sizes[place] = (uint32_t)n_bytes;
    live->written += number;
}

static void take(struct live *live, size_t place)
{
    live->read += block_read(live->blocks[place]);
    block_free(live->blocks[place]);
}

/* Two blocks exchange their sizes: what is used is the same afterwards, and more never. */
static void exchange(struct live *live, size_t from, size_t n_steps)
{
    for (size_t i = from; i < from + n_steps; i += 2) {
        size_t a = bench_plan_place(live->plan, i, live->n);
        size_t b = bench_plan_place(live->plan, i + 1, live->n);
        size_t a_bytes = live->sizes[a];
        size_t b_bytes = live->sizes[b];

        if (a == b)
            continue;
        take(live, a);
        take(live, b);
        put(live, a, b_bytes, i);
        put(live, b, a_bytes, i + 1);
    }
}

void mmb_full(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    struct live live = {bench_plan_make(work->least, work->most, 9),
                        block_table(work->n_live),
                        bench_table(work->n_live, sizeof(uint32_t)),
                        work->n_live,
                        0,
                        0};
    size_t used = 0;
    size_t warm_up = run->ops / 4 / 2 * 2;

    for (size_t i = 0; i < live.n; i++) {
        put(&live, i, bench_plan_size(live.plan, i), i);
        used += live.sizes[i];
    }
    bench_mmb_limit((size_t)((double)used / (double)work->parameter * 1000));
    exchange(&live, 0, warm_up);
    double start = bench_cpu_ns();
    exchange(&live, warm_up, run->ops);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    for (size_t i = 0; i < live.n; i++)
        take(&live, i);
    bench_check_sums(live.written, live.read);
}
