/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what <mmb/device.h> and <mmb/device_memory.h> give kernels works in host code
 * too: the stack and the pool give blocks that do not overlap, to any thread, until there are none;
 * offsets lead back; a range means the same where else it is mapped. */
#include <mmb/device_memory.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include "tests/support/suite.h"

static _Alignas(16) unsigned char range[1 << 16], elsewhere[1 << 16];

static void test_device_stack_gives_until_it_is_full(void)
{
    mmbDeviceStack *stack = mmb_device_stack_make(range, 1024);
    CU_ASSERT_PTR_EQUAL_FATAL(stack, range);
    char *first = mmb_device_stack_alloc(stack, 1), *second = mmb_device_stack_alloc(stack, 100);
    CU_ASSERT_TRUE(first >= (char *)range + sizeof *stack && second - first == 16);
    CU_ASSERT_PTR_NULL(mmb_device_stack_alloc(stack, 1024));
    CU_ASSERT_PTR_NULL(mmb_device_stack_alloc(stack, 0));
    CU_ASSERT_PTR_NULL(mmb_device_stack_alloc(stack, UINT64_MAX));
    CU_ASSERT_PTR_NOT_NULL(mmb_device_stack_alloc(stack, 1024 - sizeof *stack - 16 - 112));
    CU_ASSERT_PTR_NULL(mmb_device_stack_alloc(stack, 1));
    mmb_device_stack_reset(stack);
    CU_ASSERT_PTR_EQUAL(mmb_device_stack_alloc(stack, 5), first);
}

static void test_device_ranges_that_do_not_do_are_refused(void)
{
    CU_ASSERT_PTR_NULL(mmb_device_stack_make(NULL, 1024));
    CU_ASSERT_PTR_NULL(mmb_device_stack_make(range + 8, 1024));
    CU_ASSERT_PTR_NULL(mmb_device_stack_make(range, 3));
    CU_ASSERT_PTR_NULL(mmb_device_pool_make(NULL, 1024, 16));
    CU_ASSERT_PTR_NULL(mmb_device_pool_make(range + 8, 1024, 16));
    CU_ASSERT_PTR_NULL(mmb_device_pool_make(range, 8, 16));
    CU_ASSERT_PTR_NULL(mmb_device_pool_make(range, 1024, 0));
    CU_ASSERT_PTR_NULL(mmb_device_pool_make(range, 1024, UINT64_MAX));
    CU_ASSERT_PTR_NULL(mmb_device_pool_make(range, (uint64_t)1 << 40, 16));
}

static void test_device_pool_takes_blocks_back(void)
{
    mmbDevicePool *pool = mmb_device_pool_make(range, sizeof *pool + 3 * 32, 20);
    char *blocks[3];
    for (int i = 0; i < 3; i++)
        blocks[i] = mmb_device_pool_alloc(pool);
    CU_ASSERT_TRUE(blocks[0] && blocks[1] - blocks[0] == 32 && blocks[2] - blocks[1] == 32);
    CU_ASSERT_PTR_NULL(mmb_device_pool_alloc(pool));
    mmb_device_pool_free(pool, NULL);
    mmb_device_pool_free(pool, blocks[1]);
    mmb_device_pool_free(pool, blocks[0]);
    CU_ASSERT_PTR_EQUAL(mmb_device_pool_alloc(pool), blocks[0]);
    CU_ASSERT_PTR_EQUAL(mmb_device_pool_alloc(pool), blocks[1]);
    CU_ASSERT_PTR_NULL(mmb_device_pool_alloc(pool));
}

static void test_device_offsets_mean_the_same_elsewhere(void)
{
    mmbDevicePool *pool = mmb_device_pool_make(range, sizeof range, 64);
    uint64_t *block = mmb_device_pool_alloc(pool);
    *block = 4711;
    mmbOffset offset = mmb_device_offset(range, block);
    mmbSharedPtr pointer = {9, offset.value}, null = MMB_SHARED_PTR_NULL;
    memcpy(elsewhere, range, sizeof range);
    CU_ASSERT_EQUAL(*(uint64_t *)mmb_device_at(elsewhere, offset), 4711);
    CU_ASSERT_PTR_EQUAL(mmb_device_shared_at(range, 9, pointer), block);
    CU_ASSERT_PTR_NULL(mmb_device_shared_at(range, 8, pointer));
    CU_ASSERT_PTR_NULL(mmb_device_shared_at(range, 0, null));
    CU_ASSERT_PTR_NULL(mmb_device_at(range, MMB_OFFSET_NULL));
    CU_ASSERT_EQUAL(mmb_device_offset(range, NULL).value, 0);
    uint64_t *there = mmb_device_pool_alloc((mmbDevicePool *)(void *)elsewhere);
    CU_ASSERT_EQUAL((unsigned char *)there - elsewhere, (unsigned char *)block + 64 - range);
}

static void test_device_atomics_tell_what_was_there(void)
{
    uint64_t word = 5;
    CU_ASSERT_EQUAL(mmb_device_fetch_add(&word, 2), 5);
    CU_ASSERT_EQUAL(mmb_device_compare_swap(&word, 6, 1), 7);
    CU_ASSERT_EQUAL(mmb_device_compare_swap(&word, 7, 1), 7);
    mmb_device_store(&word, mmb_device_load(&word) + 1);
    CU_ASSERT_EQUAL(word, 2);
    mmb_device_yield();
    mmb_device_sleep_us(1);
    CU_ASSERT_EQUAL(mmb_device_thread_id(), 0);
}

enum { N_THREADS = 4, N_ROUNDS = 20000 };

/* A block that two threads have at once is written by both. */
static void *work(void *argument)
{
    mmbDevicePool *pool = (mmbDevicePool *)(void *)range;
    uint64_t mine = (uint64_t)(uintptr_t)argument;
    size_t n_wrong = 0;
    for (int i = 0; i < N_ROUNDS; i++) {
        uint64_t *block = mmb_device_pool_alloc(pool);
        if (!block)
            continue;
        mmb_device_store(block + 1, mine);
        mmb_device_yield();
        n_wrong += mmb_device_load(block + 1) != mine;
        mmb_device_pool_free(pool, block);
    }
    return (void *)n_wrong;
}

static void test_device_pool_serves_threads(void)
{
    pthread_t threads[N_THREADS];
    size_t n_wrong = 0, n_left = 0;
    mmbDevicePool *pool = mmb_device_pool_make(range, sizeof *pool + 3 * 16, 16);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (int i = 0; i < N_THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        n_wrong += (size_t)result;
    }
    while (mmb_device_pool_alloc(pool))
        n_left++;
    SUITE_CHECK(n_wrong == 0 && n_left == 3, "%zu wrong, %zu left", n_wrong, n_left);
}

MMB_SUITE("layers/device", T(test_device_stack_gives_until_it_is_full),
          T(test_device_ranges_that_do_not_do_are_refused), T(test_device_pool_takes_blocks_back),
          T(test_device_offsets_mean_the_same_elsewhere),
          T(test_device_atomics_tell_what_was_there), T(test_device_pool_serves_threads))
