/* SPDX-License-Identifier: BSD-3-Clause */
/* The test programs' runner: CUnit underneath, TAP on stdout. CUnit's own reports count assertions,
 * not tests, so the runner prints from CUnit's completion hook instead. One thread runs the tests;
 * the state below is its own and needs no lock. */
#include "tests/support/suite.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CUnit/TestDB.h>
#include <CUnit/TestRun.h>

static const char *skip_reason;
static unsigned int n_done;
static unsigned int n_failed;

static void print_failure(const CU_pFailureRecord failure)
{
    printf("# %s:%u: %s\n", failure->strFileName ? failure->strFileName : "?",
           failure->uiLineNumber, failure->strCondition ? failure->strCondition : "?");
}

static void report(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord first)
{
    (void)suite;
    n_done++;
    for (CU_pFailureRecord failure = first; failure; failure = failure->pNext)
        print_failure(failure);
    if (first) {
        n_failed++;
        printf("not ok %u - %s\n", n_done, test->pName);
    } else if (skip_reason) {
        printf("ok %u - %s # SKIP %s\n", n_done, test->pName, skip_reason);
    } else {
        printf("ok %u - %s\n", n_done, test->pName);
    }
    fflush(stdout);
    skip_reason = NULL;
}

void suite_skip(const char *reason)
{
    skip_reason = reason;
}

bool suite_check(bool holds, const char *file, unsigned int line, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (!holds) {
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
    }
    CU_assertImplementation(holds, line, holds ? "" : text, file, "", CU_FALSE);
    return holds;
}

static bool is_wanted(const char *name, char **arguments)
{
    if (!*arguments)
        return true;
    for (; *arguments; arguments++)
        if (!strcmp(*arguments, name))
            return true;
    return false;
}

static int add_tests(const struct suite *suite, char **arguments)
{
    CU_pSuite cunit_suite = CU_add_suite_with_setup_and_teardown(suite->subject, NULL, NULL,
                                                                 suite->set_up, suite->tear_down);
    int n_added = 0;

    if (!cunit_suite)
        return -1;
    for (size_t i = 0; i < suite->n_tests; i++) {
        if (!is_wanted(suite->tests[i].name, arguments))
            continue;
        if (!CU_add_test(cunit_suite, suite->tests[i].name, suite->tests[i].run))
            return -1;
        n_added++;
    }
    return n_added;
}

int suite_main(const struct suite *suite, char **arguments)
{
    int n_added;

    if (CU_initialize_registry() != CUE_SUCCESS) {
        printf("Bail out! CUnit: %s\n", CU_get_error_msg());
        return EXIT_FAILURE;
    }
    n_added = add_tests(suite, arguments);
    if (n_added <= 0) {
        printf("Bail out! no such test, or CUnit: %s\n", CU_get_error_msg());
        CU_cleanup_registry();
        return EXIT_FAILURE;
    }
    printf("# %s\n1..%d\n", suite->subject, n_added);
    fflush(stdout);
    CU_set_test_complete_handler(report);
    CU_run_all_tests();
    CU_cleanup_registry();
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A child that outlived its parent would hold the terminal and the locks under test. The parent may
 * already be gone when prctl runs, hence the second look. */
static void bind_child_to(pid_t parent, unsigned int timeout_s)
{
    const struct rlimit no_core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGALRM, SIG_DFL);
    alarm(timeout_s);
}

struct suite_child suite_run_child(int (*body)(void *argument), void *argument,
                                   unsigned int timeout_s)
{
    struct suite_child child = {false, false, false, -1};
    pid_t parent = getpid();
    pid_t pid;
    int status;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        bind_child_to(parent, timeout_s);
        _exit(body(argument));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        SUITE_CHECK(false, "no child process could be run");
        return child;
    }
    child.exited = WIFEXITED(status);
    child.timed_out = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    child.signalled = WIFSIGNALED(status) && !child.timed_out;
    child.code = child.exited ? WEXITSTATUS(status) : WTERMSIG(status);
    return child;
}
