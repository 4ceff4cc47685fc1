/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragmentation: a long trace in which the usual size drifts, so that what was given to one size
 * has to serve another. Compiled once per way; owns nothing, takes no lock. */
#include <string.h>
#include "bench/block.h"
#include "bench/themes.h"

#define PLACES ((size_t)1 << 21)

/* Blocks are exchanged until this many times the live bytes were allocated anew: then 1 - 1/e^2,
 * about 86 %, of the live bytes are of this phase. */
#define TURNS ((size_t)2)

struct trace {
    block_handle *blocks;
    uint32_t *sizes;
    size_t n, live_bytes, goal_bytes;
    uint64_t state;
};

static const struct {
    uint32_t least, most;
} phases[] = {
    {16, 256},   {64, 2048}, {1024, 16384}, {4096, 65536},
    {16, 65536}, {16, 128},  {512, 8192},   {16, 1024},
};

static unsigned char fill_of(size_t n_bytes)
{
    return (unsigned char)(n_bytes % 251);
}

static void add(struct trace *trace, size_t n_bytes)
{
    if (trace->n == PLACES)
        bench_fail("more than %zu blocks", PLACES);
    block_handle block = block_allocate(n_bytes);
    memset(block_ptr(block), fill_of(n_bytes), n_bytes);
    trace->blocks[trace->n] = block;
    trace->sizes[trace->n++] = (uint32_t)n_bytes;
    trace->live_bytes += n_bytes;
}

static void drop(struct trace *trace, size_t index)
{
    size_t n_bytes = trace->sizes[index];
    const unsigned char *bytes = block_ptr(trace->blocks[index]);

    if (bytes[0] != fill_of(n_bytes) || bytes[n_bytes / 2] != fill_of(n_bytes) ||
        bytes[n_bytes - 1] != fill_of(n_bytes))
        bench_fail("a block of %zu bytes has changed", n_bytes);
    block_free(trace->blocks[index]);
    trace->n--;
    trace->blocks[index] = trace->blocks[trace->n];
    trace->sizes[index] = trace->sizes[trace->n];
    trace->live_bytes -= n_bytes;
}

static void exchange(struct trace *trace, size_t phase)
{
    size_t n_new = 0;

    while (n_new < TURNS * trace->goal_bytes) {
        size_t n_bytes = bench_random_size(&trace->state, phases[phase].least, phases[phase].most);
        while (trace->n && trace->live_bytes + n_bytes > trace->goal_bytes)
            drop(trace, bench_random_below(&trace->state, trace->n));
        add(trace, n_bytes);
        n_new += n_bytes;
    }
}

/* Resident bytes per live byte: the mean over the ends of the phases. */
void WAY(fragmentation)(struct bench_run *run)
{
    struct trace trace = {
        block_table(PLACES), bench_table(PLACES, sizeof(uint32_t)), 0, 0, run->ops, 7};
    size_t n_phases = sizeof phases / sizeof phases[0];
    size_t before = bench_resident_bytes();
    double sum = 0;

    for (size_t i = 0; i < n_phases; i++) {
        exchange(&trace, i);
        sum += ((double)bench_resident_bytes() - (double)before) / (double)trace.live_bytes;
    }
    run->value = sum / (double)n_phases;
    while (trace.n)
        drop(&trace, trace.n - 1);
}
