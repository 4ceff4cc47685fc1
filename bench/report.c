/* SPDX-License-Identifier: BSD-3-Clause */
/* The page: targets first, then every contender, then what the ratios were made from. Owns nothing,
 * takes no lock. */
#include "bench/report.h"
#include <math.h>
#include <string.h>
#include "bench/analysis.h"

const struct bench_family bench_families[BENCH_N_FAMILIES] = {
    {"threads-", "Growth with threads", "threads"},
    {"live-", "Growth with live blocks", "blocks alive"},
};

const struct bench_family *bench_family_of(const struct bench_workload *workload)
{
    for (size_t i = 0; i < BENCH_N_FAMILIES; i++) {
        if (strncmp(workload->name, bench_families[i].prefix, strlen(bench_families[i].prefix)) ==
            0)
            return &bench_families[i];
    }
    return NULL;
}

static void write_number(FILE *out, const struct bench_summary *summary)
{
    char text[BENCH_NUMBER_BYTES];

    fprintf(out, " %s%s |", bench_spread(summary) > BENCH_NOISY_SPREAD ? "~" : "",
            bench_number(summary->median, text, sizeof text));
}

static void write_percent(FILE *out, double share)
{
    if (isfinite(share))
        fprintf(out, " %.1f %% |", share * 100);
    else
        fputs(" - |", out);
}

static void write_machine_noise(const struct bench_results *results, FILE *out)
{
    size_t steady = bench_find_workload("steady");
    size_t reference = bench_find_contender("reference");

    if (!results->is_chosen[steady])
        return;
    struct bench_summary summary =
        bench_summary_of(bench_cell_at(results, steady, reference), BENCH_VALUE);
    double spread = bench_spread(&summary);
    if (!isfinite(spread))
        return;
    fprintf(out, "- Noise: the same arithmetic differed by %.1f %% between rounds%s.\n",
            spread * 100,
            spread > BENCH_NOISY_SPREAD ? "; **this machine was too noisy to tell much**" : "");
}

static void write_contenders(const struct bench_results *results, FILE *out)
{
    const char *library = NULL;

    fputs("- Contenders:", out);
    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (!bench_first_cell(results, i))
            continue;
        if (bench_contenders[i].way == BENCH_MALLOC || bench_contenders[i].way == BENCH_BOOST)
            fprintf(out, " %s%s%s,", bench_contenders[i].title, results->versions[i][0] ? " " : "",
                    results->versions[i]);
        else if (bench_contenders[i].way == BENCH_MMB)
            library = results->versions[i];
    }
    fprintf(out, " libmmb %s.\n", library ? library : "not measured");
    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (results->absences[i][0])
            fprintf(out, "- Not here: %s (%s).\n", bench_contenders[i].title, results->absences[i]);
    }
}

static void write_head(const struct bench_report *report, FILE *out)
{
    const struct bench_machine *machine = report->machine;
    const struct bench_plan_of_run *plan = &report->results->plan;

    fputs("<!-- SPDX-License-Identifier: BSD-3-Clause -->\n# mmb-bench\n\n", out);
    fprintf(out, "- Machine: %s, %zu cores, %.0f GiB.\n", machine->model, machine->n_cores,
            (double)machine->memory_bytes / (1024.0 * 1024 * 1024));
    fprintf(out, "- Date: %s. Commit: %s. Compiler: %s.\n", machine->date,
            report->commit ? report->commit : "unknown", machine->build);
    fprintf(out,
            "- Rounds: %zu, contenders in turns, each measurement in a process of its own.%s\n",
            plan->n_rounds, plan->scale < 1 ? " **A quick run: too short to be quoted.**" : "");
    write_machine_noise(report->results, out);
    write_contenders(report->results, out);
    fprintf(
        out,
        "\nA ratio is the median, over the rounds, of two values from the same round; below 1 the "
        "first of the two is better.\nThe spread is the distance of the quartiles as a share of "
        "the median; beyond %.0f %% a number gets a ~, and if the\nrounds lie on both sides of a "
        "target, the verdict is \"%s\". Values are the processor's time per operation (one\n"
        "allocation and one free) unless a table says otherwise; libmmb is called through its "
        "public functions, with an exact\nlimit on unless a row says otherwise. Every block is "
        "written and read back, and the sums must agree.\n",
        BENCH_NOISY_SPREAD * 100, bench_verdict_text(BENCH_TOO_NOISY));
    if (report->picture)
        fprintf(out, "\n![Ratios to %s](%s)\n", BENCH_COMMON_BASE, report->picture);
}

