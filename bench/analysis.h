/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_ANALYSIS_H
#define MMB_BENCH_ANALYSIS_H
/* Questions that report and chart ask of the results. */
#include "bench/comparisons.h"
#include "bench/runner.h"

/* What a value is of: the processor's time (or the workload's own unit), or time on the clock. */
enum bench_aspect { BENCH_VALUE, BENCH_WALL };

struct bench_summary bench_summary_of(const struct bench_cell *cell, enum bench_aspect aspect);
/* Of the ratios within rounds. */
struct bench_summary bench_ratio_of(const struct bench_cell *cell, const struct bench_cell *base,
                                    enum bench_aspect aspect);
/* Of values to the median of a base, for curves. */
struct bench_summary bench_relative_to(const struct bench_cell *cell,
                                       const struct bench_cell *base);

/* A comparison with names looked up. */
struct bench_finding {
    const struct bench_comparison *comparison;
    const struct bench_workload *workload;
    const struct bench_contender *contender, *base; /* base NULL: none */
    const struct bench_cell *cell;
    struct bench_summary summary;
    enum bench_verdict verdict;
};
/* False: its workload was not chosen. */
bool bench_find(const struct bench_results *results, const struct bench_comparison *comparison,
                struct bench_finding *out);

/* The first workload that a contender took part in; NULL: none. */
const struct bench_cell *bench_first_cell(const struct bench_results *results, size_t contender);
/* Whether it took part, and is of general use: a column of the tables, a colour of the charts. */
bool bench_is_column(const struct bench_results *results, size_t contender);
/* The contender's title, or what a reference is in this workload, and what really ran. */
void bench_label(const struct bench_contender *contender, const struct bench_workload *workload,
                 const struct bench_cell *cell, char *text, size_t n_bytes);

/* The same in every report: 0.034, 1.02, 12.3; "-" for what was not measured. */
const char *bench_number(double value, char *text, size_t n_bytes);
#define BENCH_NUMBER_BYTES ((size_t)32)

#endif
