/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whom the program calls a thread has a cache of its own, be it a fiber, and a
 * thread can be named for whom to allocate and free.
 *
 * The fibers are ucontexts that one POSIX thread switches between, as a user-level thread library
 * would: the model's functions below are the whole of what such a library has to bring. */
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB         ((size_t)1 << 20)
#define N_FIBERS    3
#define STACK_BYTES ((size_t)256 << 10)
#define GRANULE     ((uint64_t)64 << 10)

/* ---- fibers ---- */

struct key {
    void (*destructor)(void *);
    void *values[N_FIBERS + 1];
};

static struct {
    ucontext_t contexts[N_FIBERS + 1]; /* 0: the thread itself */
    char *stacks[N_FIBERS + 1];
    struct key *keys[8];
    size_t current;
} fibers;

static uint64_t fiber_id(void)
{
    return 1000 + fibers.current;
}

static void switch_to(size_t fiber)
{
    size_t from = fibers.current;
    fibers.current = fiber;
    swapcontext(&fibers.contexts[from], &fibers.contexts[fiber]);
}

static void fiber_yield(void)
{
    switch_to(0);
}

static void fiber_sleep(uint64_t microseconds)
{
    (void)microseconds;
    switch_to(0);
}

static int key_create(void **out, void (*destructor)(void *))
{
    for (size_t i = 0; i < N_ROWS(fibers.keys); i++)
        if (!fibers.keys[i]) {
            fibers.keys[i] = calloc(1, sizeof(struct key));
            fibers.keys[i]->destructor = destructor;
            *out = fibers.keys[i];
            return 0;
        }
    return 1;
}

static void *key_get(void *key)
{
    return ((struct key *)key)->values[fibers.current];
}

static int key_set(void *key, void *value)
{
    ((struct key *)key)->values[fibers.current] = value;
    return 0;
}

static void key_destroy(void *key)
{
    for (size_t i = 0; i < N_ROWS(fibers.keys); i++)
        if (fibers.keys[i] == key)
            fibers.keys[i] = NULL;
    free(key);
}

static const mmbThreadModel fiber_model = {sizeof(mmbThreadModel),
                                           "fibers",
                                           fiber_id,
                                           fiber_yield,
                                           fiber_sleep,
                                           key_create,
                                           key_get,
                                           key_set,
                                           key_destroy};

static void run_fibers(void (*body)(void))
{
    for (size_t i = 1; i <= N_FIBERS; i++) {
        fibers.stacks[i] = malloc(STACK_BYTES);
        getcontext(&fibers.contexts[i]);
        fibers.contexts[i].uc_stack.ss_sp = fibers.stacks[i];
        fibers.contexts[i].uc_stack.ss_size = STACK_BYTES;
        fibers.contexts[i].uc_link = &fibers.contexts[0];
        makecontext(&fibers.contexts[i], body, 0);
    }
}

/* ---- tests ---- */

static mmbMemInterface *heap;
static mmbAllocation *blocks[N_FIBERS + 1];

static void set_up(void)
{
    const mmbOptions options = {sizeof options, NULL, &fiber_model};
    CU_ASSERT_EQUAL_FATAL(mmb_init(&options), MMB_OK);
    mmb_shm_unlink(segment_url());
    heap = segment_interface(control_space(MMB_NO_LIMIT), MMB_STRATEGY_THREAD_LOCAL, 16 * MIB);
}

static uint64_t granule_of(mmbAllocation *block)
{
    return (uint64_t)((uintptr_t)mmb_allocation_ptr(block) / GRANULE);
}

static void allocate_and_yield(void)
{
    blocks[fibers.current] = control_allocation(heap, 100);
    fiber_yield();
    CU_ASSERT_EQUAL(mmb_free(blocks[fibers.current]), MMB_OK);
    fibers.current = 0; /* its context ends in the thread's */
}

static void test_threads_fibers_have_caches_of_their_own(void)
{
    run_fibers(allocate_and_yield);
    for (size_t i = 1; i <= N_FIBERS; i++)
        switch_to(i);
    for (size_t i = 1; i <= N_FIBERS; i++)
        for (size_t other = 1; other < i; other++)
            CU_ASSERT_NOT_EQUAL(granule_of(blocks[i]), granule_of(blocks[other]));
    for (size_t i = 1; i <= N_FIBERS; i++)
        switch_to(i);
    CU_ASSERT_EQUAL(segment_live_count(heap), 0);
    for (size_t i = 1; i <= N_FIBERS; i++)
        free(fibers.stacks[i]);
}

static void test_threads_can_be_named(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *own = control_allocation(heap, 100), *named[2] = {NULL, NULL};
    options.thread = 4711;
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(mmb_allocate_opts(100, heap, &options, &named[i]), MMB_OK);
    CU_ASSERT_EQUAL(granule_of(named[0]), granule_of(named[1]));
    CU_ASSERT_NOT_EQUAL(granule_of(named[0]), granule_of(own));
    CU_ASSERT_EQUAL(mmb_free_opts(named[0], &options), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(named[1]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_opts(own, &options), MMB_OK);
    CU_ASSERT_EQUAL(segment_live_count(heap), 0);
}

MMB_SUITE_WITH("shared/threads", set_up, segment_tear_down,
               T(test_threads_fibers_have_caches_of_their_own), T(test_threads_can_be_named))
