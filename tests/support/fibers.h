/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FIBERS_H
#define MMB_TESTS_SUPPORT_FIBERS_H
/* User-level threads for tests: ucontexts that one POSIX thread switches between, and the table
 * that a library of such threads brings along. examples/fibers.c is the like of it for readers. */
#include <stdbool.h>
#include <stddef.h>
#include <mmb/library.h>

#define FIBERS_MOST 3u

extern const mmbThreadModel fibers_model;

/* Makes fiber 1 to FIBERS_MOST, which will run body. 0 is the thread itself. */
void fibers_make(void (*body)(void));
/* Lets one run until it yields; false: until its end. */
bool fibers_run(size_t fiber);
void fibers_yield(void);
size_t fibers_current(void);
/* The stacks; all have ended. */
void fibers_free(void);

#endif
