/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory under the bump pointer. Owns it; takes no lock. */
#include "bench/way_bump.h"
#include "bench/support.h"

struct bench_bump bench_bump;

void bench_bump_open(void)
{
    bench_bump.base = bench_table(1, BENCH_BUMP_BYTES);
    bench_bump.top = bench_bump.base;
    bench_bump.end = bench_bump.base + BENCH_BUMP_BYTES;
}
