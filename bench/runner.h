/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_RUNNER_H
#define MMB_BENCH_RUNNER_H
/* Runs every chosen workload with every contender, round after round, each in a fresh process. */
#include <stdbool.h>
#include <stddef.h>
#include "bench/bench.h"
#include "bench/statistics.h"

#define BENCH_WORDS ((size_t)120)

/* A workload with a contender. */
struct bench_cell {
    bool takes_part;
    double values[BENCH_MOST_ROUNDS]; /* by round; NAN: that one failed */
    double walls[BENCH_MOST_ROUNDS];  /* NAN: as the value */
    char server[BENCH_WORDS];         /* who really served */
    bool is_substitute;               /* not the strategy that was asked for */
    char trouble[BENCH_WORDS];        /* why there is no value; empty: there is */
};

struct bench_plan_of_run {
    size_t n_rounds;
    double scale;
    bool is_long;
    const char *only; /* names and patterns with commas between; NULL: all */
};

struct bench_results {
    struct bench_plan_of_run plan;
    struct bench_cell *cells;      /* n_workloads x n_contenders */
    bool *is_chosen;               /* by workload */
    char (*versions)[BENCH_WORDS]; /* by contender */
    char (*absences)[BENCH_WORDS]; /* why one is not here; empty: it is */
    size_t n_chosen;               /* workloads */
    size_t n_failed;               /* measurements */
};

struct bench_cell *bench_cell_at(const struct bench_results *results, size_t workload,
                                 size_t contender);

/* NULL: no memory. Everything is said on standard error as it goes. */
struct bench_results *bench_run_all(const struct bench_plan_of_run *plan);
void bench_results_free(struct bench_results *results);

#endif
