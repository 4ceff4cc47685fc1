/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: the numbers of a report are those of textbook order statistics, rounds that failed do
 * not count, and a verdict is given only where the rounds agree enough to give one. */
#include "bench/statistics.h"
#include "tests/support/suite.h"
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CLOSE        1e-12

static void test_summary_has_median_and_quartiles(void)
{
    static const struct {
        double values[6];
        size_t n;
        double low, median, high;
    } rows[] = {
        {{7}, 1, 7, 7, 7},
        {{4, 2}, 2, 2.5, 3, 3.5},
        {{5, 1, 3}, 3, 2, 3, 4},
        {{4, 3, 2, 1}, 4, 1.75, 2.5, 3.25},
        {{10, 50, 20, 40, 30}, 5, 20, 30, 40},
        {{1, 1, 1, 1, 1, 100}, 6, 1, 1, 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench_summary summary = bench_summarize(rows[i].values, rows[i].n);

        CU_ASSERT_EQUAL(summary.n, rows[i].n);
        SUITE_CHECK(fabs(summary.low - rows[i].low) < CLOSE, "row %zu: low %g", i, summary.low);
        SUITE_CHECK(fabs(summary.median - rows[i].median) < CLOSE, "row %zu: median %g", i,
                    summary.median);
        SUITE_CHECK(fabs(summary.high - rows[i].high) < CLOSE, "row %zu: high %g", i, summary.high);
    }
}

static void test_summary_has_the_extremes(void)
{
    static const double values[] = {3, -1, 8, 2};
    struct bench_summary summary = bench_summarize(values, COUNT(values));

    CU_ASSERT_EQUAL(summary.least, -1);
    CU_ASSERT_EQUAL(summary.most, 8);
}

static void test_summary_leaves_out_what_was_not_measured(void)
{
    const double values[] = {NAN, 2, INFINITY, 4, 6, NAN};
    struct bench_summary summary = bench_summarize(values, COUNT(values));

    CU_ASSERT_EQUAL(summary.n, 3);
    CU_ASSERT_EQUAL(summary.median, 4);
    CU_ASSERT_EQUAL(summary.most, 6);
}

static void test_summary_of_nothing_is_nan(void)
{
    const double values[] = {NAN};
    struct bench_summary summary = bench_summarize(values, 1);

    CU_ASSERT_EQUAL(summary.n, 0);
    CU_ASSERT_TRUE(isnan(summary.median));
    CU_ASSERT_TRUE(isnan(bench_spread(&summary)));
    CU_ASSERT_EQUAL(bench_summarize(values, 0).n, 0);
}

static void test_summary_stops_at_the_most_rounds(void)
{
    double values[BENCH_MOST_ROUNDS + 10];

    for (size_t i = 0; i < COUNT(values); i++)
        values[i] = i < BENCH_MOST_ROUNDS ? 1 : 1000;
    struct bench_summary summary = bench_summarize(values, COUNT(values));
    CU_ASSERT_EQUAL(summary.n, BENCH_MOST_ROUNDS);
    CU_ASSERT_EQUAL(summary.most, 1);
}

static void test_spread_is_the_quartiles_distance(void)
{
    static const double values[] = {8, 9, 10, 11, 12};
    static const double zeros[] = {0, 0, 0};
    static const double few[] = {1, 2};
    struct bench_summary summary = bench_summarize(values, COUNT(values));

    CU_ASSERT_DOUBLE_EQUAL(bench_spread(&summary), 0.2, CLOSE);
    summary = bench_summarize(zeros, COUNT(zeros));
    CU_ASSERT_TRUE(isnan(bench_spread(&summary)));
    summary = bench_summarize(few, COUNT(few));
    CU_ASSERT_TRUE(isnan(bench_spread(&summary)));
}

static void test_ratios_pair_the_rounds(void)
{
    const double values[] = {2, 9, NAN, 4, 5};
    const double base[] = {1, 3, 2, NAN, 0};
    double ratios[COUNT(values)];

    bench_ratios(values, base, COUNT(values), ratios);
    CU_ASSERT_EQUAL(ratios[0], 2);
    CU_ASSERT_EQUAL(ratios[1], 3);
    for (size_t i = 2; i < COUNT(values); i++)
        SUITE_CHECK(isnan(ratios[i]), "ratio %zu is %g", i, ratios[i]);
}

static void test_verdict(void)
{
    static const struct {
        double values[5];
        size_t n;
        double target;
        enum bench_verdict verdict;
    } rows[] = {
        {{0}, 0, 1, BENCH_NOT_MEASURED},
        {{0.5, 0.5}, 2, 1, BENCH_TOO_FEW},
        {{0.98, 0.99, 0.99, 1.00, 1.01}, 5, 1, BENCH_HOLDS},  /* median below, narrow */
        {{0.99, 1.00, 1.01, 1.01, 1.02}, 5, 1, BENCH_MISSED}, /* median above, narrow */
        {{1, 1, 1, 1, 1}, 5, 1, BENCH_HOLDS},                 /* at most: equal is enough */
        {{0.6, 0.8, 0.9, 1.1, 1.3}, 5, 1, BENCH_TOO_NOISY},   /* wide, on both sides */
        {{0.1, 0.2, 0.3, 0.4, 0.5}, 5, 1, BENCH_HOLDS},       /* wide, but never above */
        {{1.1, 1.5, 2.0, 2.5, 3.0}, 5, 1, BENCH_MISSED},      /* wide, but always above */
        {{0.9, 0.99, 1.0, 1.0, 9.0}, 5, 1, BENCH_HOLDS},      /* one outlier decides nothing */
        {{-1, -1, 0, 1, 1}, 5, 0.5, BENCH_TOO_NOISY},         /* no median to relate to */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench_summary summary = bench_summarize(rows[i].values, rows[i].n);
        enum bench_verdict verdict = bench_judge(&summary, rows[i].target);

        SUITE_CHECK(verdict == rows[i].verdict, "row %zu: %s", i, bench_verdict_text(verdict));
    }
}

static void test_verdicts_have_texts_of_their_own(void)
{
    CU_ASSERT_STRING_EQUAL(bench_verdict_text(BENCH_NOT_MEASURED), "not measured");
    CU_ASSERT_STRING_EQUAL(bench_verdict_text(BENCH_TOO_FEW), "too few rounds to tell");
    CU_ASSERT_STRING_EQUAL(bench_verdict_text(BENCH_HOLDS), "holds");
    CU_ASSERT_STRING_EQUAL(bench_verdict_text(BENCH_MISSED), "missed");
    CU_ASSERT_STRING_EQUAL(bench_verdict_text(BENCH_TOO_NOISY), "too noisy to tell");
}

MMB_SUITE("bench/statistics", T(test_summary_has_median_and_quartiles),
          T(test_summary_has_the_extremes), T(test_summary_leaves_out_what_was_not_measured),
          T(test_summary_of_nothing_is_nan), T(test_summary_stops_at_the_most_rounds),
          T(test_spread_is_the_quartiles_distance), T(test_ratios_pair_the_rounds), T(test_verdict),
          T(test_verdicts_have_texts_of_their_own))
