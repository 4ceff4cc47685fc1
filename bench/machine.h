/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_MACHINE_H
#define MMB_BENCH_MACHINE_H
/* Where and when a report was made, without saying whose machine it is. */
#include <stddef.h>

struct bench_machine {
    char model[128]; /* of the processor */
    size_t n_cores;  /* online */
    size_t memory_bytes;
    char date[32];   /* UTC */
    char build[128]; /* compiler, and what makes the numbers unusable */
};

void bench_machine_look(struct bench_machine *machine);

#endif
