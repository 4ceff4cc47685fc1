/* SPDX-License-Identifier: BSD-3-Clause */
/* Small blocks in one thread. Compiled once per way; owns nothing, takes no lock. */
#include "bench/block.h"
#include "bench/themes.h"

#define NEIGHBOURS ((size_t)200)
#define BURST      ((size_t)100)

static void pairs(size_t n_bytes, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        block_handle block = block_allocate(n_bytes);
        block_mark(block, i);
        sum += block_read(block);
        block_free(block);
    }
    bench_check_sums((uint64_t)n * (n - 1) / 2, sum);
}

/* Every other of the blocks around stays: the pair works in a page that is in use. */
static block_handle *neighbours_make(size_t n_bytes)
{
    block_handle *blocks = block_table(NEIGHBOURS);

    for (size_t i = 0; i < NEIGHBOURS; i++)
        block_mark(blocks[i] = block_allocate(n_bytes), i);
    for (size_t i = 0; i < NEIGHBOURS; i += 2)
        block_free(blocks[i]);
    return blocks;
}

static void neighbours_free(block_handle *blocks)
{
    for (size_t i = 1; i < NEIGHBOURS; i += 2) {
        bench_check_sums(i, block_read(blocks[i]));
        block_free(blocks[i]);
    }
}

void WAY(pair)(struct bench_run *run)
{
    size_t n_bytes = run->workload->most;
    block_handle *blocks = neighbours_make(n_bytes);

    pairs(n_bytes, run->ops / 10 + 1);
    double start = bench_cpu_ns();
    pairs(n_bytes, run->ops);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    neighbours_free(blocks);
}

static void bursts(block_handle *blocks, size_t n_bytes, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < BURST; j++)
            block_mark(blocks[j] = block_allocate(n_bytes), i + j);
        for (size_t j = 0; j < BURST; j++) {
            sum += block_read(blocks[j]);
            block_free(blocks[j]);
        }
    }
    bench_check_sums((uint64_t)BURST * n * (n - 1) / 2 + (uint64_t)n * BURST * (BURST - 1) / 2,
                     sum);
}

void WAY(burst)(struct bench_run *run)
{
    block_handle *blocks = block_table(BURST);
    size_t n = run->ops / BURST;

    bursts(blocks, run->workload->most, n / 10 + 1);
    double start = bench_cpu_ns();
    bursts(blocks, run->workload->most, n);
    run->value = (bench_cpu_ns() - start) / (double)(n * BURST);
}

/* One step frees a block of the live ones and puts a new one in its place. */
struct live {
    const struct bench_plan *plan;
    block_handle *blocks;
    size_t n;
    uint64_t written, read;
};

static void replace(struct live *live, size_t from, size_t n_steps)
{
    const struct bench_plan *plan = live->plan;
    block_handle *blocks = live->blocks;
    size_t n = live->n;
    uint64_t written = 0;
    uint64_t read = 0;

    for (size_t i = from; i < from + n_steps; i++) {
        block_handle *place = &blocks[bench_plan_place(plan, i, n)];
        read += block_read(*place);
        block_free(*place);
        block_mark(*place = block_allocate(bench_plan_size(plan, i)), i);
        written += i;
    }
    live->written += written;
    live->read += read;
}

void WAY(random)(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    struct live live = {bench_plan_make(work->least, work->most, 1), NULL, work->n_live, 0, 0};
    size_t warm_up = run->ops / 4;

    if (bench_available_bytes() / 2 < work->n_live * (work->most + 64))
        bench_skip("%zu live blocks need more memory than is free", work->n_live);
    live.blocks = block_table(live.n);
    for (size_t i = 0; i < live.n; i++) {
        block_mark(live.blocks[i] = block_allocate(bench_plan_size(live.plan, i)), i);
        live.written += i;
    }
    replace(&live, 0, warm_up);
    double start = bench_cpu_ns();
    replace(&live, warm_up, run->ops);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    for (size_t i = 0; i < live.n; i++) {
        live.read += block_read(live.blocks[i]);
        block_free(live.blocks[i]);
    }
    bench_check_sums(live.written, live.read);
}

/* How much the process has grown after very many pairs of one size after another. */
void WAY(pairs_forever)(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    struct bench_plan *plan = bench_plan_make(work->least, work->most, 3);

    for (size_t i = 0; i < BENCH_PLAN; i++)
        pairs(plan->size[i], 2);
    size_t before = bench_resident_bytes();
    double start = bench_cpu_ns();
    for (size_t i = 0; i < run->ops / 100; i++)
        pairs(plan->size[i % BENCH_PLAN], 100);
    run->wall = (bench_cpu_ns() - start) / (double)run->ops;
    size_t after = bench_resident_bytes();
    run->value = after > before ? (double)(after - before) : 0;
}
