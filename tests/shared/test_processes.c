/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a heap in shared memory between processes: blocks that one allocates and
 * another frees, handles that do not outlive their blocks, and what dead processes leave.
 * MMB_TEST_ATTACHES sets how often a process comes and goes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

/* What parent and child tell each other; in memory that both see. */
struct talk {
    mmbSharedPtr pointer[8];
};

static struct talk *talk;
static mmbMemSpace *space;
static mmbMemInterface *heap;

static void set_up(void)
{
    talk = mmap(NULL, sizeof *talk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
}

static void tear_down(void)
{
    segment_tear_down();
    munmap(talk, sizeof *talk);
}

static bool run(int (*body)(void *))
{
    struct suite_child child = suite_run_child(body, NULL, 300);
    return SUITE_CHECK(child.exited && child.code == 0, "child: exited %d code %d timed out %d",
                       child.exited, child.code, child.timed_out);
}

static void make(mmbStrategy strategy)
{
    heap = segment_interface(space, strategy, 4 * MIB);
}

static void unmake(void)
{
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
}

/* ---- handing over ---- */

static int read_and_free(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    mmbAllocation *block = NULL, *again = NULL;
    if (!mine)
        return 1;
    if (mmb_allocation_from_shared(talk->pointer[0], &block) != MMB_OK)
        return 2;
    if (strcmp(mmb_allocation_ptr(block), "from the parent") != 0)
        return 3;
    if (mmb_allocation_from_shared(talk->pointer[0], &again) != MMB_OK || again != block)
        return 4;
    if (mmb_free(block) != MMB_OK)
        return 5;
    return mmb_free(block) == MMB_INVALID_ALLOCATION ? 0 : 6;
}

static void test_processes_one_frees_what_another_made(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        make(segment_strategies[i]);
        mmbAllocation *block = control_allocation(heap, 1000), *imported = NULL;
        strcpy(mmb_allocation_ptr(block), "from the parent");
        talk->pointer[0] = segment_pointer(block);
        run(read_and_free);
        CU_ASSERT_EQUAL(mmb_free(block), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_allocation_from_shared(talk->pointer[0], &imported),
                        MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(segment_live_bytes(heap), 0);
        CU_ASSERT_EQUAL(mmb_interface_trim(heap, 0), MMB_OK);
        CU_ASSERT_EQUAL(control_used(space), 0);
        unmake();
    }
}

/* Its slice keeps the handle in use until then; freed once more it must not be given back twice. */
static void test_processes_one_frees_what_another_slices(void)
{
    mmbAllocation *blocks[100], *slice = NULL;
    make(MMB_STRATEGY_THREAD_LOCAL);
    for (size_t i = 0; i < N_ROWS(blocks); i++)
        blocks[i] = control_allocation(heap, 64);
    CU_ASSERT_EQUAL(mmb_free(blocks[0]), MMB_OK);
    blocks[0] = control_allocation(heap, 64); /* the same, by the short way */
    strcpy(mmb_allocation_ptr(blocks[0]), "from the parent");
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(blocks[0], 0, 16, &slice), MMB_OK);
    talk->pointer[0] = segment_pointer(blocks[0]);
    run(read_and_free);
    CU_ASSERT_EQUAL(mmb_interface_trim(heap, 0), MMB_OK);
    CU_ASSERT_EQUAL(control_used(space), 99 * 64);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
    mmbAllocation *other = control_allocation(heap, 1024);
    CU_ASSERT_EQUAL(mmb_free(blocks[0]), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(control_used(space), 99 * 64 + 1024);
    CU_ASSERT_EQUAL(mmb_free(other), MMB_OK);
    for (size_t i = 1; i < N_ROWS(blocks); i++)
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    CU_ASSERT_EQUAL(control_used(space), 0);
    unmake();
}

static int make_and_leave(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    for (size_t i = 0; mine && i < 8; i++) {
        mmbAllocation *block = NULL;
        if (mmb_allocate(100 * (i + 1), mine, &block) != MMB_OK ||
            mmb_allocation_get_shared(block, &talk->pointer[i]) != MMB_OK)
            return 2;
        *(char *)mmb_allocation_ptr(block) = (char)('a' + i);
    }
    return mine ? 0 : 1;
}

static void check_left(size_t i)
{
    mmbAllocation *block = NULL;
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(talk->pointer[i], &block), MMB_OK);
    CU_ASSERT_EQUAL(*(char *)mmb_allocation_ptr(block), (char)('a' + i));
    CU_ASSERT_TRUE(mmb_allocation_size(block) >= 100 * (i + 1));
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
}

/* ---- the dead ---- */

static bool keep_first(void *user, mmbSharedPtr pointer, size_t n_bytes)
{
    (void)user;
    return n_bytes > 0 && pointer.offset == talk->pointer[0].offset;
}

