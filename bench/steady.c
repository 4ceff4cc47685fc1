/* SPDX-License-Identifier: BSD-3-Clause */
/* The same arithmetic every time: what differs between rounds is the machine. Owns nothing, takes
 * no lock. */
#include "bench/support.h"
#include "bench/themes.h"

void reference_steady(struct bench_run *run)
{
    uint64_t state = 1;
    uint64_t sum = 0;
    double start = bench_cpu_ns();

    for (size_t i = 0; i < run->ops; i++)
        sum += bench_random(&state);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    bench_sink(&sum);
}
