/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_WAY_MMB_H
#define MMB_BENCH_WAY_MMB_H
/* libmmb as a contender: one space of main memory and one interface in it. */
#include <stddef.h>
#include <mmb.h>
#include "bench/bench.h"

extern mmbMemSpace *bench_space;
extern mmbMemInterface *bench_interface;

/* Ends the process when the library cannot do what the contender asks, except that the default
 * strategy stands in for one that this build does not have. */
void bench_mmb_open(const struct bench_contender *contender);
/* The strategy that the interface really has. */
mmbStrategy bench_mmb_strategy(void);
/* Ends the process, saying what failed, unless it did not. */
void bench_mmb_check(mmbError error, const char *what);

/* Gives the space a limit, exact to the byte: one byte more is refused, all of it is granted.
 * Returns what is left below it. */
size_t bench_mmb_limit(size_t limit);

#endif
