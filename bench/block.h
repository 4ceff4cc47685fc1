/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_BLOCK_H
#define MMB_BENCH_BLOCK_H
/* A block of memory in one of the ways of asking for it. Sources that include this are compiled
 * once per way, with BENCH_IN_MALLOC, BENCH_IN_MMB, BENCH_IN_BOOST or BENCH_IN_BUMP defined, and
 * put WAY() around what they export. Whatever fails ends the process. */
#include <stdlib.h>
#include "bench/support.h"
#include "bench/way_boost.h"
#include "bench/way_bump.h"
#include "bench/way_mmb.h"

#if defined(BENCH_IN_MALLOC)

#define WAY(name) malloc_##name
typedef void *block_handle;

static inline block_handle block_allocate(size_t n_bytes)
{
    void *block = malloc(n_bytes);
    if (__builtin_expect(!block, 0))
        bench_fail("malloc(%zu) fails", n_bytes);
    return block;
}

static inline void block_free(block_handle block)
{
    free(block);
}

static inline void *block_ptr(block_handle block)
{
    return block;
}

#elif defined(BENCH_IN_MMB)

#define WAY(name) mmb_##name
typedef mmbAllocation *block_handle;

static inline block_handle block_allocate(size_t n_bytes)
{
    mmbAllocation *block;
    if (__builtin_expect(mmb_allocate(n_bytes, bench_interface, &block) != MMB_OK, 0))
        bench_fail("mmb_allocate(%zu): %s", n_bytes, mmb_error_detail());
    return block;
}

static inline void block_free(block_handle block)
{
    if (__builtin_expect(mmb_free(block) != MMB_OK, 0))
        bench_fail("mmb_free: %s", mmb_error_detail());
}

static inline void *block_ptr(block_handle block)
{
    return mmb_allocation_ptr(block);
}

#elif defined(BENCH_IN_BOOST)

#define WAY(name) boost_##name
typedef void *block_handle;

static inline block_handle block_allocate(size_t n_bytes)
{
    void *block = bench_boost_allocate(n_bytes);
    if (__builtin_expect(!block, 0))
        bench_fail("boost.interprocess: no %zu bytes", n_bytes);
    return block;
}

static inline void block_free(block_handle block)
{
    bench_boost_free(block);
}

static inline void *block_ptr(block_handle block)
{
    return block;
}

#elif defined(BENCH_IN_BUMP)

#define WAY(name) bump_##name
typedef char *block_handle;

static inline block_handle block_allocate(size_t n_bytes)
{
    size_t rounded = (n_bytes + 15) & ~(size_t)15;
    char *block = bench_bump.top;
    if (__builtin_expect(rounded > (size_t)(bench_bump.end - block), 0))
        bench_fail("the bump pointer's %zu bytes are used up", BENCH_BUMP_BYTES);
    bench_bump.top = block + rounded;
    return block;
}

/* The last one first: the only order in which a bump pointer can free. */
static inline void block_free(block_handle block)
{
    bench_bump.top = block;
}

static inline void *block_ptr(block_handle block)
{
    return block;
}

#else
#error "no way of asking for a block is chosen"
#endif

/* Every block carries a number: it is written, so that the memory is there, and read again, so that
 * two blocks in one place are noticed. */
static inline void block_mark(block_handle block, uint64_t number)
{
    *(volatile uint64_t *)block_ptr(block) = number;
}

static inline uint64_t block_read(block_handle block)
{
    return *(volatile uint64_t *)block_ptr(block);
}

/* What is kept in a table: the handle alone, as a program would. */
static inline block_handle *block_table(size_t n)
{
    return bench_table(n, sizeof(block_handle));
}

#endif
