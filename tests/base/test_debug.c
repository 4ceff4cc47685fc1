/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: a debug build stops where an invariant does not hold and says where; a release build
 * does not even look. */
#include "src/base/debug.h"
#include "tests/support/suite.h"
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int evaluated;

__attribute__((unused)) static bool holds(int result)
{
    evaluated++;
    return result != 0;
}

static int break_it(void *argument)
{
    dup2(*(int *)argument, STDERR_FILENO);
    mmb_assert_failed("one == two", "a_file.c", 12);
}

static void test_debug_assert_failed_names_the_place_and_aborts(void)
{
    char text[256];
    int ends[2];
    struct suite_child child;
    ssize_t n;

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    child = suite_run_child(break_it, &ends[1], 60);
    close(ends[1]);
    n = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    CU_ASSERT_TRUE(child.signalled);
    CU_ASSERT_EQUAL(child.code, SIGABRT);
    text[n > 0 ? n : 0] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a_file.c:12: broken: one == two"));
}

static void test_debug_assert_that_holds_goes_on(void)
{
    evaluated = 0;
    MMB_ASSERT(holds(1));
#if defined(MMB_DEBUG) && MMB_DEBUG
    CU_ASSERT_EQUAL(evaluated, 1);
#else
    CU_ASSERT_EQUAL(evaluated, 0);
#endif
}

static int assert_wrong(void *argument)
{
    (void)argument;
    MMB_ASSERT(holds(0));
    return 3;
}

static void test_debug_assert_that_fails_ends_debug_builds_only(void)
{
    struct suite_child child = suite_run_child(assert_wrong, NULL, 60);

#if defined(MMB_DEBUG) && MMB_DEBUG
    CU_ASSERT_TRUE(child.signalled);
    CU_ASSERT_EQUAL(child.code, SIGABRT);
#else
    CU_ASSERT_TRUE(child.exited);
    CU_ASSERT_EQUAL(child.code, 3);
#endif
}

MMB_SUITE("base/debug", T(test_debug_assert_failed_names_the_place_and_aborts),
          T(test_debug_assert_that_holds_goes_on),
          T(test_debug_assert_that_fails_ends_debug_builds_only))
