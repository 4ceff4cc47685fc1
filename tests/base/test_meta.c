/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: metadata is zeroed, aligned, exclusive to its holder, counted exactly, and refused
 * without a crash; freed memory is used again, and survives fork. */
#include "src/base/meta.h"
#include "tests/base/os_calls.h"
#include "tests/support/suite.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#define KIB ((size_t)1024)

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

static void set_up(void)
{
    atomic_store(&refuse_mmap, false);
    atomic_store(&refuse_munmap, false);
}

static bool is_filled(const unsigned char *block, size_t n_bytes, unsigned char with)
{
    for (size_t i = 0; i < n_bytes; i++) {
        if (block[i] != with)
            return false;
    }
    return true;
}

static const size_t sizes[] = {
    1,       8,           63,       64,       65,           128,       1000,
    4 * KIB, 4 * KIB + 1, 33 * KIB, 64 * KIB, 64 * KIB + 1, 256 * KIB, 3 * KIB *KIB + 5};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void test_meta_alloc_is_zero_and_aligned_also_when_recycled(void)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_SIZES; i++) {
            unsigned char *block = mmb_meta_alloc(sizes[i]);

            CU_ASSERT_PTR_NOT_NULL_FATAL(block);
            SUITE_CHECK((uintptr_t)block % 64 == 0, "%zu B at %p", sizes[i], (void *)block);
            SUITE_CHECK(is_filled(block, sizes[i], 0), "%zu B, round %d", sizes[i], round);
            memset(block, 0xff, sizes[i]);
            mmb_meta_free(block, sizes[i]);
        }
    }
}

/* Enough blocks to go through several arenas, each filled with its own number. */
static void test_meta_blocks_do_not_overlap(void)
{
    enum { N = 400 };
    static unsigned char *blocks[N];

    for (size_t i = 0; i < N; i++) {
        blocks[i] = mmb_meta_alloc(sizes[i % N_SIZES]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
        memset(blocks[i], (int)(i % 251), sizes[i % N_SIZES]);
    }
    for (size_t i = 0; i < N; i++) {
        SUITE_CHECK(is_filled(blocks[i], sizes[i % N_SIZES], (unsigned char)(i % 251)), "%zu", i);
        mmb_meta_free(blocks[i], sizes[i % N_SIZES]);
    }
}

static void test_meta_bytes_counts_what_is_out(void)
{
    static const struct {
        size_t n_bytes, counted;
    } rows[] = {{1, 64},
                {64, 64},
                {65, 128},
                {4 * KIB, 4 * KIB},
                {40 * KIB, 64 * KIB},
                {64 * KIB, 64 * KIB},
                {1024 * KIB, 1024 * KIB}};
    size_t before = mmb_meta_bytes();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *block = mmb_meta_alloc(rows[i].n_bytes);

        CU_ASSERT_PTR_NOT_NULL_FATAL(block);
        SUITE_CHECK(mmb_meta_bytes() == before + rows[i].counted, "%zu B", rows[i].n_bytes);
        CU_ASSERT_TRUE(mmb_meta_reserved_bytes() >= mmb_meta_bytes());
        mmb_meta_free(block, rows[i].n_bytes);
        SUITE_CHECK(mmb_meta_bytes() == before, "%zu B freed", rows[i].n_bytes);
    }
}