static void write_finding(const struct bench_results *results, const struct bench_finding *found,
                          FILE *out)
{
    char label[256];
    char text[BENCH_NUMBER_BYTES];
    const struct bench_cell *base = found->cell;

    bench_label(found->contender, found->workload, found->cell, label, sizeof label);
    fprintf(out, "| %s | %s |", found->workload->title, label);
    if (found->base) {
        base = bench_cell_at(results, (size_t)(found->workload - bench_workloads),
                             (size_t)(found->base - bench_contenders));
        bench_label(found->base, found->workload, base, label, sizeof label);
        fprintf(out, " %s |", label);
    } else {
        fprintf(out, " %s |", found->workload->unit == BENCH_BYTES ? "(bytes)" : "-");
    }
    fprintf(out, " %s |", bench_number(found->summary.median, text, sizeof text));
    write_percent(out, bench_spread(&found->summary));
    if (found->comparison->target > 0)
        fprintf(out, " %s | %s |\n", bench_number(found->comparison->target, text, sizeof text),
                bench_verdict_text(found->verdict));
    else
        fputs(" - | |\n", out);
}

static void write_targets(const struct bench_results *results, FILE *out)
{
    struct bench_finding found;

    fputs("\n## Targets\n\n| workload | contender | against | ratio | spread | target | verdict |\n"
          "|---|---|---|---:|---:|---:|---|\n",
          out);
    for (size_t i = 0; i < bench_n_comparisons; i++) {
        if (bench_find(results, &bench_comparisons[i], &found))
            write_finding(results, &found, out);
    }
}

/* What stands against the targets that were missed. */
static void write_costs(const struct bench_results *results, FILE *out)
{
    struct bench_finding found;
    char label[256], number[BENCH_NUMBER_BYTES];
    const char *head = "\nMissed, and what it meets:\n\n";

    for (size_t i = 0; i < bench_n_comparisons; i++) {
        if (!bench_find(results, &bench_comparisons[i], &found) || found.verdict != BENCH_MISSED ||
            found.comparison->target <= 0)
            continue;
        bench_label(found.contender, found.workload, found.cell, label, sizeof label);
        fprintf(out, "%s- %s, %s, %s: %s.\n", head, found.workload->title, label,
                bench_number(found.summary.median, number, sizeof number),
                found.comparison->cost ? found.comparison->cost : "not known");
        head = "";
    }
}

/* One table with a column per contender of general use. */
struct table {
    const char *title, *note;
    bool (*has_row)(const struct bench_workload *workload);
    void (*write_cell)(const struct bench_results *results, size_t workload, size_t contender,
                       FILE *out);
};

static void write_table_head(const struct bench_results *results, const struct table *table,
                             FILE *out)
{
    char label[256];

    fprintf(out, "\n## %s\n\n%s\n\n| workload |", table->title, table->note);
    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (!bench_is_column(results, i))
            continue;
        bench_label(&bench_contenders[i], bench_workloads, bench_first_cell(results, i), label,
                    sizeof label);
        fprintf(out, " %s |", label);
    }
    fputs("\n|---|", out);
    for (size_t i = 0; i < bench_n_contenders; i++)
        fputs(bench_is_column(results, i) ? "---:|" : "", out);
    fputc('\n', out);
}

static void write_table(const struct bench_results *results, const struct table *table, FILE *out)
{
    bool has_head = false;

    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (!results->is_chosen[i] || !table->has_row(&bench_workloads[i]))
            continue;
        if (!has_head)
            write_table_head(results, table, out);
        has_head = true;
        fprintf(out, "| %s |", bench_workloads[i].title);
        for (size_t j = 0; j < bench_n_contenders; j++) {
            if (bench_is_column(results, j))
                table->write_cell(results, i, j, out);
        }
        fputc('\n', out);
    }
}

static void write_ratio(const struct bench_results *results, size_t workload, size_t contender,
                        enum bench_aspect aspect, FILE *out)
{
    struct bench_summary summary = bench_ratio_of(
        bench_cell_at(results, workload, contender),
        bench_cell_at(results, workload, bench_find_contender(BENCH_COMMON_BASE)), aspect);
    write_number(out, &summary);
}

static void write_value_ratio(const struct bench_results *results, size_t workload,
                              size_t contender, FILE *out)
{
    write_ratio(results, workload, contender, BENCH_VALUE, out);
}

static void write_wall_ratio(const struct bench_results *results, size_t workload, size_t contender,
                             FILE *out)
{
    write_ratio(results, workload, contender, BENCH_WALL, out);
}

