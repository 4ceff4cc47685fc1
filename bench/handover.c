/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks that one thread allocates and another frees, handed over in batches so that the handing
 * costs little: one producer and one consumer, and a circle in which every thread does both (after
 * xmalloc). Compiled once per way. Owns the rings; takes no lock. */
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include "bench/block.h"
#include "bench/themes.h"

#define BATCH   ((size_t)256)
#define BATCHES ((size_t)64)
#define RINGS   ((size_t)8)

/* One writer, one reader. popped <= pushed <= popped + BATCHES; each of the two is written by one
 * side and lies in a cache line of its own. */
struct ring {
    alignas(128) atomic_size_t pushed;
    alignas(128) atomic_size_t popped;
    alignas(128) block_handle batches[BATCHES][BATCH];
};

/* What one thread wrote into blocks and read from them; a cache line each. */
struct sums {
    alignas(128) uint64_t written;
    uint64_t read;
};

static struct ring *rings;
static struct sums sums[RINGS];
static struct bench_plan *plan;

static bool ring_has_room(struct ring *ring)
{
    return atomic_load_explicit(&ring->pushed, memory_order_relaxed) -
               atomic_load_explicit(&ring->popped, memory_order_acquire) <
           BATCHES;
}

static bool ring_has_batch(struct ring *ring)
{
    return atomic_load_explicit(&ring->pushed, memory_order_acquire) !=
           atomic_load_explicit(&ring->popped, memory_order_relaxed);
}

/* Processor time that went by until there was something to do. */
static double wait_until(bool (*is_ready)(struct ring *), struct ring *ring)
{
    if (is_ready(ring))
        return 0;
    double start = bench_cpu_ns();
    while (!is_ready(ring))
        sched_yield();
    return bench_cpu_ns() - start;
}

static uint64_t push_batch(struct ring *ring, size_t first)
{
    size_t at = atomic_load_explicit(&ring->pushed, memory_order_relaxed);
    block_handle *batch = ring->batches[at % BATCHES];
    uint64_t sum = 0;

    for (size_t i = 0; i < BATCH; i++) {
        block_mark(batch[i] = block_allocate(bench_plan_size(plan, first + i)), first + i);
        sum += first + i;
    }
    atomic_store_explicit(&ring->pushed, at + 1, memory_order_release);
    return sum;
}

static uint64_t pop_batch(struct ring *ring)
{
    size_t at = atomic_load_explicit(&ring->popped, memory_order_relaxed);
    block_handle *batch = ring->batches[at % BATCHES];
    uint64_t sum = 0;

    for (size_t i = 0; i < BATCH; i++) {
        sum += block_read(batch[i]);
        block_free(batch[i]);
    }
    atomic_store_explicit(&ring->popped, at + 1, memory_order_release);
    return sum;
}

static void produce(struct ring *ring, size_t n_batches)
{
    double waited = 0;
    uint64_t sum = 0;

    bench_thread_begin();
    for (size_t i = 0; i < n_batches; i++) {
        waited += wait_until(ring_has_room, ring);
        sum += push_batch(ring, i * BATCH);
    }
    bench_thread_end(waited);
    sums[0].written = sum;
}

static void consume(struct ring *ring, size_t n_batches)
{
    double waited = 0;
    uint64_t sum = 0;

    bench_thread_begin();
    for (size_t i = 0; i < n_batches; i++) {
        waited += wait_until(ring_has_batch, ring);
        sum += pop_batch(ring);
    }
    bench_thread_end(waited);
    sums[1].read = sum;
}

static void producer_thread(struct bench_run *run, unsigned int index)
{
    (index == 0 ? produce : consume)(&rings[0], run->ops / BATCH);
}

/* Waits for room (NULL: none is needed) or a batch (NULL: all have come). Waiting for room alone,
 * with every ring full, would be for ever. */
static double wait_for_either(struct ring *to, struct ring *from)
{
    double start = bench_cpu_ns();

    while (!(to && ring_has_room(to)) && !(from && ring_has_batch(from)))
        sched_yield();
    return bench_cpu_ns() - start;
}

static void batches_thread(struct bench_run *run, unsigned int index)
{
    unsigned int n_threads = run->workload->n_threads;
    size_t n_batches = run->ops / BATCH / n_threads;
    struct ring *to = &rings[index];
    struct ring *from = &rings[(index + n_threads - 1) % n_threads];
    double waited = 0;
    size_t n_pushed = 0;
    size_t n_popped = 0;

    bench_thread_begin();
    while (n_pushed < n_batches || n_popped < n_batches) {
        bool can_push = n_pushed < n_batches && ring_has_room(to);
        bool can_pop = n_popped < n_batches && ring_has_batch(from);

        if (can_push)
            sums[index].written += push_batch(to, n_pushed++ * BATCH);
        if (can_pop) {
            sums[index].read += pop_batch(from);
            n_popped++;
        }
        if (!can_push && !can_pop)
            waited += wait_for_either(n_pushed < n_batches ? to : NULL,
                                      n_popped < n_batches ? from : NULL);
    }
    bench_thread_end(waited);
}

static void hand_over(struct bench_run *run, bench_thread_body *body, size_t n_ops)
{
    uint64_t written = 0;
    uint64_t read = 0;

    if (run->workload->n_threads > RINGS)
        bench_fail("there are only %zu rings", RINGS);
    plan = bench_plan_make(run->workload->least, run->workload->most, 4);
    rings = bench_table(RINGS, sizeof *rings);
    bench_in_threads(run, body, n_ops);
    for (size_t i = 0; i < RINGS; i++) {
        written += sums[i].written;
        read += sums[i].read;
    }
    bench_check_sums(written, read);
}

void WAY(producer)(struct bench_run *run)
{
    hand_over(run, producer_thread, run->ops / BATCH * BATCH);
}

void WAY(batches)(struct bench_run *run)
{
    size_t n_threads = run->workload->n_threads;

    hand_over(run, batches_thread, run->ops / BATCH / n_threads * n_threads * BATCH);
}
