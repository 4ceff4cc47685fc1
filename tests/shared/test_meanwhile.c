/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what threads of one process do at the same time in shared heaps does not meet
 * by accident: a block is found by its pointer while its owner frees it, a heap goes while a thread
 * that has used it ends, or works in another one. MMB_TEST_ROUNDS sets how often. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include "interfaces/shared.h"
#include "src/base/meta.h"
#include "src/core/ticket.h"
#include "src/spi/record.h"
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

static mmbMemInterface *heap;
static mmbMemSpace *space;
static mmbSharedPtr pointer;
static _Atomic bool is_done;

static unsigned long n_rounds(unsigned long otherwise)
{
    const char *text = getenv("MMB_TEST_ROUNDS");
    return text ? strtoul(text, NULL, 10) : otherwise;
}

static void close_heap(void)
{
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
}

/* ---- found while it is freed ---- */

static void *find(void *argument)
{
    mmbAllocation *found = NULL;
    bool right = true;
    while (right && !atomic_load(&is_done)) {
        mmbError error = mmb_allocation_from_shared(pointer, &found);
        right = error == MMB_OK || error == MMB_INVALID_ALLOCATION;
    }
    return right ? argument : NULL;
}

/* The block's place is the next one's each time. */
static void replace_while_found(mmbStrategy strategy)
{
    pthread_t thread;
    void *result = NULL;
    unsigned long n_wrong = 0;
    heap = segment_interface(space, strategy, MIB);
    mmbAllocation *block = control_allocation(heap, 100);
    pointer = segment_pointer(block);
    atomic_store(&is_done, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, find, &is_done), 0);
    for (unsigned long i = 0; i < n_rounds(200000) && n_wrong == 0; i++) {
        n_wrong += mmb_free(block) != MMB_OK;
        block = control_allocation(heap, 100);
        n_wrong += mmb_allocation_size(block) != 100;
    }
    atomic_store(&is_done, true);
    pthread_join(thread, &result);
    CU_ASSERT_PTR_EQUAL(result, &is_done);
    CU_ASSERT_EQUAL(n_wrong, 0);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(control_used(space), 0);
    close_heap();
}

static void test_meanwhile_blocks_are_found(void)
{
    replace_while_found(MMB_STRATEGY_THREAD_LOCAL);
    replace_while_found(MMB_STRATEGY_SCALABLE_PAGE);
}

/* The owner is between the end of the handle and that of the block. */
static void test_meanwhile_records_are_the_owners(void)
{
    mmbAllocation *found = NULL;
    heap = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    mmbAllocation *block = control_allocation(heap, 100), *record = mmb_ticket_record(block);
    pointer = segment_pointer(block);
    uint32_t word = mmb_record_word(record), home = record->home;
    mmb_record_mark_free(record);
    uint32_t ended = mmb_record_word(record);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_record_word(record), ended);
    CU_ASSERT_EQUAL(record->home, home);
    __atomic_store_n(&record->word, word, __ATOMIC_RELAXED);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, block);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(control_used(space), 0);
    close_heap();
}

/* ---- found again ---- */

/* Finds, uses and frees the block that the pointer in the pipe names, until there is none. */
static int free_what_comes(int from, int to)
{
    mmbSharedPtr next;
    mmbAllocation *found = NULL, *own = NULL;
    if (mmb_allocate(100, heap, &own) != MMB_OK || mmb_free(own) != MMB_OK)
        return 1; /* the thread has a way of its own after that */
    while (read(from, &next, sizeof next) == (ssize_t)sizeof next) {
        bool right = mmb_allocation_from_shared(next, &found) == MMB_OK &&
                     mmb_allocation_size(found) >= 100 && mmb_free(found) == MMB_OK &&
                     mmb_free(found) == MMB_INVALID_ALLOCATION;
        if (!right || write(to, &right, sizeof right) != (ssize_t)sizeof right)
            return 1;
    }
    return 0;
}

