/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_THEMES_H
#define MMB_BENCH_THEMES_H
/* Every function that does a workload, by way and theme. */
#include "bench/bench.h"

#define BENCH_BY_ALLOCATOR(name) bench_function malloc_##name, mmb_##name
#define BENCH_BY_HEAP(name)      bench_function malloc_##name, mmb_##name, boost_##name
#define BENCH_BY_STACK(name)     bench_function mmb_##name, bump_##name
#define BENCH_BY_REFERENCE(name) bench_function mmb_##name, reference_##name

/* verify.c: not a workload, but before most of them. */
BENCH_BY_HEAP(verify);

/* small.c */
BENCH_BY_HEAP(pair);
BENCH_BY_HEAP(burst);
BENCH_BY_HEAP(random);
BENCH_BY_HEAP(pairs_forever);

/* large.c; parameter: whether pages are touched. */
BENCH_BY_ALLOCATOR(large_pair);
BENCH_BY_ALLOCATOR(large_live);

/* threads.c, handover.c */
BENCH_BY_HEAP(random_threads);
BENCH_BY_HEAP(random_processes);
BENCH_BY_HEAP(larson);
BENCH_BY_ALLOCATOR(producer);
BENCH_BY_ALLOCATOR(batches);

/* post.c: from one process to another. */
bench_function mmb_post, boost_post;

/* memory.c, trace.c; parameter of freed: enum bench_give_back. */
BENCH_BY_ALLOCATOR(overhead);
BENCH_BY_ALLOCATOR(freed);
BENCH_BY_ALLOCATOR(fragmentation);
enum bench_give_back { BENCH_AT_ONCE, BENCH_AFTER_A_SECOND, BENCH_ON_TRIM };

/* stack.c */
BENCH_BY_STACK(frame);
BENCH_BY_STACK(unwind);

/* full.c; parameter: how full the space is kept, in thousandths. */
bench_function mmb_full;

/* program.c; parameter: which one. */
bench_function malloc_program, placed_program;
enum bench_programs { BENCH_PYTHON, BENCH_SORT, BENCH_THREADS };

/* lookup.c, region.c, copy.c, start.c, steady.c */
BENCH_BY_REFERENCE(find);
BENCH_BY_REFERENCE(region);
BENCH_BY_REFERENCE(copy_between);
BENCH_BY_REFERENCE(start);
bench_function reference_steady;

#endif
