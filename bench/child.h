/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_CHILD_H
#define MMB_BENCH_CHILD_H
/* The measuring process. */
#include "bench/bench.h"

/* What it says on its standard output: one line: value, wall, whether another strategy than the one
 * asked for was used, and who served; or, when it exits with another status, why. */
#define BENCH_LINE "%.17g %.17g %d %s\n"

/* Never returns. `scale` of a full run is measured. */
_Noreturn void bench_child_measure(const struct bench_workload *workload,
                                   const struct bench_contender *contender, double scale);
/* Says who serves malloc here: the peer and its version. */
_Noreturn void bench_child_identify(const struct bench_contender *contender);

#endif
