/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whichever registration is refused, the request fails with the provider's own
 * code and words, nothing leaks, and the next request and other threads' go on. Bounds are counted
 * before the provider is called, and no provider is called by two threads unless it allows that. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/fake_provider.h"
#include "tests/support/suite.h"

#define LIMIT ((size_t)16 << 20)

static struct fake_provider fake;
static mmbRegionProvider *provider;
static mmbMemSpace *space;

static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};

static void set_up(void)
{
    control_open();
    space = control_space(LIMIT);
    fake_provider_init(&fake);
}

static void tear_down(void)
{
    control_close();
    CU_ASSERT_TRUE(fake.live == 0 && fake.wrong == 0);
}

static mmbMemInterface *make(mmbStrategy strategy, mmbBackend backend)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    if (!provider)
        provider = fake_provider_make(&fake);
    config.strategy = strategy;
    config.backend = backend;
    config.region_provider = provider;
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

static mmbMemInterface *fresh(mmbStrategy strategy)
{
    provider = NULL;
    return make(strategy, MMB_BACKEND_MMAP);
}

/* ---- every k-th registration ---- */

/* Allocates until it is refused or a number is reached, and frees everything. How often it was
 * refused. */
static size_t work(mmbMemInterface *interface)
{
    mmbAllocation *blocks[24] = {NULL};
    size_t refused = 0;
    for (size_t i = 0; i < N_ROWS(blocks); i++) {
        mmbError error = mmb_allocate(200000 + i, interface, &blocks[i]);
        if (error == MMB_OK)
            continue;
        refused++;
        SUITE_CHECK(error == MMB_PERMISSION && control_detail_has("the fake network says no") &&
                        !blocks[i],
                    "%s: %s", mmb_error_name(error), mmb_error_detail());
    }
    for (size_t i = N_ROWS(blocks); i-- > 0;)
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    return refused;
}

static void *work_elsewhere(void *argument)
{
    mmbAllocation *block = NULL;
    mmbError error = mmb_allocate(300000, argument, &block);
    if (error == MMB_OK)
        error = mmb_free(block);
    return error == MMB_OK ? argument : NULL;
}

/* The next request and another thread's. */
static void check_goes_on(mmbMemInterface *interface)
{
    pthread_t thread;
    void *went_well = NULL;
    CU_ASSERT_EQUAL(work(interface), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, work_elsewhere, interface), 0);
    pthread_join(thread, &went_well);
    CU_ASSERT_PTR_EQUAL(went_well, interface);
    CU_ASSERT_EQUAL(control_used(space), 0);
    CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
}

static long refuse_one(mmbStrategy strategy, long number)
{
    fake_provider_init(&fake);
    fake.refuse_from = fake.refuse_to = number;
    mmbMemInterface *interface = fresh(strategy);
    size_t refused = work(interface);
    long calls = fake.calls;
    SUITE_CHECK(refused == (size_t)(calls >= number), "refused %zu requests, number %ld of %ld",
                refused, number, calls);
    fake.refuse_from = 0;
    check_goes_on(interface);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(fake.live, 0);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
    return calls;
}

/* covers: mmb_allocate MMB_ERROR */
static void test_registration_each_refused_once(void)
{
    for (size_t s = 0; s < N_ROWS(strategies); s++) {
        long number = 1;
        while (refuse_one(strategies[s], number) >= number)
            number++;
        CU_ASSERT_TRUE(number > 2);
    }
}

static void test_registration_code_of_the_provider(void)
{
    static const struct {
        mmbError refusal, expected;
    } rows[] = {{MMB_EXISTS, MMB_EXISTS}, {(mmbError)12345, MMB_ERROR}, {MMB_ERROR, MMB_ERROR}};
    mmbMemInterface *interface = fresh(MMB_STRATEGY_SCALABLE_PAGE);
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbAllocation *block = NULL;
        fake.refuse_from = fake.calls + 1;
        fake.refuse_to = fake.calls + 9;
        fake.refusal = rows[i].refusal;
        CU_ASSERT_EQUAL(mmb_allocate(100, interface, &block), rows[i].expected);
        CU_ASSERT_TRUE(!block && control_detail_has("region provider fake: register"));
    }
    mmbAllocation *block = NULL;
    fake.text = NULL;
    fake.refuse_from = fake.calls + 1;
    CU_ASSERT_EQUAL(mmb_allocate(100, interface, &block), MMB_ERROR);
    CU_ASSERT_TRUE(control_detail_has("100")); /* the native number instead of its text */
}

