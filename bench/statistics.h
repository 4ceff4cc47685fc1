/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_STATISTICS_H
#define MMB_BENCH_STATISTICS_H
/* What the rounds of a run say together. A value that is not finite was not measured. */
#include <stddef.h>

/* Beyond this share of the median the quartiles lie too far apart for a verdict. */
#define BENCH_NOISY_SPREAD 0.10

/* Five numbers of the measured values. n = 0: the others are NAN. */
struct bench_summary {
    size_t n;
    double least, low, median, high, most; /* low and high: the quartiles */
};

/* With fewer values nothing is known of how they spread. */
#define BENCH_LEAST_ROUNDS ((size_t)3)

enum bench_verdict {
    BENCH_NOT_MEASURED,
    BENCH_TOO_FEW,
    BENCH_HOLDS,
    BENCH_MISSED,
    BENCH_TOO_NOISY,
};

/* Looks at no more than BENCH_MOST_ROUNDS values. */
#define BENCH_MOST_ROUNDS ((size_t)99)
struct bench_summary bench_summarize(const double *values, size_t n_values);

/* Distance of the quartiles as a share of the median; NAN with fewer than BENCH_LEAST_ROUNDS
 * values or a median of 0. */
double bench_spread(const struct bench_summary *summary);

/* out[i] = values[i] / base[i], measured in the same round; NAN where one is missing. */
void bench_ratios(const double *values, const double *base, size_t n_values, double *out);

/* Whether the median is at most the target. A spread that is too wide counts only while the rounds
 * disagree: when each of them lies on the same side, the answer is known. */
enum bench_verdict bench_judge(const struct bench_summary *summary, double target);

const char *bench_verdict_text(enum bench_verdict verdict);

#endif
