/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a traced program's calls stand in the file, each once and in order, whichever
 * way they were made; and a trace made again does the same with the same memory. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
#include <mmb.h>
#include "tests/support/suite.h"
#include "tools/replay.h"

static char path[64];

static void set_up(void)
{
    int file;
    strcpy(path, "/tmp/mmb-replay-XXXXXX");
    file = mkstemp(path);
    CU_ASSERT_FATAL(file >= 0);
    close(file);
}

static void tear_down(void)
{
    unlink(path);
}

static mmbMemInterface *open_library(mmbStrategy strategy, size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemInterfaceConfig way = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    mmbMemInterface *interface;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    way.strategy = strategy;
    setenv("MMB_TRACE", path, 1);
    if (mmb_init(NULL) || mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space) ||
        mmb_create_interface(space, &way, &interface))
        exit(99);
    return interface;
}

/* ---- what is written ---- */

static int make_known_calls(void *strategy)
{
    mmbMemInterface *interface = open_library(*(mmbStrategy *)strategy, 1 << 20);
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmbAllocateOptions aligned = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *a, *b, *slice;
    int failed =
        mmb_interface_get_info(interface, &info) || info.strategy != *(mmbStrategy *)strategy;
    aligned.alignment = 256;
    failed |= mmb_allocate(100, interface, &a) != MMB_OK;
    failed |= mmb_allocate(2 << 20, interface, &b) != MMB_OUT_OF_MEMORY;
    failed |= mmb_allocate_opts(3000, interface, &aligned, &b) != MMB_OK;
    failed |= mmb_allocation_slice(a, 0, 10, &slice) != MMB_OK;
    failed |= mmb_free(a) != MMB_BUSY;
    failed |= mmb_free(slice) != MMB_OK;
    failed |= mmb_reallocate(a, 2 << 20) != MMB_OUT_OF_MEMORY;
    failed |= mmb_reallocate(a, 50000) != MMB_OK;
    failed |= mmb_free(b) != MMB_OK;
    char *raw = mmb_malloc(interface, 64);
    raw = mmb_realloc(interface, raw, 100000);
    failed |= mmb_free_ptr(interface, raw) != MMB_OK;
    failed |= !mmb_calloc(interface, 10, 10);
    failed |= mmb_free(a) != MMB_OK;
    return failed || mmb_finalize();
}

static void check_known_calls(mmbStrategy strategy)
{
    static const struct replay_call wanted[] = {
        {REPLAY_OPEN, 0, 0, 0, 0},          {REPLAY_ALLOCATE, 0, 0, 16, 100},
        {REPLAY_ALLOCATE, 0, 1, 256, 3000}, {REPLAY_RESIZE, 0, 0, 0, 50000},
        {REPLAY_FREE, 0, 1, 0, 0},          {REPLAY_ALLOCATE, 0, 2, 16, 64},
        {REPLAY_RESIZE, 0, 2, 0, 100000},   {REPLAY_FREE, 0, 2, 0, 0},
        {REPLAY_ALLOCATE, 0, 3, 16, 100},   {REPLAY_FREE, 0, 0, 0, 0},
        {REPLAY_FREE, 0, 3, 0, 0},          {REPLAY_CLOSE, 0, 0, 0, 0},
    };
    struct replay_trace trace;
    struct suite_child child = suite_run_child(make_known_calls, &strategy, 60);
    CU_ASSERT_TRUE_FATAL(child.exited && child.code == 0);
    CU_ASSERT_PTR_NULL_FATAL(replay_read(path, &trace));
    CU_ASSERT_FALSE(trace.is_cut);
    CU_ASSERT_EQUAL_FATAL(trace.n_interfaces, 1);
    CU_ASSERT_STRING_EQUAL(trace.interfaces[0].layer, "DRAM");
    CU_ASSERT_EQUAL(trace.interfaces[0].strategy, strategy);
    CU_ASSERT_EQUAL(trace.interfaces[0].limit, 1 << 20);
    CU_ASSERT_EQUAL_FATAL(trace.n_calls, sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < trace.n_calls; i++) {
        const struct replay_call *call = &trace.calls[i];
        SUITE_CHECK(call->kind == wanted[i].kind && call->block == wanted[i].block &&
                        call->n_bytes == wanted[i].n_bytes &&
                        call->alignment == wanted[i].alignment && call->interface == 0,
                    "call %zu: kind %d, block %u, %zu bytes", i, (int)call->kind, call->block,
                    call->n_bytes);
    }
    replay_free(&trace);
}

