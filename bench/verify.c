/* SPDX-License-Identifier: BSD-3-Clause */
/* Before the clock runs: blocks of all sizes that are alive together are filled to the last byte,
 * and hold what was put there. Compiled once per way; owns nothing, takes no lock. */
#include <string.h>
#include "bench/block.h"
#include "bench/themes.h"

#define N_BLOCKS ((size_t)500)

static unsigned char pattern(size_t index)
{
    return (unsigned char)(index * 37 + 11);
}

void WAY(verify)(struct bench_run *run)
{
    block_handle *blocks = block_table(N_BLOCKS);
    uint32_t *sizes = bench_table(N_BLOCKS, sizeof *sizes);
    uint64_t state = 2463534242;

    (void)run;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        sizes[i] = (uint32_t)bench_random_size(&state, 8, 65536);
        blocks[i] = block_allocate(sizes[i]);
        memset(block_ptr(blocks[i]), pattern(i), sizes[i]);
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        const unsigned char *bytes = block_ptr(blocks[i]);
        if ((uintptr_t)bytes % 8 != 0)
            bench_fail("a block of %u bytes lies at %p", sizes[i], (const void *)bytes);
        for (size_t at = 0; at < sizes[i]; at++) {
            if (bytes[at] != pattern(i))
                bench_fail("byte %zu of a block of %u has changed", at, sizes[i]);
        }
        block_free(blocks[i]);
    }
}