/* Each time in the same place, so that the other process has a record for it. */
static void test_meanwhile_blocks_are_found_again(void)
{
    int there[2], back[2], status = -1;
    bool right = true;
    heap = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    CU_ASSERT_EQUAL_FATAL(pipe(there) + pipe(back), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(there[1]);
        _exit(free_what_comes(there[0], back[1]));
    }
    close(back[1]);
    for (int i = 0; i < 3 && right; i++) {
        mmbSharedPtr next = segment_pointer(control_allocation(heap, 100));
        right = write(there[1], &next, sizeof next) == (ssize_t)sizeof next &&
                read(back[0], &right, sizeof right) == (ssize_t)sizeof right;
        CU_ASSERT_EQUAL(mmb_interface_trim(heap, 0), MMB_OK);
    }
    close(there[1]);
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(right && status == 0);
    CU_ASSERT_EQUAL(control_used(space), 0);
    close(there[0]);
    close(back[0]);
    close_heap();
}

/* ---- a heap goes ---- */

static void *use_once(void *argument)
{
    mmbAllocation *block = NULL;
    bool right = mmb_allocate(64, heap, &block) == MMB_OK && mmb_free(block) == MMB_OK;
    atomic_store(&is_done, true);
    return right ? argument : NULL;
}

static void end_while_closed(mmbStrategy strategy)
{
    for (unsigned long i = 0; i < n_rounds(1000) / 2; i++) {
        pthread_t thread;
        void *result = NULL;
        atomic_store(&is_done, false);
        heap = segment_interface(space, strategy, MIB);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, use_once, &is_done), 0);
        while (!atomic_load(&is_done))
            sched_yield();
        close_heap();
        pthread_join(thread, &result);
        CU_ASSERT_PTR_EQUAL(result, &is_done);
    }
    CU_ASSERT_EQUAL(control_used(space), 0);
}

static void test_meanwhile_a_thread_ends(void)
{
    end_while_closed(MMB_STRATEGY_THREAD_LOCAL);
    end_while_closed(MMB_STRATEGY_SCALABLE_PAGE);
}

/* ---- a heap goes while its thread works in another one ---- */

enum { CACHES = 16 };

static pthread_barrier_t turn;
static struct mmb_shared_cache *used; /* by the thread, in the heap that goes */

static void *use_two(void *argument)
{
    bool right = use_once(argument) != NULL;
    used = mmb_shared_here;
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    right = use_once(argument) && right;
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    return right ? argument : NULL;
}

/* Is the memory of the cache among what is handed out next for caches? */
static bool is_free(const struct mmb_shared_cache *cache)
{
    struct mmb_shared_cache *others[CACHES];
    bool found = false;
    for (size_t i = 0; i < CACHES; i++) {
        others[i] = mmb_meta_alloc(sizeof *others[i]);
        found = found || others[i] == cache;
    }
    for (size_t i = 0; i < CACHES; i++)
        mmb_meta_free(others[i], sizeof *others[i]);
    return found;
}

/* A thread that had the address of its cache when the heap went may write there once more. */
static void test_meanwhile_caches_outlive_heaps(void)
{
    pthread_t thread;
    void *result = NULL;
    pthread_barrier_init(&turn, NULL, 2);
    heap = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, use_two, &is_done), 0);
    pthread_barrier_wait(&turn);
    bool runs = used != &mmb_shared_no_cache; /* else there are no barriers here */
    close_heap();
    CU_ASSERT_FALSE(is_free(used));
    heap = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    CU_ASSERT(!runs || is_free(used));
    pthread_barrier_wait(&turn);
    pthread_join(thread, &result);
    CU_ASSERT_PTR_EQUAL(result, &is_done);
    pthread_barrier_destroy(&turn);
    close_heap();
}

static void set_up(void)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
}

MMB_SUITE_WITH("shared/meanwhile", set_up, segment_tear_down, T(test_meanwhile_blocks_are_found),
               T(test_meanwhile_records_are_the_owners), T(test_meanwhile_blocks_are_found_again),
               T(test_meanwhile_a_thread_ends), T(test_meanwhile_caches_outlive_heaps))
