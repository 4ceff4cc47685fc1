/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks that one process allocates and another frees, handed over in batches: what goes from one
 * to the other is a pointer that means the same in both. Compiled once per way that has one. Owns
 * the ring; takes no lock. */
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include "bench/block.h"
#include "bench/themes.h"

#define BATCH   ((size_t)256)
#define BATCHES ((size_t)16)

#if defined(BENCH_IN_MMB)

typedef mmbSharedPtr letter;

static letter letter_from(block_handle block)
{
    letter pointer;
    bench_mmb_check(mmb_allocation_get_shared(block, &pointer), "mmb_allocation_get_shared");
    return pointer;
}

static block_handle letter_open(letter pointer)
{
    mmbAllocation *block;
    bench_mmb_check(mmb_allocation_from_shared(pointer, &block), "mmb_allocation_from_shared");
    return block;
}

#else

/* Both are forks of the one that mapped the segment. */
typedef void *letter;

static letter letter_from(block_handle block)
{
    return block;
}

static block_handle letter_open(letter pointer)
{
    return pointer;
}

#endif

/* One writer, one reader: popped <= pushed <= popped + BATCHES. In memory that both have. */
struct ring {
    alignas(128) atomic_size_t pushed;
    alignas(128) atomic_size_t popped;
    alignas(128) letter batches[BATCHES][BATCH];
};

static struct ring *ring;
static struct bench_plan *plan;

static bool is_full(void)
{
    return atomic_load(&ring->pushed) - atomic_load(&ring->popped) == BATCHES;
}

static bool is_empty(void)
{
    return atomic_load(&ring->pushed) == atomic_load(&ring->popped);
}

/* Processor time that went by meanwhile. */
static double wait_while(bool (*is_so)(void))
{
    double start = is_so() ? bench_cpu_ns() : 0;
    while (is_so())
        sched_yield();
    return start > 0 ? bench_cpu_ns() - start : 0;
}

static void send(size_t n_batches)
{
    double waited = 0;

    bench_thread_begin();
    for (size_t i = 0; i < n_batches; i++) {
        waited += wait_while(is_full);
        for (size_t j = 0; j < BATCH; j++) {
            block_handle block = block_allocate(bench_plan_size(plan, i * BATCH + j));
            block_mark(block, i * BATCH + j);
            ring->batches[i % BATCHES][j] = letter_from(block);
        }
        atomic_fetch_add(&ring->pushed, 1);
    }
    bench_thread_end(waited);
}

static void receive(size_t n_batches)
{
    double waited = 0;
    uint64_t sum = 0;
    uint64_t n = (uint64_t)n_batches * BATCH;

    bench_thread_begin();
    for (size_t i = 0; i < n_batches; i++) {
        waited += wait_while(is_empty);
        for (size_t j = 0; j < BATCH; j++) {
            block_handle block = letter_open(ring->batches[i % BATCHES][j]);
            sum += block_read(block);
            block_free(block);
        }
        atomic_fetch_add(&ring->popped, 1);
    }
    bench_thread_end(waited);
    bench_check_sums(n * (n - 1) / 2, sum);
}

static void post_process(struct bench_run *run, unsigned int index)
{
    (index == 0 ? send : receive)(run->ops / BATCH);
}

void WAY(post)(struct bench_run *run)
{
    plan = bench_plan_make(run->workload->least, run->workload->most, 4);
    ring = bench_shared_table(1, sizeof *ring);
    bench_in_processes(run, post_process, run->ops / BATCH * BATCH);
}
