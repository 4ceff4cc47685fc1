/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks, tables, random sizes, threads and processes for workloads. Memory comes from mmap and
 * files are read with read: malloc is what is being measured. Owns the state of the running ones;
 * takes no lock of its own, the barrier is the C library's. */
#include "bench/support.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void end(int status, const char *format, va_list arguments)
{
    char text[512];
    int n = vsnprintf(text, sizeof text - 1, format, arguments);
    size_t n_bytes = n < 0 ? 0 : (size_t)n;

    if (n_bytes > sizeof text - 2)
        n_bytes = sizeof text - 2;
    text[n_bytes++] = '\n';
    (void)!write(STDOUT_FILENO, text, n_bytes);
    _exit(status);
}

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    end(BENCH_EXIT_FAILED, format, arguments);
}

void bench_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    end(BENCH_EXIT_SKIPPED, format, arguments);
}

static double clock_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        bench_fail("clock_gettime: no such clock");
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double bench_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

double bench_wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static void *map_table(size_t count, size_t n_bytes, int sharing)
{
    void *table = mmap(NULL, count * n_bytes, PROT_READ | PROT_WRITE,
                       sharing | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (table == MAP_FAILED)
        bench_fail("no room for a table of %zu * %zu bytes", count, n_bytes);
    return table;
}

void *bench_table(size_t count, size_t n_bytes)
{
    return map_table(count, n_bytes, MAP_PRIVATE);
}

void *bench_shared_table(size_t count, size_t n_bytes)
{
    return map_table(count, n_bytes, MAP_SHARED);
}

/* The whole of a small file of /proc, terminated. */
static void read_file(const char *path, char *text, size_t n_bytes)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, n_bytes - 1);

    if (n < 0)
        bench_fail("%s cannot be read", path);
    close(file);
    text[n] = '\0';
}

size_t bench_resident_bytes(void)
{
    char text[256];

    read_file("/proc/self/statm", text, sizeof text);
    const char *second = strchr(text, ' ');
    if (!second)
        bench_fail("/proc/self/statm has no second number");
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

size_t bench_available_bytes(void)
{
    char text[4096];
    static const char key[] = "MemAvailable:";

    read_file("/proc/meminfo", text, sizeof text);
    const char *line = strstr(text, key);
    return line ? strtoul(line + sizeof key - 1, NULL, 10) * 1024 : SIZE_MAX;
}

size_t bench_random_size(uint64_t *state, size_t least, size_t most)
{
    if (most <= 64 * least)
        return least + bench_random_below(state, most - least + 1);
    double share = (double)bench_random(state) / 4294967296.0;
    return (size_t)((double)least * exp2(share * log2((double)most / (double)least)));
}

struct bench_plan *bench_plan_make(size_t least, size_t most, uint64_t seed)
{
    struct bench_plan *plan = bench_table(1, sizeof *plan);
    uint64_t state = seed * 2 + 1;

    for (size_t i = 0; i < BENCH_PLAN; i++) {
        plan->place[i] = bench_random(&state);
        plan->size[i] = (uint32_t)bench_random_size(&state, least, most);
    }
    return plan;
}

void bench_check_sums(uint64_t written, uint64_t read)
{
    if (written != read)
        bench_fail("blocks were written with a sum of %llx and read with %llx",
                   (unsigned long long)written, (unsigned long long)read);
}

void bench_beside(char *path, size_t n_bytes, const char *name)
{
    char own[4096];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n < 0)
        bench_fail("nobody knows where mmb-bench lies");
    own[n] = '\0';
    *(strrchr(own, '/') + 1) = '\0';
    snprintf(path, n_bytes, "%s%s", own, name);
}

/* A thread or process; where all of them can see it. */
struct worker {
    pthread_t thread;
    pid_t process;
    unsigned int index;
    struct bench_run *run;
    bench_thread_body *body;
    double cpu_begin, cpu_end, wall_begin, wall_end;
};

static pthread_barrier_t *barrier;
static _Thread_local struct worker *self;

void bench_thread_begin(void)
{
    pthread_barrier_wait(barrier);
    self->wall_begin = bench_wall_ns();
    self->cpu_begin = bench_cpu_ns();
}

void bench_thread_end(double waited_ns)
{
    self->cpu_end = bench_cpu_ns() - waited_ns;
    self->wall_end = bench_wall_ns();
}

static struct worker *prepare(struct bench_run *run, bench_thread_body *body)
{
    unsigned int n = run->workload->n_threads;
    struct worker *workers = bench_shared_table(n, sizeof *workers);
    pthread_barrierattr_t attributes;

    barrier = bench_shared_table(1, sizeof *barrier);
    if (pthread_barrierattr_init(&attributes) != 0 ||
        pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_barrier_init(barrier, &attributes, n) != 0)
        bench_fail("no barrier for %u", n);
    for (unsigned int i = 0; i < n; i++)
        workers[i] = (struct worker){.index = i, .run = run, .body = body};
    return workers;
}

static void sum_up(struct bench_run *run, const struct worker *workers, size_t n_ops)
{
    double cpu = 0;
    double begin = INFINITY;
    double last = 0;

    for (unsigned int i = 0; i < run->workload->n_threads; i++) {
        cpu += workers[i].cpu_end - workers[i].cpu_begin;
        begin = fmin(begin, workers[i].wall_begin);
        last = fmax(last, workers[i].wall_end);
    }
    run->value = cpu / (double)n_ops;
    run->wall = (last - begin) / (double)n_ops;
}

static void *start(void *argument)
{
    self = argument;
    self->body(self->run, self->index);
    return NULL;
}

void bench_in_threads(struct bench_run *run, bench_thread_body *body, size_t n_ops)
{
    struct worker *workers = prepare(run, body);
    unsigned int n = run->workload->n_threads;

    for (unsigned int i = 0; i < n; i++) {
        if (pthread_create(&workers[i].thread, NULL, start, &workers[i]) != 0)
            bench_fail("thread %u cannot be started", i);
    }
    for (unsigned int i = 0; i < n; i++)
        pthread_join(workers[i].thread, NULL);
    sum_up(run, workers, n_ops);
}

static void end_all(const struct worker *workers, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        if (workers[i].process > 0)
            kill(workers[i].process, SIGKILL);
    }
}

/* A process that fails has said why; the others would wait for it. */
static void wait_for(const struct worker *workers, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        int status = -1;
        while (wait(&status) < 0 && errno == EINTR)
            continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
            continue;
        end_all(workers, n);
        if (WIFEXITED(status))
            _exit(WEXITSTATUS(status));
        bench_fail("a process was killed by signal %d", WTERMSIG(status));
    }
}

void bench_in_processes(struct bench_run *run, bench_thread_body *body, size_t n_ops)
{
    struct worker *workers = prepare(run, body);
    unsigned int n = run->workload->n_threads;

    for (unsigned int i = 0; i < n; i++) {
        workers[i].process = fork();
        if (workers[i].process == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            start(&workers[i]);
            _exit(EXIT_SUCCESS);
        }
        if (workers[i].process < 0) {
            end_all(workers, n);
            bench_fail("process %u cannot be started", i);
        }
    }
    wait_for(workers, n);
    sum_up(run, workers, n_ops);
}
