/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying between two blocks, by the library and by memcpy between the same two. Owns nothing,
 * takes no lock. */
#include <string.h>
#include "bench/support.h"
#include "bench/themes.h"
#include "bench/way_mmb.h"

struct sides {
    mmbAllocation *to, *from;
    size_t n_bytes;
};

static struct sides sides_make(size_t n_bytes)
{
    struct sides sides = {NULL, NULL, n_bytes};

    bench_mmb_check(mmb_allocate(n_bytes, bench_interface, &sides.to), "mmb_allocate");
    bench_mmb_check(mmb_allocate(n_bytes, bench_interface, &sides.from), "mmb_allocate");
    memset(mmb_allocation_ptr(sides.to), 0, n_bytes);
    for (size_t i = 0; i < n_bytes; i++)
        MMB_PTR(sides.from, unsigned char)[i] = (unsigned char)(i * 131 >> 3);
    return sides;
}

static void sides_free(struct sides *sides)
{
    if (memcmp(mmb_allocation_ptr(sides->to), mmb_allocation_ptr(sides->from), sides->n_bytes) != 0)
        bench_fail("%zu copied bytes are not what they were", sides->n_bytes);
    bench_mmb_check(mmb_free(sides->to), "mmb_free");
    bench_mmb_check(mmb_free(sides->from), "mmb_free");
}

static void copy_by_mmb(const struct sides *sides, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (mmb_copy(sides->to, sides->from) != MMB_OK)
            bench_fail("mmb_copy: %s", mmb_error_detail());
    }
}

static void copy_by_memcpy(const struct sides *sides, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *to = mmb_allocation_ptr(sides->to);
        memcpy(to, mmb_allocation_ptr(sides->from), sides->n_bytes);
        bench_sink(to);
    }
}

static void measure(struct bench_run *run, void (*copy)(const struct sides *, size_t))
{
    struct sides sides = sides_make(run->workload->most);

    copy(&sides, run->ops / 10 + 1);
    double start = bench_cpu_ns();
    copy(&sides, run->ops);
    run->value = (bench_cpu_ns() - start) / (double)run->ops;
    sides_free(&sides);
}

void mmb_copy_between(struct bench_run *run)
{
    measure(run, copy_by_mmb);
}

void reference_copy_between(struct bench_run *run)
{
    const struct bench_contender plain = {.strategy = MMB_STRATEGY_THREAD_LOCAL};

    bench_mmb_open(&plain);
    measure(run, copy_by_memcpy);
}
