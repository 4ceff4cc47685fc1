/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians, quartiles and verdicts. Order statistics rather than mean and deviation: on a shared
 * machine the outliers are all on one side. Owns nothing, takes no lock. */
#include "bench/statistics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    double a, b;

    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return (a > b) - (a < b);
}

/* Linear between the two nearest values, so that quartiles of few rounds are not the extremes. */
static double quantile(const double *sorted, size_t n, double share)
{
    double position = share * (double)(n - 1);
    size_t below = (size_t)position;

    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct bench_summary bench_summarize(const double *values, size_t n_values)
{
    struct bench_summary out = {0, NAN, NAN, NAN, NAN, NAN};
    double sorted[BENCH_MOST_ROUNDS];

    for (size_t i = 0; i < n_values && out.n < BENCH_MOST_ROUNDS; i++) {
        if (isfinite(values[i]))
            sorted[out.n++] = values[i];
    }
    if (out.n == 0)
        return out;
    qsort(sorted, out.n, sizeof sorted[0], compare);
    out.least = sorted[0];
    out.low = quantile(sorted, out.n, 0.25);
    out.median = quantile(sorted, out.n, 0.5);
    out.high = quantile(sorted, out.n, 0.75);
    out.most = sorted[out.n - 1];
    return out;
}

double bench_spread(const struct bench_summary *summary)
{
    if (summary->n < BENCH_LEAST_ROUNDS || summary->median == 0)
        return NAN;
    return (summary->high - summary->low) / fabs(summary->median);
}

void bench_ratios(const double *values, const double *base, size_t n_values, double *out)
{
    for (size_t i = 0; i < n_values; i++) {
        double ratio = values[i] / base[i];
        out[i] = isfinite(values[i]) && isfinite(base[i]) && isfinite(ratio) ? ratio : NAN;
    }
}

enum bench_verdict bench_judge(const struct bench_summary *summary, double target)
{
    if (summary->n == 0)
        return BENCH_NOT_MEASURED;
    if (summary->n < BENCH_LEAST_ROUNDS)
        return BENCH_TOO_FEW;
    if (summary->most <= target)
        return BENCH_HOLDS;
    if (summary->least > target)
        return BENCH_MISSED;
    if (!(bench_spread(summary) <= BENCH_NOISY_SPREAD))
        return BENCH_TOO_NOISY;
    return summary->median <= target ? BENCH_HOLDS : BENCH_MISSED;
}

const char *bench_verdict_text(enum bench_verdict verdict)
{
    static const char *const texts[] = {"not measured", "too few rounds to tell", "holds", "missed",
                                        "too noisy to tell"};
    return texts[verdict];
}
