/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: copies that do not block are in OpenACC's queues, in their order; events tell
 * of the copy and of nothing behind it; the program's queues are used as it says. Where the runtime
 * has no queues the worker copies. A runtime of this file's stands in for three devices, whose
 * queues can be held: as long as they are, nothing in them happens. */
#include <mmb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "layers/openacc/runtime.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

/* ---- the runtime ---- */

enum { KIND = 7, N_DEVICES = 3, QUEUES_MAX = 4096, WORKS_MAX = 16384 };

struct work {
    int queue, waits_for; /* 0: it is a copy */
    void *to, *from;
    size_t n_bytes;
    bool is_done;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static struct work works[WORKS_MAX];
static size_t n_works;
static bool is_held[QUEUES_MAX], are_all_held;
static size_t n_inside; /* copies inside a device */
static __thread int current_type, current_number;
static struct mmb_openacc_runtime real;

static int get_device_type(void)
{
    return current_type ? current_type : KIND;
}

static int get_num_devices(int type)
{
    return type == KIND ? N_DEVICES : 1;
}

static int get_device_num(int type)
{
    return type == current_type ? current_number : 0;
}

static void set_device_num(int number, int type)
{
    SUITE_CHECK(number >= 0 && number < get_num_devices(type), "device %d of kind %d", number,
                type);
    current_number = number;
    current_type = type;
}

/* Mutex held. What comes first stands first, and waits for nothing that stands behind it. */
static void drain(void)
{
    bool is_behind[QUEUES_MAX];
    for (int i = 0; i < QUEUES_MAX; i++)
        is_behind[i] = are_all_held || is_held[i];
    for (size_t i = 0; i < n_works; i++) {
        struct work *work = &works[i];
        if (work->is_done)
            continue;
        if (is_behind[work->queue] || (work->waits_for && is_behind[work->waits_for])) {
            is_behind[work->queue] = true;
            continue;
        }
        if (!work->waits_for)
            memmove(work->to, work->from, work->n_bytes);
        work->is_done = true;
    }
    pthread_cond_broadcast(&progress);
}

/* Mutex held. */
static bool is_empty(int queue)
{
    for (size_t i = 0; i < n_works; i++)
        if (works[i].queue == queue && !works[i].is_done)
            return false;
    return true;
}

static void submit(struct work work)
{
    SUITE_CHECK(current_type == KIND && work.queue > 0 && work.queue < QUEUES_MAX, "queue %d",
                work.queue);
    pthread_mutex_lock(&mutex);
    if (n_works == WORKS_MAX)
        abort();
    works[n_works++] = work;
    drain();
    pthread_mutex_unlock(&mutex);
}

static void copy_async(void *to, void *from, size_t n_bytes, int queue)
{
    submit((struct work){.queue = queue, .to = to, .from = from, .n_bytes = n_bytes});
}

static void copy_inside_async(void *to, void *from, size_t n_bytes, int queue)
{
    n_inside++;
    copy_async(to, from, n_bytes, queue);
}

/* Of an empty queue nothing is to be waited for, even if it is held. */
static void order(int queue, int later)
{
    pthread_mutex_lock(&mutex);
    bool is_over = is_empty(queue);
    pthread_mutex_unlock(&mutex);
    if (!is_over)
        submit((struct work){.queue = later, .waits_for = queue});
}

static int test_queue(int queue)
{
    pthread_mutex_lock(&mutex);
    bool is_over = is_empty(queue);
    pthread_mutex_unlock(&mutex);
    return is_over;
}

static void wait_for(int queue)
{
    pthread_mutex_lock(&mutex);
    while (!is_empty(queue))
        pthread_cond_wait(&progress, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void hold(int queue, bool wish)
{
    pthread_mutex_lock(&mutex);
    is_held[queue] = wish;
    drain();
    pthread_mutex_unlock(&mutex);
}

static void hold_all(bool wish)
{
    pthread_mutex_lock(&mutex);
    are_all_held = wish;
    drain();
    pthread_mutex_unlock(&mutex);
}

static void copy_at_once(void *to, void *from, size_t n_bytes)
{
    memcpy(to, from, n_bytes);
}

/* ---- the suite's ---- */

static bool is_here;

static void set_up(void)
{
    size_t n_devices = 0;
    is_here = mmb_openacc_load(&n_devices) == MMB_OK;
    if (!is_here)
        return;
    real = mmb_openacc;
    n_works = n_inside = 0;
    memset(is_held, 0, sizeof is_held);
    mmb_openacc = (struct mmb_openacc_runtime){.get_device_type = get_device_type,
                                               .get_num_devices = get_num_devices,
                                               .get_device_num = get_device_num,
                                               .set_device_num = set_device_num,
                                               .allocate = malloc,
                                               .free = free,
                                               .copy_in = copy_at_once,
                                               .copy_out = copy_at_once,
                                               .copy_in_async = copy_async,
                                               .copy_out_async = copy_async,
                                               .test = test_queue,
                                               .wait = wait_for,
                                               .order = order};
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
}

static void tear_down(void)
{
    if (!is_here)
        return;
    memset(is_held, 0, sizeof is_held);
    hold_all(false);
    while (mmb_finalize() == MMB_OK)
        continue;
    mmb_openacc = real;
}

static bool is_left_out(void)
{
    if (!is_here)
        suite_skip("no OpenACC runtime");
    return !is_here;
}

static mmbMemInterface *over_device(int number)
{
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    set_device_num(number, KIND);
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_GDRAM, MMB_OPENACC, NULL, &space), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &interface), MMB_OK);
    return interface;
}

