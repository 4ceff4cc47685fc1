/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: who has no owner slot in a segment does nothing in the name of another, and
 * who comes to a segment whose lock or hint was damaged neither waits for ever nor takes what is
 * in use. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "src/core/interface.h"
#include "src/shared/segment.h"
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define N_SLOTS       16u
#define SEGMENT_BYTES ((size_t)256 << 10)

static mmbMemSpace *space;
static mmbMemInterface *heap;
static struct mmb_shared_segment *segment;
static mmbAllocation *block;
static mmbStackMark mark;
static mmbSharedPtr block_pointer;

static void make(mmbStrategy strategy, size_t n_bytes)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
    heap = segment_interface(space, strategy, n_bytes);
    segment = heap->backend->shared;
    block = control_allocation(heap, 100);
    block_pointer = segment_pointer(block);
}

/* ---- no slot is left ---- */

static void take_all_slots(void)
{
    uint32_t slot;
    CU_ASSERT_EQUAL_FATAL(segment->layout.n_slots, N_SLOTS);
    while (mmb_shared_slot_take(segment, &slot) == MMB_OK)
        continue;
}

/* In a forked child; 0, or which call it was. */
static int is_refused_everywhere(mmbStrategy strategy)
{
    mmbAllocation *other = NULL;
    if (mmb_allocate(16, heap, &other) != MMB_OUT_OF_MEMORY)
        return 1;
    if (mmb_shm_reclaim(heap, NULL, NULL, NULL) != MMB_OUT_OF_MEMORY)
        return 2;
    if (mmb_shm_adopt(heap, block_pointer) != MMB_OUT_OF_MEMORY)
        return 3;
    if (strategy != MMB_STRATEGY_STACK)
        return 0;
    if (mmb_stack_mark(heap, &mark) != MMB_OUT_OF_MEMORY)
        return 4;
    if (mmb_stack_release(heap, mark) != MMB_OUT_OF_MEMORY)
        return 5;
    return mmb_stack_reset(heap) == MMB_OUT_OF_MEMORY ? 0 : 6;
}

/* What needs no slot goes on, and all the rest when there is one again. */
static int live_without_slot(mmbStrategy strategy)
{
    mmbAllocation *own = NULL, *other = NULL;
    int refused = is_refused_everywhere(strategy);
    if (refused)
        return refused;
    if (mmb_allocation_from_shared(block_pointer, &other) != MMB_OK || mmb_free(other) != MMB_OK ||
        mmb_interface_trim(heap, 0) != MMB_OK)
        return 10;
    raise(SIGSTOP);
    if (mmb_allocate(16, heap, &own) != MMB_OK || mmb_free(own) != MMB_OK)
        return 11;
    return mmb_destroy_interface(heap) == MMB_OK ? 0 : 12;
}

/* covers: mmb_shm_reclaim MMB_OUT_OF_MEMORY, mmb_stack_mark MMB_OUT_OF_MEMORY, mmb_stack_release
   MMB_OUT_OF_MEMORY, mmb_stack_reset MMB_OUT_OF_MEMORY */
static void test_slots_a_fork_without_one_is_refused(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        int status = 0;
        make(segment_strategies[i], (size_t)64 << 10);
        take_all_slots();
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            _exit(live_without_slot(segment_strategies[i]));
        CU_ASSERT_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
        SUITE_CHECK(WIFSTOPPED(status), "strategy %zu: step %d", i, WEXITSTATUS(status));
        CU_ASSERT_EQUAL(mmb_free(block), MMB_INVALID_ALLOCATION);
        mmb_shared_slot_give(segment, (segment->slot + 1) % N_SLOTS);
        kill(pid, SIGCONT);
        CU_ASSERT_TRUE(!WIFSTOPPED(status) || waitpid(pid, &status, 0) == pid);
        SUITE_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "strategy %zu: 0x%x", i, status);
        CU_ASSERT_EQUAL(segment_live_count(heap), 0);
        segment_tear_down();
    }
}

