/* SPDX-License-Identifier: BSD-3-Clause */
/* The targets. A new comparison is one entry here. Owns nothing, takes no lock. */
#include "bench/comparisons.h"

/* No growth: less than what a thread may use before the kernel counts it (64 pages of 4 KiB). */
#define NO_GROWTH_BYTES (64.0 * 4096)

/* Costs that several rows share. */
#define CHECKS                                                                                     \
    "56 instructions, some 30 of them beyond taking and putting a free block: is the interface "   \
    "one of the library's, is the handle, is there credit, mark the cache as in use, write the "   \
    "record, count"
#define RECORD                                                                                     \
    "the program reaches its block through the record, one cache line more, and is the first to "  \
    "touch it, where mimalloc's list of free blocks has touched it before"
#define FRAME                                                                                      \
    "each block has a record and an entry beside it to write, so that it can be found, freed "     \
    "singly and refused when it is gone, and is charged exactly"
#define SEGMENT                                                                                    \
    "a word of the segment is looked at and two are written, so that a process may die between "   \
    "any two instructions, beside a private record, a private copy and the credit"
#define SEGMENT_LINES                                                                              \
    "bits and generations of a block in the segment, and its handle here, are cache lines that "   \
    "mimalloc does not have"
#define TURNS                                                                                      \
    "whose a pointer is, is asked before it is freed, each time by its page and its record; the "  \
    "C library finds its block beside the pointer"

const struct bench_comparison bench_comparisons[] = {
    {"pair", "thread", "mimalloc", 1.00, CHECKS},
    {"burst", "thread", "mimalloc", 1.00, CHECKS},
    {"random", "thread", "mimalloc", 0.95, RECORD},
    {"log-uniform", "thread", "mimalloc", 0.60, RECORD},
    {"larson", "thread", "mimalloc", 0.65,
     "both the record and the block come from the other thread's cache, one after the other"},
    {"producer", "thread", "mimalloc", 0.30, NULL},
    {"batches", "thread", "mimalloc", 0, NULL},
    {"mib-untouched", "thread", "mimalloc", 0.05, NULL},
    {"mib-touched", "thread", "mimalloc", 0.80, NULL},
    {"8-mib-untouched", "thread", "mimalloc", 0, NULL},
    {"8-mib-touched", "thread", "mimalloc", 0, NULL},
    {"random", "thread", "unlimited", 1.15, NULL},
    {"log-uniform", "thread", "unlimited", 1.15, NULL},
    {"full-99", "thread", "page", 1.00, NULL},
    {"full-99.9", "thread", "page", 1.00, NULL},
    {"pair", "page", "mimalloc", 2.00, NULL},
    {"frame", "stack", "bump", 2.00, FRAME},
    {"unwind", "stack", "bump", 2.00, FRAME},
    {"find", "findable", "reference", 1.50,
     "45 instructions and a page's entry, against 25 of a free that only pushes the record"},
    {"pair", "registered", "thread", 1.02, NULL},
    {"random", "registered", "thread", 1.02, NULL},
    {"region-64k", "registered", "each-mlock", 0.10, NULL},
    {"region-64k", "libfabric", "each-libfabric", 0.25, NULL},
    {"region-64k", "ucx", "each-ucx", 0.10, NULL},
    {"region-64k", "mpi", "each-mpi", 0.25, NULL},
    {"pair", "shared", "mimalloc", 1.30, SEGMENT},
    {"burst", "shared", "mimalloc", 0, NULL},
    {"random", "shared", "mimalloc", 2.00, SEGMENT_LINES},
    {"pair-64k", "shared", "mimalloc", 0.80, SEGMENT},
    {"threads-2", "shared", "mimalloc", 0, NULL},
    {"processes-2", "shared", "mimalloc", 0, NULL},
    {"pair", "shared", "boost", 0, NULL},
    {"random", "shared", "boost", 0, NULL},
    {"threads-2", "shared", "boost", 0, NULL},
    {"processes-2", "shared", "boost", 0.10, NULL},
    {"processes-producer", "shared", "boost", 0, NULL},
    {"copy-64", "thread", "reference", 2.00,
     "two handles and the distance of two ranges are checked before 64 bytes move"},
    {"copy-64k", "thread", "reference", 1.01,
     "the same memcpy between the same blocks; the checks before it are all that differs"},
    {"copy-1m", "thread", "reference", 1.01, "as for 64 KiB"},
    {"copy-16m", "thread", "reference", 1.01, NULL},
    {"start", "thread", "reference", 1.10, NULL},
    {"run-python", "mmb-run", "glibc", 1.10, TURNS},
    {"run-python", "mmb-run", "mimalloc", 0, NULL},
    {"run-sort", "mmb-run", "glibc", 1.10, NULL},
    {"run-sort", "mmb-run", "mimalloc", 0, NULL},
    {"run-threads", "mmb-run", "glibc", 1.10, TURNS},
    {"run-threads", "mmb-run", "mimalloc", 0, NULL},
    {"overhead-16", "thread", NULL, 17, NULL},
    {"overhead-32", "thread", NULL, 17, NULL},
    {"overhead-48", "thread", NULL, 17, NULL},
    {"overhead-64", "thread", NULL, 17, NULL},
    {"fragmentation", "thread", "mimalloc", 0, NULL},
    {"forever", "thread", NULL, NO_GROWTH_BYTES, NULL},
};
const size_t bench_n_comparisons = sizeof bench_comparisons / sizeof bench_comparisons[0];
