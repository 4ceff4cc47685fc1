/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a process may be killed after any instruction of allocate, free, attach and
 * detach, and all others go on.
 *
 * A child is stepped instruction by instruction. What others can see of it changes only when a word
 * of the segment changes or a system call returns, so it is killed once in each of these states:
 * that is every instruction, without asking the same question twice. MMB_TEST_STRIDE of n tests
 * every nth state only. Then the survivor, which has the segment attached, must find it right,
 * allocate, free and reclaim. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define SEGMENT_BYTES ((size_t)128 << 10)
#define STATES_MAX    2000
#define TAIL_BYTES    256 /* entries of the few blocks that there are */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 401 /* a sanitizer's own instructions are stepped through as well */
#else
#define STRIDE 29
#endif

static mmbMemSpace *space;
static mmbMemInterface *heap;
static mmbAllocation *foreign; /* the survivor's, that a child may free */
static mmbAllocation *mine[4]; /* the child's */
static const void *segment;
static size_t data_offset;

/* ---- what the child does ---- */

static void allocate_some(void)
{
    static const size_t sizes[] = {16, 64, 200, 4100};
    for (size_t i = 0; i < N_ROWS(sizes); i++)
        mmb_allocate(sizes[i], heap, &mine[i]);
}

static void free_some(void)
{
    for (size_t i = 0; i < N_ROWS(mine); i++)
        mmb_free(mine[i]);
}

/* Spans and no blocks: what a process that detaches leaves, stays. */
static void allocate_and_free(void)
{
    allocate_some();
    free_some();
}

static void free_foreign(void)
{
    mmb_free(foreign);
}

static void detach(void)
{
    mmb_destroy_interface(heap);
}

static void attach(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    segment_open(space, &config, &heap);
}

static void nothing(void) {}

struct operation {
    const char *name;
    void (*prepare)(void);
    void (*act)(void);
};

static const struct operation operations[] = {
    {"allocate, cold", nothing, allocate_some},
    {"free", allocate_some, free_some},
    {"free for others", nothing, free_foreign},
    {"detach", allocate_and_free, detach},
    {"attach", detach, attach},
};

/* ---- stepping ---- */

#if defined(__x86_64__)
/* The child's code is the parent's, so it can be read here. */
static bool is_at_system_call(pid_t pid)
{
    errno = 0;
    long at = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), NULL);
    const unsigned char *code = (const unsigned char *)at;
    return errno == 0 && code[0] == 0x0f && code[1] == 0x05;
}
#else
static bool is_at_system_call(pid_t pid)
{
    (void)pid;
    return true;
}
#endif

/* Have the heap's own words changed since the last call: those before its data and, in a stack,
 * behind it? */
static bool has_changed(void)
{
    static unsigned char seen[SEGMENT_BYTES];
    const unsigned char *now = segment;
    size_t tail = SEGMENT_BYTES - TAIL_BYTES;
    if (memcmp(seen, now, data_offset) == 0 && memcmp(&seen[tail], &now[tail], TAIL_BYTES) == 0)
        return false;
    memcpy(seen, now, data_offset);
    memcpy(&seen[tail], &now[tail], TAIL_BYTES);
    return true;
}

/* The child, stopped where its operation begins; -1: it may not be traced. */
static pid_t start(const struct operation *operation)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        operation->prepare();
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        operation->act();
        _exit(42);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return -1;
    return pid;
}

/* Steps until as many states were passed, then kills. False: the operation ended before. */
static bool kill_in_state(pid_t pid, size_t state)
{
    int status;
    has_changed();
    for (size_t passed = 0; passed < state;) {
        bool is_call = is_at_system_call(pid);
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid ||
            !WIFSTOPPED(status))
            return false;
        passed += has_changed() || is_call;
    }
    kill(pid, SIGKILL);
    return waitpid(pid, &status, 0) == pid;
}

/* ---- the survivor ---- */

static bool go_on(size_t *out_live)
{
    static const size_t sizes[] = {16, 200, 3000, 5000, 64};
    mmbAllocation *blocks[N_ROWS(sizes)];
    for (size_t i = 0; i < N_ROWS(sizes); i++) {
        if (mmb_allocate(sizes[i], heap, &blocks[i]) != MMB_OK)
            return false;
        memset(mmb_allocation_ptr(blocks[i]), 1, sizes[i]);
    }
    for (size_t i = 0; i < N_ROWS(sizes); i++)
        if (mmb_free(blocks[i]) != MMB_OK)
            return false;
    bool done = mmb_shm_check(segment_url(), NULL) == MMB_OK &&
                mmb_shm_reclaim(heap, NULL, NULL, NULL) == MMB_OK;
    *out_live = segment_live_count(heap);
    return done;
}

static size_t kill_everywhere(const struct operation *operation)
{
    const char *text = getenv("MMB_TEST_STRIDE");
    size_t stride = text ? (size_t)atoi(text) : STRIDE;
    for (size_t state = 1; state < STATES_MAX; state += stride) {
        size_t live = 0;
        foreign = control_allocation(heap, 100);
        pid_t pid = start(operation);
        if (pid < 0)
            return state - 1;
        bool killed = kill_in_state(pid, state);
        bool is_right = go_on(&live);
        if (!SUITE_CHECK(is_right && live <= 1, "%s, state %zu: %zu live: %s", operation->name,
                         state, live, mmb_error_detail()))
            return state;
        if (live == 1)
            CU_ASSERT_EQUAL(mmb_free(foreign), MMB_OK);
        if (!killed)
            return state;
    }
    return STATES_MAX;
}

static void kill_in_all(mmbStrategy strategy)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
    heap = segment_interface(space, strategy, SEGMENT_BYTES);
    mmbSharedPtr first = segment_pointer(control_allocation(heap, 16));
    mmbAllocation *block = NULL;
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(first, &block), MMB_OK);
    segment = (const char *)mmb_allocation_ptr(block) - first.offset;
    data_offset = first.offset;
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    for (size_t i = 0; i < N_ROWS(operations); i++) {
        size_t n = kill_everywhere(&operations[i]);
        printf("# %s, %s: killed in %zu states\n", mmb_strategy_name(strategy), operations[i].name,
               n);
        if (n < 2) {
            suite_skip("processes may not be traced here");
            break;
        }
    }
    segment_tear_down();
}

static void test_stepkill_stack(void)
{
    kill_in_all(MMB_STRATEGY_STACK);
}

static void test_stepkill_scalable_page(void)
{
    kill_in_all(MMB_STRATEGY_SCALABLE_PAGE);
}

static void test_stepkill_thread_local(void)
{
    kill_in_all(MMB_STRATEGY_THREAD_LOCAL);
}

MMB_SUITE("shared/stepkill", T(test_stepkill_stack), T(test_stepkill_scalable_page),
          T(test_stepkill_thread_local))
