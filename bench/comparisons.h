/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_COMPARISONS_H
#define MMB_BENCH_COMPARISONS_H
/* Who is held against whom, and what the ratio should be. */
#include <stddef.h>

struct bench_comparison {
    const char *workload, *contender;
    const char *base; /* another contender; NULL: the value itself is judged */
    double target;    /* at most; 0: none */
    const char *cost; /* what the way to it meets, said where it is missed; NULL: not known */
};

extern const struct bench_comparison bench_comparisons[];
extern const size_t bench_n_comparisons;

/* Of tables that show every contender. */
#define BENCH_COMMON_BASE "mimalloc"

#endif
