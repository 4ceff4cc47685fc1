/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the limit of a space is exact. Eight threads allocate, reallocate, hand
 * blocks to each other and free what others allocated, over interfaces of every strategy on one
 * space. A count of their own never sees more live bytes than the limit, no thread is ever refused
 * what its share of the limit still holds, and in the end all of it can be had, in one block and in
 * pieces, and not one byte more.
 *
 * MMB_STRESS=full makes it tens of millions of operations. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

#define N_THREADS    8
#define N_INTERFACES 5
#define N_BLOCKS     512
#define STEPS        1500
#define STEPS_FULL   300000
#define EXCHANGES    10 /* times that all blocks go to the next thread */

struct block {
    mmbAllocation *handle;
    size_t n_bytes;
};

/* A thread's blocks; it has `mine` of its budget in use. */
struct worker {
    uint64_t state;
    struct block blocks[N_BLOCKS];
    size_t n, mine, budget;
};

static struct worker workers[N_THREADS];
static pthread_barrier_t barrier;
static mmbMemSpace *space;
static mmbMemInterface *interfaces[N_INTERFACES];
static size_t limit, n_steps;
static atomic_size_t live, n_refused, n_beyond, n_failed;

static size_t steps_per_thread(void)
{
    const char *stress = getenv("MMB_STRESS");
    return stress && strcmp(stress, "full") == 0 ? STEPS_FULL : STEPS;
}

/* Counted while the library has them charged: the library must never be behind. */
static void count_in(size_t n_bytes)
{
    size_t now = atomic_fetch_add(&live, n_bytes) + n_bytes;
    if (now > limit)
        atomic_fetch_add(&n_beyond, 1);
}

static void count_out(size_t n_bytes)
{
    atomic_fetch_sub(&live, n_bytes);
}

/* Mostly small, now and then a large part of the budget. */
static size_t pick_size(struct worker *worker)
{
    size_t left = worker->budget - worker->mine;
    size_t most = lab_random(&worker->state) % 16 ? 1000 : worker->budget / 2;
    size_t n_bytes = 1 + lab_random(&worker->state) % most;
    return n_bytes < left ? n_bytes : left; /* to the last byte */
}

static mmbMemInterface *pick_interface(struct worker *worker)
{
    return interfaces[lab_random(&worker->state) % N_INTERFACES];
}

static void allocate(struct worker *worker)
{
    struct block *block = &worker->blocks[worker->n];
    block->n_bytes = pick_size(worker);
    if (block->n_bytes == 0)
        return;
    mmbError error = mmb_allocate(block->n_bytes, pick_interface(worker), &block->handle);
    if (error != MMB_OK) {
        atomic_fetch_add(error == MMB_OUT_OF_MEMORY ? &n_refused : &n_failed, 1);
        return;
    }
    count_in(block->n_bytes);
    worker->mine += block->n_bytes;
    worker->n++;
    memset(mmb_allocation_ptr(block->handle), 1, block->n_bytes < 64 ? block->n_bytes : 64);
}

static void release(struct worker *worker, size_t i)
{
    struct block block = worker->blocks[i];
    count_out(block.n_bytes);
    if (mmb_free(block.handle) != MMB_OK)
        atomic_fetch_add(&n_failed, 1);
    worker->mine -= block.n_bytes;
    worker->blocks[i] = worker->blocks[--worker->n];
}

/* What a block loses is counted out before the call, what it gains after it. */
static void reallocate(struct worker *worker, struct block *block)
{
    size_t room = worker->budget - worker->mine + block->n_bytes;
    size_t n_bytes = 1 + lab_random(&worker->state) % (room < 3000 ? room : 3000);
    size_t old = block->n_bytes;
    if (n_bytes < old)
        count_out(old - n_bytes);
    mmbError error = mmb_reallocate(block->handle, n_bytes);
    if (error != MMB_OK) {
        atomic_fetch_add(error == MMB_OUT_OF_MEMORY ? &n_refused : &n_failed, 1);
        if (n_bytes < old)
            count_in(old - n_bytes);
        return;
    }
    if (n_bytes > old)
        count_in(n_bytes - old);
    worker->mine += n_bytes - old;
    block->n_bytes = n_bytes;
}

