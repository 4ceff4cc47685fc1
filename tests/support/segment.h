/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_SEGMENT_H
#define MMB_TESTS_SUPPORT_SEGMENT_H
/* What the tests of shared heaps share: one URL per test program, interfaces over it, and processes
 * that attach to it. */
#include <stdbool.h>
#include <mmb.h>

extern const mmbStrategy segment_strategies[3];

/* "/mmb-test-PID": names of several runs do not meet. */
const char *segment_url(void);
mmbMemInterfaceConfig segment_config(mmbShmMode mode, mmbStrategy strategy, size_t n_bytes);
/* Create or attach in the space; the error of mmb_create_interface. */
mmbError segment_open(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                      mmbMemInterface **out);
/* The same where failing is a failed assertion. Bytes 0: attach. */
mmbMemInterface *segment_interface(mmbMemSpace *space, mmbStrategy strategy, size_t n_bytes);
mmbSharedPtr segment_pointer(mmbAllocation *allocation);
size_t segment_live_bytes(mmbMemInterface *interface);
size_t segment_live_count(mmbMemInterface *interface);
/* set_up and tear_down: the library, and no segment of the URL. */
void segment_set_up(void);
void segment_tear_down(void);

/* In a child process: the library anew, attached; NULL when it cannot. */
mmbMemInterface *segment_attach_anew(void);
/* Forks a process that runs body and is then killed by SIGKILL, not ended. False: it could not. */
bool segment_run_killed(int (*body)(void *), void *argument);

#endif
