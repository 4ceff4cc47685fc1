/* SPDX-License-Identifier: BSD-3-Clause */
/* The picture: a bar per contender and workload, to the left of the common base's line where it is
 * better, then a curve per contender for each family of workloads. Both axes of ratios are
 * logarithmic, so that twice as fast is as long as twice as slow. Owns nothing, takes no lock. */
#include <math.h>
#include <string.h>
#include "bench/analysis.h"
#include "bench/report.h"
#include "tools/svg.h"

#define WIDTH      900.0
#define MARGIN     20.0
#define LABELS     275.0 /* for the workloads' names */
#define NUMBERS    40.0  /* for the number behind the longest bar, on each side */
#define BAR        10.0
#define BAR_GAP    2.0
#define ROW_GAP    14.0
#define LEGEND_ROW 18.0
#define PANEL      230.0 /* height of a family's curves */
#define PANEL_HEAD 40.0
#define AXIS_LEFT  45.0

/* From a ratio to pixels: at `from` for low, at `to` for high. */
struct axis {
    double low, high; /* powers of two, as exponents */
    double from, to;
};

static double axis_at(const struct axis *axis, double ratio)
{
    double exponent = fmin(fmax(log2(ratio), axis->low), axis->high);
    return axis->from + (exponent - axis->low) / (axis->high - axis->low) * (axis->to - axis->from);
}

static void axis_include(struct axis *axis, double ratio)
{
    if (!isfinite(ratio) || ratio <= 0)
        return;
    axis->low = fmin(axis->low, floor(log2(ratio)));
    axis->high = fmax(axis->high, ceil(log2(ratio)));
}

static const char *power_of_two(double exponent, char *text, size_t n_bytes)
{
    if (exponent < 0)
        snprintf(text, n_bytes, "1/%.0f", exp2(-exponent));
    else
        snprintf(text, n_bytes, "%.0f", exp2(exponent));
    return text;
}

static bool is_bar(const struct bench_results *results, size_t workload)
{
    const struct bench_workload *work = &bench_workloads[workload];
    return results->is_chosen[workload] && work->unit == BENCH_NANOSECONDS &&
           work->run[BENCH_MALLOC] && !bench_family_of(work);
}

static bool is_series(const struct bench_results *results, size_t contender)
{
    return bench_is_column(results, contender) &&
           strcmp(bench_contenders[contender].name, BENCH_COMMON_BASE) != 0;
}

static size_t count_series(const struct bench_results *results)
{
    size_t n = 0;
    for (size_t i = 0; i < bench_n_contenders; i++)
        n += is_series(results, i);
    return n;
}

static double ratio_to_base(const struct bench_results *results, size_t workload, size_t contender)
{
    struct bench_summary summary = bench_ratio_of(
        bench_cell_at(results, workload, contender),
        bench_cell_at(results, workload, bench_find_contender(BENCH_COMMON_BASE)), BENCH_VALUE);
    return summary.median;
}

/* Returns where the legend ends. */
static double draw_legend(struct svg *svg, const struct bench_results *results, double y)
{
    char label[256];
    double x = MARGIN;

    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (!bench_is_column(results, i))
            continue;
        bench_label(&bench_contenders[i], bench_workloads, bench_first_cell(results, i), label,
                    sizeof label);
        double width = 34 + (double)strlen(label) * SVG_LABEL_PX * 0.55;
        if (x + width > WIDTH - MARGIN) {
            x = MARGIN;
            y += LEGEND_ROW;
        }
        svg_rect(svg, (struct svg_box){x, y - 9, 14, BAR}, svg_colour(i), 2);
        svg_text(svg, (struct svg_point){x + 19, y}, SVG_START, SVG_LABEL, label);
        x += width;
    }
    return y + LEGEND_ROW;
}

/* Where the number behind a bar starts: beyond the bar, and beyond the target's tick if that is
 * near. */
static double number_at(double one, double end, double tick)
{
    double side = end < one ? -1 : 1;
    double beyond = (tick - end) * side;
    bool is_in_the_way = beyond > 0 && beyond < NUMBERS && (tick - one) * side > 0;

    return (is_in_the_way ? tick : end) + 4 * side;
}

static void draw_bar(struct svg *svg, const struct axis *axis, double ratio, struct svg_point at,
                     const char *colour)
{
    char text[BENCH_NUMBER_BYTES];
    double one = axis_at(axis, 1);
    double end = axis_at(axis, ratio);
    struct svg_box bar = {fmin(one, end), at.y, fmax(fabs(end - one), 1), BAR};

    if (!isfinite(ratio))
        return;
    svg_rect(svg, bar, colour, 1);
    svg_text(svg, (struct svg_point){number_at(one, end, at.x), at.y + BAR - 1.5},
             end < one ? SVG_END : SVG_START, SVG_SMALL, bench_number(ratio, text, sizeof text));
}

