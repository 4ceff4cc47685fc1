/* SPDX-License-Identifier: BSD-3-Clause */
/* mmb-replay: what a program did (MMB_TRACE=FILE), done again elsewhere. Owns the command line and
 * the table it prints. */
#include "tools/replay.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
    "usage: mmb-replay [OPTION]... FILE\n"
    "Makes the calls of a trace again, in one thread, and prints what they cost.\n"
    "A program writes the trace when it runs with MMB_TRACE=FILE.\n"
    "  --strategy NAME   PASSTHROUGH, STACK, SCALABLE_PAGE, THREAD_LOCAL; all: each in turn\n"
    "                    (as traced)\n"
    "  --layer NAME      another layer (as traced)\n"
    "  --touch           write to each page of each block\n"
    "  --help, --version\n";

static const char *const names[] = {"traced", "PASSTHROUGH", "STACK", "SCALABLE_PAGE",
                                    "THREAD_LOCAL"};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "mmb-replay: %s: %s\n", what, why);
    return 1;
}

/* -1: no such name. */
static int strategy_of(const char *name)
{
    for (int s = MMB_STRATEGY_PASSTHROUGH; s <= MMB_STRATEGY_THREAD_LOCAL; s++)
        if (strcmp(name, names[s]) == 0)
            return s;
    return -1;
}

/* Fragmentation: the part of the reserved memory that no live block asked for, when the most was
 * reserved. */
static int replay_one(const struct replay_trace *trace, const struct replay_wish *wish)
{
    struct replay_result result;
    const char *why = replay_run(trace, wish, &result);
    if (why)
        return fail(names[wish->strategy], why);
    double spare = result.peak_reserved
                       ? 1.0 - (double)result.live_at_peak / (double)result.peak_reserved
                       : 0.0;
    printf("%-14s %10zu %10zu %12.3f %14zu %14zu %8.1f %%\n", names[wish->strategy], result.calls,
           result.refused, result.seconds * 1e3, result.peak_bytes, result.peak_reserved,
           100 * spare);
    return 0;
}

static int replay(const char *path, struct replay_wish *wish, bool all)
{
    struct replay_trace trace;
    const char *why = replay_read(path, &trace);
    int status = 0;
    if (why)
        return fail(path, why);
    if (trace.is_cut)
        fprintf(stderr, "mmb-replay: %s: its end is missing\n", path);
    if (mmb_init(MMB_INIT_DEFAULT))
        return fail("mmb_init", mmb_error_detail());
    printf("%-14s %10s %10s %12s %14s %14s %10s\n", "strategy", "calls", "refused", "ms",
           "peak bytes", "peak reserved", "fragmented");
    if (!all)
        status = replay_one(&trace, wish);
    for (int s = MMB_STRATEGY_PASSTHROUGH; all && s <= MMB_STRATEGY_THREAD_LOCAL; s++) {
        wish->strategy = (mmbStrategy)s;
        status |= replay_one(&trace, wish);
    }
    mmb_finalize();
    replay_free(&trace);
    return status;
}

static int misused(void)
{
    fputs(usage_text, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"strategy", required_argument, NULL, 's'}, {"layer", required_argument, NULL, 'l'},
        {"touch", no_argument, NULL, 't'},          {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},        {NULL, 0, NULL, 0}};
    struct replay_wish wish = {NULL, MMB_STRATEGY_DEFAULT, false};
    bool all = false;
    int option, strategy;
    unsetenv("MMB_TRACE"); /* not over the file that is being read */
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's') {
            strategy = strategy_of(optarg);
            all = strcmp(optarg, "all") == 0;
            if (strategy < 0 && !all)
                return misused();
            wish.strategy = strategy < 0 ? MMB_STRATEGY_DEFAULT : (mmbStrategy)strategy;
        } else if (option == 'l') {
            wish.layer = optarg;
        } else if (option == 't') {
            wish.touch = true;
        } else if (option == 'h') {
            return fputs(usage_text, stdout) < 0;
        } else if (option == 'v') {
            return printf("mmb-replay %d.%d.%d\n", MMB_VERSION_MAJOR, MMB_VERSION_MINOR,
                          MMB_VERSION_PATCH) < 0;
        } else {
            return misused();
        }
    }
    return optind + 1 == argc ? replay(argv[optind], &wish, all) : misused();
}
