/* SPDX-License-Identifier: BSD-3-Clause */
/* See objects.h. */
#include "tests/support/objects.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define HEAP_BYTES ((size_t)4 << 20)
#define WAIT_S     30

struct objects_talk *objects_talk;
mmbMemSpace *objects_space;
mmbMemInterface *objects_heap;
static unsigned char *parents_base;

/* Where the heap starts in this process. */
static unsigned char *base_of(mmbMemInterface *interface)
{
    mmbAllocation *block = NULL;
    mmbSharedPtr pointer = {0, 0};
    if (mmb_allocate(16, interface, &block) != MMB_OK ||
        mmb_allocation_get_shared(block, &pointer) != MMB_OK)
        return NULL;
    unsigned char *base = (unsigned char *)mmb_allocation_ptr(block) - pointer.offset;
    return mmb_free(block) == MMB_OK ? base : NULL;
}

static void make(mmbStrategy strategy, size_t n_bytes)
{
    objects_heap = segment_interface(objects_space, strategy, n_bytes);
    parents_base = base_of(objects_heap);
}

void objects_set_up(void)
{
    objects_talk =
        mmap(NULL, sizeof *objects_talk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    segment_set_up();
    objects_space = control_space(MMB_NO_LIMIT);
    make(MMB_STRATEGY_THREAD_LOCAL, HEAP_BYTES);
}

void objects_tear_down(void)
{
    segment_tear_down();
    munmap(objects_talk, sizeof *objects_talk);
}

void objects_remake(mmbStrategy strategy, size_t n_bytes)
{
    CU_ASSERT_EQUAL(mmb_destroy_interface(objects_heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    make(strategy, n_bytes);
}

const unsigned char *objects_base(void)
{
    return parents_base;
}

size_t objects_live_count(void)
{
    return segment_live_count(objects_heap);
}

/* What lies at the parent's address afterwards keeps the heap from coming to lie there. */
mmbMemInterface *objects_attach(void)
{
    control_close();
    void *blocker = mmap(parents_base, HEAP_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    mmbMemInterface *interface = segment_attach_anew();
    if (!interface || blocker == MAP_FAILED || base_of(interface) == parents_base)
        return NULL;
    return interface;
}

pid_t objects_spawn(int (*body)(void *argument), void *argument)
{
    pid_t parent = getpid();
    segment_url();
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(99);
    alarm(2 * WAIT_S);
    _exit(body(argument));
}

bool objects_ended(pid_t pid)
{
    int status = -1;
    bool waited = pid > 0 && waitpid(pid, &status, 0) == pid;
    return SUITE_CHECK(waited && WIFEXITED(status) && WEXITSTATUS(status) == 0,
                       "a child ended with 0x%x", (unsigned)status);
}

bool objects_kill(pid_t pid)
{
    int status = -1;
    kill(pid, SIGKILL);
    bool waited = waitpid(pid, &status, 0) == pid;
    return SUITE_CHECK(waited && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                       "a child to be killed ended with 0x%x", (unsigned)status);
}

bool objects_run(int (*body)(void *argument), void *argument)
{
    return objects_ended(objects_spawn(body, argument));
}

bool objects_run_killed(int (*body)(void *argument), void *argument)
{
    return segment_run_killed(body, argument);
}

bool objects_await(const _Atomic uint64_t *word, uint64_t least)
{
    time_t end = time(NULL) + WAIT_S;
    while (atomic_load(word) < least) {
        if (time(NULL) > end)
            return false;
        sched_yield();
    }
    return true;
}

int objects_n_kills(void)
{
    const char *text = getenv("MMB_TEST_KILLS");
    return text ? atoi(text) / 6 : 30;
}

uint32_t objects_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

bool objects_kill_many(int (*body)(void *argument), bool (*check)(void))
{
    uint32_t state = 20261u;
    for (int n = 0; n < objects_n_kills(); n++) {
        uint32_t seed = objects_random(&state) | 1;
        atomic_store(&objects_talk->words[0], 0);
        pid_t pid = objects_spawn(body, &seed);
        bool worked = objects_await(&objects_talk->words[0], objects_random(&state) % 200);
        for (uint32_t spin = objects_random(&state) % 5000; spin > 0; spin--)
            atomic_thread_fence(memory_order_seq_cst);
        if (!objects_kill(pid) ||
            !SUITE_CHECK(worked && check(), "after kill %d: %s", n, mmb_error_detail()))
            return false;
    }
    return true;
}
