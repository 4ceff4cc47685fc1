/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_BARRIER_H
#define MMB_BASE_BARRIER_H
/* One thread makes all others of the process pass a full memory barrier, so that they need none in
 * their own fast paths: membarrier(2). Where the kernel has none (before 4.14, or a sandbox that
 * forbids it), what relies on it must take locks instead. */

#include <stdbool.h>

/* Registers the process; true when mmb_barrier_threads works. Any number of times. */
bool mmb_barrier_open(void);

/* Returns after every other running thread has executed a full barrier. mmb_barrier_open gave true.
 */
void mmb_barrier_threads(void);

/* For tests and for MMB_NO_MEMBARRIER in the environment: open gives false from now on, or not. */
void mmb_barrier_forbid(bool forbid);

#endif
