/* SPDX-License-Identifier: BSD-3-Clause */
/* mmb-bench: the command line. Owns the files that it writes; takes no lock. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/child.h"
#include "bench/gpu.h"
#include "bench/program.h"
#include "bench/report.h"
#include "bench/runner.h"

#define QUICK_SCALE  0.02
#define QUICK_ROUNDS ((size_t)3)
#define ROUNDS       ((size_t)7)

static const char usage[] =
    "usage: mmb-bench [--list] [--only NAME,...] [--rounds N] [--quick] [--long]\n"
    "                 [--output FILE.md] [--svg FILE.svg] [--commit TEXT]\n"
    "       mmb-bench gpu\n"
    "Measures libmmb and other allocators in turns and prints the ratios as Markdown.\n"
    "  gpu          device memory beside the CUDA driver's own calls, where a device is\n"
    "  --list       print the workloads and contenders, measure nothing\n"
    "  --only       these workloads; a name may be a pattern such as 'live-*'\n"
    "  --rounds     how often each is measured, 1 to 99 (7; with --quick 3)\n"
    "  --quick      two per cent of the operations: does it work?\n"
    "  --long       also what takes minutes\n"
    "  --output     write there instead of to standard output\n"
    "  --svg        draw the ratios\n"
    "  --commit     what was built, for the report's head\n";

struct options {
    struct bench_plan_of_run plan;
    bool is_list;
    const char *output, *svg, *commit;
};

enum { LIST = 256, ONLY, ROUNDS_, QUICK, LONG, OUTPUT, SVG, COMMIT, HELP };

static const struct option long_options[] = {
    {"list", no_argument, NULL, LIST},
    {"only", required_argument, NULL, ONLY},
    {"rounds", required_argument, NULL, ROUNDS_},
    {"quick", no_argument, NULL, QUICK},
    {"long", no_argument, NULL, LONG},
    {"output", required_argument, NULL, OUTPUT},
    {"svg", required_argument, NULL, SVG},
    {"commit", required_argument, NULL, COMMIT},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static _Noreturn void refuse(const char *why)
{
    fprintf(stderr, "mmb-bench: %s\n%s", why, usage);
    exit(2);
}

static size_t read_rounds(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end || end == text || n < 1 || n > BENCH_MOST_ROUNDS)
        refuse("--rounds wants a number from 1 to 99");
    return n;
}

static void take_option(struct options *options, int option)
{
    switch (option) {
    case LIST:
        options->is_list = true;
        break;
    case ONLY:
        options->plan.only = optarg;
        break;
    case ROUNDS_:
        options->plan.n_rounds = read_rounds(optarg);
        break;
    case QUICK:
        options->plan.scale = QUICK_SCALE;
        break;
    case LONG:
        options->plan.is_long = true;
        break;
    case OUTPUT:
        options->output = optarg;
        break;
    case SVG:
        options->svg = optarg;
        break;
    case COMMIT:
        options->commit = optarg;
        break;
    case HELP:
        fputs(usage, stdout);
        exit(EXIT_SUCCESS);
    default:
        refuse("this is not understood");
    }
}

static struct options read_options(int argc, char **argv)
{
    struct options options = {.plan = {.scale = 1}};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(&options, option);
    if (optind < argc)
        refuse("there are no arguments beside options");
    if (options.plan.n_rounds == 0)
        options.plan.n_rounds = options.plan.scale < 1 ? QUICK_ROUNDS : ROUNDS;
    return options;
}

static void list(void)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        printf("%-16s %s%s\n    ", bench_workloads[i].name, bench_workloads[i].title,
               bench_workloads[i].when == BENCH_WHEN_LONG ? " (--long)" : "");
        for (size_t j = 0; j < bench_n_contenders; j++) {
            if (bench_takes_part(&bench_contenders[j], &bench_workloads[i]))
                printf(" %s", bench_contenders[j].name);
        }
        putchar('\n');
    }
}

/* The parent's calls to its children. */
static void serve_parent(int argc, char **argv)
{
    size_t contender = argc > 2 ? bench_find_contender(argv[argc == 5 ? 3 : 2]) : SIZE_MAX;

    if (argc == 3 && strcmp(argv[1], BENCH_PROGRAM_THREADS) == 0)
        bench_program_threads(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--identify") == 0 && contender != SIZE_MAX)
        bench_child_identify(&bench_contenders[contender]);
    if (argc == 5 && strcmp(argv[1], "--measure") == 0 && contender != SIZE_MAX) {
        size_t workload = bench_find_workload(argv[2]);
        double scale = strtod(argv[4], NULL);
        if (workload != SIZE_MAX && scale > 0 && scale <= 1 &&
            bench_takes_part(&bench_contenders[contender], &bench_workloads[workload]))
            bench_child_measure(&bench_workloads[workload], &bench_contenders[contender], scale);
    }
}

typedef bool writer(const struct bench_report *report, FILE *out);

/* NULL: standard output. */
static bool write_file(const char *path, writer *write, const struct bench_report *report)
{
    FILE *out = path ? fopen(path, "we") : stdout;

    bool is_written = out && write(report, out);
    if (out && path)
        is_written = fclose(out) == 0 && is_written;
    if (!is_written)
        fprintf(stderr, "mmb-bench: %s cannot be written\n", path ? path : "standard output");
    return is_written;
}

/* Before the run: nobody wants to measure for ten minutes and then learn that. */
static void check_writable(const char *path)
{
    FILE *file = path ? fopen(path, "ae") : NULL;

    if (path && !file) {
        fprintf(stderr, "mmb-bench: %s cannot be written\n", path);
        exit(EXIT_FAILURE);
    }
    if (file)
        fclose(file);
}

static const char *file_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    struct bench_machine machine;
    bool is_written = true;

    serve_parent(argc, argv);
    if (argc == 2 && strcmp(argv[1], "gpu") == 0)
        return bench_gpu();
    struct options options = read_options(argc, argv);
    if (options.is_list) {
        list();
        return EXIT_SUCCESS;
    }
    check_writable(options.output);
    check_writable(options.svg);
    bench_machine_look(&machine);
    struct bench_results *results = bench_run_all(&options.plan);
    if (!results) {
        fprintf(stderr, "mmb-bench: no memory for the results\n");
        return EXIT_FAILURE;
    }
    if (results->n_chosen == 0)
        refuse("no workload has this name; --list shows them");
    struct bench_report report = {results, &machine, options.commit, file_name(options.svg)};
    if (options.svg)
        is_written = write_file(options.svg, bench_chart_write, &report);
    is_written = write_file(options.output, bench_report_write, &report) && is_written;
    bool has_failed = results->n_failed > 0;
    bench_results_free(results);
    return is_written && !has_failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
