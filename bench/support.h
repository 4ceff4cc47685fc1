/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_SUPPORT_H
#define MMB_BENCH_SUPPORT_H
/* What workloads need beside the allocator they measure, without using it. */
#include <stddef.h>
#include <stdint.h>
#include "bench/bench.h"

/* How a measuring process ends. */
#define BENCH_EXIT_FAILED  1
#define BENCH_EXIT_SKIPPED 77

/* Ends the process: a wrong result is no result. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
/* Ends the process: this cannot be measured here, and why. */
_Noreturn void bench_skip(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

double bench_cpu_ns(void); /* that this thread has used */
double bench_wall_ns(void);

/* The path of what was built beside this program, or is reached from there. */
void bench_beside(char *path, size_t n_bytes, const char *name);

/* Zeroed and resident, so that a measurement neither faults it in nor counts it. Never given back:
 * the process ends soon. */
void *bench_table(size_t count, size_t n_bytes);

/* The same, and processes that are forked later have it too. */
void *bench_shared_table(size_t count, size_t n_bytes);

size_t bench_resident_bytes(void);
size_t bench_available_bytes(void);

/* xorshift64*: good enough for sizes, and the same everywhere. state must not be 0. */
static inline uint32_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545F4914F6CDD1Du >> 32);
}

/* Below n. */
static inline size_t bench_random_below(uint64_t *state, size_t n)
{
    return (size_t)((uint64_t)bench_random(state) * (uint64_t)n >> 32);
}

/* Bytes from least to most: log-uniform when most is over 64 times least, else uniform. */
size_t bench_random_size(uint64_t *state, size_t least, size_t most);

/* Drawn beforehand: a generator in the loop would be measured with it. */
#define BENCH_PLAN ((size_t)1 << 16)
struct bench_plan {
    uint32_t place[BENCH_PLAN];
    uint32_t size[BENCH_PLAN];
};
struct bench_plan *bench_plan_make(size_t least, size_t most, uint64_t seed);

/* Each pass over the plan goes to other places with sizes in another order. */
static inline size_t bench_plan_place(const struct bench_plan *plan, size_t step, size_t n_places)
{
    uint32_t shift = (uint32_t)(step / BENCH_PLAN) * 0x9E3779B9u;
    return (size_t)((uint64_t)(uint32_t)(plan->place[step % BENCH_PLAN] + shift) *
                        (uint64_t)n_places >>
                    32);
}

static inline size_t bench_plan_size(const struct bench_plan *plan, size_t step)
{
    return plan->size[(step * 7 + step / BENCH_PLAN) % BENCH_PLAN];
}

/* Takes a value where the compiler cannot follow it. */
static inline void bench_sink(const volatile void *value)
{
    __asm__ volatile("" ::"r"(value) : "memory");
}

/* Ends the process unless what was read is what was written. */
void bench_check_sums(uint64_t written, uint64_t read);

/* Runs body(run, i) in n threads that start together, sums their processor time and takes the time
 * from the first start to the last end; run->value and run->wall are those over n_ops. body calls
 * bench_thread_begin() when it is prepared and bench_thread_end() when it is done. */
typedef void bench_thread_body(struct bench_run *run, unsigned int index);
void bench_in_threads(struct bench_run *run, bench_thread_body *body, size_t n_ops);
/* The same in processes that are forked from this one. */
void bench_in_processes(struct bench_run *run, bench_thread_body *body, size_t n_ops);
void bench_thread_begin(void);
/* Processor time that was spent waiting is no cost of the allocator's. */
void bench_thread_end(double waited_ns);

#endif
