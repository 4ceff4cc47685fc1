/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: a message that is wanted comes out once and whole, on standard error or in the callback;
 * one call of the callback runs at a time, and one that was replaced runs no more. */
#include "src/base/log.h"
#include "src/base/lock.h"
#include "tests/support/suite.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As at the start of a program: the environment has not been read. */
static void forget_level(void)
{
    atomic_store(&mmb_log_threshold, MMB_LOG_DEBUG + 1);
}

static void set_up(void)
{
    mmb_logging_set_callback(NULL, NULL);
    mmb_logging_set_level(MMB_LOG_WARNING);
}

/* Standard error goes into a pipe between begin and end. */
static int saved_stderr = -1, pipe_end = -1;
static char captured[4096];

static void begin_capture(void)
{
    int ends[2];

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    pipe_end = ends[0];
}

static const char *end_capture(void)
{
    ssize_t n = read(pipe_end, captured, sizeof(captured) - 1);

    captured[n > 0 ? n : 0] = '\0';
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_end);
    return captured;
}

static void test_log_writes_a_line_to_stderr(void)
{
    begin_capture();
    errno = 4711;
    mmb_log(MMB_LOG_WARNING, "%s and %d", "this", 7);
    CU_ASSERT_EQUAL(errno, 4711);
    mmb_log(MMB_LOG_ERROR, "that");
    CU_ASSERT_STRING_EQUAL(end_capture(), "libmmb: warning: this and 7\nlibmmb: error: that\n");
}

static void test_log_level_decides_what_is_wanted(void)
{
    static const char *const expected[] = {
        "",
        "libmmb: error: x\n",
        "libmmb: error: x\nlibmmb: warning: x\n",
        "libmmb: error: x\nlibmmb: warning: x\nlibmmb: info: x\n",
        "libmmb: error: x\nlibmmb: warning: x\nlibmmb: info: x\nlibmmb: debug: x\n",
    };

    for (int level = MMB_LOG_NONE; level <= MMB_LOG_DEBUG; level++) {
        CU_ASSERT_EQUAL(mmb_logging_set_level((mmbLogLevel)level), MMB_OK);
        CU_ASSERT_EQUAL(mmb_log_wants(MMB_LOG_DEBUG), level == MMB_LOG_DEBUG);
        begin_capture();
        for (int message = MMB_LOG_NONE; message <= MMB_LOG_DEBUG + 1; message++)
            mmb_log((mmbLogLevel)message, "x");
        CU_ASSERT_STRING_EQUAL(end_capture(), expected[level]);
    }
}

/* covers: mmb_logging_set_level MMB_INVALID_ARG */
static void test_log_unknown_level_is_refused(void)
{
    mmb_logging_set_level(MMB_LOG_ERROR);
    CU_ASSERT_EQUAL(mmb_logging_set_level((mmbLogLevel)-1), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_logging_set_level((mmbLogLevel)5), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "5"));
    CU_ASSERT_TRUE(mmb_log_wants(MMB_LOG_ERROR));
    CU_ASSERT_FALSE(mmb_log_wants(MMB_LOG_WARNING));
}

static void test_log_level_comes_from_the_environment(void)
{
    static const struct {
        const char *value;
        int level;
    } rows[] = {{"none", 0},  {"error", 1}, {"warning", 2}, {"info", 3}, {"debug", 4},
                {"DEBUG", 4}, {"0", 0},     {"1", 1},       {"2", 2},    {"3", 3},
                {"4", 4},     {"", 2},      {NULL, 2}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value)
            setenv("MMB_LOG_LEVEL", rows[i].value, 1);
        else
            unsetenv("MMB_LOG_LEVEL");
        forget_level();
        begin_capture();
        mmb_log(MMB_LOG_DEBUG, "first");
        end_capture();
        SUITE_CHECK(atomic_load(&mmb_log_threshold) == rows[i].level, "row %zu: %d", i,
                    atomic_load(&mmb_log_threshold));
        SUITE_CHECK((captured[0] != '\0') == (rows[i].level == MMB_LOG_DEBUG), "row %zu: %s", i,
                    captured);
    }
    unsetenv("MMB_LOG_LEVEL");
}

