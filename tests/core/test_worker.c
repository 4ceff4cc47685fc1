/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread behind the asynchronous copies: many callers, a long queue, finalize, which completes
 * what is queued, no thread to be had, fork. A gate in the device stops copies where a test needs
 * them to be under way. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include "src/base/meta.h"
#include "src/core/handles.h"
#include "tests/support/copy_world.h"
#include "tests/support/suite.h"

#define THREADS 4
#define ROUNDS  200

static void *copy_in_circles(void *argument)
{
    enum world_place place = *(enum world_place *)argument;
    size_t n_bytes = 1000;
    uintptr_t failures = 0;
    mmbAllocation *host = world_new(WORLD_HOST, n_bytes), *back = world_new(WORLD_HOST, n_bytes);
    mmbAllocation *device = world_new(place, n_bytes);
    for (unsigned int round = 0; round < ROUNDS; round++) {
        mmbEvent *in = NULL, *out = NULL;
        world_fill(MMB_PTR(host, unsigned char), n_bytes, round);
        failures += mmb_copy_async(device, host, &in) != MMB_OK;
        failures += mmb_event_wait(&in) != MMB_OK;
        failures += mmb_copy_async(back, device, round % 2 == 0 ? &out : NULL) != MMB_OK;
        if (round % 2 != 0)
            failures += mmb_memset_async(host, 0, 0, 1, &out) != MMB_OK;
        failures += mmb_event_wait(&out) != MMB_OK;
        failures += !world_is_filled(MMB_PTR(back, unsigned char), n_bytes, round);
    }
    failures += mmb_free(host) != MMB_OK;
    failures += mmb_free(back) != MMB_OK;
    failures += mmb_free(device) != MMB_OK;
    return (void *)failures;
}

static void test_worker_serves_many_threads(void)
{
    pthread_t threads[THREADS];
    static enum world_place places[THREADS] = {WORLD_HOST, WORLD_LEFT, WORLD_RIGHT, WORLD_LEFT};
    for (size_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, copy_in_circles, &places[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failures = NULL;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &failures), 0);
        SUITE_CHECK(failures == NULL, "thread %zu: %zu failures", i, (size_t)(uintptr_t)failures);
    }
}

static void test_worker_queues_more_than_it_has_begun(void)
{
    enum { COPIES = 2000 };
    static mmbEvent *events[COPIES];
    mmbAllocation *dst = world_new(WORLD_LEFT, COPIES), *src = world_new(WORLD_HOST, COPIES);
    world_fill(world_bytes(src), COPIES, 1);
    fake_device_shut_gate(&world.left);
    for (size_t i = 0; i < COPIES; i++)
        CU_ASSERT_EQUAL_FATAL(mmb_copy_1d_async(dst, i, src, i, 1, &events[i]), MMB_OK);
    fake_device_await(&world.left, 1);
    fake_device_open_gate(&world.left, 1);
    for (size_t i = COPIES; i-- > 0;)
        CU_ASSERT_EQUAL(mmb_event_wait(&events[i]), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(dst), COPIES, 1));
    world_free(dst);
    world_free(src);
}

static void *open_gate(void *about_to_finalize)
{
    sem_wait(about_to_finalize);
    fake_device_open_gate(&world.left, 1);
    return NULL;
}

/* Copies with and without events, none of them waited for; the buffer is the test's, so that it can
 * be looked at afterwards. */
static void test_worker_is_completed_by_finalize(void)
{
    static unsigned char buffer[100];
    mmbAllocation *src = world_new(WORLD_LEFT, 100), *dst = NULL;
    mmbEvent *event = NULL;
    pthread_t helper;
    sem_t about_to_finalize;
    CU_ASSERT_EQUAL_FATAL(
        mmb_allocation_create_wrapped(buffer, 100, world.interfaces[WORLD_HOST], &dst), MMB_OK);
    memset(buffer, 0, sizeof(buffer));
    world_fill(world_bytes(src), 100, 6);
    fake_device_shut_gate(&world.left);
    for (size_t i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(mmb_copy_1d_async(dst, i, src, i, 1, i % 2 == 0 ? &event : NULL), MMB_OK);
    sem_init(&about_to_finalize, 0, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&helper, NULL, open_gate, &about_to_finalize), 0);
    sem_post(&about_to_finalize);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(buffer, 100, 6));
    CU_ASSERT_EQUAL(pthread_join(helper, NULL), 0);
    sem_destroy(&about_to_finalize);
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK); /* tear_down finalizes */
}