static int attach_too_many(void *unused)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    mmbMemInterface *mine;
    (void)unused;
    if (mmb_destroy_interface(heap) != MMB_OK)
        return 1;
    return segment_open(space, &config, &mine) == MMB_OUT_OF_MEMORY ? 0 : 2;
}

static void test_slots_attaching_without_one_is_refused(void)
{
    make(MMB_STRATEGY_SCALABLE_PAGE, (size_t)64 << 10);
    take_all_slots();
    struct suite_child child = suite_run_child(attach_too_many, NULL, 30);
    SUITE_CHECK(child.exited && child.code == 0, "exited %d, code %d", child.exited, child.code);
    segment_tear_down();
}

/* ---- damaged words ---- */

/* The parent lives and does not know that it holds the lock. */
static int attach_to_locked(void *unused)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    mmbMemInterface *mine;
    (void)unused;
    if (mmb_destroy_interface(heap) != MMB_OK)
        return 1;
    raise(SIGSTOP);
    mmb_shared_patience_ns = 50000000;
    if (segment_open(space, &config, &mine) != MMB_BUSY)
        return 2;
    raise(SIGSTOP);
    return segment_open(space, &config, &mine) == MMB_OK ? 0 : 3;
}

/* covers: mmb_create_interface MMB_BUSY */
static void test_slots_a_lock_of_the_living_is_not_waited_for(void)
{
    int status = 0;
    make(MMB_STRATEGY_THREAD_LOCAL, SEGMENT_BYTES);
    uint32_t *word = &mmb_shared_dynamic(segment)->lock;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(attach_to_locked(NULL));
    CU_ASSERT_TRUE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    uint32_t right = *word;
    *word = right | (segment->slot + 1);
    kill(pid, SIGCONT);
    CU_ASSERT_TRUE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    *word = right;
    kill(pid, SIGCONT);
    CU_ASSERT_TRUE(!WIFSTOPPED(status) || waitpid(pid, &status, 0) == pid);
    SUITE_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "0x%x", status);
    segment_tear_down();
}

static void test_slots_a_hint_within_a_span_is_passed(void)
{
    mmbAllocation *blocks[8];
    make(MMB_STRATEGY_SCALABLE_PAGE, SEGMENT_BYTES);
    size_t granule = (size_t)1 << segment->layout.granule_log2;
    mmbAllocation *large = control_allocation(heap, 16 * granule);
    const char *from = mmb_allocation_ptr(large), *to = from + 16 * granule;
    uint32_t first = (uint32_t)((segment_pointer(large).offset - segment->layout.data) / granule);
    mmb_shared_dynamic(segment)->hint = first + 3;
    for (size_t i = 0; i < N_ROWS(blocks); i++) {
        blocks[i] = control_allocation(heap, 2 * granule);
        const char *at = mmb_allocation_ptr(blocks[i]);
        SUITE_CHECK(at >= to || at + 2 * granule <= from, "block %zu lies in another", i);
    }
    CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), NULL), MMB_OK);
    for (size_t i = 0; i < N_ROWS(blocks); i++)
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(large), MMB_OK);
    segment_tear_down();
}

static void test_slots_overlapping_spans_are_told(void)
{
    make(MMB_STRATEGY_SCALABLE_PAGE, SEGMENT_BYTES);
    size_t granule = (size_t)1 << segment->layout.granule_log2;
    mmbAllocation *large = control_allocation(heap, 4 * granule);
    uint32_t first = (uint32_t)((segment_pointer(large).offset - segment->layout.data) / granule);
    uint64_t *inner = mmb_shared_descriptor(segment, first + 1), right = *inner;
    *inner = *mmb_shared_descriptor(segment, first);
    CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), NULL), MMB_CORRUPT);
    *inner = right;
    CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), NULL), MMB_OK);
    segment_tear_down();
}

MMB_SUITE("shared/slots", T(test_slots_a_fork_without_one_is_refused),
          T(test_slots_attaching_without_one_is_refused),
          T(test_slots_a_lock_of_the_living_is_not_waited_for),
          T(test_slots_a_hint_within_a_span_is_passed), T(test_slots_overlapping_spans_are_told))