static void test_log_unknown_environment_is_mentioned(void)
{
    static const char *const values[] = {"loud", "5", "-1", "1x"};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        setenv("MMB_LOG_LEVEL", values[i], 1);
        forget_level();
        begin_capture();
        mmb_log(MMB_LOG_INFO, "not wanted by default");
        end_capture();
        SUITE_CHECK(strstr(captured, "libmmb: warning: MMB_LOG_LEVEL=") == captured, "%s: %s",
                    values[i], captured);
        SUITE_CHECK(!strstr(captured, "not wanted"), "%s: %s", values[i], captured);
        CU_ASSERT_EQUAL(atomic_load(&mmb_log_threshold), MMB_LOG_WARNING);
    }
    unsetenv("MMB_LOG_LEVEL");
}

static void test_log_set_level_wins_over_the_environment(void)
{
    setenv("MMB_LOG_LEVEL", "debug", 1);
    forget_level();
    mmb_logging_set_level(MMB_LOG_ERROR);
    begin_capture();
    mmb_log(MMB_LOG_INFO, "x");
    CU_ASSERT_STRING_EQUAL(end_capture(), "");
    unsetenv("MMB_LOG_LEVEL");
}

static void test_log_long_messages_are_cut(void)
{
    char text[3000];
    size_t length;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    begin_capture();
    mmb_log(MMB_LOG_ERROR, "%s", text);
    end_capture();
    length = strlen(captured);
    CU_ASSERT_TRUE(length > 900 && length < 1100);
    CU_ASSERT_STRING_EQUAL(captured + length - 5, "x...\n");
}

struct received {
    unsigned n;
    mmbLogLevel level;
    char message[128];
};

static void receive(mmbLogLevel level, const char *message, void *user)
{
    struct received *received = user;

    received->n++;
    received->level = level;
    strncpy(received->message, message, sizeof(received->message) - 1);
}

static void test_log_callback_gets_the_bare_message(void)
{
    struct received received = {0};

    CU_ASSERT_EQUAL(mmb_logging_set_callback(receive, &received), MMB_OK);
    begin_capture();
    mmb_log(MMB_LOG_ERROR, "number %d", 5);
    mmb_log(MMB_LOG_INFO, "not wanted");
    CU_ASSERT_STRING_EQUAL(end_capture(), "");
    CU_ASSERT_EQUAL(received.n, 1);
    CU_ASSERT_EQUAL(received.level, MMB_LOG_ERROR);
    CU_ASSERT_STRING_EQUAL(received.message, "number 5");

    mmb_logging_set_callback(NULL, NULL);
    begin_capture();
    mmb_log(MMB_LOG_ERROR, "back");
    CU_ASSERT_STRING_EQUAL(end_capture(), "libmmb: error: back\n");
    CU_ASSERT_EQUAL(received.n, 1);
}

static void log_again(mmbLogLevel level, const char *message, void *user)
{
    receive(level, message, user);
    mmb_log(MMB_LOG_ERROR, "from the callback");
}

static int log_through_recursion(void *argument)
{
    struct received received = {0};

    (void)argument;
    mmb_logging_set_callback(log_again, &received);
    mmb_log(MMB_LOG_ERROR, "outer");
    return received.n == 1 && strcmp(received.message, "outer") == 0 ? 0 : 1;
}

static void replace_itself(mmbLogLevel level, const char *message, void *user)
{
    (void)level, (void)message;
    mmb_logging_set_callback(receive, user);
}

static int log_through_replacement(void *argument)
{
    struct received received = {0};

    (void)argument;
    mmb_logging_set_callback(replace_itself, &received);
    mmb_log(MMB_LOG_ERROR, "to the first");
    mmb_log(MMB_LOG_ERROR, "to the second");
    return received.n == 1 && strcmp(received.message, "to the second") == 0 ? 0 : 1;
}

/* In a child, which a deadlock does not hang for ever. */
static void test_log_callback_may_come_back(void)
{
    int (*const bodies[])(void *) = {log_through_recursion, log_through_replacement};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct suite_child child = suite_run_child(bodies[i], NULL, 30);

        SUITE_CHECK(child.exited && child.code == 0, "body %zu: %d", i, child.code);
    }
}

