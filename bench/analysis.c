/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians, ratios and labels of results. Owns nothing, takes no lock. */
#include "bench/analysis.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double *values_of(const struct bench_cell *cell, enum bench_aspect aspect)
{
    return aspect == BENCH_WALL ? cell->walls : cell->values;
}

struct bench_summary bench_summary_of(const struct bench_cell *cell, enum bench_aspect aspect)
{
    return bench_summarize(values_of(cell, aspect), BENCH_MOST_ROUNDS);
}

struct bench_summary bench_ratio_of(const struct bench_cell *cell, const struct bench_cell *base,
                                    enum bench_aspect aspect)
{
    double ratios[BENCH_MOST_ROUNDS];

    bench_ratios(values_of(cell, aspect), values_of(base, aspect), BENCH_MOST_ROUNDS, ratios);
    return bench_summarize(ratios, BENCH_MOST_ROUNDS);
}

struct bench_summary bench_relative_to(const struct bench_cell *cell, const struct bench_cell *base)
{
    double median = bench_summary_of(base, BENCH_VALUE).median;
    double ratios[BENCH_MOST_ROUNDS];

    for (size_t i = 0; i < BENCH_MOST_ROUNDS; i++)
        ratios[i] = cell->values[i] / median;
    return bench_summarize(ratios, BENCH_MOST_ROUNDS);
}

bool bench_find(const struct bench_results *results, const struct bench_comparison *comparison,
                struct bench_finding *out)
{
    size_t workload = bench_find_workload(comparison->workload);
    size_t contender = bench_find_contender(comparison->contender);
    size_t base = comparison->base ? bench_find_contender(comparison->base) : SIZE_MAX;

    if (workload == SIZE_MAX || contender == SIZE_MAX || !results->is_chosen[workload])
        return false;
    out->comparison = comparison;
    out->workload = &bench_workloads[workload];
    out->contender = &bench_contenders[contender];
    out->base = base == SIZE_MAX ? NULL : &bench_contenders[base];
    out->cell = bench_cell_at(results, workload, contender);
    out->summary =
        out->base ? bench_ratio_of(out->cell, bench_cell_at(results, workload, base), BENCH_VALUE)
                  : bench_summary_of(out->cell, BENCH_VALUE);
    out->verdict = out->cell->is_substitute ? BENCH_NOT_MEASURED
                                            : bench_judge(&out->summary, comparison->target);
    return true;
}

const struct bench_cell *bench_first_cell(const struct bench_results *results, size_t contender)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        const struct bench_cell *cell = bench_cell_at(results, i, contender);
        if (cell->takes_part)
            return cell;
    }
    return NULL;
}

bool bench_is_column(const struct bench_results *results, size_t contender)
{
    return bench_contenders[contender].group & BENCH_GENERAL &&
           bench_first_cell(results, contender);
}

void bench_label(const struct bench_contender *contender, const struct bench_workload *workload,
                 const struct bench_cell *cell, char *text, size_t n_bytes)
{
    if (contender->group == BENCH_THE_OTHER)
        snprintf(text, n_bytes, "%s", workload->reference);
    else if (cell->is_substitute)
        snprintf(text, n_bytes, "%s (not in this build: ran as %s)", contender->title,
                 cell->server);
    else
        snprintf(text, n_bytes, "%s", contender->title);
}

const char *bench_number(double value, char *text, size_t n_bytes)
{
    int digits = fabs(value) < 0.1 ? 3 : fabs(value) < 10 ? 2 : fabs(value) < 1000 ? 1 : 0;

    if (isfinite(value))
        snprintf(text, n_bytes, "%.*f", digits, value);
    else
        snprintf(text, n_bytes, "-");
    return text;
}
