/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: in debug builds, a change of an object while another thread changes it is
 * refused, and nothing is lost by it. The other thread is held inside a backend. */
#include <semaphore.h>
#include <pthread.h>
#include <stdlib.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static sem_t entered, go_on;
static mmbMemInterface *plain, *waiting;
static mmbError migrated;

/* Tells that it was called, and waits. */
static mmbError waiting_map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)domain;
    sem_post(&entered);
    sem_wait(&go_on);
    return posix_memalign(address, 64, n_bytes) ? MMB_OUT_OF_MEMORY : MMB_OK;
}

static mmbError waiting_unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)n_bytes;
    free(address);
    return MMB_OK;
}

static void set_up(void)
{
    const mmbBackendOps ops = {.size = sizeof ops,
                               .name = "waiting",
                               .host_accessible = true,
                               .min_alignment = 64,
                               .map = waiting_map,
                               .unmap = waiting_unmap};
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    lab_open();
    sem_init(&entered, 0, 0);
    sem_init(&go_on, 0, 0);
    mmbMemSpace *space = lab_space(MMB_NO_LIMIT);
    plain = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, NULL, &config.backend), MMB_OK);
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &waiting), MMB_OK);
}

static void tear_down(void)
{
    lab_close();
    sem_destroy(&entered);
    sem_destroy(&go_on);
}

static void *migrate(void *allocation)
{
    migrated = mmb_migrate(allocation, waiting);
    return NULL;
}

/* covers: mmb_free MMB_BUSY, mmb_reallocate MMB_BUSY, mmb_migrate MMB_BUSY */
static void test_changing_by_two_threads_is_refused(void)
{
#ifdef MMB_DEBUG
    pthread_t thread;
    mmbAllocation *shared = lab_new(plain, 1000), *other = lab_new(plain, 1000);
    lab_fill(shared, 7);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, migrate, shared), 0);
    sem_wait(&entered);
    CU_ASSERT_EQUAL(mmb_free(shared), MMB_BUSY);
    CU_ASSERT_TRUE(lab_detail_has("another thread is changing"));
    CU_ASSERT_EQUAL(mmb_reallocate(shared, 2000), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_migrate(shared, plain), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_reallocate(other, 2000), MMB_OK);
    sem_post(&go_on);
    CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
    CU_ASSERT_EQUAL(migrated, MMB_OK);
    CU_ASSERT_TRUE(lab_is_filled(shared, 1000, 7));
    CU_ASSERT_EQUAL(mmb_migrate(shared, plain), MMB_OK);
    lab_free(shared);
    lab_free(other);
#else
    (void)migrate;
    (void)migrated;
    suite_skip("only debug builds look");
#endif
}

MMB_SUITE_WITH("core/changing", set_up, tear_down, T(test_changing_by_two_threads_is_refused))