static void test_trace_has_each_call_of_a_page(void)
{
    check_known_calls(MMB_STRATEGY_SCALABLE_PAGE);
}

static void test_trace_has_each_call_of_a_thread(void)
{
    check_known_calls(MMB_STRATEGY_THREAD_LOCAL);
}

static void test_trace_has_each_call_of_passthrough(void)
{
    check_known_calls(MMB_STRATEGY_PASSTHROUGH);
}

#define N_THREADS  4
#define PER_THREAD 20000

static void *churn(void *interface)
{
    mmbAllocation *blocks[16] = {NULL};
    for (size_t i = 0; i < PER_THREAD; i++) {
        mmbAllocation **block = &blocks[i * 7 % 16];
        if (mmb_free(*block) || mmb_allocate(1 + i % 3000, interface, block) ||
            (i % 5 == 0 && mmb_reallocate(*block, 4000)))
            exit(98);
    }
    for (size_t i = 0; i < 16; i++)
        mmb_free(blocks[i]);
    return NULL;
}

static int churn_in_threads(void *unused)
{
    pthread_t threads[N_THREADS];
    mmbMemInterface *interface = open_library(MMB_STRATEGY_THREAD_LOCAL, 64 << 20);
    (void)unused;
    for (int i = 0; i < N_THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, interface))
            return 97;
    pid_t pid = fork(); /* a child does not trace */
    if (pid == 0)
        _exit(churn(interface) != NULL);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    int status;
    return waitpid(pid, &status, 0) != pid || status || mmb_finalize();
}

/* Whatever the order between threads: every block is allocated once, and freed once after that. */
static void test_trace_is_whole_with_threads_and_fork(void)
{
    struct replay_trace trace;
    size_t counts[REPLAY_RESIZE + 1] = {0};
    bool in_order = true;
    struct suite_child child = suite_run_child(churn_in_threads, NULL, 120);
    CU_ASSERT_TRUE_FATAL(child.exited && child.code == 0);
    CU_ASSERT_PTR_NULL_FATAL(replay_read(path, &trace));
    CU_ASSERT_FALSE(trace.is_cut);
    char *state = calloc(trace.n_blocks + 1, 1);
    for (size_t i = 0; i < trace.n_calls; i++) {
        const struct replay_call *call = &trace.calls[i];
        counts[call->kind]++;
        if (call->kind == REPLAY_ALLOCATE)
            in_order &= state[call->block]++ == 0;
        else if (call->kind == REPLAY_FREE)
            in_order &= state[call->block]++ == 1;
        else if (call->kind == REPLAY_RESIZE)
            in_order &= state[call->block] == 1;
    }
    free(state);
    CU_ASSERT_TRUE(in_order);
    CU_ASSERT_EQUAL(counts[REPLAY_ALLOCATE], N_THREADS * PER_THREAD);
    CU_ASSERT_EQUAL(counts[REPLAY_FREE], N_THREADS * PER_THREAD);
    CU_ASSERT_EQUAL(counts[REPLAY_RESIZE], N_THREADS * PER_THREAD / 5);
    replay_free(&trace);
}

/* ---- what is read ---- */

static void write_file(const void *bytes, size_t n_bytes)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, n_bytes, file), n_bytes);
    fclose(file);
}

