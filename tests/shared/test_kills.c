/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: processes killed at random moments, one after the other, neither stop two
 * survivors that allocate and free all the time, nor spoil their blocks. MMB_TEST_KILLS sets how
 * many are killed. */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define SEGMENT_BYTES ((size_t)64 << 20)
#define LIVE_MOST     32
#define SURVIVORS     2
#define WAIT_S        20

struct shared {
    _Atomic unsigned long beats[SURVIVORS];
    _Atomic unsigned long victim_beats;
    _Atomic bool stop;
};

struct live {
    mmbAllocation *block;
    unsigned char tag;
};

static struct shared *shared;
static mmbMemSpace *space;
static mmbMemInterface *heap;

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool is_whole(const struct live *live)
{
    const unsigned char *bytes = mmb_allocation_ptr(live->block);
    size_t n = mmb_allocation_size(live->block);
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != live->tag)
            return false;
    return n > 0;
}

/* Allocates and frees until it is told to stop; 0 when nothing was ever wrong. */
static int work(uint32_t seed, _Atomic unsigned long *beats)
{
    struct live live[LIVE_MOST];
    size_t n = 0;
    uint32_t state = seed;
    while (n > 0 || !atomic_load(&shared->stop)) {
        bool shall_grow =
            n < LIVE_MOST && !atomic_load(&shared->stop) && (n == 0 || next(&state) & 1);
        if (shall_grow) {
            size_t n_bytes = 1 + next(&state) % (next(&state) % 16 ? 1000 : 100000);
            live[n].tag = (unsigned char)next(&state);
            if (mmb_allocate(n_bytes, heap, &live[n].block) != MMB_OK)
                return 1;
            memset(mmb_allocation_ptr(live[n].block), live[n].tag, n_bytes);
            n++;
        } else {
            size_t i = next(&state) % n;
            if (!is_whole(&live[i]))
                return 2;
            if (mmb_free(live[i].block) != MMB_OK)
                return 3;
            live[i] = live[--n];
        }
        atomic_fetch_add(beats, 1);
    }
    return 0;
}

static pid_t spawn(uint32_t seed, _Atomic unsigned long *beats)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(work(seed, beats));
    }
    return pid;
}

/* Both survivors have gone on by so many steps. False: one ended, or nothing moves any more. */
static bool survivors_go_on(const pid_t pids[SURVIVORS])
{
    unsigned long from[SURVIVORS];
    time_t end = time(NULL) + WAIT_S;
    for (int i = 0; i < SURVIVORS; i++)
        from[i] = atomic_load(&shared->beats[i]);
    for (int i = 0; i < SURVIVORS; i++)
        while (atomic_load(&shared->beats[i]) < from[i] + 20) {
            if (waitpid(pids[i], NULL, WNOHANG) != 0 || time(NULL) > end)
                return false;
            sched_yield();
        }
    return true;
}

/* Starts one, lets it get to some moment of its work, kills it. */
static bool kill_one(uint32_t *state)
{
    int status;
    atomic_store(&shared->victim_beats, 0);
    pid_t pid = spawn(next(state) | 1, &shared->victim_beats);
    unsigned long until = next(state) % 300;
    time_t end = time(NULL) + WAIT_S;
    while (pid > 0 && atomic_load(&shared->victim_beats) < until && time(NULL) < end &&
           waitpid(pid, &status, WNOHANG) == 0)
        sched_yield();
    for (volatile uint32_t spin = next(state) % 50000; spin > 0; spin--)
        continue;
    kill(pid, SIGKILL);
    return pid > 0 && waitpid(pid, &status, 0) == pid &&
           SUITE_CHECK(WIFSIGNALED(status), "a victim ended by itself: 0x%x", status);
}

static void kill_many(mmbStrategy strategy, int n_kills)
{
    uint32_t state = 20260u + (uint32_t)strategy;
    pid_t survivors[SURVIVORS];
    size_t freed = 0;
    bool going = true;
    heap = segment_interface(space, strategy, SEGMENT_BYTES);
    atomic_store(&shared->stop, false);
    for (int i = 0; i < SURVIVORS; i++)
        survivors[i] = spawn(77u + (uint32_t)i, &shared->beats[i]);
    int n = 0;
    while (n < n_kills && going) {
        going = kill_one(&state) && survivors_go_on(survivors);
        if (++n % 8 == 0)
            going = going && mmb_shm_reclaim(heap, NULL, NULL, &freed) == MMB_OK;
    }
    SUITE_CHECK(going, "strategy %d: after %d kills: %s", (int)strategy, n, mmb_error_detail());
    atomic_store(&shared->stop, true);
    for (int i = 0; i < SURVIVORS; i++) {
        int status = -1;
        if (!going)
            kill(survivors[i], SIGKILL);
        waitpid(survivors[i], &status, 0);
        SUITE_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "survivor %d: 0x%x", i, status);
    }
    CU_ASSERT_EQUAL(mmb_shm_reclaim(heap, NULL, NULL, &freed), MMB_OK);
    CU_ASSERT_EQUAL(segment_live_bytes(heap), 0);
    CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
}

static int n_kills(void)
{
    const char *text = getenv("MMB_TEST_KILLS");
    return text ? atoi(text) / 2 : 30;
}

static void set_up(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
}

static void tear_down(void)
{
    segment_tear_down();
    munmap(shared, sizeof *shared);
}

static void test_kills_scalable_page(void)
{
    kill_many(MMB_STRATEGY_SCALABLE_PAGE, n_kills());
}

static void test_kills_thread_local(void)
{
    kill_many(MMB_STRATEGY_THREAD_LOCAL, n_kills());
}

MMB_SUITE_WITH("shared/kills", set_up, tear_down, T(test_kills_scalable_page),
               T(test_kills_thread_local))
