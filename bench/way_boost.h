/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_WAY_BOOST_H
#define MMB_BENCH_WAY_BOOST_H
/* boost.interprocess as a contender: the default allocator of a managed segment in shared memory.
 * The C++ behind it is compiled where configure found the headers (way_boost.cc), else everything
 * here skips the measurement (way_no_boost.c). */
#include <stddef.h>

/* Of a shared segment, whoever makes it. */
#define BENCH_SEGMENT_BYTES ((size_t)256 << 20)

#ifdef __cplusplus
extern "C" {
#endif

void bench_boost_version(char *text, size_t n_bytes);
void bench_boost_open(void);
/* NULL: no room. */
void *bench_boost_allocate(size_t n_bytes);
void bench_boost_free(void *block);

#ifdef __cplusplus
}
#endif

#endif