static void test_worker_works_again_after_finalize(void)
{
    for (int round = 0; round < 3; round++) {
        mmbAllocation *object = world_new(WORLD_HOST, 64);
        mmbEvent *event = NULL;
        CU_ASSERT_EQUAL(mmb_memset_async(object, 0, round, 64, &event), MMB_OK);
        CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
        CU_ASSERT_EQUAL(MMB_PTR(object, unsigned char)[63], round);
        world_close();
        world_open();
    }
}

/* ---- its thread ---- */

static struct {
    pthread_t thread;
    sigset_t blocked;
    mmbError (*copy_in)(void *, void *, const void *, size_t);
} spied;

static mmbError spy_copy_in(void *user, void *dst, const void *src, size_t n)
{
    spied.thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &spied.blocked);
    return spied.copy_in(user, dst, src, n);
}

static void test_worker_runs_in_a_thread_without_signals(void)
{
    mmbBackendOps ops = fake_device_ops("spy");
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbAllocation *dst = NULL, *src = world_new(WORLD_HOST, 64);
    mmbEvent *event = NULL;
    spied.copy_in = ops.copy_in;
    ops.copy_in = spy_copy_in;
    config.interface_opts.strategy = MMB_STRATEGY_PASSTHROUGH;
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, &world.right, &config.interface_opts.backend),
                          MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_CPU, &config, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, NULL, &interface), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(64, interface, &dst), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, &event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_FALSE(pthread_equal(spied.thread, pthread_self()));
    CU_ASSERT(sigismember(&spied.blocked, SIGINT) == 1 &&
              sigismember(&spied.blocked, SIGUSR1) == 1);
    sigset_t mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    CU_ASSERT_EQUAL(sigismember(&mine, SIGUSR1), 0);
    world_free(dst);
    world_free(src);
}

/* The library's calls go through these (--wrap). */
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
void *__real_mmb_meta_alloc(size_t n_bytes);
void *__wrap_mmb_meta_alloc(size_t n_bytes);
void *__real_mmb_handles_take(struct mmb_handles *handles);
void *__wrap_mmb_handles_take(struct mmb_handles *handles);

static bool refuses_threads, refuses_metadata;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument)
{
    return refuses_threads ? EAGAIN : __real_pthread_create(thread, attributes, body, argument);
}

void *__wrap_mmb_meta_alloc(size_t n_bytes)
{
    return refuses_metadata ? NULL : __real_mmb_meta_alloc(n_bytes);
}

void *__wrap_mmb_handles_take(struct mmb_handles *handles)
{
    return refuses_metadata ? NULL : __real_mmb_handles_take(handles);
}

/* Every asynchronous call once. */
static void check_all_refused(mmbAllocation *object, mmbEvent **event)
{
    size_t zero[2] = {0, 0}, half[2] = {0, 32}, dims[2] = {1, 32};
    CU_ASSERT_EQUAL(mmb_copy_1d_async(object, 0, object, 32, 32, event), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(object, 0, object, 32, 32, NULL, event), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_copy_2d_async(object, 0, 0, 32, object, 32, 0, 32, 32, 1, event),
                    MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_copy_nd_async(object, zero, NULL, object, half, NULL, 2, dims, event),
                    MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_copy_nd_on(object, zero, NULL, object, half, NULL, 2, dims, NULL, event),
                    MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_memset_async(object, 0, 5, 64, event), MMB_OUT_OF_MEMORY);
}

