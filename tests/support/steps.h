/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_STEPS_H
#define MMB_TESTS_SUPPORT_STEPS_H
/* A child that is stepped instruction by instruction and killed on its way. What others can see of
 * it changes only in some of its steps; such a change ends a state, and a test that kills it once
 * in each state has killed it after every instruction. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct steps {
    bool (*prepare)(void); /* before the first step; NULL: nothing */
    bool (*act)(void);     /* what is stepped */
    /* Has what others can see changed since the last call? */
    bool (*has_changed)(void);
    bool calls_count; /* the return of a system call ends a state too */
};

/* How the child ended: one of the first three. */
struct steps_end {
    bool killed;    /* in the state that was asked for */
    bool done;      /* act came to its end before, and gave true */
    bool untraced;  /* processes may not be traced here */
    int status;     /* of waitpid, for words about anything else */
    size_t n_steps; /* that it made */
};

/* Starts the child, steps until as many states were passed and kills. */
struct steps_end steps_kill(const struct steps *steps, size_t state);

/* Every how many states are tested: MMB_TEST_STRIDE, else `otherwise`. */
size_t steps_stride(size_t otherwise);

/* Declares the running test not applicable where a sanitizer's own instructions are the most of
 * what would be stepped through and MMB_TEST_STRIDE does not ask for it. False: go on. */
bool steps_skip(void);

#endif