/* A tick through the bar that has to end at it or before. */
static void draw_target(struct svg *svg, struct svg_point at)
{
    svg_line(svg, (struct svg_point){at.x, at.y - 1}, (struct svg_point){at.x, at.y + BAR + 1},
             (struct svg_stroke){SVG_INK, 2.5, false});
}

/* The target of a contender against the common base; 0: none. */
static double target_of(size_t workload, size_t contender)
{
    for (size_t i = 0; i < bench_n_comparisons; i++) {
        const struct bench_comparison *comparison = &bench_comparisons[i];
        if (bench_find_workload(comparison->workload) == workload &&
            bench_find_contender(comparison->contender) == contender && comparison->base &&
            strcmp(comparison->base, BENCH_COMMON_BASE) == 0)
            return comparison->target;
    }
    return 0;
}

static double row_height(const struct bench_results *results)
{
    return (double)count_series(results) * (BAR + BAR_GAP) + ROW_GAP;
}

static void draw_row(struct svg *svg, const struct bench_results *results, size_t workload,
                     const struct axis *axis, double y)
{
    double middle = y + (row_height(results) - ROW_GAP) / 2 + 4;

    svg_text(svg, (struct svg_point){LABELS + MARGIN - 12, middle}, SVG_END, SVG_LABEL,
             bench_workloads[workload].title);
    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (!is_series(results, i))
            continue;
        double target = target_of(workload, i);
        struct svg_point at = {axis_at(axis, target > 0 ? target : 1), y};
        draw_bar(svg, axis, ratio_to_base(results, workload, i), at, svg_colour(i));
        if (target > 0)
            draw_target(svg, at);
        y += BAR + BAR_GAP;
    }
}

static struct axis bar_axis(const struct bench_results *results)
{
    struct axis axis = {-1, 1, MARGIN + LABELS + NUMBERS, WIDTH - MARGIN - NUMBERS};

    for (size_t i = 0; i < bench_n_workloads * bench_n_contenders; i++) {
        size_t workload = i / bench_n_contenders;
        size_t contender = i % bench_n_contenders;
        if (!is_bar(results, workload) || !is_series(results, contender))
            continue;
        axis_include(&axis, ratio_to_base(results, workload, contender));
        axis_include(&axis, target_of(workload, contender));
    }
    return axis;
}

static size_t count_bars(const struct bench_results *results)
{
    size_t n = 0;
    for (size_t i = 0; i < bench_n_workloads; i++)
        n += is_bar(results, i);
    return n;
}

/* Returns where the bars end. */
static double draw_bars(struct svg *svg, const struct bench_results *results, double y)
{
    struct axis axis = bar_axis(results);
    double bottom = y + 22 + (double)count_bars(results) * row_height(results);
    char text[BENCH_NUMBER_BYTES];

    for (double exponent = axis.low; exponent <= axis.high; exponent++) {
        double x = axis_at(&axis, exp2(exponent));
        struct svg_stroke stroke = {exponent == 0 ? SVG_INK : SVG_FAINT, exponent == 0 ? 1.5 : 1.0,
                                    false};
        svg_line(svg, (struct svg_point){x, y + 8}, (struct svg_point){x, bottom - ROW_GAP / 2},
                 stroke);
        svg_text(svg, (struct svg_point){x, y}, SVG_MIDDLE, SVG_SMALL,
                 power_of_two(exponent, text, sizeof text));
    }
    y += 22;
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (!is_bar(results, i))
            continue;
        draw_row(svg, results, i, &axis, y);
        y += row_height(results);
    }
    return y;
}

/* The workloads of one family, and the panel that their curves are drawn in. */
struct panel {
    const struct bench_family *family;
    size_t points[16]; /* workloads */
    size_t n_points;
    struct axis x; /* of positions, not of ratios */
    struct axis y;
};

static double growth(const struct bench_results *results, const struct panel *panel, size_t point,
                     size_t contender)
{
    struct bench_summary summary = bench_relative_to(
        bench_cell_at(results, panel->points[point], contender),
        bench_cell_at(results, panel->points[0], bench_find_contender(BENCH_COMMON_BASE)));
    return summary.median;
}

static struct panel panel_make(const struct bench_results *results,
                               const struct bench_family *family, struct svg_box box)
{
    struct panel panel = {
        family, {0}, 0, {0, 1, box.x + AXIS_LEFT, box.x + box.width}, {-1, 1, 0, 0}};

    panel.y.from = box.y + box.height - 40;
    panel.y.to = box.y + PANEL_HEAD;
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (results->is_chosen[i] && bench_family_of(&bench_workloads[i]) == family &&
            panel.n_points < sizeof panel.points / sizeof panel.points[0])
            panel.points[panel.n_points++] = i;
    }
    for (size_t i = 0; i < panel.n_points * bench_n_contenders; i++) {
        if (bench_is_column(results, i % bench_n_contenders))
            axis_include(&panel.y,
                         growth(results, &panel, i / bench_n_contenders, i % bench_n_contenders));
    }
    return panel;
}