/* covers: mmb_copy_async MMB_OUT_OF_MEMORY, mmb_copy_1d_async MMB_OUT_OF_MEMORY,
 * mmb_copy_2d_async MMB_OUT_OF_MEMORY, mmb_copy_nd_async MMB_OUT_OF_MEMORY,
 * mmb_copy_1d_on MMB_OUT_OF_MEMORY, mmb_copy_nd_on MMB_OUT_OF_MEMORY,
 * mmb_memset_async MMB_OUT_OF_MEMORY */
static void test_worker_refusal_changes_nothing(void)
{
    bool *const refusals[] = {&refuses_threads, &refuses_metadata};
    mmbEvent *event = NULL;
    mmbAllocation *object = world_new(WORLD_HOST, 64), *other = world_new(WORLD_HOST, 64);
    CU_ASSERT_EQUAL(mmb_copy(NULL, NULL), MMB_INVALID_ALLOCATION); /* makes this thread's detail */
    size_t before = mmb_meta_bytes();
    for (size_t i = 0; i < 2; i++) {
        *refusals[i] = true;
        CU_ASSERT_EQUAL(mmb_copy_async(object, other, &event), MMB_OUT_OF_MEMORY);
        check_all_refused(object, &event);
        check_all_refused(object, NULL);
        *refusals[i] = false;
        CU_ASSERT_PTR_NULL(event);
    }
    CU_ASSERT_EQUAL(mmb_memset_async(object, 0, 5, 64, &event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_EQUAL(MMB_PTR(object, unsigned char)[63], 5);
    SUITE_CHECK(mmb_meta_bytes() == before, "%zu B of metadata, %zu before", mmb_meta_bytes(),
                before);
    world_free(object); /* neither is in flight */
    world_free(other);
}

/* ---- fork ---- */

/* The copy that was under way, and the one behind it, cannot be completed here; new ones can. */
static int wait_in_the_child(void *argument)
{
    mmbEvent **events = argument;
    mmbAllocation *object = NULL;
    mmbEvent *event = NULL;
    if (mmb_event_wait(&events[0]) != MMB_ERROR || strstr(mmb_error_detail(), "fork") == NULL)
        return 1;
    if (mmb_event_wait(&events[1]) != MMB_ERROR || events[1] != NULL)
        return 2;
    if (mmb_allocate(64, world.interfaces[WORLD_HOST], &object) != MMB_OK)
        return 3;
    if (mmb_memset_async(object, 0, 3, 64, &event) != MMB_OK || mmb_event_wait(&event) != MMB_OK)
        return 4;
    return MMB_PTR(object, unsigned char)[63] == 3 && mmb_finalize() == MMB_OK ? 0 : 5;
}

static void test_worker_fails_in_a_forked_child_only(void)
{
#if defined(__SANITIZE_THREAD__)
    suite_skip("the thread sanitizer allows no threads after a fork of many");
    return;
#endif
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    mmbEvent *events[2] = {NULL, NULL};
    world_fill(world_bytes(src), 64, 8);
    fake_device_shut_gate(&world.left);
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, &events[0]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_memset_async(src, 0, 0, 0, NULL), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, &events[1]), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_copy_async(dst, src, NULL), MMB_OK);
    fake_device_await(&world.left, 1);
    struct suite_child child = suite_run_child(wait_in_the_child, events, 20);
    SUITE_CHECK(child.exited && child.code == 0, "exited %d, code %d", child.exited, child.code);
    fake_device_open_gate(&world.left, 1);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(dst), 64, 8));
}

MMB_SUITE_WITH("core/worker", world_open, world_close, T(test_worker_serves_many_threads),
               T(test_worker_queues_more_than_it_has_begun),
               T(test_worker_is_completed_by_finalize), T(test_worker_works_again_after_finalize),
               T(test_worker_runs_in_a_thread_without_signals),
               T(test_worker_refusal_changes_nothing), T(test_worker_fails_in_a_forked_child_only))
