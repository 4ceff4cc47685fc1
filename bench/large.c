/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of a mebibyte, in one thread, their pages touched or not (parameter). Compiled once per
 * way; owns nothing, takes no lock. */
#include <unistd.h>
#include "bench/block.h"
#include "bench/themes.h"

#define MOST_SAVED ((size_t)1 << 16) /* sizes of live blocks differ by up to that */

/* One word of each page, and back. */
static void touch(void *block, size_t n_bytes, size_t page)
{
    uint64_t sum = 0;

    for (size_t at = 0; at < n_bytes; at += page)
        *(volatile uint64_t *)((char *)block + at) = at;
    for (size_t at = 0; at < n_bytes; at += n_bytes / 4 / page * page)
        sum += *(volatile uint64_t *)((char *)block + at) ^ at;
    bench_check_sums(0, sum);
}

static void large_pairs(size_t n_bytes, size_t n, bool is_touched)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (size_t i = 0; i < n; i++) {
        block_handle block = block_allocate(n_bytes);
        if (is_touched)
            touch(block_ptr(block), n_bytes, page);
        bench_sink(block_ptr(block));
        block_free(block);
    }
}

void WAY(large_pair)(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;

    large_pairs(work->most, 20, true);
    double start = bench_cpu_ns();
    large_pairs(work->most, run->ops, work->parameter);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    large_pairs(work->most, 2, true);
}

static void replace(block_handle *blocks, struct bench_run *run, size_t n)
{
    const struct bench_workload *work = run->workload;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t state = 5;

    for (size_t i = 0; i < n; i++) {
        block_handle *place = &blocks[bench_random_below(&state, work->n_live)];
        size_t n_bytes = work->most - bench_random_below(&state, MOST_SAVED);
        block_free(*place);
        *place = block_allocate(n_bytes);
        if (work->parameter)
            touch(block_ptr(*place), n_bytes, page);
        bench_sink(block_ptr(*place));
    }
}

void WAY(large_live)(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    block_handle *blocks = block_table(work->n_live);

    for (size_t i = 0; i < work->n_live; i++)
        blocks[i] = block_allocate(work->most);
    replace(blocks, run, 20);
    double start = bench_cpu_ns();
    replace(blocks, run, run->ops);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    for (size_t i = 0; i < work->n_live; i++)
        block_free(blocks[i]);
}