/* covers: mmb_shm_adopt MMB_BUSY MMB_OUT_OF_MEMORY */
static void test_processes_the_dead_leave_blocks(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        mmbShmInfo info = MMB_SHM_INFO_INIT;
        size_t freed = 0;
        make(segment_strategies[i]);
        mmbAllocation *own = control_allocation(heap, 500), *kept = NULL;
        CU_ASSERT_TRUE(segment_run_killed(make_and_leave, NULL));
        CU_ASSERT_EQUAL(segment_live_count(heap), 9);
        CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), &info), MMB_OK);
        SUITE_CHECK(info.owners == 1 && info.dead_owners == 1 && info.live_count == 9,
                    "%zu owners, %zu dead, %zu blocks", info.owners, info.dead_owners,
                    info.live_count);
        CU_ASSERT_EQUAL(mmb_shm_adopt(heap, talk->pointer[1]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shm_adopt(heap, talk->pointer[1]), MMB_OK);
        CU_ASSERT_TRUE(control_used(space) >= 700 && control_used(space) < 1500);
        CU_ASSERT_EQUAL(mmb_shm_reclaim(heap, keep_first, NULL, &freed), MMB_OK);
        CU_ASSERT_TRUE(freed >= 3300 && freed < 4000);
        CU_ASSERT_EQUAL(segment_live_count(heap), 3);
        check_left(0);
        check_left(1);
        CU_ASSERT_EQUAL(mmb_free(own), MMB_OK);
        CU_ASSERT_EQUAL(control_used(space), 0);
        CU_ASSERT_EQUAL(mmb_allocation_from_shared(talk->pointer[2], &kept),
                        MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_shm_reclaim(heap, NULL, NULL, &freed), MMB_OK);
        CU_ASSERT_EQUAL(freed, 0);
        CU_ASSERT_EQUAL(segment_live_bytes(heap), 0);
        CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), &info), MMB_OK);
        CU_ASSERT_EQUAL(info.dead_owners, 0);
        unmake();
    }
}

static int adopt_of_living(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    if (!mine)
        return 1;
    return mmb_shm_adopt(mine, talk->pointer[0]) == MMB_BUSY ? 0 : 2;
}

static void test_processes_the_living_are_not_robbed(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        make(segment_strategies[i]);
        talk->pointer[0] = segment_pointer(control_allocation(heap, 100));
        run(adopt_of_living);
        unmake();
    }
}

static void test_processes_adopting_is_charged(void)
{
    mmbMemSpace *small = control_space(50);
    make(MMB_STRATEGY_THREAD_LOCAL);
    CU_ASSERT_TRUE(segment_run_killed(make_and_leave, NULL));
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    heap = segment_interface(small, MMB_STRATEGY_DEFAULT, 0);
    CU_ASSERT_EQUAL(mmb_shm_adopt(heap, talk->pointer[0]), MMB_OUT_OF_MEMORY);
    unmake();
}

/* ---- handles ---- */

static int reuse(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    mmbAllocation *block = NULL;
    for (int i = 0; mine && i < 2; i++) {
        if (mmb_allocate(100, mine, &block) != MMB_OK ||
            mmb_allocation_get_shared(block, &talk->pointer[i]) != MMB_OK)
            return 2;
        /* The parent looks while we wait, then the block goes and comes again. */
        if (i == 0 && (raise(SIGSTOP) != 0 || mmb_free(block) != MMB_OK))
            return 3;
    }
    return mine ? 0 : 1;
}

static void test_processes_a_reused_block_has_a_new_handle(void)
{
    make(MMB_STRATEGY_SCALABLE_PAGE);
    mmbAllocation *stale = NULL, *fresh = NULL;
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(reuse(NULL));
    CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
    CU_ASSERT_TRUE(WIFSTOPPED(status));
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(talk->pointer[0], &stale), MMB_OK);
    kill(pid, SIGCONT);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT_EQUAL(talk->pointer[0].offset, talk->pointer[1].offset);
    CU_ASSERT_EQUAL(mmb_free(stale), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(talk->pointer[1], &fresh), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(fresh), MMB_OK);
    unmake();
}

/* ---- fork ---- */

static int use_inherited(void *unused)
{
    (void)unused;
    mmbAllocation *block = NULL, *parents = NULL;
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    if (mmb_allocate(200, heap, &block) != MMB_OK)
        return 1;
    if (mmb_allocation_from_shared(talk->pointer[0], &parents) != MMB_OK ||
        mmb_free(parents) != MMB_OK)
        return 2;
    if (mmb_space_get_info(space, &info) != MMB_OK || info.used != 200)
        return 3;
    return mmb_free(block) == MMB_OK ? 0 : 4;
}

static void test_processes_a_fork_has_its_own_part(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        make(segment_strategies[i]);
        mmbAllocation *block = control_allocation(heap, 100);
        talk->pointer[0] = segment_pointer(block);
        run(use_inherited);
        CU_ASSERT_EQUAL(mmb_free(block), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(segment_live_bytes(heap), 0);
        unmake();
    }
}

/* ---- many ---- */

static int come_and_go(void *unused)
{
    (void)unused;
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    mmbMemInterface *mine;
    const char *text = getenv("MMB_TEST_ATTACHES");
    int n_attaches = text ? atoi(text) : 6000;
    if (mmb_destroy_interface(heap) != MMB_OK)
        return 1;
    for (int i = 0; i < n_attaches; i++) {
        mmbAllocation *block = NULL;
        if (segment_open(space, &config, &mine) != MMB_OK)
            return 2;
        if (mmb_allocate(64, mine, &block) != MMB_OK || mmb_free(block) != MMB_OK)
            return 3;
        if (mmb_destroy_interface(mine) != MMB_OK)
            return 4;
    }
    return 0;
}

/* Over its life a segment is attached to by more processes than it has slots, by far. */
static void test_processes_attach_6000_times(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        make(segment_strategies[i]);
        run(come_and_go);
        CU_ASSERT_EQUAL(segment_live_bytes(heap), 0);
        unmake();
    }
}

MMB_SUITE_WITH("shared/processes", set_up, tear_down, T(test_processes_one_frees_what_another_made),
               T(test_processes_one_frees_what_another_slices),
               T(test_processes_the_dead_leave_blocks), T(test_processes_the_living_are_not_robbed),
               T(test_processes_adopting_is_charged),
               T(test_processes_a_reused_block_has_a_new_handle),
               T(test_processes_a_fork_has_its_own_part), T(test_processes_attach_6000_times))
