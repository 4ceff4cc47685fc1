/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_MAPPING_H
#define MMB_BASE_MAPPING_H
/* What every backend over mmap needs beside the pages themselves (os.h): alignment, advice, what an
 * errno means. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/backend.h>
#include <mmb/error.h>

/* A private anonymous mapping of n_bytes, a multiple of the OS page, aligned to a power of two.
 * NULL with errno; then nothing is mapped that can be unmapped. */
void *mmb_mapping_make(size_t n_bytes, size_t alignment);

/* The same, of *n_bytes rounded up to the OS page: *n_bytes is then what it has. */
void *mmb_mapping_take(size_t *n_bytes, size_t alignment);

/* The system has no more, rather than that something is wrong. */
bool mmb_mapping_is_exhausted(int errnum);

/* Takes n_bytes back; `backend` names the caller in the detail. */
mmbError mmb_mapping_drop(const char *backend, void *start, size_t n_bytes);

/* Advice on the pages that lie wholly inside: those at the edges hold other blocks too.
 * MMB_INVALID_ARG: no such advice; MMB_UNSUPPORTED: this kernel does not take it. */
mmbError mmb_mapping_advise(const char *backend, uintptr_t address, size_t n_bytes,
                            mmbAdvice advice);

#endif