/* An interface in DRAM without a limit; blocks 5 and 6 of 4000 and 6000 bytes; 5 goes, 6 grows to
 * 10000, a refused free of 6. */
static const unsigned char known[] = {'M', 'M',  'B',  'T', 'R', 'A', 'C',  'E',  1,    9, 33, 1,
                                      1,   4,    'D',  'R', 'A', 'M', 1,    3,    2,    0, 4,  1,
                                      10,  0xa0, 0x1f, 4,   4,   1,   2,    0xf0, 0x2e, 4, 5,  1,
                                      6,   5,    2,    7,   1,   0,   0x90, 0x4e, 5,    0, 8};

static void test_known_trace_is_replayed(void)
{
    struct replay_trace trace;
    struct replay_result result;
    struct replay_wish wish = {NULL, MMB_STRATEGY_DEFAULT, true};
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    write_file(known, sizeof known);
    CU_ASSERT_PTR_NULL_FATAL(replay_read(path, &trace));
    CU_ASSERT_FALSE(trace.is_cut);
    CU_ASSERT_EQUAL_FATAL(trace.n_calls, 5);
    CU_ASSERT_EQUAL(trace.calls[4].kind, REPLAY_RESIZE);
    CU_ASSERT_EQUAL(trace.calls[4].n_bytes, 10000);
    CU_ASSERT_EQUAL(trace.n_blocks, 2);
    for (int s = MMB_STRATEGY_DEFAULT; s <= MMB_STRATEGY_THREAD_LOCAL; s++) {
        wish.strategy = (mmbStrategy)s;
        CU_ASSERT_PTR_NULL_FATAL(replay_run(&trace, &wish, &result));
        CU_ASSERT_EQUAL(result.calls, 4);
        CU_ASSERT_EQUAL(result.refused, 0);
        CU_ASSERT_EQUAL(result.peak_bytes, 10000);
        CU_ASSERT_TRUE(result.peak_reserved >= result.live_at_peak && result.seconds > 0);
    }
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    replay_free(&trace);
}

static void test_wrong_layer_is_told(void)
{
    struct replay_trace trace;
    struct replay_result result;
    struct replay_wish wish = {"NO SUCH LAYER", MMB_STRATEGY_DEFAULT, false};
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    write_file(known, sizeof known);
    CU_ASSERT_PTR_NULL_FATAL(replay_read(path, &trace));
    CU_ASSERT_PTR_NOT_NULL(replay_run(&trace, &wish, &result));
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    replay_free(&trace);
}

/* Cut anywhere, or with any byte changed, a file is read without harm. */
static void test_damaged_traces_are_survived(void)
{
    struct replay_trace trace;
    unsigned char bytes[sizeof known];
    size_t refused = 0, cut = 0;
    for (size_t n_bytes = 0; n_bytes < sizeof known; n_bytes++) {
        write_file(known, n_bytes);
        if (replay_read(path, &trace)) {
            refused++;
            continue;
        }
        cut += trace.is_cut;
        replay_free(&trace);
    }
    CU_ASSERT_EQUAL(refused, 10);
    CU_ASSERT_TRUE(cut > 10);
    for (size_t i = 0; i < sizeof known * 8; i++) {
        memcpy(bytes, known, sizeof known);
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        write_file(bytes, sizeof bytes);
        if (replay_read(path, &trace))
            continue;
        CU_ASSERT_TRUE(trace.n_calls <= sizeof known);
        replay_free(&trace);
    }
    CU_ASSERT_PTR_NOT_NULL(replay_read("/nonexistent/trace", &trace));
}

MMB_SUITE_WITH("tools/replay", set_up, tear_down, T(test_trace_has_each_call_of_a_page),
               T(test_trace_has_each_call_of_a_thread), T(test_trace_has_each_call_of_passthrough),
               T(test_trace_is_whole_with_threads_and_fork), T(test_known_trace_is_replayed),
               T(test_wrong_layer_is_told), T(test_damaged_traces_are_survived))
