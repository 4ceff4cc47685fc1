/* SPDX-License-Identifier: BSD-3-Clause */
/* The targets. A new comparison is one entry here. Owns nothing, takes no lock. */
#include "bench/comparisons.h"

/* No growth: less than what a thread may use before the kernel counts it (64 pages of 4 KiB). */
#define NO_GROWTH_BYTES (64.0 * 4096)

const struct bench_comparison bench_comparisons[] = {
    {"pair", "thread", "mimalloc", 1.00},
    {"burst", "thread", "mimalloc", 1.00},
    {"random", "thread", "mimalloc", 0.95},
    {"log-uniform", "thread", "mimalloc", 0.60},
    {"larson", "thread", "mimalloc", 0.65},
    {"producer", "thread", "mimalloc", 0.30},
    {"batches", "thread", "mimalloc", 0},
    {"mib-untouched", "thread", "mimalloc", 0.05},
    {"mib-touched", "thread", "mimalloc", 0.80},
    {"8-mib-untouched", "thread", "mimalloc", 0},
    {"8-mib-touched", "thread", "mimalloc", 0},
    {"random", "thread", "unlimited", 1.15},
    {"log-uniform", "thread", "unlimited", 1.15},
    {"full-99", "thread", "page", 1.00},
    {"full-99.9", "thread", "page", 1.00},
    {"pair", "page", "mimalloc", 2.00},
    {"frame", "stack", "bump", 2.00},
    {"unwind", "stack", "bump", 2.00},
    {"find", "findable", "reference", 1.50},
    {"pair", "registered", "thread", 1.02},
    {"random", "registered", "thread", 1.02},
    {"region-64k", "registered", "each-mlock", 0.10},
    {"region-64k", "libfabric", "each-libfabric", 0.25},
    {"region-64k", "ucx", "each-ucx", 0.10},
    {"region-64k", "mpi", "each-mpi", 0.25},
    {"copy-64", "thread", "reference", 2.00},
    {"copy-64k", "thread", "reference", 1.01},
    {"copy-1m", "thread", "reference", 1.01},
    {"copy-16m", "thread", "reference", 1.01},
    {"start", "thread", "reference", 1.10},
    {"run-python", "mmb-run", "glibc", 1.10},
    {"run-python", "mmb-run", "mimalloc", 0},
    {"run-sort", "mmb-run", "glibc", 1.10},
    {"run-sort", "mmb-run", "mimalloc", 0},
    {"run-threads", "mmb-run", "glibc", 1.10},
    {"run-threads", "mmb-run", "mimalloc", 0},
    {"overhead-16", "thread", NULL, 17},
    {"overhead-32", "thread", NULL, 17},
    {"overhead-48", "thread", NULL, 17},
    {"overhead-64", "thread", NULL, 17},
    {"fragmentation", "thread", "mimalloc", 0},
    {"forever", "thread", NULL, NO_GROWTH_BYTES},
};
const size_t bench_n_comparisons = sizeof bench_comparisons / sizeof bench_comparisons[0];