static void migrate(struct worker *worker, const struct block *block)
{
    mmbError error = mmb_migrate(block->handle, pick_interface(worker));
    if (error != MMB_OK)
        atomic_fetch_add(error == MMB_OUT_OF_MEMORY ? &n_refused : &n_failed, 1);
}

static void act(struct worker *worker)
{
    uint64_t what = lab_random(&worker->state) % 64;
    if (worker->n == 0 || (what < 30 && worker->n < N_BLOCKS && worker->mine < worker->budget)) {
        allocate(worker);
        return;
    }
    size_t i = lab_random(&worker->state) % worker->n;
    if (what == 63)
        migrate(worker, &worker->blocks[i]);
    else if (what > 59)
        reallocate(worker, &worker->blocks[i]);
    else
        release(worker, i);
}

static void *work(void *argument)
{
    size_t id = (size_t)(uintptr_t)argument;
    for (size_t exchange = 0; exchange < EXCHANGES; exchange++) {
        struct worker *worker = &workers[(id + exchange) % N_THREADS];
        for (size_t step = 0; step < n_steps / EXCHANGES; step++)
            act(worker);
        pthread_barrier_wait(&barrier);
    }
    struct worker *last = &workers[(id + EXCHANGES) % N_THREADS];
    while (last->n > 0)
        release(last, last->n - 1);
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&barrier, NULL, N_THREADS);
    for (size_t i = 0; i < N_THREADS; i++) {
        workers[i].state = i * 7919 + limit;
        workers[i].n = 0;
        workers[i].mine = 0;
        workers[i].budget = limit / N_THREADS;
    }
    for (size_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

/* ---- at the end ---- */

static void check_all_can_be_had(mmbMemInterface *interface)
{
    mmbAllocation *pieces[100], *all = NULL, *more = NULL;
    mmbError error = mmb_allocate(limit, interface, &all);
    SUITE_CHECK(error == MMB_OK, "limit %zu: not in one block: %s", limit, mmb_error_detail());
    SUITE_CHECK(mmb_allocate(1, interface, &more) == MMB_OUT_OF_MEMORY, "limit %zu: one more",
                limit);
    CU_ASSERT_EQUAL(mmb_free(all), MMB_OK);
    for (size_t i = 0; i < 100; i++) {
        size_t n_bytes = limit / 100 + (i == 99 ? limit % 100 : 0);
        pieces[i] = NULL;
        error = mmb_allocate(n_bytes, interface, &pieces[i]);
        SUITE_CHECK(error == MMB_OK, "limit %zu: piece %zu: %s", limit, i, mmb_error_detail());
    }
    SUITE_CHECK(mmb_allocate(1, interface, &more) == MMB_OUT_OF_MEMORY, "limit %zu: one more",
                limit);
    for (size_t i = 100; i > 0; i--)
        CU_ASSERT_EQUAL(mmb_free(pieces[i - 1]), MMB_OK);
}

static void check_limit(size_t n_bytes, const mmbStrategy *strategies)
{
    limit = n_bytes;
    live = n_refused = n_beyond = n_failed = 0;
    n_steps = steps_per_thread();
    space = lab_space(limit);
    for (size_t i = 0; i < N_INTERFACES; i++)
        interfaces[i] = lab_interface(space, strategies[i], i % 2 ? LAB_MALLOC : LAB_MMAP, 0);
    run_threads();
    SUITE_CHECK(n_beyond == 0, "limit %zu: %zu times beyond it", limit, (size_t)n_beyond);
    SUITE_CHECK(n_refused == 0, "limit %zu: %zu times refused what fits", limit, (size_t)n_refused);
    SUITE_CHECK(n_failed == 0, "limit %zu: %zu calls failed", limit, (size_t)n_failed);
    SUITE_CHECK(lab_used(space) == 0, "limit %zu: %zu B stay charged", limit, lab_used(space));
    SUITE_CHECK(lab_peak(space) <= limit, "limit %zu: peak %zu", limit, lab_peak(space));
    for (size_t i = 0; i < N_INTERFACES; i++) {
        mmbMemInterfaceStats stats = lab_stats(interfaces[i]);
        SUITE_CHECK(stats.live_count == 0 && stats.live_bytes == 0,
                    "limit %zu, interface %zu: %zu blocks with %zu B live", limit, i,
                    stats.live_count, stats.live_bytes);
        check_all_can_be_had(interfaces[i]);
    }
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

static const size_t limits[] = {20000, 50000, 200001, 1000000, 5000000};
#define N_LIMITS (sizeof limits / sizeof limits[0])

static void test_limit_is_exact_over_strategies(void)
{
    static const mmbStrategy strategies[N_INTERFACES] = {
        MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL, MMB_STRATEGY_THREAD_LOCAL,
        MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_PASSTHROUGH};
    for (size_t i = 0; i < N_LIMITS; i++)
        check_limit(limits[i], strategies);
}

static void test_limit_is_exact_in_thread_local_interfaces(void)
{
    static const mmbStrategy strategies[N_INTERFACES] = {
        MMB_STRATEGY_THREAD_LOCAL, MMB_STRATEGY_THREAD_LOCAL, MMB_STRATEGY_THREAD_LOCAL,
        MMB_STRATEGY_THREAD_LOCAL, MMB_STRATEGY_THREAD_LOCAL};
    for (size_t i = 0; i < N_LIMITS; i++)
        check_limit(limits[i], strategies);
}

/* ---- with stacks ---- */

static mmbMemInterface *stacks[N_THREADS];

/* Each thread has a stack of its own and frees from its top, so that what is charged is what lives;
 * all share the limit with each other. */
static void *climb(void *argument)
{
    size_t id = (size_t)(uintptr_t)argument;
    struct worker *worker = &workers[id];
    for (size_t step = 0; step < n_steps; step++) {
        bool up = worker->n == 0 || (worker->n < N_BLOCKS && lab_random(&worker->state) % 2);
        struct block *block = &worker->blocks[worker->n];
        block->n_bytes = up ? pick_size(worker) : 0;
        if (block->n_bytes == 0) {
            if (worker->n > 0)
                release(worker, worker->n - 1);
            continue;
        }
        if (mmb_allocate(block->n_bytes, stacks[id], &block->handle) != MMB_OK) {
            atomic_fetch_add(&n_refused, 1);
            continue;
        }
        count_in(block->n_bytes);
        worker->mine += block->n_bytes;
        worker->n++;
    }
    while (worker->n > 0)
        release(worker, worker->n - 1);
    return NULL;
}

static void test_limit_is_exact_over_stacks(void)
{
    pthread_t threads[N_THREADS];
    for (size_t l = 0; l < N_LIMITS; l++) {
        limit = limits[l];
        live = n_refused = n_beyond = n_failed = 0;
        n_steps = steps_per_thread();
        space = lab_space(limit);
        for (size_t i = 0; i < N_THREADS; i++) {
            stacks[i] = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
            workers[i] = (struct worker){.state = i + 1, .budget = limit / N_THREADS};
        }
        for (size_t i = 0; i < N_THREADS; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, climb, (void *)(uintptr_t)i),
                                  0);
        for (size_t i = 0; i < N_THREADS; i++)
            pthread_join(threads[i], NULL);
        SUITE_CHECK(n_beyond + n_refused + n_failed == 0,
                    "limit %zu: %zu beyond it, %zu refused, %zu failed", limit, (size_t)n_beyond,
                    (size_t)n_refused, (size_t)n_failed);
        SUITE_CHECK(lab_used(space) == 0, "limit %zu: %zu B stay charged", limit, lab_used(space));
        check_all_can_be_had(stacks[0]);
        CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
    }
}

MMB_SUITE_WITH("stress/limit", lab_open, lab_close, T(test_limit_is_exact_over_strategies),
               T(test_limit_is_exact_in_thread_local_interfaces),
               T(test_limit_is_exact_over_stacks))
