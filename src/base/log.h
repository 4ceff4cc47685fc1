/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_LOG_H
#define MMB_BASE_LOG_H
/* Messages to standard error or to the user's callback. No message allocates with malloc or changes
 * errno. */

#include <mmb/log.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Before the environment has been read this is above every level, so that the first message takes
 * the slow path, which reads it. Written by log.c only. */
extern atomic_int mmb_log_threshold;

/* Whether this level may be wanted, for callers whose arguments are expensive to make. */
static inline bool mmb_log_wants(mmbLogLevel level)
{
    return (int)level <= atomic_load_explicit(&mmb_log_threshold, memory_order_relaxed);
}

/* Messages longer than about 1 KiB end in "...". MMB_LOG_NONE is never printed. Call it without a
 * lock where the path allows: the user's callback runs inside. */
__attribute__((format(printf, 2, 3))) void mmb_log(mmbLogLevel level, const char *format, ...);

/* Around fork: the lock over the callback is held from prepare to parent or child. Nothing may be
 * logged between. */
void mmb_log_fork_prepare(void);
void mmb_log_fork_parent(void);
void mmb_log_fork_child(void);

#endif