static void test_meta_free_of_null_does_nothing(void)
{
    size_t before = mmb_meta_bytes();

    mmb_meta_free(NULL, 64);
    mmb_meta_strfree(NULL);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static void test_meta_reuses_what_was_freed(void)
{
    void *block = mmb_meta_alloc(4 * KIB);
    size_t reserved;

    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    reserved = mmb_meta_reserved_bytes();
    for (int i = 0; i < 1000; i++) {
        mmb_meta_free(block, 4 * KIB);
        block = mmb_meta_alloc(4 * KIB);
        CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    }
    mmb_meta_free(block, 4 * KIB);
    CU_ASSERT_EQUAL(mmb_meta_reserved_bytes(), reserved);
}

static void test_meta_large_blocks_go_back_to_the_system(void)
{
    size_t reserved = mmb_meta_reserved_bytes();
    void *block = mmb_meta_alloc(300 * KIB);

    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    CU_ASSERT_EQUAL(mmb_meta_reserved_bytes(), reserved + 300 * KIB);
    mmb_meta_free(block, 300 * KIB);
    CU_ASSERT_EQUAL(mmb_meta_reserved_bytes(), reserved);
}

/* The kernel will not cut its mapping: the block is free for us, its addresses are lost, its memory
 * is not. */
static void test_meta_large_block_survives_a_refused_unmap(void)
{
    size_t used = mmb_meta_bytes(), reserved = mmb_meta_reserved_bytes();
    unsigned char *block = mmb_meta_alloc(128 * KIB);

    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    memset(block, 1, 128 * KIB);
    atomic_store(&refuse_munmap, true);
    errno = 4711;
    mmb_meta_free(block, 128 * KIB);
    CU_ASSERT_EQUAL(errno, 4711);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), used);
    CU_ASSERT_EQUAL(mmb_meta_reserved_bytes(), reserved + 128 * KIB);
    CU_ASSERT_TRUE(is_filled(block, 128 * KIB, 0));
    atomic_store(&refuse_munmap, false);
    munmap(block, 128 * KIB);
}

struct chain {
    struct chain *next;
};

/* With the system refusing, every block that was left is handed out before NULL comes, and then
 * again after it was freed. The rest of the old arena is not lost when the new one is refused. */
static void test_meta_alloc_refused_is_null_and_loses_nothing(void)
{
    for (size_t n_bytes = 64; n_bytes <= 64 * KIB; n_bytes *= 2) {
        struct chain *chain = NULL, *block;
        size_t before = mmb_meta_bytes(), n = 0, again = 0;

        block = mmb_meta_alloc(n_bytes); /* at least one is there */
        CU_ASSERT_PTR_NOT_NULL_FATAL(block);
        mmb_meta_free(block, n_bytes);
        atomic_store(&refuse_mmap, true);
        errno = 4711;
        for (n = 0; (block = mmb_meta_alloc(n_bytes)); n++) {
            block->next = chain;
            chain = block;
        }
        CU_ASSERT_EQUAL(errno, 4711);
        CU_ASSERT_TRUE(n >= 1);
        CU_ASSERT_EQUAL(mmb_meta_bytes(), before + n * n_bytes);
        CU_ASSERT_PTR_NULL(mmb_meta_alloc(n_bytes));
        while ((block = chain)) {
            chain = block->next;
            mmb_meta_free(block, n_bytes);
            again++;
        }
        CU_ASSERT_EQUAL(again, n);
        CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
        block = mmb_meta_alloc(n_bytes);
        CU_ASSERT_PTR_NOT_NULL(block);
        mmb_meta_free(block, n_bytes);
        atomic_store(&refuse_mmap, false);
    }
}