static atomic_int n_inside, n_overlaps, n_calls, n_after_end;
static atomic_bool has_ended;

static void notice_overlap(mmbLogLevel level, const char *message, void *user)
{
    (void)level, (void)message, (void)user;
    if (atomic_fetch_add(&n_inside, 1) != 0)
        atomic_fetch_add(&n_overlaps, 1);
    if (atomic_load(&has_ended))
        atomic_fetch_add(&n_after_end, 1);
    sched_yield();
    atomic_fetch_add(&n_calls, 1);
    atomic_fetch_sub(&n_inside, 1);
}

static void swallow(mmbLogLevel level, const char *message, void *user)
{
    (void)level, (void)message, (void)user;
}

static void *log_often(void *argument)
{
    (void)argument;
    for (int i = 0; i < 500; i++)
        mmb_log(MMB_LOG_ERROR, "%d", i);
    return NULL;
}

static void test_log_callback_runs_one_at_a_time_and_not_after_its_end(void)
{
    pthread_t threads[4];

    mmb_logging_set_callback(notice_overlap, NULL);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, log_often, NULL), 0);
    while (atomic_load(&n_calls) < 100)
        sched_yield();
    mmb_logging_set_callback(swallow, NULL);
    atomic_store(&has_ended, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&n_overlaps), 0);
    CU_ASSERT_EQUAL(atomic_load(&n_after_end), 0);
}

static int log_in_child(void *argument)
{
    struct received received = {0};

    (void)argument;
    mmb_log_fork_child();
    mmb_logging_set_callback(receive, &received);
    mmb_log(MMB_LOG_ERROR, "child");
    return received.n == 1 ? 0 : 1;
}

static atomic_bool stop_logging;

static void *log_until_stopped(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop_logging))
        mmb_log(MMB_LOG_ERROR, "x");
    return NULL;
}

static void test_log_works_in_a_forked_child(void)
{
    pthread_t thread;

    mmb_logging_set_callback(swallow, NULL);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, log_until_stopped, NULL), 0);
    for (int i = 0; i < 30; i++) {
        struct suite_child child;

        mmb_log_fork_prepare();
        child = suite_run_child(log_in_child, NULL, 60);
        mmb_log_fork_parent();
        SUITE_CHECK(child.exited && child.code == 0, "fork %d: %d", i, child.code);
    }
    atomic_store(&stop_logging, true);
    pthread_join(thread, NULL);
}

static int log_plainly(void *argument)
{
    (void)argument;
    mmb_log_fork_child();
    mmb_log(MMB_LOG_ERROR, "dropped: this thread is still inside its callback");
    return 0;
}

static void fork_inside(mmbLogLevel level, const char *message, void *user)
{
    struct suite_child child;

    (void)level, (void)message;
    mmb_log_fork_prepare();
    child = suite_run_child(log_plainly, NULL, 30);
    mmb_log_fork_parent();
    *(int *)user = child.exited ? child.code : -1;
}

static int fork_from_callback(void *argument)
{
    int code = -1;

    (void)argument;
    mmb_logging_set_callback(fork_inside, &code);
    mmb_log(MMB_LOG_ERROR, "x");
    mmb_logging_set_callback(NULL, NULL); /* the mutex is free again */
    return code;
}

static void test_log_callback_may_fork(void)
{
    struct suite_child child = suite_run_child(fork_from_callback, NULL, 60);

    CU_ASSERT_TRUE(child.exited);
    CU_ASSERT_EQUAL(child.code, 0);
}

MMB_SUITE_WITH("base/log", set_up, set_up, T(test_log_writes_a_line_to_stderr),
               T(test_log_level_decides_what_is_wanted), T(test_log_unknown_level_is_refused),
               T(test_log_level_comes_from_the_environment),
               T(test_log_unknown_environment_is_mentioned),
               T(test_log_set_level_wins_over_the_environment), T(test_log_long_messages_are_cut),
               T(test_log_callback_gets_the_bare_message), T(test_log_callback_may_come_back),
               T(test_log_callback_runs_one_at_a_time_and_not_after_its_end),
               T(test_log_works_in_a_forked_child), T(test_log_callback_may_fork))
