/* SPDX-License-Identifier: BSD-3-Clause */
/* Several threads or processes that allocate: each for itself, and, threads, with blocks that
 * change hands between them as in a server (after Larson and Krishnan's benchmark). Compiled once
 * per way. Owns the parked set; takes no lock. */
#include <stdatomic.h>
#include "bench/block.h"
#include "bench/themes.h"

#define STEPS_PER_VISIT ((size_t)20000) /* then the set of blocks goes to the next thread */

/* Blocks that are alive together, and what was written and read through them. */
struct set {
    block_handle *blocks;
    size_t n;
    uint64_t written, read;
};

static struct bench_plan *plan;
static _Atomic(struct set *) parked;

static struct set *set_make(size_t n)
{
    struct set *set = bench_table(1, sizeof *set);

    set->blocks = block_table(n);
    set->n = n;
    for (size_t i = 0; i < n; i++) {
        block_mark(set->blocks[i] = block_allocate(bench_plan_size(plan, i)), i);
        set->written += i;
    }
    return set;
}

static void set_replace(struct set *set, size_t from, size_t n_steps)
{
    block_handle *blocks = set->blocks;
    size_t n = set->n;
    uint64_t written = 0;
    uint64_t read = 0;

    for (size_t i = from; i < from + n_steps; i++) {
        block_handle *place = &blocks[bench_plan_place(plan, i, n)];
        read += block_read(*place);
        block_free(*place);
        block_mark(*place = block_allocate(bench_plan_size(plan, i)), i);
        written += i;
    }
    set->written += written;
    set->read += read;
}

static void set_free(struct set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        set->read += block_read(set->blocks[i]);
        block_free(set->blocks[i]);
    }
    bench_check_sums(set->written, set->read);
}

static void random_thread(struct bench_run *run, unsigned int index)
{
    size_t n = run->ops / run->workload->n_threads;
    size_t from = (size_t)index * 7919;
    struct set *set = set_make(run->workload->n_live);

    set_replace(set, from, n / 4);
    bench_thread_begin();
    set_replace(set, from + n / 4, n);
    bench_thread_end(0);
    set_free(set);
}

void WAY(random_threads)(struct bench_run *run)
{
    size_t n_threads = run->workload->n_threads;

    plan = bench_plan_make(run->workload->least, run->workload->most, 1);
    bench_in_threads(run, random_thread, run->ops / n_threads * n_threads);
}

/* The same, each in a process of its own. */
void WAY(random_processes)(struct bench_run *run)
{
    size_t n_processes = run->workload->n_threads;

    plan = bench_plan_make(run->workload->least, run->workload->most, 1);
    bench_in_processes(run, random_thread, run->ops / n_processes * n_processes);
}

static void larson_thread(struct bench_run *run, unsigned int index)
{
    size_t n_visits = run->ops / run->workload->n_threads / STEPS_PER_VISIT;
    size_t step = (size_t)index * 104729;
    struct set *set = set_make(run->workload->n_live);

    set_replace(set, step, STEPS_PER_VISIT);
    bench_thread_begin();
    for (size_t i = 0; i < n_visits; i++) {
        step += STEPS_PER_VISIT;
        set_replace(set, step, STEPS_PER_VISIT);
        set = atomic_exchange(&parked, set);
    }
    bench_thread_end(0);
    set_free(set);
}

void WAY(larson)(struct bench_run *run)
{
    size_t n_threads = run->workload->n_threads;
    size_t per_thread = run->ops / n_threads / STEPS_PER_VISIT * STEPS_PER_VISIT;

    plan = bench_plan_make(run->workload->least, run->workload->most, 2);
    atomic_store(&parked, set_make(run->workload->n_live));
    bench_in_threads(run, larson_thread, per_thread * n_threads);
    set_free(atomic_load(&parked));
}
