/* SPDX-License-Identifier: BSD-3-Clause */
/* The parent: starts measuring processes and collects what they say. A workload's contenders take
 * turns, and every round begins with another of them, so that a machine that gets faster or slower
 * meanwhile treats them alike. Owns the results; takes no lock. */
#include "bench/runner.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/support.h"

#define MOST_LIVE_IF_QUICK ((size_t)100000)

extern char **environ;

/* The words of one process. */
struct said {
    char text[4096];
    int status; /* of exit; -1: it did not exit */
};

struct bench_cell *bench_cell_at(const struct bench_results *results, size_t workload,
                                 size_t contender)
{
    return &results->cells[workload * bench_n_contenders + contender];
}

/* Reads to the end, keeps the beginning and the first line of it. */
static void collect(int pipe, char *text, size_t n_bytes)
{
    size_t n = 0;
    ssize_t got;
    char rest[512];

    do {
        bool is_full = n + 1 >= n_bytes;
        got = is_full ? read(pipe, rest, sizeof rest) : read(pipe, text + n, n_bytes - 1 - n);
        if (got > 0 && !is_full)
            n += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

/* The environment with LD_PRELOAD as the contender needs it. `preload` outlives the result, which
 * the caller frees. */
static char **environment_with(char *preload)
{
    size_t n = 0;
    size_t n_kept = 0;

    while (environ[n])
        n++;
    char **out = calloc(n + 2, sizeof *out);
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "LD_PRELOAD=", strlen("LD_PRELOAD=")) != 0)
            out[n_kept++] = environ[i];
    }
    if (preload)
        out[n_kept] = preload;
    return out;
}

static pid_t start(char *const arguments[], const struct bench_contender *contender, int out)
{
    char preload[128];
    posix_spawn_file_actions_t actions;
    pid_t child = -1;

    snprintf(preload, sizeof preload, "LD_PRELOAD=%s",
             contender->preload ? contender->preload : "");
    char **environment = environment_with(contender->preload ? preload : NULL);
    if (!environment)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environment) != 0)
        child = -1;
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return child;
}

static void ask(char *const arguments[], const struct bench_contender *contender, struct said *said)
{
    int ends[2];
    int status = 0;

    said->text[0] = '\0';
    said->status = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    pid_t child = start(arguments, contender, ends[1]);
    close(ends[1]);
    if (child > 0) {
        collect(ends[0], said->text, sizeof said->text);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        said->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (WIFSIGNALED(status))
            snprintf(said->text, sizeof said->text, "killed by signal %d", WTERMSIG(status));
    }
    close(ends[0]);
}

static void identify(struct bench_results *results, size_t contender)
{
    const struct bench_contender *who = &bench_contenders[contender];
    char name[64];
    char *const arguments[] = {(char[]){"mmb-bench"}, (char[]){"--identify"}, name, NULL};
    struct said said;

    snprintf(name, sizeof name, "%s", who->name);
    ask(arguments, who, &said);
    char *place = said.status == 0 ? results->versions[contender] : results->absences[contender];
    snprintf(place, BENCH_WORDS, "%.*s", (int)BENCH_WORDS - 1,
             said.status == 0 || said.text[0] ? said.text : "cannot be started");
}

static void note_trouble(struct bench_cell *cell, const char *why)
{
    snprintf(cell->trouble, sizeof cell->trouble, "%.*s", (int)sizeof cell->trouble - 1, why);
}

/* False: that is no line of values. */
static bool note_values(struct bench_cell *cell, size_t round, const char *line)
{
    double value;
    double wall;
    int is_substitute;
    int n_read = 0;

    if (sscanf(line, "%lf %lf %d %n", &value, &wall, &is_substitute, &n_read) != 3 || n_read == 0)
        return false;
    cell->values[round] = value;
    cell->walls[round] = wall > 0 ? wall : NAN;
    cell->is_substitute = is_substitute;
    snprintf(cell->server, sizeof cell->server, "%.*s", (int)sizeof cell->server - 1,
             line + n_read);
    return true;
}

