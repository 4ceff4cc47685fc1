/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_PROGRAM_H
#define MMB_BENCH_PROGRAM_H
/* One of the programs that are measured as a whole is mmb-bench itself, called with this and a
 * number of blocks to allocate. It ends the process. */
#define BENCH_PROGRAM_THREADS "--allocate-in-threads"
_Noreturn void bench_program_threads(const char *text);

#endif
