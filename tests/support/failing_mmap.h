/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAILING_MMAP_H
#define MMB_TESTS_SUPPORT_FAILING_MMAP_H
/* mmap, munmap and madvise of a test program that can be told to fail. A program that wants them
 * lists failing_mmap.c among its sources: in the shared support library they would stand in for the
 * system's in every test. They count and fail calls of the calling program only, not those the C
 * library makes for itself, and only private anonymous writable maps. */
#include <stddef.h>

/* The calls after the next `n_good` fail with errnum, until it is set anew; errnum 0: none fails.
 */
void failing_mmap_after(unsigned int n_good, int errnum);
/* Maps of more than n_bytes fail with errnum. */
void failing_mmap_beyond(size_t n_bytes, int errnum);
/* Of the coming calls only the one after `n_good` others fails; errnum 0: none. */
void failing_munmap_once(unsigned int n_good, int errnum);
void failing_madvise(int errnum);
void failing_mmap_none(void);

/* The advice of the last madvise that was let through, -1 when there was none. */
int failing_mmap_last_advice(void);
/* Bytes that were mapped less bytes unmapped. */
long failing_mmap_balance(void);

#endif
