/* SPDX-License-Identifier: BSD-3-Clause */
/* The promise: the harness tells the truth. A failed, a skipped and a passed test are told apart,
 * and the end of a child process is seen for what it was. */
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/suite.h"

static int return_number(void *argument)
{
    return *(const int *)argument;
}

static int raise_signal(void *argument)
{
    signal(*(const int *)argument, SIG_DFL);
    return raise(*(const int *)argument);
}

static int wait_for_ever(void *argument)
{
    (void)argument;
    for (;;)
        pause();
    return 0;
}

static int count;

static void set_up(void)
{
    count = 1;
}

static void tear_down(void)
{
    count = 0;
}

static void test_suite_set_up_runs_before_each_test(void)
{
    CU_ASSERT_EQUAL(count, 1);
    count = 5;
}

static void test_suite_set_up_runs_again(void)
{
    CU_ASSERT_EQUAL(count, 1);
}

static void test_suite_child_gives_exit_status(void)
{
    int number = 7;
    struct suite_child child = suite_run_child(return_number, &number, 60);

    CU_ASSERT_TRUE(child.exited);
    CU_ASSERT_FALSE(child.signalled || child.timed_out);
    CU_ASSERT_EQUAL(child.code, 7);
}

static void test_suite_child_tells_signal(void)
{
    int number = SIGTERM;
    struct suite_child child = suite_run_child(raise_signal, &number, 60);

    CU_ASSERT_TRUE(child.signalled);
    CU_ASSERT_EQUAL(child.code, SIGTERM);
}

static void test_suite_child_is_stopped_when_late(void)
{
    struct suite_child child = suite_run_child(wait_for_ever, NULL, 1);

    CU_ASSERT_TRUE(child.timed_out);
    CU_ASSERT_FALSE(child.exited || child.signalled);
}

/* One test of each kind. */
static void fail_in_two_ways(void)
{
    CU_ASSERT_EQUAL(1, 2);
    SUITE_CHECK(false, "row %d", 3);
}

static void skip(void)
{
    suite_skip("not here");
}

static void pass(void)
{
    SUITE_CHECK(true, "unseen");
}

static const struct suite_test inner_tests[] = {T(fail_in_two_ways), T(skip), T(pass)};
static const struct suite inner_suite = {"inner", NULL, NULL, inner_tests, 3};

/* CUnit does not nest, so the inner suite is this program once more. */
static int run_inner_suite(void *argument)
{
    const int *pipe_ends = argument;

    dup2(pipe_ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "test_suite", "inner", (char *)NULL);
    return 127;
}

static void test_suite_reports_each_outcome(void)
{
    char text[4096] = "";
    int pipe_ends[2];
    ssize_t n_read;
    struct suite_child child;

    CU_ASSERT_EQUAL_FATAL(pipe(pipe_ends), 0);
    child = suite_run_child(run_inner_suite, pipe_ends, 60);
    close(pipe_ends[1]);
    n_read = read(pipe_ends[0], text, sizeof(text) - 1);
    close(pipe_ends[0]);
    CU_ASSERT_TRUE(n_read > 0);
    CU_ASSERT_TRUE(child.exited);
    CU_ASSERT_EQUAL(child.code, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "1..3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "test_suite.c"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, ": row 3\nnot ok 1 - fail_in_two_ways\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ok 2 - skip # SKIP not here\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ok 3 - pass\n"));
}

static const struct suite_test tests[] = {
    T(test_suite_set_up_runs_before_each_test), T(test_suite_set_up_runs_again),
    T(test_suite_child_gives_exit_status),      T(test_suite_child_tells_signal),
    T(test_suite_child_is_stopped_when_late),   T(test_suite_reports_each_outcome),
};
static const struct suite suite = {"support/suite", set_up, tear_down, tests,
                                   sizeof(tests) / sizeof(tests[0])};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "inner") == 0)
        return suite_main(&inner_suite, argv + 2);
    return suite_main(&suite, argv + 1);
}