static double panel_x(const struct panel *panel, size_t point)
{
    double share = panel->n_points > 1 ? (double)point / (double)(panel->n_points - 1) : 0.5;
    return panel->x.from + 12 + share * (panel->x.to - panel->x.from - 24);
}

/* "8" of threads-8, "10^6" of live-1000000. */
static void point_text(const struct bench_workload *workload, const struct bench_family *family,
                       char *text, size_t n_bytes)
{
    const char *number = workload->name + strlen(family->prefix);
    size_t n = strlen(number);

    if (n > 3 && number[0] == '1' && strspn(number + 1, "0") == n - 1)
        snprintf(text, n_bytes, "10^%zu", n - 1);
    else
        snprintf(text, n_bytes, "%s", number);
}

static void draw_axes(struct svg *svg, const struct panel *panel)
{
    char text[BENCH_NUMBER_BYTES];

    for (double exponent = panel->y.low; exponent <= panel->y.high; exponent++) {
        double y = axis_at(&panel->y, exp2(exponent));
        struct svg_stroke stroke = {exponent == 0 ? SVG_INK : SVG_FAINT, 1, false};
        svg_line(svg, (struct svg_point){panel->x.from, y}, (struct svg_point){panel->x.to, y},
                 stroke);
        svg_text(svg, (struct svg_point){panel->x.from - 6, y + 4}, SVG_END, SVG_SMALL,
                 power_of_two(exponent, text, sizeof text));
    }
    for (size_t i = 0; i < panel->n_points; i++) {
        point_text(&bench_workloads[panel->points[i]], panel->family, text, sizeof text);
        svg_text(svg, (struct svg_point){panel_x(panel, i), panel->y.from + 16}, SVG_MIDDLE,
                 SVG_SMALL, text);
    }
    svg_text(svg, (struct svg_point){(panel->x.from + panel->x.to) / 2, panel->y.from + 32},
             SVG_MIDDLE, SVG_LABEL, panel->family->axis);
}

static void draw_curve(struct svg *svg, const struct bench_results *results,
                       const struct panel *panel, size_t contender)
{
    struct svg_point points[sizeof panel->points / sizeof panel->points[0]];
    size_t n = 0;

    for (size_t i = 0; i < panel->n_points; i++) {
        double value = growth(results, panel, i, contender);
        if (!isfinite(value))
            continue;
        points[n++] = (struct svg_point){panel_x(panel, i), axis_at(&panel->y, value)};
        svg_circle(svg, points[n - 1], 3, svg_colour(contender));
    }
    if (n > 1)
        svg_polyline(svg, points, n, (struct svg_stroke){svg_colour(contender), 2, false});
}

static void draw_family(struct svg *svg, const struct bench_results *results,
                        const struct bench_family *family, struct svg_box box)
{
    struct panel panel = panel_make(results, family, box);

    if (panel.n_points == 0)
        return;
    svg_text(svg, (struct svg_point){box.x, box.y + 16}, SVG_START, SVG_HEADING, family->title);
    draw_axes(svg, &panel);
    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (bench_is_column(results, i))
            draw_curve(svg, results, &panel, i);
    }
}

static bool has_family(const struct bench_results *results)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (results->is_chosen[i] && bench_family_of(&bench_workloads[i]))
            return true;
    }
    return false;
}

bool bench_chart_write(const struct bench_report *report, FILE *out)
{
    const struct bench_results *results = report->results;
    double top = 2 * LEGEND_ROW + 80; /* heading, subtitle and at most two rows of legend */
    double bars = (double)count_bars(results) * row_height(results) + 22;
    double bottom = top + bars + (has_family(results) ? 20 + PANEL + MARGIN : 0) + MARGIN;
    double panel = (WIDTH - 3 * MARGIN) / (double)BENCH_N_FAMILIES;
    char subtitle[256];
    struct svg svg;

    svg_begin(&svg, out, WIDTH, bottom, "Cost of allocators relative to " BENCH_COMMON_BASE);
    svg_text(&svg, (struct svg_point){MARGIN, 28}, SVG_START, SVG_HEADING,
             "Processor time per operation, as a ratio to " BENCH_COMMON_BASE);
    snprintf(subtitle, sizeof subtitle,
             "left of 1 is faster, ticks are targets; medians of %zu rounds; %s, %s",
             results->plan.n_rounds, report->machine->model, report->machine->date);
    svg_text(&svg, (struct svg_point){MARGIN, 46}, SVG_START, SVG_SMALL, subtitle);
    draw_legend(&svg, results, 70);
    double y = draw_bars(&svg, results, top);
    for (size_t i = 0; i < BENCH_N_FAMILIES; i++)
        draw_family(&svg, results, &bench_families[i],
                    (struct svg_box){MARGIN + (double)i * (panel + MARGIN), y + 20, panel, PANEL});
    return svg_end(&svg);
}