static void write_value(const struct bench_results *results, size_t workload, size_t contender,
                        FILE *out)
{
    struct bench_summary summary =
        bench_summary_of(bench_cell_at(results, workload, contender), BENCH_VALUE);
    write_number(out, &summary);
}

/* The first of a family's workloads that was run. */
static size_t first_of_family(const struct bench_results *results,
                              const struct bench_workload *workload)
{
    const struct bench_family *family = bench_family_of(workload);

    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (results->is_chosen[i] && bench_family_of(&bench_workloads[i]) == family)
            return i;
    }
    return 0;
}

static void write_growth(const struct bench_results *results, size_t workload, size_t contender,
                         FILE *out)
{
    size_t first = first_of_family(results, &bench_workloads[workload]);
    struct bench_summary summary =
        bench_relative_to(bench_cell_at(results, workload, contender),
                          bench_cell_at(results, first, bench_find_contender(BENCH_COMMON_BASE)));
    write_number(out, &summary);
}

static bool is_timed(const struct bench_workload *workload)
{
    return workload->unit == BENCH_NANOSECONDS && workload->run[BENCH_MALLOC];
}

static bool has_ratio(const struct bench_workload *workload)
{
    return is_timed(workload) && !bench_family_of(workload);
}

static bool has_threads(const struct bench_workload *workload)
{
    return is_timed(workload) && workload->n_threads > 1;
}

static bool is_of_memory(const struct bench_workload *workload)
{
    return workload->unit != BENCH_NANOSECONDS;
}

static bool is_growth(const struct bench_workload *workload)
{
    return bench_family_of(workload) != NULL;
}

static void write_raw(const struct bench_results *results, FILE *out)
{
    char label[256];
    char text[BENCH_NUMBER_BYTES];

    fputs(
        "\n## What the ratios were made from\n\n<details><summary>Medians of the rounds, in ns per "
        "operation, bytes or shares; they mean nothing on another machine.</summary>\n\n"
        "| workload | contender | median | spread | on the clock |\n|---|---|---:|---:|---:|\n",
        out);
    for (size_t i = 0; i < bench_n_workloads * bench_n_contenders; i++) {
        const struct bench_workload *workload = &bench_workloads[i / bench_n_contenders];
        const struct bench_cell *cell = &results->cells[i];
        if (!cell->takes_part || cell->trouble[0])
            continue;
        struct bench_summary value = bench_summary_of(cell, BENCH_VALUE);
        struct bench_summary wall = bench_summary_of(cell, BENCH_WALL);
        bench_label(&bench_contenders[i % bench_n_contenders], workload, cell, label, sizeof label);
        fprintf(out, "| %s | %s | %s |", workload->title, label,
                bench_number(value.median, text, sizeof text));
        write_percent(out, bench_spread(&value));
        fprintf(out, " %s |\n", wall.n ? bench_number(wall.median, text, sizeof text) : "");
    }
    fputs("\n</details>\n", out);
}

static void write_troubles(const struct bench_results *results, FILE *out)
{
    const char *head = "\n## Not measured\n\n";

    for (size_t i = 0; i < bench_n_workloads * bench_n_contenders; i++) {
        const struct bench_cell *cell = &results->cells[i];
        if (!cell->takes_part || !cell->trouble[0])
            continue;
        fprintf(out, "%s- %s, %s: %s\n", head, bench_workloads[i / bench_n_contenders].title,
                bench_contenders[i % bench_n_contenders].title, cell->trouble);
        head = "";
    }
}

bool bench_report_write(const struct bench_report *report, FILE *out)
{
    static const struct table tables[] = {
        {"Every allocator, against " BENCH_COMMON_BASE, "Ratios of the processor's time.",
         has_ratio, write_value_ratio},
        {"Time on the clock, against " BENCH_COMMON_BASE,
         "Where threads work at once; with more threads than cores it says little.", has_threads,
         write_wall_ratio},
        {"Growth",
         "The processor's time per operation, relative to " BENCH_COMMON_BASE
         " in the first row of each kind.",
         is_growth, write_growth},
        {"Memory", "Resident memory as the kernel counts it; bytes and shares, not ratios.",
         is_of_memory, write_value},
    };

    write_head(report, out);
    write_targets(report->results, out);
    write_costs(report->results, out);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        write_table(report->results, &tables[i], out);
    write_troubles(report->results, out);
    write_raw(report->results, out);
    return fflush(out) == 0 && !ferror(out);
}
