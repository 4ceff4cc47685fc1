/* SPDX-License-Identifier: BSD-3-Clause */
/* See steps.h. Owns one child at a time. */
#include "tests/support/steps.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/suite.h"

enum { UNPREPARED = 2, REFUSED = 3, DONE = 42, UNTRACED = 77 }; /* how a child ends */

size_t steps_stride(size_t otherwise)
{
    const char *text = getenv("MMB_TEST_STRIDE");
    return text ? (size_t)atoi(text) : otherwise;
}

bool steps_skip(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    if (getenv("MMB_TEST_STRIDE"))
        return false;
    suite_skip("a sanitizer's instructions are not what is promised; MMB_TEST_STRIDE steps them");
    return true;
#else
    return false;
#endif
}

#if defined(__x86_64__)
/* The child's code is the parent's, so it can be read here. */
static bool is_at_system_call(pid_t pid)
{
    errno = 0;
    long at = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), NULL);
    const unsigned char *code = (const unsigned char *)at;
    return errno == 0 && code[0] == 0x0f && code[1] == 0x05;
}
#else
static bool is_at_system_call(pid_t pid)
{
    (void)pid;
    return true;
}
#endif

static void run_child(const struct steps *steps)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (steps->prepare && !steps->prepare())
        _exit(UNPREPARED);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(UNTRACED);
    raise(SIGSTOP);
    _exit(steps->act() ? DONE : REFUSED);
}

/* The child, stopped where it begins; -1: it did not. */
static pid_t start(const struct steps *steps, int *out_status)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_child(steps);
    *out_status = -1;
    if (pid < 0 || waitpid(pid, out_status, 0) != pid)
        return -1;
    return WIFSTOPPED(*out_status) && WSTOPSIG(*out_status) == SIGSTOP ? pid : -1;
}

/* The status at its last step: that of a stop by SIGTRAP when it passed all these states. */
static int step(pid_t pid, const struct steps *steps, size_t state, size_t *out_steps)
{
    int status = SIGTRAP << 8 | 0x7f;
    steps->has_changed();
    for (size_t passed = 0; passed < state;) {
        bool is_call = steps->calls_count && is_at_system_call(pid);
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
            return -1;
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            return status; /* ended, or crashed: a step would come back to the same instruction */
        ++*out_steps;
        passed += steps->has_changed() || is_call;
    }
    return status;
}

struct steps_end steps_kill(const struct steps *steps, size_t state)
{
    struct steps_end end = {.killed = false};
    pid_t pid = start(steps, &end.status);
    if (pid < 0) {
        end.untraced = WIFEXITED(end.status) && WEXITSTATUS(end.status) == UNTRACED;
        return end;
    }
    end.status = step(pid, steps, state, &end.n_steps);
    if (end.status == -1 || WIFSTOPPED(end.status)) {
        int last = 0;
        bool has_passed = end.status != -1 && WSTOPSIG(end.status) == SIGTRAP;
        kill(pid, SIGKILL);
        end.killed = waitpid(pid, &last, 0) == pid && WIFSIGNALED(last) &&
                     WTERMSIG(last) == SIGKILL && has_passed;
    }
    end.done = WIFEXITED(end.status) && WEXITSTATUS(end.status) == DONE;
    return end;
}
