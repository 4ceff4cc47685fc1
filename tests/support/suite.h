/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_SUITE_H
#define MMB_TESTS_SUPPORT_SUITE_H
#include <stdbool.h>
#include <stddef.h>
#include <CUnit/CUnit.h>

/* A test file is a program that ends with one list of its tests:
 *
 *     MMB_SUITE("base/list", T(test_list_push_front_puts_first), T(test_list_remove_unlinks))
 *
 * or, where every test starts and ends alike, with MMB_SUITE_WITH. A static test missing from the
 * list is an unused function, which developers' builds refuse. The program prints TAP; its
 * arguments, if any, name the tests to run. */

struct suite_test {
    const char *name;
    void (*run)(void);
};

struct suite {
    const char *subject;
    void (*set_up)(void);    /* before each test, or NULL */
    void (*tear_down)(void); /* after each test, or NULL */
    const struct suite_test *tests;
    size_t n_tests;
};

int suite_main(const struct suite *suite, char **arguments);

/* Declares the running test not applicable here; the caller then returns. */
void suite_skip(const char *reason);
/* An assertion with words of its own, for rows of a table; the test goes on. Gives back `holds`. */
bool suite_check(bool holds, const char *file, unsigned int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define SUITE_CHECK(condition, ...) suite_check((condition), __FILE__, __LINE__, __VA_ARGS__)

/* How a child process ended: one of the three holds, none when no child could be run. */
struct suite_child {
    bool exited;
    bool signalled;
    bool timed_out;
    int code; /* exit status or signal number */
};

/* Runs body(argument) in a child process and waits for it; what body returns is the exit status.
 * The child dies with its parent, leaves no core file, and is killed after timeout_s seconds. An
 * assertion in the child does not count: return a number and assert on it here. */
struct suite_child suite_run_child(int (*body)(void *argument), void *argument,
                                   unsigned int timeout_s);

#define T(function)                                                                                \
    {                                                                                              \
#function, function                                                                        \
    }

#define MMB_SUITE_WITH(subject, set_up, tear_down, ...)                                            \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct suite_test tests[] = {__VA_ARGS__};                                    \
        const struct suite suite = {subject, set_up, tear_down, tests,                             \
                                    sizeof(tests) / sizeof(tests[0])};                             \
        return suite_main(&suite, argc > 0 ? argv + 1 : argv);                                     \
    }

#define MMB_SUITE(subject, ...) MMB_SUITE_WITH(subject, NULL, NULL, __VA_ARGS__)

#endif
