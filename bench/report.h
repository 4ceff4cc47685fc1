/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_REPORT_H
#define MMB_BENCH_REPORT_H
/* The results as a page of Markdown, and as a picture. */
#include <stdbool.h>
#include <stdio.h>
#include "bench/machine.h"
#include "bench/runner.h"

struct bench_report {
    const struct bench_results *results;
    const struct bench_machine *machine;
    const char *commit;  /* NULL: unknown */
    const char *picture; /* file name that the page shows; NULL: none */
};

/* False: something could not be written. */
bool bench_report_write(const struct bench_report *report, FILE *out);
bool bench_chart_write(const struct bench_report *report, FILE *out);

/* Workloads whose names begin with a family's prefix are points of one curve. */
#define BENCH_N_FAMILIES ((size_t)2)
struct bench_family {
    const char *prefix, *title, *axis;
};
extern const struct bench_family bench_families[BENCH_N_FAMILIES];
/* NULL: of no family. */
const struct bench_family *bench_family_of(const struct bench_workload *workload);

#endif
