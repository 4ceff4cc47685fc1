/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a process may be killed after any instruction of allocate, free, attach,
 * detach, reclaim and adopt, and all others go on.
 *
 * A child is stepped instruction by instruction. What others can see of it changes only when a word
 * of the segment changes or a system call returns, so it is killed once in each of these states:
 * that is every instruction, without asking the same question twice. MMB_TEST_STRIDE of n tests
 * every nth state only. Then the survivor, which has the segment attached, must find it right,
 * allocate, free and reclaim. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/steps.h"
#include "tests/support/suite.h"

#define SEGMENT_BYTES ((size_t)128 << 10)
#define STATES_MAX    2000
#define TAIL_BYTES    4096 /* entries of the blocks that there are */
#define STRIDE        29
#define WORD          64 /* blocks of 64 B in a span of this segment, all in one word */
#define FEW           4

static mmbMemSpace *space;
static mmbMemInterface *heap;
static mmbAllocation *foreign; /* the survivor's, that a child may free */
static mmbAllocation *mine[4]; /* the child's */
static mmbSharedPtr *left;     /* what a dead process left; in memory that all see */
static bool may_trace = true;
static const void *segment;
static size_t data_offset;

/* ---- what the child does; false: not what was asked for ---- */

static bool allocate_some(void)
{
    static const size_t sizes[] = {16, 64, 200, 4100};
    for (size_t i = 0; i < N_ROWS(sizes); i++)
        if (mmb_allocate(sizes[i], heap, &mine[i]) != MMB_OK)
            return false;
    return true;
}

static bool free_some(void)
{
    for (size_t i = 0; i < N_ROWS(mine); i++)
        if (mmb_free(mine[i]) != MMB_OK)
            return false;
    return true;
}

/* Spans and no blocks: what a process that detaches leaves, stays. */
static bool allocate_and_free(void)
{
    return allocate_some() && free_some();
}

static bool free_foreign(void)
{
    return mmb_free(foreign) == MMB_OK;
}

/* A full word and one with few free blocks. Another process frees some blocks of the former, and
 * the child one, so that its thread comes to collect them without a lock. */
static bool let_free(void)
{
    static mmbAllocation *many[2 * WORD - FEW];
    int status;
    for (size_t i = 0; i < N_ROWS(many); i++)
        if (mmb_allocate(64, heap, &many[i]) != MMB_OK)
            return false;
    pid_t pid = fork();
    if (pid == 0) {
        bool is_done = true;
        for (size_t i = 0; i < FEW; i++)
            is_done = mmb_free(many[i]) == MMB_OK && is_done;
        _exit(is_done ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0 && mmb_free(many[FEW]) == MMB_OK;
}

static bool allocate_what_was_freed(void)
{
    for (size_t i = 0; i < 2 * FEW + 1; i++)
        if (mmb_allocate(64, heap, &mine[0]) != MMB_OK)
            return false;
    return true;
}

static bool detach(void)
{
    return mmb_destroy_interface(heap) == MMB_OK;
}

static bool attach(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    return segment_open(space, &config, &heap) == MMB_OK;
}

/* A process of its own allocates and is gone. */
static bool leave_dead(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        bool is_done = allocate_some();
        *left = segment_pointer(mine[0]);
        _exit(is_done ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool reclaim(void)
{
    size_t freed = 0;
    return mmb_shm_reclaim(heap, NULL, NULL, &freed) == MMB_OK && freed > 0;
}

static bool adopt(void)
{
    return mmb_shm_adopt(heap, *left) == MMB_OK;
}

static bool nothing(void)
{
    return true;
}

struct operation {
    const char *name;
    bool (*prepare)(void);
    bool (*act)(void);
};

static const struct operation operations[] = {
    {"allocate, cold", nothing, allocate_some},
    {"allocate, warm", allocate_and_free, allocate_some},
    {"free", allocate_some, free_some},
    {"free for others", nothing, free_foreign},
    {"free for others, warm", allocate_and_free, free_foreign},
    {"collect", let_free, allocate_what_was_freed},
    {"reclaim", leave_dead, reclaim},
    {"adopt", leave_dead, adopt},
    {"detach", allocate_and_free, detach},
    {"attach", detach, attach},
};

/* ---- stepping ---- */

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

/* Kills in one state, or lets the operation end before. False: it did end, or something failed. */
static bool kill_once(const struct operation *operation, size_t state, size_t *out_steps)
{
    size_t live = 0;
    foreign = control_allocation(heap, 100);
    const struct steps steps = {operation->prepare, operation->act, has_changed, true};
    struct steps_end end = steps_kill(&steps, state);
    *out_steps = end.n_steps;
    may_trace = !end.untraced;
    bool is_right = go_on(&live) && live <= 1;
    if (live == 1)
        is_right = mmb_free(foreign) == MMB_OK && is_right;
    SUITE_CHECK(end.killed || end.done || end.untraced, "%s, state %zu: it ended with 0x%x",
                operation->name, state, (unsigned int)end.status);
    return SUITE_CHECK(is_right, "%s, state %zu: %zu live: %s", operation->name, state, live,
                       mmb_error_detail()) &&
           end.killed;
}

static void kill_everywhere(mmbStrategy strategy, const struct operation *operation)
{
    size_t stride = steps_stride(STRIDE), state = 1, n_killed = 0, n_steps = 0;
    while (state < STATES_MAX && kill_once(operation, state, &n_steps)) {
        state += stride;
        n_killed++;
    }
    if (!may_trace)
        return;
    printf("# %s, %s: killed in %zu of its states; it has %zu instructions\n",
           mmb_strategy_name(strategy), operation->name, n_killed, n_steps);
    SUITE_CHECK(n_killed > 0 && state < STATES_MAX, "%s: %zu states", operation->name, state);
}

static void kill_in_all(mmbStrategy strategy)
{
    if (steps_skip())
        return;
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
    heap = segment_interface(space, strategy, SEGMENT_BYTES);
    mmbSharedPtr first = segment_pointer(control_allocation(heap, 16));
    mmbAllocation *block = NULL;
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(first, &block), MMB_OK);
    segment = (const char *)mmb_allocation_ptr(block) - first.offset;
    data_offset = first.offset;
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    left = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < N_ROWS(operations) && may_trace; i++)
        kill_everywhere(strategy, &operations[i]);
    if (!may_trace)
        suite_skip("processes may not be traced here");
    munmap(left, sizeof *left);
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
