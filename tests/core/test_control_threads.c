/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: spaces and interfaces come, go and answer in any number of threads, also
 * while memory is so short that threads must give back for each other. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

#define THREADS 4
#define ROUNDS  300

static atomic_size_t n_failures;

static void must(mmbError error)
{
    if (error != MMB_OK)
        atomic_fetch_add(&n_failures, 1);
}

static void run_threads(void *(*body)(void *), void *arguments[THREADS])
{
    pthread_t threads[THREADS];
    atomic_store(&n_failures, 0);
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, body, arguments[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    SUITE_CHECK(atomic_load(&n_failures) == 0, "%zu failures", atomic_load(&n_failures));
}

/* Each thread's own space and interface, and questions about everybody's. */
static void *come_and_go(void *argument)
{
    (void)argument;
    mmbMemSpaceConfig config = control_limit(100000);
    for (int i = 0; i < ROUNDS; i++) {
        mmbMemSpace *space = NULL, *other = NULL;
        mmbMemInterface *interface = NULL;
        mmbAllocation *allocation = NULL;
        mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
        must(mmb_create_space(MMB_DRAM, MMB_CPU, &config, &space));
        must(mmb_request_interface(space, NULL, &interface));
        must(mmb_allocate(1000, interface, &allocation));
        must(mmb_space_get_info(space, &info));
        if (info.used != 1000 || info.limit != 100000)
            atomic_fetch_add(&n_failures, 1);
        must(mmb_request_best_space(MMB_MOST_FREE, MMB_CPU, 0, &other));
        if (mmb_destroy_space(space) != MMB_BUSY)
            atomic_fetch_add(&n_failures, 1);
        must(mmb_free(allocation));
        must(mmb_destroy_space(space));
    }
    return NULL;
}

static void test_threads_spaces_come_and_go(void)
{
    void *none[THREADS] = {NULL};
    control_space(1000);
    size_t count = mmb_space_count();
    run_threads(come_and_go, none);
    CU_ASSERT_EQUAL(mmb_space_count(), count);
}

/* All start with the first request for the default interface: there is only one. */
static mmbMemSpace *shared_space;

static void *request_default(void *argument)
{
    must(mmb_request_interface(shared_space, NULL, argument));
    return NULL;
}

static void test_threads_share_one_default_interface(void)
{
    for (int round = 0; round < 50; round++) {
        mmbMemInterface *found[THREADS] = {NULL};
        void *arguments[THREADS];
        shared_space = control_space(1000);
        for (int i = 0; i < THREADS; i++)
            arguments[i] = &found[i];
        run_threads(request_default, arguments);
        for (int i = 1; i < THREADS; i++)
            CU_ASSERT_PTR_EQUAL(found[i], found[0]);
        CU_ASSERT_EQUAL(mmb_interface_count(shared_space), 1);
        CU_ASSERT_EQUAL(mmb_destroy_space(shared_space), MMB_OK);
    }
}

/* Each thread wants nearly all there is, then gives it back to its interface, which keeps it: the
 * next one must take it from there. A refusal is legal while somebody else has the memory in use.
 */
static atomic_size_t n_served;

static void *take_turns(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        mmbAllocation *allocation = NULL;
        mmbError error = mmb_allocate(300000, argument, &allocation);
        if (error == MMB_OUT_OF_MEMORY)
            continue;
        must(error);
        memset(mmb_allocation_ptr(allocation), i, 300000);
        must(mmb_free(allocation));
        atomic_fetch_add(&n_served, 1);
    }
    return NULL;
}

static void test_threads_relieve_each_other(void)
{
    void *interfaces[THREADS];
    mmbMemLayer layer = control_new_layer("tight");
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(layer, MMB_CPU, NULL, &shared_space), MMB_OK);
    for (int i = 0; i < THREADS; i++)
        interfaces[i] =
            control_interface(shared_space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    mmb_registry_lock();
    struct mmb_budget *budget = &mmb_layer_lookup(layer)->budget;
    atomic_store(&budget->capacity, 512 << 10);
    mmb_registry_unlock();
    atomic_store(&n_served, 0);
    run_threads(take_turns, interfaces);
    CU_ASSERT_TRUE(atomic_load(&n_served) > 0);
    CU_ASSERT_TRUE(mmb_budget_reserved(budget) <= 512 << 10);
    for (int i = 0; i < THREADS; i++) { /* alone, nobody is refused */
        mmb_free(control_allocation(interfaces[i], 300000));
        CU_ASSERT_EQUAL(mmb_interface_trim(interfaces[i], 0), MMB_OK);
    }
    CU_ASSERT_EQUAL(mmb_budget_reserved(budget), 0);
}

MMB_SUITE_WITH("core/control_threads", control_open, control_close,
               T(test_threads_spaces_come_and_go), T(test_threads_share_one_default_interface),
               T(test_threads_relieve_each_other))
