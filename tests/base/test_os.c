/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: pages are had, made usable, given back and refused without a crash, with errno as the
 * kernel left it. */
#include "src/base/os.h"
#include "tests/base/os_calls.h"
#include "tests/support/suite.h"
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static size_t page;

static void set_up(void)
{
    page = mmb_os_page_bytes();
    atomic_store(&refuse_mmap, false);
    atomic_store(&refuse_munmap, false);
}

static void test_os_page_bytes_is_the_systems(void)
{
    CU_ASSERT_EQUAL(page, (size_t)sysconf(_SC_PAGESIZE));
    CU_ASSERT_EQUAL(mmb_os_page_bytes(), page);
}

static void test_os_map_is_zero_aligned_and_writable(void)
{
    unsigned char *start = mmb_os_map(3 * page);

    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    CU_ASSERT_EQUAL((uintptr_t)start % page, 0);
    for (size_t i = 0; i < 3 * page; i++) {
        if (start[i] != 0) {
            SUITE_CHECK(false, "byte %zu is not zero", i);
            break;
        }
        start[i] = 1;
    }
    CU_ASSERT_TRUE(mmb_os_unmap(start, 3 * page));
}

static void test_os_map_refused_is_null_with_errno(void)
{
    atomic_store(&refuse_mmap, true);
    errno = 0;
    CU_ASSERT_PTR_NULL(mmb_os_map(page));
    CU_ASSERT_EQUAL(errno, ENOMEM);
    errno = 0;
    CU_ASSERT_PTR_NULL(mmb_os_reserve(page));
    CU_ASSERT_EQUAL(errno, ENOMEM);
}

static void test_os_map_of_nothing_and_of_everything_is_null(void)
{
    CU_ASSERT_PTR_NULL(mmb_os_map(0));
    CU_ASSERT_PTR_NULL(mmb_os_map(SIZE_MAX));
    CU_ASSERT_PTR_NULL(mmb_os_map(SIZE_MAX - page));
    CU_ASSERT_PTR_NULL(mmb_os_reserve(0));
    CU_ASSERT_PTR_NULL(mmb_os_reserve(SIZE_MAX));
}

static int touch(void *address)
{
    *(volatile char *)address = 1;
    return 0;
}

/* Whether a child can write there. A sanitizer reports the signal and exits, so only the success is
 * looked at. */
static bool is_writable(void *address)
{
    struct suite_child child = suite_run_child(touch, address, 60);

    return child.exited && child.code == 0;
}

static void test_os_commit_opens_just_its_pages(void)
{
    char *start = mmb_os_reserve(4 * page);

    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    CU_ASSERT_FALSE(is_writable(start));
    CU_ASSERT_TRUE(mmb_os_commit(start + page, page + 1)); /* the partial page whole */
    CU_ASSERT_FALSE(is_writable(start + page - 1));
    CU_ASSERT_TRUE(is_writable(start + page));
    CU_ASSERT_TRUE(is_writable(start + 3 * page - 1));
    CU_ASSERT_FALSE(is_writable(start + 3 * page));
    CU_ASSERT_EQUAL(start[page], 0);
    CU_ASSERT_TRUE(mmb_os_unmap(start, 4 * page));
}

static void test_os_reserve_takes_more_than_the_machine_has(void)
{
    const size_t n_bytes = (size_t)1 << 42; /* 4 TiB */
    char *start = mmb_os_reserve(n_bytes);

    if (!start) {
        suite_skip("no 4 TiB of addresses here");
        return;
    }
    CU_ASSERT_TRUE(mmb_os_commit(start + n_bytes - page, page));
    start[n_bytes - 1] = 1;
    CU_ASSERT_TRUE(mmb_os_unmap(start, n_bytes));
}

static void test_os_commit_of_nothing_reserved_fails(void)
{
    char *start = mmb_os_reserve(page);

    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    CU_ASSERT_TRUE(mmb_os_unmap(start, page));
    errno = 0;
    CU_ASSERT_FALSE(mmb_os_commit(start, page));
    CU_ASSERT_EQUAL(errno, ENOMEM);
}

static void test_os_unmap_of_a_part_keeps_the_rest(void)
{
    char *start = mmb_os_map(3 * page);

    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    CU_ASSERT_TRUE(mmb_os_unmap(start + page, page));
    CU_ASSERT_TRUE(is_writable(start));
    CU_ASSERT_FALSE(is_writable(start + page));
    CU_ASSERT_TRUE(is_writable(start + 2 * page));
    CU_ASSERT_TRUE(mmb_os_unmap(start, page));
    CU_ASSERT_TRUE(mmb_os_unmap(start + 2 * page, page));
}

static void test_os_unmap_refused_says_so(void)
{
    char *start = mmb_os_map(page);

    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    atomic_store(&refuse_munmap, true);
    CU_ASSERT_FALSE(mmb_os_unmap(start, page));
    atomic_store(&refuse_munmap, false);
    start[0] = 1;
    CU_ASSERT_TRUE(mmb_os_unmap(start, page));
    errno = 0;
    CU_ASSERT_FALSE(mmb_os_unmap(start + 1, page));
    CU_ASSERT_EQUAL(errno, EINVAL);
}

/* Of [from, to) in four pages full of ones, the whole pages inside become zero and nothing else
 * changes. */
static void check_discard(size_t from, size_t to, size_t first_zero, size_t end_zero)
{
    unsigned char *start = mmb_os_map(4 * page);
    size_t wrong = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    memset(start, 1, 4 * page);
    errno = 4711;
    mmb_os_discard(start + from, to - from);
    CU_ASSERT_EQUAL(errno, 4711);
    for (size_t i = 0; i < 4 * page; i++)
        wrong += start[i] != (i < first_zero || i >= end_zero ? 1 : 0);
    SUITE_CHECK(wrong == 0, "[%zu, %zu): %zu bytes wrong", from, to, wrong);
    CU_ASSERT_TRUE(mmb_os_unmap(start, 4 * page));
}

static void test_os_discard_takes_whole_pages_only(void)
{
    check_discard(page, 3 * page, page, 3 * page);
    check_discard(0, 4 * page, 0, 4 * page);
    check_discard(1, 3 * page, page, 3 * page);
    check_discard(page, 3 * page - 1, page, 2 * page);
    check_discard(page + 1, 3 * page - 1, 0, 0);
    check_discard(page + 1, 2 * page - 1, 0, 0);
    check_discard(page, page, 0, 0);
    check_discard(1, 2, 0, 0);
}

MMB_SUITE_WITH("base/os", set_up, NULL, T(test_os_page_bytes_is_the_systems),
               T(test_os_map_is_zero_aligned_and_writable),
               T(test_os_map_refused_is_null_with_errno),
               T(test_os_map_of_nothing_and_of_everything_is_null),
               T(test_os_commit_opens_just_its_pages),
               T(test_os_reserve_takes_more_than_the_machine_has),
               T(test_os_commit_of_nothing_reserved_fails),
               T(test_os_unmap_of_a_part_keeps_the_rest), T(test_os_unmap_refused_says_so),
               T(test_os_discard_takes_whole_pages_only))