static void test_meta_large_alloc_refused_is_null(void)
{
    size_t before = mmb_meta_bytes();

    atomic_store(&refuse_mmap, true);
    errno = 4711;
    CU_ASSERT_PTR_NULL(mmb_meta_alloc(65 * KIB));
    atomic_store(&refuse_mmap, false);
    CU_ASSERT_PTR_NULL(mmb_meta_alloc(SIZE_MAX));
    CU_ASSERT_PTR_NULL(mmb_meta_alloc(SIZE_MAX - 4096));
    CU_ASSERT_EQUAL(errno, 4711);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static void test_meta_strdup_copies(void)
{
    size_t before = mmb_meta_bytes();
    char text[200], *copy;

    for (size_t length = 0; length < sizeof(text); length += 7) {
        memset(text, 'x', length);
        text[length] = '\0';
        copy = mmb_meta_strdup(text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        CU_ASSERT_PTR_NOT_EQUAL(copy, text);
        CU_ASSERT_STRING_EQUAL(copy, text);
        mmb_meta_strfree(copy);
    }
    CU_ASSERT_PTR_NULL(mmb_meta_strdup(NULL));
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

/* Each thread fills its blocks with its own mark and finds them unchanged; the wrong ones are
 * counted, since CUnit's assertions are the main thread's. */
static void *churn(void *mark)
{
    enum { N = 16 };
    unsigned char *blocks[N] = {NULL}, own = *(unsigned char *)mark;
    unsigned random = own;
    size_t held[N] = {0}, wrong = 0;

    for (int i = 0; i < 4000; i++) {
        size_t slot = (random = random * 1103515245u + 12345u) >> 16 & (N - 1);

        if (blocks[slot]) {
            wrong += !is_filled(blocks[slot], held[slot], own);
            mmb_meta_free(blocks[slot], held[slot]);
            blocks[slot] = NULL;
            continue;
        }
        held[slot] = 1 + random % (i % 64 == 0 ? 80 * KIB : 2 * KIB);
        blocks[slot] = mmb_meta_alloc(held[slot]);
        wrong += !blocks[slot] || !is_filled(blocks[slot], held[slot], 0);
        if (blocks[slot])
            memset(blocks[slot], own, held[slot]);
    }
    for (size_t i = 0; i < N; i++)
        mmb_meta_free(blocks[i], held[i]);
    return (void *)wrong;
}

static void test_meta_serves_threads(void)
{
    static unsigned char marks[4] = {1, 2, 3, 4};
    size_t before = mmb_meta_bytes();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, &marks[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        CU_ASSERT_PTR_NULL(wrong);
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static atomic_bool stop_allocating;

static void *allocate_until_stopped(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop_allocating))
        mmb_meta_free(mmb_meta_alloc(256), 256);
    return NULL;
}

static int allocate_in_child(void *argument)
{
    void *block;

    (void)argument;
    mmb_meta_fork_child();
    block = mmb_meta_alloc(256);
    mmb_meta_free(block, 256);
    return block ? 0 : 1;
}

/* Without the hooks the child would find the lock held, sooner or later, by a thread that it does
 * not have. */
static void test_meta_works_in_a_forked_child(void)
{
    pthread_t thread;

    atomic_store(&stop_allocating, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, allocate_until_stopped, NULL), 0);
    for (int i = 0; i < 30; i++) {
        struct suite_child child;

        mmb_meta_fork_prepare();
        child = suite_run_child(allocate_in_child, NULL, 60);
        mmb_meta_fork_parent();
        SUITE_CHECK(child.exited && child.code == 0, "fork %d: code %d", i, child.code);
    }
    atomic_store(&stop_allocating, true);
    pthread_join(thread, NULL);
}

static int use_after_free(void *argument)
{
    volatile char *block = mmb_meta_alloc(64);

    (void)argument;
    mmb_meta_free((void *)block, 64);
    block[32] = 1;
    return 0;
}

static int free_twice(void *argument)
{
    void *block = mmb_meta_alloc(64);

    (void)argument;
    mmb_meta_free(block, 64);
    mmb_meta_free(block, 64);
    return 0;
}

static int write_behind(void *argument)
{
    volatile char *block = mmb_meta_alloc(40);

    (void)argument;
    block[40] = 1;
    return 0;
}

static void test_meta_misuse_is_seen_by_the_address_sanitizer(void)
{
#ifdef HAS_ASAN
    int (*const misuses[])(void *) = {use_after_free, free_twice, write_behind};

    for (size_t i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++) {
        struct suite_child child = suite_run_child(misuses[i], NULL, 60);

        SUITE_CHECK(!child.timed_out && child.code != 0, "misuse %zu goes unseen", i);
    }
#else
    (void)use_after_free;
    (void)free_twice;
    (void)write_behind;
    suite_skip("not built with the address sanitizer");
#endif
}

MMB_SUITE_WITH("base/meta", set_up, set_up,
               T(test_meta_alloc_is_zero_and_aligned_also_when_recycled),
               T(test_meta_blocks_do_not_overlap), T(test_meta_bytes_counts_what_is_out),
               T(test_meta_free_of_null_does_nothing), T(test_meta_reuses_what_was_freed),
               T(test_meta_large_blocks_go_back_to_the_system),
               T(test_meta_large_block_survives_a_refused_unmap),
               T(test_meta_alloc_refused_is_null_and_loses_nothing),
               T(test_meta_large_alloc_refused_is_null), T(test_meta_strdup_copies),
               T(test_meta_serves_threads), T(test_meta_works_in_a_forked_child),
               T(test_meta_misuse_is_seen_by_the_address_sanitizer))
