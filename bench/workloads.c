/* SPDX-License-Identifier: BSD-3-Clause */
/* What is measured. A new workload is one entry here, and its function in a theme's file. Numbers
 * of operations give each measurement some 0.2 s on a machine of 2023. Owns nothing, takes no lock.
 */
#include <string.h>
#include "bench/bench.h"
#include "bench/themes.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define BY_ALLOCATOR(f) .run = {[BENCH_MALLOC] = malloc_##f, [BENCH_MMB] = mmb_##f}
#define BY_HEAP(f)                                                                                 \
    .run = {[BENCH_MALLOC] = malloc_##f, [BENCH_MMB] = mmb_##f, [BENCH_BOOST] = boost_##f}
#define BY_STACK(f)     .run = {[BENCH_BUMP] = bump_##f, [BENCH_MMB] = mmb_##f}
#define BY_REFERENCE(f) .run = {[BENCH_REFERENCE] = reference_##f, [BENCH_MMB] = mmb_##f}
#define GENERAL         .groups = BENCH_GENERAL
#define SIZES(a, b)     .least = (a), .most = (b)
#define LIVE(n, text)                                                                              \
    {                                                                                              \
        .name = "live-" #n, .title = "16..64 B, " text " live", BY_ALLOCATOR(random), GENERAL,     \
        SIZES(16, 64), .n_live = n, .ops = 4000000, .least_ops = 100000                            \
    }
#define THREADS(n, text)                                                                           \
    {                                                                                              \
        .name = "threads-" #n, .title = "16..1024 B, 1,000 live in each of " text,                 \
        BY_HEAP(random_threads), .groups = BENCH_GENERAL | BENCH_SHARED, SIZES(16, 1024),          \
        .n_live = 1000, .n_threads = n, .ops = 8000000, .least_ops = 100000                        \
    }
#define OVERHEAD(n)                                                                                \
    {                                                                                              \
        .name = "overhead-" #n, .title = "Bytes per live block of " #n " B beyond these",          \
        BY_ALLOCATOR(overhead), GENERAL, .unit = BENCH_BYTES, .is_memory = true, SIZES(n, n),      \
        .ops = 1000000, .least_ops = 200000                                                        \
    }
#define FREED(word, text, when)                                                                    \
    {                                                                                              \
        .name = "freed-" word, .title = "Share still resident " text, BY_ALLOCATOR(freed),         \
        GENERAL, .unit = BENCH_FACTOR, .is_memory = true, SIZES(16, 64 * KIB), .ops = 20000,       \
        .least_ops = 4000, .parameter = when                                                       \
    }
#define FULL(word, text, thousandths)                                                              \
    {                                                                                              \
        .name = "full-" word, .title = "16..1024 B, 10,000 live, space " text " full",             \
        .run = {[BENCH_MMB] = mmb_full}, .groups = BENCH_LOCAL | BENCH_PAGES, SIZES(16, 1024),     \
        .n_live = 10000, .ops = 2000000, .least_ops = 40000, .parameter = thousandths              \
    }
#define PROGRAM(word, text, which, n)                                                              \
    {                                                                                              \
        .name = "run-" word, .title = text,                                                        \
        .run = {[BENCH_MALLOC] = malloc_program, [BENCH_PLACED] = placed_program},                 \
        .groups = BENCH_PEERS | BENCH_RUN, .is_bare = true, .ops = n, .least_ops = 2000,           \
        .parameter = which                                                                         \
    }
#define COPY(word, text, n_bytes, n)                                                               \
    {                                                                                              \
        .name = "copy-" word, .title = "Copy of " text, BY_REFERENCE(copy_between),                \
        .groups = BENCH_LOCAL | BENCH_THE_OTHER, .reference = "memcpy", SIZES(n_bytes, n_bytes),   \
        .ops = n, .least_ops = 20                                                                  \
    }

const struct bench_workload bench_workloads[] = {
    {.name = "steady",
     .title = "Arithmetic alone",
     .run = {[BENCH_REFERENCE] = reference_steady},
     .groups = BENCH_THE_OTHER,
     .reference = "the machine itself",
     .is_bare = true,
     .ops = 200000000,
     .least_ops = 10000000},

    {.name = "pair",
     .title = "Pair of 64 B, neighbours live",
     BY_HEAP(pair),
     .groups = BENCH_GENERAL | BENCH_REGISTERED | BENCH_SHARED,
     SIZES(64, 64),
     .ops = 20000000,
     .least_ops = 200000},
    {.name = "burst",
     .title = "Burst of 100 x 64 B",
     BY_HEAP(burst),
     .groups = BENCH_GENERAL | BENCH_SHARED,
     SIZES(64, 64),
     .ops = 20000000,
     .least_ops = 200000},
    {.name = "random",
     .title = "16..1024 B, 10,000 live",
     BY_HEAP(random),
     .groups = BENCH_GENERAL | BENCH_UNLIMITED | BENCH_REGISTERED | BENCH_SHARED,
     SIZES(16, 1024),
     .n_live = 10000,
     .ops = 8000000,
     .least_ops = 100000},
    {.name = "log-uniform",
     .title = "16 B..64 KiB log-uniform, 10,000 live",
     BY_ALLOCATOR(random),
     .groups = BENCH_GENERAL | BENCH_UNLIMITED,
     SIZES(16, 64 * KIB),
     .n_live = 10000,
     .ops = 4000000,
     .least_ops = 50000},
    {.name = "pair-64k",
     .title = "Pair of 64 KiB, neighbours live",
     BY_HEAP(pair),
     .groups = BENCH_GENERAL | BENCH_SHARED,
     SIZES(64 * KIB, 64 * KIB),
     .ops = 4000000,
     .least_ops = 40000},
    {.name = "larson",
     .title = "Larson, 2 threads",
     BY_ALLOCATOR(larson),
     GENERAL,
     SIZES(8, 1000),
     .n_live = 5000,
     .n_threads = 2,
     .ops = 8000000,
     .least_ops = 160000},
    {.name = "producer",
     .title = "Producer and consumer, 2 threads",
     BY_ALLOCATOR(producer),
     GENERAL,
     SIZES(64, 256),
     .n_threads = 2,
     .ops = 6000000,
     .least_ops = 100000},
    {.name = "batches",
     .title = "Batches handed across 2 threads",
     BY_ALLOCATOR(batches),
     GENERAL,
     SIZES(16, 512),
     .n_threads = 2,
     .ops = 6000000,
     .least_ops = 100000},

    {.name = "processes-2",
     .title = "16..1024 B, 1,000 live in each of 2 processes",
     BY_HEAP(random_processes),
     .groups = BENCH_PEERS | BENCH_SHARED,
     SIZES(16, 1024),
     .n_live = 1000,
     .n_threads = 2,
     .ops = 8000000,
     .least_ops = 100000},
    {.name = "processes-producer",
     .title = "Producer and consumer, 2 processes",
     .run = {[BENCH_MMB] = mmb_post, [BENCH_BOOST] = boost_post},
     .groups = BENCH_SHARED,
     SIZES(64, 256),
     .n_threads = 2,
     .ops = 2000000,
     .least_ops = 50000},

    {.name = "mib-untouched",
     .title = "1 MiB, untouched",
     BY_ALLOCATOR(large_pair),
     GENERAL,
     SIZES(MIB, MIB),
     .ops = 200000,
     .least_ops = 2000,
     .parameter = false},
    {.name = "mib-touched",
     .title = "1 MiB, touched",
     BY_ALLOCATOR(large_pair),
     GENERAL,
     SIZES(MIB, MIB),
     .ops = 8000,
     .least_ops = 200,
     .parameter = true},
    {.name = "8-mib-untouched",
     .title = "8 x 1 MiB live, untouched",
     BY_ALLOCATOR(large_live),
     GENERAL,
     SIZES(MIB, MIB),
     .n_live = 8,
     .ops = 100000,
     .least_ops = 1000,
     .parameter = false},
    {.name = "8-mib-touched",
     .title = "8 x 1 MiB live, touched",
     BY_ALLOCATOR(large_live),
     GENERAL,
     SIZES(MIB, MIB),
     .n_live = 8,
     .ops = 8000,
     .least_ops = 200,
     .parameter = true},

    FULL("99", "99 %", 990),
    FULL("99.9", "99.9 %", 999),

    {.name = "frame",
     .title = "Frame of 1,000 x 16..256 B, one reset",
     BY_STACK(frame),
     .groups = BENCH_STACKS,
     SIZES(16, 256),
     .ops = 50000000,
     .least_ops = 200000},
    {.name = "unwind",
     .title = "Frame of 1,000 x 16..256 B, freed one by one",
     BY_STACK(unwind),
     .groups = BENCH_STACKS,
     SIZES(16, 256),
     .ops = 20000000,
     .least_ops = 200000},
    {.name = "find",
     .title = "Find by pointer, 16..1024 B, 10,000 live",
     BY_REFERENCE(find),
     .groups = BENCH_FINDABLE | BENCH_THE_OTHER,
     .reference = "free on the same interface",
     SIZES(16, 1024),
     .n_live = 10000,
     .ops = 5000000,
     .least_ops = 50000},
    {.name = "region-64k",
     .title = "Block of 64 KiB and its region",
     BY_REFERENCE(region),
     .groups = BENCH_REGISTERED | BENCH_NETWORKS | BENCH_EACH_TIME,
     SIZES(64 * KIB, 64 * KIB),
     .ops = 20000,
     .least_ops = 200},
    PROGRAM("python", "python3, arrays of up to 200 KB", BENCH_PYTHON, 50000),
    PROGRAM("sort", "sort, 2 threads", BENCH_SORT, 400000),
    PROGRAM("threads", "Program with 2 threads, 16 B..256 KiB", BENCH_THREADS, 1000000),
    COPY("64", "64 B", 64, 20000000),
    COPY("64k", "64 KiB", 64 * KIB, 50000),
    COPY("1m", "1 MiB", MIB, 2000),
    COPY("16m", "16 MiB", 16 * MIB, 100),
    {.name = "start",
     .title = "mmb_init with discovery",
     BY_REFERENCE(start),
     .groups = BENCH_LOCAL | BENCH_THE_OTHER,
     .reference = "hwloc_topology_load",
     .is_bare = true,
     .ops = 20,
     .least_ops = 2},

    OVERHEAD(16),
    OVERHEAD(32),
    OVERHEAD(48),
    OVERHEAD(64),
    {.name = "fragmentation",
     .title = "Resident bytes per live byte, long mixed trace",
     BY_ALLOCATOR(fragmentation),
     GENERAL,
     .unit = BENCH_FACTOR,
     .is_memory = true,
     .ops = 64 * MIB,
     .least_ops = 8 * MIB},
    FREED("now", "when all is freed", BENCH_AT_ONCE),
    FREED("second", "a second later", BENCH_AFTER_A_SECOND),
    FREED("trim", "after a trim", BENCH_ON_TRIM),
    {.name = "forever",
     .title = "Growth in 10^9 pairs of 16..1024 B",
     BY_ALLOCATOR(pairs_forever),
     GENERAL,
     .unit = BENCH_BYTES,
     .when = BENCH_WHEN_LONG,
     .is_memory = true,
     SIZES(16, 1024),
     .ops = 1000000000,
     .least_ops = 1000000},

    THREADS(1, "1 thread"),
    THREADS(2, "2 threads"),
    THREADS(4, "4 threads"),
    THREADS(8, "8 threads"),
    LIVE(1000, "10^3"),
    LIVE(10000, "10^4"),
    LIVE(100000, "10^5"),
    LIVE(1000000, "10^6"),
    LIVE(10000000, "10^7"),
};
const size_t bench_n_workloads = sizeof bench_workloads / sizeof bench_workloads[0];

size_t bench_find_workload(const char *name)
{
    for (size_t i = 0; i < bench_n_workloads; i++) {
        if (strcmp(bench_workloads[i].name, name) == 0)
            return i;
    }
    return SIZE_MAX;
}
