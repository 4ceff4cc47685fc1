/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_WAY_BUMP_H
#define MMB_BENCH_WAY_BUMP_H
/* What a stack is held against: a pointer that moves up, written where it is used. */
#include <stddef.h>

#define BENCH_BUMP_BYTES ((size_t)16 << 20)

struct bench_bump {
    char *base, *top, *end;
};
extern struct bench_bump bench_bump;

void bench_bump_open(void);

#endif