static void free_all(mmbAllocation *const *objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mmbError error = mmb_free(objects[i]);
        SUITE_CHECK(error == MMB_OK, "object %zu: %s", i, mmb_error_detail());
    }
}

static bool is_filled(const mmbAllocation *object, size_t n_bytes, int value)
{
    const char *bytes = mmb_allocation_ptr(object);
    if (!bytes)
        bytes = mmb_device_ptr(object); /* this runtime's devices are the host */
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i] != (char)value)
            return false;
    return true;
}

static bool is_done(mmbEvent *event)
{
    bool done = false;
    CU_ASSERT_EQUAL(mmb_event_query(event, &done), MMB_OK);
    return done;
}

static void *queue(int number)
{
    return (void *)(intptr_t)number;
}

/* ---- queues ---- */

static void test_openacc_copies_stand_in_the_interfaces_queue(void)
{
    if (is_left_out())
        return;
    mmbAllocation *objects[3] = {lab_new(over_device(1), 100), lab_new_host(100, 5),
                                 lab_new_host(100, 0)};
    mmbEvent *events[2] = {NULL, NULL};
    set_device_num(2, KIND);
    hold_all(true);
    CU_ASSERT_EQUAL(mmb_copy_async(objects[0], objects[1], &events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_async(objects[2], objects[0], &events[1]), MMB_OK);
    CU_ASSERT_TRUE(!is_done(events[0]) && !is_done(events[1]));
    CU_ASSERT_EQUAL(mmb_free(objects[0]), MMB_BUSY);
    CU_ASSERT_TRUE(is_filled(objects[2], 100, 0));
    hold_all(false);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[2], 100, 5) && is_done(events[0]));
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    CU_ASSERT_TRUE(current_type == KIND && current_number == 2);
    free_all(objects, 3);
}

/* The first is done although its queue is not empty. */
static void test_openacc_event_tells_of_its_own_copy(void)
{
    if (is_left_out())
        return;
    mmbAllocation *objects[2] = {lab_new(over_device(0), 100), lab_new_host(100, 6)};
    mmbEvent *events[2] = {NULL, NULL};
    CU_ASSERT_EQUAL(mmb_copy_1d_on(objects[0], 0, objects[1], 0, 50, queue(5), &events[0]), MMB_OK);
    hold(5, true);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(objects[0], 50, objects[1], 50, 50, queue(5), &events[1]),
                    MMB_OK);
    CU_ASSERT_TRUE_FATAL(is_done(events[0])); /* or waiting for it would have no end */
    CU_ASSERT_FALSE(is_done(events[1]));
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[0], 50, 6));
    hold(5, false);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[0], 100, 6));
    free_all(objects, 2);
}

