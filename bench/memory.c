/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory rather than time: what a live block costs beyond its bytes, and what stays resident when
 * everything was freed. Compiled once per way; owns nothing, takes no lock. */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>
#include "bench/block.h"
#include "bench/themes.h"

#define SETTLE_US 1100000 /* "within a second" */

/* Resident bytes per live block of `most` bytes beyond these. */
void WAY(overhead)(struct bench_run *run)
{
    size_t n_bytes = run->workload->most;
    size_t n = run->ops;
    block_handle *blocks = block_table(n);
    size_t before = bench_resident_bytes();

    for (size_t i = 0; i < n; i++) {
        blocks[i] = block_allocate(n_bytes);
        memset(block_ptr(blocks[i]), (int)(i % 251), n_bytes);
    }
    size_t after = bench_resident_bytes();
    run->value = ((double)after - (double)before) / (double)n - (double)n_bytes;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *bytes = block_ptr(blocks[i]);
        if (bytes[0] != i % 251 || bytes[n_bytes - 1] != i % 251)
            bench_fail("block %zu of %zu bytes has changed", i, n_bytes);
        block_free(blocks[i]);
    }
}

#if defined(BENCH_IN_MMB)

static void trim(void)
{
    bench_mmb_check(mmb_interface_trim(bench_interface, 0), "mmb_interface_trim");
}

#else

/* Each peer has a call of its own. The loader finds that of the one which was preloaded; glibc's is
 * always there and must not hide it. */
static void trim(void)
{
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    void (*mi_collect)(bool);
    int (*scalable_allocation_command)(int, void *);
    int (*malloc_trim)(size_t);

    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    *(void **)&mi_collect = dlsym(RTLD_DEFAULT, "mi_collect");
    *(void **)&scalable_allocation_command = dlsym(RTLD_DEFAULT, "scalable_allocation_command");
    *(void **)&malloc_trim = dlsym(RTLD_DEFAULT, "malloc_trim");
    if (mallctl) {
        mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
        mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
    } else if (mi_collect) {
        mi_collect(true);
    } else if (scalable_allocation_command) {
        scalable_allocation_command(0, NULL); /* TBBMALLOC_CLEAN_ALL_BUFFERS */
    } else if (malloc_trim) {
        malloc_trim(0);
    }
}

#endif

static void give_back(size_t when)
{
    if (when == BENCH_AFTER_A_SECOND) {
        usleep(SETTLE_US);
        block_free(block_allocate(64)); /* who gives back from inside a call needs one */
    }
    if (when == BENCH_ON_TRIM)
        trim();
}

/* Share of the grown memory that is still resident after all of it was freed. */
void WAY(freed)(struct bench_run *run)
{
    const struct bench_workload *work = run->workload;
    block_handle *blocks = block_table(run->ops);
    uint64_t state = 6;
    size_t before = bench_resident_bytes();

    for (size_t i = 0; i < run->ops; i++) {
        size_t n_bytes = bench_random_size(&state, work->least, work->most);
        blocks[i] = block_allocate(n_bytes);
        memset(block_ptr(blocks[i]), 1, n_bytes);
    }
    size_t most = bench_resident_bytes();
    for (size_t i = 0; i < run->ops; i++)
        block_free(blocks[i]);
    give_back(work->parameter);
    size_t after = bench_resident_bytes();
    if (most <= before)
        bench_fail("%zu filled blocks are not resident", run->ops);
    run->value = after > before ? (double)(after - before) / (double)(most - before) : 0;
}