static void measure(struct bench_results *results, size_t workload, size_t contender, size_t round)
{
    struct bench_cell *cell = bench_cell_at(results, workload, contender);
    char name[64];
    char who[64];
    char scale[32];
    char *const arguments[] = {
        (char[]){"mmb-bench"}, (char[]){"--measure"}, name, who, scale, NULL};
    struct said said;

    snprintf(name, sizeof name, "%s", bench_workloads[workload].name);
    snprintf(who, sizeof who, "%s", bench_contenders[contender].name);
    snprintf(scale, sizeof scale, "%.17g", results->plan.scale);
    ask(arguments, &bench_contenders[contender], &said);
    if (said.status == 0 && note_values(cell, round, said.text))
        return;
    note_trouble(cell, said.text[0] ? said.text : "it said nothing");
    if (said.status != BENCH_EXIT_SKIPPED) {
        results->n_failed++;
        fprintf(stderr, "mmb-bench: %s with %s: %s\n", name, who, cell->trouble);
    }
}

static void run_workload(struct bench_results *results, size_t workload)
{
    size_t order[64];
    size_t n = 0;

    for (size_t i = 0; i < bench_n_contenders && n < sizeof order / sizeof order[0]; i++) {
        if (bench_cell_at(results, workload, i)->takes_part)
            order[n++] = i;
    }
    fprintf(stderr, "%-16s", bench_workloads[workload].name);
    for (size_t round = 0; round < results->plan.n_rounds; round++) {
        for (size_t i = 0; i < n; i++)
            measure(results, workload, order[(i + round) % n], round);
        fputc('.', stderr);
    }
    fputc('\n', stderr);
}

/* Whether one of the names or patterns in a list with commas fits. */
static bool is_listed(const char *list, const char *name)
{
    while (list && *list) {
        char pattern[64];
        size_t n = strcspn(list, ",");
        snprintf(pattern, sizeof pattern, "%.*s", (int)n, list);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

static bool is_wanted(const struct bench_plan_of_run *plan, const struct bench_workload *workload)
{
    if (plan->only)
        return is_listed(plan->only, workload->name);
    if (workload->when == BENCH_WHEN_LONG && !plan->is_long)
        return false;
    return plan->scale >= 1 || workload->n_live <= MOST_LIVE_IF_QUICK;
}

static void prepare(struct bench_results *results)
{
    for (size_t i = 0; i < bench_n_contenders; i++)
        identify(results, i);
    for (size_t i = 0; i < bench_n_workloads; i++) {
        results->is_chosen[i] = is_wanted(&results->plan, &bench_workloads[i]);
        results->n_chosen += results->is_chosen[i];
        for (size_t j = 0; j < bench_n_contenders; j++) {
            struct bench_cell *cell = bench_cell_at(results, i, j);
            cell->takes_part = results->is_chosen[i] && !results->absences[j][0] &&
                               bench_takes_part(&bench_contenders[j], &bench_workloads[i]);
            for (size_t round = 0; round < BENCH_MOST_ROUNDS; round++)
                cell->values[round] = cell->walls[round] = NAN;
        }
    }
}

struct bench_results *bench_run_all(const struct bench_plan_of_run *plan)
{
    struct bench_results *results = calloc(1, sizeof *results);

    if (!results)
        return NULL;
    results->plan = *plan;
    results->cells = calloc(bench_n_workloads * bench_n_contenders, sizeof *results->cells);
    results->is_chosen = calloc(bench_n_workloads, sizeof *results->is_chosen);
    results->versions = calloc(bench_n_contenders, sizeof *results->versions);
    results->absences = calloc(bench_n_contenders, sizeof *results->absences);
    if (!results->cells || !results->is_chosen || !results->versions || !results->absences) {
        bench_results_free(results);
        return NULL;
    }
    prepare(results);
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (results->is_chosen[i])
            run_workload(results, i);
    }
    return results;
}

void bench_results_free(struct bench_results *results)
{
    if (!results)
        return;
    free(results->cells);
    free(results->is_chosen);
    free(results->versions);
    free(results->absences);
    free(results);
}
