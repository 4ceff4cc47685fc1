/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stack is for: many blocks one after the other, then all of them gone. Compiled for
 * libmmb's stack and for a bump pointer written in place; owns nothing, takes no lock. */
#include "bench/block.h"
#include "bench/themes.h"

#define FRAME ((size_t)1000)

#if defined(BENCH_IN_MMB)

static void reset(void)
{
    bench_mmb_check(mmb_stack_reset(bench_interface), "mmb_stack_reset");
}

#else

static void reset(void)
{
    bench_bump.top = bench_bump.base;
}

#endif

typedef void release(block_handle *blocks);

/* All at once. */
static void release_by_reset(block_handle *blocks)
{
    (void)blocks;
    reset();
}

/* One by one, the last first. */
static void release_by_free(block_handle *blocks)
{
    for (size_t i = FRAME; i-- > 0;)
        block_free(blocks[i]);
}

static inline __attribute__((always_inline)) void
frames(block_handle *blocks, const struct bench_plan *plan, size_t n, release *release_frame)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < FRAME; j++)
            block_mark(blocks[j] = block_allocate(plan->size[j]), i + j);
        bench_sink(blocks);
        release_frame(blocks);
    }
}

static inline __attribute__((always_inline)) void measure(struct bench_run *run,
                                                          release *release_frame)
{
    struct bench_plan *plan = bench_plan_make(run->workload->least, run->workload->most, 8);
    block_handle *blocks = block_table(FRAME);
    size_t n = run->ops / FRAME;
    uint64_t sum = 0;

    frames(blocks, plan, n / 10 + 1, release_frame);
    double start = bench_cpu_ns();
    frames(blocks, plan, n, release_frame);
    run->value = (bench_cpu_ns() - start) / (double)(n * FRAME);
    for (size_t j = 0; j < FRAME; j++)
        block_mark(blocks[j] = block_allocate(plan->size[j]), j);
    for (size_t j = 0; j < FRAME; j++)
        sum += block_read(blocks[j]);
    bench_check_sums((uint64_t)FRAME * (FRAME - 1) / 2, sum);
    release_frame(blocks);
}

void WAY(frame)(struct bench_run *run)
{
    measure(run, release_by_reset);
}

void WAY(unwind)(struct bench_run *run)
{
    measure(run, release_by_free);
}
