/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what of the scalable page strategy is its own: blocks change size in place
 * within their class, empty memory of one class or interface never stands in the way of another,
 * memory is taken in chunks and given back in whole ones, and the one thread that has magazines
 * keeps nothing from those that come later. The rest is in tests/contract. */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mmb.h>
#include "interfaces/thread.h"
#include "src/base/barrier.h"
#include "src/core/interface.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
}

static void test_page_resizes_in_place_within_a_class(void)
{
    mmbAllocation *block = lab_new(page, 97);
    void *ptr = mmb_allocation_ptr(block);
    size_t usable = lab_info(block).usable_bytes;
    CU_ASSERT_EQUAL(usable, 112);
    CU_ASSERT_EQUAL(mmb_reallocate(block, usable), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 1), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 112), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(block), ptr);
    CU_ASSERT_EQUAL(lab_used(space), 112);
    CU_ASSERT_EQUAL(lab_stats(page).total_allocations, 1);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 113), MMB_OK);
    CU_ASSERT_PTR_NOT_EQUAL(mmb_allocation_ptr(block), ptr);
    lab_free(block);
}

/* What alignment skipped is not there to grow into. */
static void test_page_resizes_behind_the_skipped_bytes(void)
{
    mmbMemInterface *on_malloc = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MALLOC, 0);
    for (size_t n_bytes = 16; n_bytes < 3000; n_bytes += 111) {
        mmbAllocation *blocks[8];
        for (unsigned int i = 0; i < 8; i++)
            blocks[i] = lab_new_aligned(on_malloc, n_bytes, 256);
        for (unsigned int i = 0; i < 8; i++) {
            CU_ASSERT_EQUAL(mmb_reallocate(blocks[i], lab_info(blocks[i]).usable_bytes), MMB_OK);
            lab_fill(blocks[i], i);
        }
        for (unsigned int i = 0; i < 8; i++)
            SUITE_CHECK(lab_is_filled(blocks[i], mmb_allocation_size(blocks[i]), i), "%zu B",
                        n_bytes);
        for (unsigned int i = 0; i < 8; i++)
            lab_free(blocks[i]);
    }
}

/* An array cannot grow: what small blocks have given back must serve large ones, and the reverse.
 */
static void test_page_empty_classes_serve_others(void)
{
    mmbMemInterface *array =
        lab_array_interface(lab_space(MMB_NO_LIMIT), MMB_STRATEGY_SCALABLE_PAGE, (size_t)1 << 20);
    static mmbAllocation *blocks[20000];
    static const size_t sizes[] = {64, 900000, 3000, 500000, 20000, 1000000, 16};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = 0;
        while (n < 20000 && mmb_allocate(sizes[s], array, &blocks[n]) == MMB_OK)
            n++;
        SUITE_CHECK(n == 20000 || n * sizes[s] > 800000 || n * 2 * sizes[s] > 1 << 20,
                    "only %zu blocks of %zu B", n, sizes[s]);
        for (size_t i = 0; i < n; i++)
            lab_free(blocks[i]);
    }
}

/* The limit counts what lives, not what an interface has in reserve. */
static void test_page_empty_interfaces_take_nothing_from_others(void)
{
    mmbMemInterface *others[4];
    for (size_t i = 0; i < 4; i++) {
        others[i] = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
        mmbAllocation *all = lab_new(others[i], (size_t)1 << 20), *more = NULL;
        CU_ASSERT_EQUAL(mmb_allocate(1, page, &more), MMB_OUT_OF_MEMORY);
        lab_free(all);
    }
    lab_free(lab_new(page, (size_t)1 << 20));
}

