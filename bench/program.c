/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that know nothing of libmmb, as a whole: alone, with another malloc preloaded, and by
 * mmb-run. Measured is the processor's time of the program's process, its start included. Owns the
 * files it makes for them; takes no lock. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/program.h"
#include "bench/support.h"
#include "bench/themes.h"

#define N_LIVE  500
#define THREADS 2

extern char **environ;

struct program {
    char *arguments[16]; /* with room for mmb-run's in front */
    size_t n_arguments;
    int input, errors; /* files */
};

static void add(struct program *program, const char *argument)
{
    if (program->n_arguments + 1 == sizeof program->arguments / sizeof *program->arguments)
        bench_fail("too many arguments");
    program->arguments[program->n_arguments] = strdup(argument);
    if (!program->arguments[program->n_arguments++])
        bench_fail("no memory for an argument");
}

static int make_file(const char *name)
{
    int file = memfd_create(name, MFD_CLOEXEC);
    if (file < 0)
        bench_fail("memfd_create: %s", strerror(errno));
    return file;
}

/* ---- what is run ---- */

/* A few hundred arrays of up to 200 KB, of which one after the other is replaced. */
static const char script[] = "import sys\n"
                             "kept = [None] * 500\n"
                             "for i in range(int(sys.argv[1])):\n"
                             "    kept[i * 7919 % 500] = bytearray(100 + i * 104729 % 200000)\n";

static void add_count(struct program *program, size_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", n);
    add(program, text);
}

/* The system's own, if there is one: what comes first in PATH may be a script that starts another,
 * and would be measured with it. */
static void prepare_python(struct program *program, size_t n)
{
    static const char system_python[] = "/usr/bin/python3";
    add(program, access(system_python, X_OK) == 0 ? system_python : "python3");
    add(program, "-c");
    add(program, script);
    add_count(program, n);
}

static void prepare_sort(struct program *program, size_t n)
{
    uint64_t state = 88172645463325252u;
    program->input = make_file("lines");
    FILE *lines = fdopen(dup(program->input), "w");
    if (!lines)
        bench_fail("fdopen: %s", strerror(errno));
    for (size_t i = 0; i < n; i++)
        fprintf(lines, "%u %zu\n", bench_random(&state), i);
    if (fclose(lines) != 0 || lseek(program->input, 0, SEEK_SET) != 0)
        bench_fail("the lines to sort cannot be written");
    add(program, "sort");
    add(program, "--parallel=2");
    add(program, "--buffer-size=64M");
}

static void prepare_threads(struct program *program, size_t n)
{
    char path[4096] = "";
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        bench_fail("nobody knows where mmb-bench lies");
    add(program, path);
    add(program, BENCH_PROGRAM_THREADS);
    add_count(program, n);
}

static void *replace_blocks(void *count)
{
    size_t n = *(size_t *)count / THREADS;
    uint64_t state = (uintptr_t)&n | 1;
    unsigned char *blocks[N_LIVE] = {NULL};
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes = bench_random_size(&state, 16, (size_t)256 << 10);
        size_t place = bench_random_below(&state, N_LIVE);
        free(blocks[place]);
        blocks[place] = malloc(n_bytes);
        if (!blocks[place])
            bench_fail("malloc(%zu) fails", n_bytes);
        blocks[place][0] = blocks[place][n_bytes - 1] = 1;
    }
    for (size_t i = 0; i < N_LIVE; i++)
        free(blocks[i]);
    return NULL;
}

void bench_program_threads(const char *text)
{
    pthread_t threads[THREADS];
    size_t n = strtoul(text, NULL, 10);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, replace_blocks, &n) != 0)
            bench_fail("a thread cannot be started");
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    exit(EXIT_SUCCESS);
}

/* ---- running it ---- */

/* mmb-run as it lies in the build folder, with counts, which tell whether it placed anything. */
static void prepare_mmb_run(struct program *program)
{
    char path[4096];
    bench_beside(path, sizeof path, "../../.libs/libmmb-preload.so");
    if (access(path, F_OK) != 0)
        bench_skip("this build has no library to preload");
    setenv("MMB_RUN_LIBRARY", path, 1);
    bench_beside(path, sizeof path, "../../tools/.libs/mmb-run");
    add(program, path);
    add(program, "--layer");
    add(program, "DRAM");
    add(program, "--stats");
}

static pid_t start(struct program *program)
{
    pid_t child;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (program->input >= 0)
        posix_spawn_file_actions_adddup2(&actions, program->input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, program->errors, STDERR_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int errnum =
        posix_spawnp(&child, program->arguments[0], &actions, NULL, program->arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errnum)
        bench_skip("%s: %s", program->arguments[0], strerror(errnum));
    return child;
}

static double ns_of(const struct timeval *time)
{
    return (double)time->tv_sec * 1e9 + (double)time->tv_usec * 1e3;
}

/* Nanoseconds of the processor. */
static double wait_for(pid_t child, const struct program *program, char *said, size_t n_bytes)
{
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) != child)
        bench_fail("wait4: %s", strerror(errno));
    ssize_t n = pread(program->errors, said, n_bytes - 1, 0);
    said[n < 0 ? 0 : n] = '\0';
    said[strcspn(said, "\n")] = '\0';
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 125 || WEXITSTATUS(status) == 127))
        bench_skip("%s", said);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail("%s ended with status %d: %s", program->arguments[0], status, said);
    return ns_of(&usage.ru_utime) + ns_of(&usage.ru_stime);
}

static void measure(struct bench_run *run, bool is_placed)
{
    static void (*const prepare[])(struct program *, size_t) = {prepare_python, prepare_sort,
                                                                prepare_threads};
    struct program program = {.input = -1, .errors = make_file("errors")};
    char said[512];
    if (is_placed)
        prepare_mmb_run(&program);
    prepare[run->workload->parameter](&program, run->ops);
    double begin = bench_wall_ns();
    double spent = wait_for(start(&program), &program, said, sizeof said);
    run->wall = (bench_wall_ns() - begin) / (double)run->ops;
    run->value = spent / (double)run->ops;
    if (is_placed && !strstr(said, "mmb-run: DRAM: "))
        bench_fail("mmb-run placed nothing: %s", said);
}

void malloc_program(struct bench_run *run)
{
    measure(run, false);
}

void placed_program(struct bench_run *run)
{
    measure(run, true);
}