static void test_registration_key_that_is_too_long(void)
{
    mmbMemInterface *interface = fresh(MMB_STRATEGY_PASSTHROUGH);
    mmbAllocation *block = NULL;
    fake.key_bytes = 257;
    CU_ASSERT_EQUAL(mmb_allocate(100, interface, &block), MMB_ERROR);
    CU_ASSERT_TRUE(!block && fake.live == 0 && fake.deregistered == 1);
}

/* ---- bounds ---- */

static void test_registration_max_regions_is_never_exceeded(void)
{
    mmbAllocation *blocks[6] = {NULL};
    fake.caps.max_regions = 4;
    mmbMemInterface *interface = fresh(MMB_STRATEGY_PASSTHROUGH);
    for (size_t i = 0; i < N_ROWS(blocks); i++) {
        mmbError error = mmb_allocate(1000, interface, &blocks[i]);
        SUITE_CHECK(error == (i < 4 ? MMB_OK : MMB_OUT_OF_MEMORY), "%zu: %s", i,
                    mmb_error_name(error));
    }
    CU_ASSERT_TRUE(control_detail_has("max_regions 4"));
    CU_ASSERT_TRUE(fake.calls == 4 && fake.peak == 4);
    CU_ASSERT_EQUAL(mmb_free(blocks[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate(1000, interface, &blocks[0]), MMB_OK);
    CU_ASSERT_TRUE(fake.peak == 4);
}

/* Chunks are so large that the limit can be reached with the regions there are. */
static void test_registration_few_regions_serve_the_limit(void)
{
    for (size_t s = 2; s < N_ROWS(strategies); s++) {
        fake_provider_init(&fake);
        fake.caps.max_regions = 2;
        mmbMemInterface *interface = fresh(strategies[s]);
        size_t n_bytes = 0;
        mmbAllocation *block = NULL;
        while (mmb_allocate(65536, interface, &block) == MMB_OK)
            n_bytes += 65536;
        SUITE_CHECK(n_bytes == LIMIT, "%zu B: %s", n_bytes, mmb_error_detail());
        CU_ASSERT_TRUE(fake.peak <= 2);
        control_close();
        control_open();
        space = control_space(LIMIT);
    }
}

static void test_registration_max_bytes(void)
{
    fake.caps.max_bytes = 1 << 20;
    mmbMemInterface *interface = fresh(MMB_STRATEGY_SCALABLE_PAGE);
    mmbAllocation *small = control_allocation(interface, 1000);
    mmbAllocation *block = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(2 << 20, interface, &block), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("max_bytes 1048576"));
    CU_ASSERT_EQUAL(mmb_allocate(500000, interface, &block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(small), MMB_OK);
}

/* What another interface of the provider holds and does not need is given back for this one. */
static void test_registration_is_relieved(void)
{
    fake.caps.max_regions = 1;
    mmbMemInterface *page = fresh(MMB_STRATEGY_SCALABLE_PAGE);
    mmbMemInterface *direct = make(MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_MALLOC);
    static char buffer[10];
    mmbAllocation *block = control_allocation(page, 1000), *other = NULL;
    CU_ASSERT_EQUAL(mmb_allocate(1000, direct, &other), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate(1000, direct, &other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(control_allocation(page, 1000)), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(buffer, sizeof buffer, page, &other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocate(1000, page, &block), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_free(other), MMB_OK);
}

/* covers: mmb_allocation_create_wrapped MMB_UNSUPPORTED */
static void test_registration_alignment(void)
{
    mmbAllocation *block = NULL;
    fake.caps.alignment = 16384;
    mmbMemInterface *interface = fresh(MMB_STRATEGY_PASSTHROUGH);
    CU_ASSERT_EQUAL(mmb_allocate(100, interface, &block), MMB_OK);
    CU_ASSERT_EQUAL((uintptr_t)fake.regions[0].base % 16384, 0);
    CU_ASSERT_EQUAL(fake.regions[0].n_bytes % 16384, 0);
    interface = make(MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_MALLOC);
    CU_ASSERT_EQUAL(mmb_allocate(100, interface, &block), MMB_OK);
    CU_ASSERT_EQUAL((uintptr_t)fake.regions[1].base % 16384, 0);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(&fake, 100, interface, &block), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("multiples of 16384"));
    CU_ASSERT_EQUAL(mmb_allocate(PTRDIFF_MAX, interface, &block), MMB_OUT_OF_MEMORY);
}

/* ---- letting go ---- */

/* A provider that does not let go: a wrapped object stays, a chunk is never given back, and when
 * the provider ends it is asked once more. */
static void test_registration_that_is_not_ended(void)
{
    static char buffer[100];
    mmbMemInterface *interface = fresh(MMB_STRATEGY_PASSTHROUGH);
    mmbAllocation *wrapped = NULL;
    mmbAllocation *block = control_allocation(interface, 5000);
    volatile char *first = mmb_allocation_ptr(block);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(buffer, 100, interface, &wrapped), MMB_OK);
    fake.deregister_error = MMB_BUSY;
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    *first = 1; /* still mapped */
    CU_ASSERT_EQUAL(fake.live, 2);
    fake.deregister_error = MMB_OK;
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(fake.live, 1);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
    CU_ASSERT_EQUAL(fake.live, 0);
}

/* ---- threads ---- */

static void *churn(void *argument)
{
    for (int i = 0; i < 300; i++) {
        mmbAllocation *block = NULL;
        mmbRegionView view = MMB_REGION_VIEW_INIT;
        if (mmb_allocate(5000, argument, &block) != MMB_OK ||
            mmb_allocation_get_region(block, 100, 200, &view) != MMB_OK ||
            mmb_free(block) != MMB_OK)
            return NULL;
    }
    return argument;
}

static void test_registration_one_thread_at_a_time(void)
{
    mmbMemInterface *interface = fresh(MMB_STRATEGY_PASSTHROUGH);
    pthread_t threads[4];
    for (size_t i = 0; i < N_ROWS(threads); i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, interface), 0);
    for (size_t i = 0; i < N_ROWS(threads); i++) {
        void *went_well = NULL;
        pthread_join(threads[i], &went_well);
        CU_ASSERT_PTR_EQUAL(went_well, interface);
    }
    CU_ASSERT_TRUE(fake.calls == 1200 && fake.live == 0 && fake.wrong == 0);
}

/* ---- fork ---- */

static mmbAllocation *of_parent;

/* In a child nothing of the parent's network may be touched. */
static int child(void *argument)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    mmbAllocation *block = NULL;
    long calls = fake.calls;
    if (mmb_allocation_get_region(of_parent, 0, 1, &view) != MMB_UNSUPPORTED)
        return 1;
    if (mmb_allocate(1000, argument, &block) != MMB_UNSUPPORTED || fake.calls != calls)
        return 2;
    if (mmb_free(of_parent) != MMB_OK || fake.deregistered != 0)
        return 3;
    if (mmb_destroy_interface(argument) != MMB_OK ||
        mmb_region_provider_destroy(provider) != MMB_OK || fake.closed != 0)
        return 4;
    return 0;
}

static void test_registration_in_a_child_of_fork(void)
{
    mmbMemInterface *interface = fresh(MMB_STRATEGY_PASSTHROUGH);
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    of_parent = control_allocation(interface, 1000);
    struct suite_child ended = suite_run_child(child, interface, 10);
    SUITE_CHECK(ended.exited && ended.code == 0, "exited %d code %d", ended.exited, ended.code);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(of_parent, 0, 1, &view), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(of_parent), MMB_OK);
    CU_ASSERT_EQUAL(fake.deregistered, 1);
}

MMB_SUITE_WITH("core/registration", set_up, tear_down, T(test_registration_each_refused_once),
               T(test_registration_code_of_the_provider), T(test_registration_key_that_is_too_long),
               T(test_registration_max_regions_is_never_exceeded),
               T(test_registration_few_regions_serve_the_limit), T(test_registration_max_bytes),
               T(test_registration_is_relieved), T(test_registration_alignment),
               T(test_registration_that_is_not_ended), T(test_registration_one_thread_at_a_time),
               T(test_registration_in_a_child_of_fork))