static void test_page_takes_memory_in_chunks(void)
{
    mmbAllocation *blocks[1000];
    for (size_t i = 0; i < 1000; i++)
        blocks[i] = lab_new(page, 1000);
    mmbMemInterfaceStats stats = lab_stats(page);
    CU_ASSERT(stats.chunks >= 1 && stats.chunks <= 8);
    CU_ASSERT(stats.reserved_bytes >= 1000000);
    for (size_t i = 0; i < 1000; i += 2)
        lab_free(blocks[i]);
    CU_ASSERT_EQUAL(mmb_interface_trim(page, 0), MMB_OK);
    for (unsigned int i = 1; i < 1000; i += 2)
        memset(mmb_allocation_ptr(blocks[i]), 1, 1000);
    for (size_t i = 1; i < 1000; i += 2)
        lab_free(blocks[i]);
    CU_ASSERT_EQUAL(mmb_interface_trim(page, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(page).reserved_bytes, 0);
}

/* covers: mmb_interface_trim MMB_INVALID_INTERFACE */
static void test_page_trim_keeps_what_it_is_told(void)
{
    mmbAllocation *block = lab_new(page, 100000);
    lab_free(block);
    size_t reserved = lab_stats(page).reserved_bytes;
    CU_ASSERT_EQUAL(mmb_interface_trim(page, reserved), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(page).reserved_bytes, reserved);
    CU_ASSERT_EQUAL(mmb_interface_trim(NULL, 0), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_interface_trim(page, 0), MMB_OK);
    CU_ASSERT_EQUAL(lab_stats(page).reserved_bytes, 0);
}

/* ---- the thread that has magazines ---- */

#define N_BLOCKS ((size_t)1000)

static bool has_holder(const mmbMemInterface *interface)
{
    return ((struct mmb_thread_allocator *)interface->allocator)->holder != NULL;
}

static bool may_have_holder(void)
{
    return mmb_barrier_open();
}

static void use_for_long(mmbMemInterface *interface)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        lab_free(lab_new(interface, 64));
}

static void *run(void *call)
{
    void (**function)(void) = call;
    (*function)();
    return NULL;
}

static void elsewhere(void (*function)(void))
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run, &function), 0);
    pthread_join(thread, NULL);
}

static mmbAllocation *blocks[N_BLOCKS];

static void allocate_all(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        blocks[i] = lab_new(page, 1 + i % 900);
}

static void free_all(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        lab_free(blocks[i]);
}

static void allocate_the_whole_limit(void)
{
    lab_free(lab_new(page, (size_t)1 << 20));
    CU_ASSERT(!has_holder(page));
}

static size_t bytes_of_all(void)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < N_BLOCKS; i++)
        n_bytes += 1 + i % 900;
    return n_bytes;
}

static void expect_counts(size_t allocated, size_t live_count, size_t live_bytes)
{
    mmbMemInterfaceStats stats = lab_stats(page);
    CU_ASSERT_EQUAL(stats.total_allocations, allocated);
    CU_ASSERT_EQUAL(stats.total_frees, allocated - live_count);
    CU_ASSERT_EQUAL(stats.live_count, live_count);
    CU_ASSERT_EQUAL(stats.live_bytes, live_bytes);
    CU_ASSERT_EQUAL(lab_used(space), live_bytes);
}

static void test_page_has_one_holder_and_exact_counts(void)
{
    size_t n_bytes = bytes_of_all();
    use_for_long(page);
    CU_ASSERT_EQUAL(has_holder(page), may_have_holder());
    expect_counts(N_BLOCKS, 0, 0);
    CU_ASSERT_EQUAL(lab_stats(page).peak_bytes, 64);
    allocate_all();
    expect_counts(2 * N_BLOCKS, N_BLOCKS, n_bytes);
    CU_ASSERT_EQUAL(lab_stats(page).peak_bytes, n_bytes);
    CU_ASSERT_EQUAL(lab_peak(space), n_bytes);
    elsewhere(free_all);
    CU_ASSERT(!has_holder(page));
    expect_counts(2 * N_BLOCKS, 0, 0);
    elsewhere(allocate_all);
    free_all();
    expect_counts(3 * N_BLOCKS, 0, 0);
    CU_ASSERT_EQUAL(lab_stats(page).peak_bytes, n_bytes);
    CU_ASSERT_EQUAL(lab_peak(space), n_bytes);
}

static void test_page_holder_keeps_nothing_from_others(void)
{
    for (int round = 0; round < 5; round++) {
        use_for_long(page);
        allocate_all();
        free_all();
        elsewhere(allocate_the_whole_limit);
    }
}

static void become_holder(void)
{
    use_for_long(page);
    CU_ASSERT_EQUAL(has_holder(page), may_have_holder());
}

