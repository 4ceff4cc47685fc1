/* SPDX-License-Identifier: BSD-3-Clause */
/* The promises of src/spi/backend.h that take many ranges or many threads to check. The threads and
 * processes that it starts have ended when a promise returns. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "src/base/checked.h"
#include "tests/contract/backend_suite.h"
#include "tests/support/suite.h"

/* ---- exhaustion ---- */

#define N_EXHAUSTING 4096

/* Maps until nothing comes, and checks that everything works as before afterwards. 0: as promised.
 */
static int exhaust(void *argument)
{
    struct backend_fixture *fixture = argument;
    static struct mmb_memory ranges[N_EXHAUSTING];
    size_t n_ranges = 0, n_bytes = 1 << 20;
    mmbError error = MMB_OK;
    if (n_bytes > fixture->backend->bounded / 8)
        n_bytes = mmb_round_up(fixture->backend->bounded / 8, 16);
    while (n_ranges < N_EXHAUSTING &&
           (error = backend_map(fixture, n_bytes, n_bytes, 0, &ranges[n_ranges])) == MMB_OK)
        n_ranges++;
    if (n_ranges == 0 || n_ranges == N_EXHAUSTING || error != MMB_OUT_OF_MEMORY)
        return 1;
    if (!strstr(mmb_error_detail(), fixture->ops->name))
        return 2;
    size_t n_first = n_ranges;
    for (size_t round = 0; round < 3; round++) {
        while (n_ranges > 0)
            if (fixture->ops->unmap(fixture->backend, &ranges[--n_ranges]) != MMB_OK)
                return 3;
        while (n_ranges < n_first)
            if (backend_map(fixture, n_bytes, n_bytes, 0, &ranges[n_ranges++]) != MMB_OK)
                return 4;
    }
    while (n_ranges > 0)
        if (fixture->ops->unmap(fixture->backend, &ranges[--n_ranges]) != MMB_OK)
            return 3;
    return 0;
}

/* One that can grow grows until the system refuses, so it does that in a process of its own, with
 * little address space. */
static int exhaust_with_little_address_space(void *argument)
{
    const struct rlimit little = {(rlim_t)512 << 20, (rlim_t)512 << 20};
    if (setrlimit(RLIMIT_AS, &little) != 0)
        return 5;
    return exhaust(argument);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SHADOW 1
#endif
#endif

void backend_exhaustion_changes_nothing(struct backend_fixture *fixture)
{
    if (fixture->subject->has_own_heap)
        return;
    if (fixture->backend->bounded != SIZE_MAX) {
        int code = exhaust(fixture);
        BACKEND_CHECK(fixture, code == 0, "step %d: %s", code, mmb_error_detail());
        return;
    }
#ifndef HAS_SHADOW /* their shadow memory is larger than any limit that could be set here */
    struct suite_child child = suite_run_child(exhaust_with_little_address_space, fixture, 60);
    BACKEND_CHECK(fixture, child.exited && child.code == 0, "exited %d, code %d", child.exited,
                  child.code);
#else
    (void)exhaust_with_little_address_space;
#endif
}

/* ---- threads ---- */

enum { N_THREADS = 4, N_HELD = 8, N_STEPS = 2000 };

struct worker {
    struct backend_fixture *fixture;
    pthread_t thread;
    unsigned int number;
    size_t n_bad;
    size_t n_mapped;
};

/* Maps, writes, checks and unmaps at random. A bounded backend may be full: that is no failure. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    struct backend_fixture *fixture = worker->fixture;
    struct mmb_memory held[N_HELD] = {{0}};
    unsigned int seed = worker->number;
    for (size_t step = 0; step < N_STEPS + N_HELD; step++) {
        size_t slot = step < N_STEPS ? (size_t)rand_r(&seed) % N_HELD : step - N_STEPS;
        unsigned int tag = worker->number * N_HELD + (unsigned int)slot;
        struct mmb_memory *memory = &held[slot];
        size_t n_bytes = 1 + (size_t)rand_r(&seed) % 6000;
        if (memory->address) {
            worker->n_bad += !backend_is_stamped(fixture, memory, tag);
            worker->n_bad += fixture->ops->unmap(fixture->backend, memory) != MMB_OK;
            memory->address = 0;
        } else if (step < N_STEPS) {
            size_t alignment = 16u << slot;
            mmbError error = backend_map(fixture, n_bytes, n_bytes, alignment, memory);
            bool may_refuse = alignment > fixture->backend->min_alignment;
            worker->n_bad += error != MMB_OK && error != MMB_OUT_OF_MEMORY &&
                             !(may_refuse && error == MMB_UNSUPPORTED);
            if (error != MMB_OK)
                continue;
            worker->n_mapped++;
            backend_stamp(fixture, memory, tag);
        }
    }
    return NULL;
}

void backend_serves_threads(struct backend_fixture *fixture)
{
    struct worker workers[N_THREADS];
    size_t n_started = 0;
    for (; n_started < N_THREADS; n_started++) {
        workers[n_started] =
            (struct worker){.fixture = fixture, .number = (unsigned int)n_started + 1};
        if (pthread_create(&workers[n_started].thread, NULL, work, &workers[n_started]) != 0)
            break;
    }
    BACKEND_CHECK(fixture, n_started == N_THREADS, "only %zu threads", n_started);
    for (size_t i = 0; i < n_started; i++) {
        pthread_join(workers[i].thread, NULL);
        BACKEND_CHECK(fixture, workers[i].n_bad == 0, "thread %zu: %zu bad", i, workers[i].n_bad);
        BACKEND_CHECK(fixture, workers[i].n_mapped > 0, "thread %zu mapped nothing", i);
    }
}