static void test_openacc_orders_another_queue_behind_a_copy(void)
{
    if (is_left_out())
        return;
    mmbMemInterface *interface = over_device(0);
    mmbAllocation *objects[3] = {lab_new(interface, 100), lab_new(interface, 100),
                                 lab_new_host(100, 7)};
    mmbEvent *events[2] = {NULL, NULL};
    hold(5, true);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(objects[0], 0, objects[2], 0, 100, queue(5), &events[0]),
                    MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_stream_wait(events[0], queue(6)), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_1d_on(objects[1], 0, objects[0], 0, 100, queue(6), &events[1]),
                    MMB_OK);
    CU_ASSERT_FALSE(is_done(events[1]));
    hold(5, false);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[1]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&events[0]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[1], 100, 7));
    free_all(objects, 3);
}

/* A stream of the native runtime, say: OpenACC's would end the program. */
static void test_openacc_refuses_what_is_no_queue(void)
{
    void *const streams[] = {&is_here, (void *)(intptr_t)-1, (void *)((intptr_t)INT32_MAX + 1)};
    if (is_left_out())
        return;
    mmbAllocation *objects[2] = {lab_new(over_device(0), 100), lab_new_host(100, 1)};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        mmbEvent *event = NULL;
        mmbError error = mmb_copy_1d_on(objects[0], 0, objects[1], 0, 10, streams[i], &event);
        SUITE_CHECK(error == MMB_INVALID_ARG && !event, "%p: %s", streams[i],
                    mmb_error_name(error));
        SUITE_CHECK(strstr(mmb_error_detail(), "async queue"), "%s", mmb_error_detail());
    }
    CU_ASSERT_EQUAL(n_works, 0);
    free_all(objects, 2);
}

/* More than there are numbers for marks: the rest share, and all are told in the end. */
static void test_openacc_runs_out_of_numbers_without_harm(void)
{
    enum { N = 1100 };
    static mmbEvent *events[N];
    if (is_left_out())
        return;
    mmbAllocation *objects[2] = {lab_new(over_device(0), N), lab_new_host(N, 8)};
    hold_all(true);
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(mmb_copy_1d_async(objects[0], i, objects[1], i, 1, &events[i]), MMB_OK);
    CU_ASSERT_TRUE(!is_done(events[0]) && !is_done(events[N - 1]));
    hold_all(false);
    for (size_t i = 0; i < N; i++)
        CU_ASSERT_EQUAL(mmb_event_wait(&events[i]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[0], N, 8));
    free_all(objects, 2);
}

/* ---- what OpenACC has no call for ---- */

static void test_openacc_fills_in_the_queues_order(void)
{
    enum { N_BYTES = 200001 };
    if (is_left_out())
        return;
    mmbAllocation *objects[2] = {lab_new(over_device(0), N_BYTES), lab_new_host(N_BYTES, 0)};
    mmbEvent *events[3] = {NULL, NULL, NULL};
    hold_all(true);
    CU_ASSERT_EQUAL(mmb_memset_async(objects[0], 0, 1, N_BYTES, &events[0]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_memset_async(objects[0], 0, 2, N_BYTES, &events[1]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_async(objects[1], objects[0], &events[2]), MMB_OK);
    hold_all(false);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(mmb_event_wait(&events[i]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[1], N_BYTES, 2));
    CU_ASSERT_EQUAL(mmb_memset(objects[0], 1, 3, N_BYTES - 1), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(objects[1], objects[0]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[1], 1, 2));
    CU_ASSERT_EQUAL(*((char *)mmb_allocation_ptr(objects[1]) + N_BYTES - 1), 3);
    free_all(objects, 2);
}

static void check_inside(size_t n_expected)
{
    enum { N_BYTES = 150000 };
    mmbMemInterface *interface = over_device(2);
    mmbAllocation *objects[2] = {lab_new(interface, N_BYTES), lab_new(interface, N_BYTES)};
    mmbEvent *event = NULL;
    n_inside = 0;
    CU_ASSERT_EQUAL(mmb_memset(objects[0], 0, 9, N_BYTES), MMB_OK);
    hold_all(true);
    CU_ASSERT_EQUAL(mmb_copy_async(objects[1], objects[0], &event), MMB_OK);
    CU_ASSERT_FALSE(is_done(event));
    hold_all(false);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[1], N_BYTES, 9));
    CU_ASSERT_EQUAL(mmb_memset(objects[0], 0, 10, N_BYTES), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(objects[1], objects[0]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[1], N_BYTES, 10));
    CU_ASSERT_EQUAL(n_inside, n_expected);
    free_all(objects, 2);
}