static void test_page_holder_goes_with_its_thread(void)
{
    for (int round = 0; round < 20; round++) {
        elsewhere(become_holder);
        CU_ASSERT(!has_holder(page));
    }
    become_holder();
    expect_counts(21 * N_BLOCKS, 0, 0);
}

static pthread_barrier_t met;

static void *hold_and_wait(void *unused)
{
    become_holder();
    allocate_all();
    pthread_barrier_wait(&met);
    pthread_barrier_wait(&met);
    return unused;
}

static int child_of_another_holder(void)
{
    if (has_holder(page) || lab_stats(page).live_count != N_BLOCKS)
        return 1;
    free_all();
    become_holder();
    return lab_stats(page).live_count == 0 && lab_used(space) == 0 ? 0 : 2;
}

static void test_page_child_finds_the_holders_blocks(void)
{
    pthread_t thread;
    int status = -1;
    pthread_barrier_init(&met, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, hold_and_wait, NULL), 0);
    pthread_barrier_wait(&met);
    pid_t child = fork();
    if (child == 0)
        _exit(child_of_another_holder());
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    pthread_barrier_wait(&met);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&met);
    free_all();
    expect_counts(2 * N_BLOCKS, 0, 0);
}

/* Two threads that both mean it: each round one of them finds the other's magazines. */
static void *both(void *unused)
{
    static const size_t sizes[] = {16, 64, 100, 3000, 70000};
    for (size_t i = 0; i < 20 * N_BLOCKS; i++) {
        mmbAllocation *block = lab_new(page, sizes[i % 5]);
        if (i % 2048 == 0)
            sched_yield();
        lab_free(block);
    }
    return unused;
}

static void test_page_changes_hands_exactly(void)
{
    for (int round = 0; round < 10; round++) {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, both, NULL), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        expect_counts(((size_t)round + 1) * 40 * N_BLOCKS, 0, 0);
    }
    lab_free(lab_new(page, (size_t)1 << 20));
}

/* The holder uses classes for the first time while he is ended. */
static void *use_once(void *unused)
{
    for (size_t i = 0; i < N_BLOCKS; i++) {
        pthread_barrier_wait(&met);
        for (size_t k = 0; k < i % 200 * 4; k++)
            mmb_pause();
        lab_free(lab_new(page, 64));
        pthread_barrier_wait(&met);
    }
    return unused;
}

static void test_page_holder_opens_magazines_while_it_ends(void)
{
    pthread_t thread;
    pthread_barrier_init(&met, NULL, 2);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, use_once, NULL), 0);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
        for (size_t k = 0; k < 100; k++)
            lab_free(lab_new(page, 64));
        pthread_barrier_wait(&met);
        for (size_t n = 16; n < 32000; n += n / 8 + 1)
            lab_free(lab_new(page, n));
        pthread_barrier_wait(&met);
        CU_ASSERT_EQUAL(lab_stats(page).live_count, 0);
        CU_ASSERT_EQUAL_FATAL(mmb_destroy_interface(page), MMB_OK);
    }
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&met);
}

static void test_page_without_barrier_has_no_holder(void)
{
    mmb_barrier_forbid(true);
    mmbMemInterface *locked = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    use_for_long(locked);
    CU_ASSERT(!has_holder(locked));
    mmb_barrier_forbid(false);
    CU_ASSERT_EQUAL(lab_stats(locked).total_frees, N_BLOCKS);
}

MMB_SUITE_WITH(
    "interfaces/page", set_up, lab_close, T(test_page_resizes_in_place_within_a_class),
    T(test_page_resizes_behind_the_skipped_bytes), T(test_page_empty_classes_serve_others),
    T(test_page_empty_interfaces_take_nothing_from_others), T(test_page_takes_memory_in_chunks),
    T(test_page_trim_keeps_what_it_is_told), T(test_page_has_one_holder_and_exact_counts),
    T(test_page_holder_keeps_nothing_from_others), T(test_page_holder_goes_with_its_thread),
    T(test_page_child_finds_the_holders_blocks), T(test_page_changes_hands_exactly),
    T(test_page_holder_opens_magazines_while_it_ends), T(test_page_without_barrier_has_no_holder))
