/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for way_boost.cc in builds without boost. Owns nothing, takes no lock. */
#include "bench/support.h"
#include "bench/way_boost.h"

static _Noreturn void skip(void)
{
    bench_skip("built without boost");
}

void bench_boost_version(char *text, size_t n_bytes)
{
    (void)text;
    (void)n_bytes;
    skip();
}

void bench_boost_open(void)
{
    skip();
}

void *bench_boost_allocate(size_t n_bytes)
{
    (void)n_bytes;
    skip();
}

void bench_boost_free(void *block)
{
    (void)block;
    skip();
}