static void test_openacc_copies_inside_a_device(void)
{
    if (is_left_out())
        return;
    check_inside(0);
    mmb_openacc.copy_inside_async = copy_inside_async;
    check_inside(2);
}

static void test_openacc_copies_between_devices(void)
{
    enum { N_BYTES = (3 << 20) + 5 };
    if (is_left_out())
        return;
    mmb_openacc.copy_inside_async = copy_inside_async;
    mmbAllocation *objects[2] = {lab_new(over_device(0), N_BYTES),
                                 lab_new(over_device(1), N_BYTES)};
    CU_ASSERT_EQUAL(mmb_memset(objects[0], 0, 11, N_BYTES), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy(objects[1], objects[0]), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[1], N_BYTES, 11) && n_inside == 0);
    free_all(objects, 2);
}

static void test_openacc_copies_rows(void)
{
    static const size_t zero[3] = {0, 0, 0}, dims[3] = {2, 3, 4}, pitch[2] = {50, 10};
    if (is_left_out())
        return;
    mmbAllocation *objects[2] = {lab_new(over_device(0), 100), lab_new_host(100, 12)};
    mmbEvent *event = NULL;
    CU_ASSERT_EQUAL(mmb_memset(objects[0], 0, 0, 100), MMB_OK);
    CU_ASSERT_EQUAL(
        mmb_copy_nd_async(objects[0], zero, pitch, objects[1], zero, pitch, 3, dims, &event),
        MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    const char *bytes = mmb_device_ptr(objects[0]);
    for (size_t i = 0; i < 100; i++) {
        bool is_in = i % 50 < 30 && i % 10 < 4;
        SUITE_CHECK(bytes[i] == (is_in ? 12 : 0), "byte %zu: %d", i, bytes[i]);
    }
    free_all(objects, 2);
}

/* ---- without queues ---- */

static void test_openacc_without_queues_leaves_it_to_the_worker(void)
{
    if (is_left_out())
        return;
    mmb_openacc.order = NULL;
    mmbAllocation *objects[2] = {lab_new(over_device(1), 100), lab_new_host(100, 13)};
    mmbEvent *event = NULL;
    CU_ASSERT_EQUAL(mmb_copy_1d_on(objects[0], 0, objects[1], 0, 9, queue(5), &event),
                    MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_copy_async(objects[0], objects[1], &event), MMB_OK);
    CU_ASSERT_EQUAL(mmb_event_wait(&event), MMB_OK);
    CU_ASSERT_TRUE(is_filled(objects[0], 100, 13) && n_works == 0);
    free_all(objects, 2);
}

MMB_SUITE_WITH("layers/openacc_queue", set_up, tear_down,
               T(test_openacc_copies_stand_in_the_interfaces_queue),
               T(test_openacc_event_tells_of_its_own_copy),
               T(test_openacc_orders_another_queue_behind_a_copy),
               T(test_openacc_refuses_what_is_no_queue),
               T(test_openacc_runs_out_of_numbers_without_harm),
               T(test_openacc_fills_in_the_queues_order), T(test_openacc_copies_inside_a_device),
               T(test_openacc_copies_between_devices), T(test_openacc_copies_rows),
               T(test_openacc_without_queues_leaves_it_to_the_worker))
