/* SPDX-License-Identifier: BSD-3-Clause */
/* The segment of boost.interprocess that a measuring process and its children allocate from. It has
 * its name only while it is being made. Owns it until the process ends; boost's lock is in the
 * segment. */
#include "bench/way_boost.h"
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/version.hpp>
#include <cstdio>
#include <new>
#include <unistd.h>

namespace ipc = boost::interprocess;

static ipc::managed_shared_memory *segment;

void bench_boost_version(char *text, size_t n_bytes)
{
    std::snprintf(text, n_bytes, "%d.%d.%d", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                  BOOST_VERSION % 100);
}

void bench_boost_open(void)
{
    char name[64];

    std::snprintf(name, sizeof name, "mmb-bench-boost-%ld", static_cast<long>(getpid()));
    try {
        segment = new ipc::managed_shared_memory(ipc::create_only, name, BENCH_SEGMENT_BYTES);
    } catch (const std::exception &problem) {
        std::printf("boost.interprocess: %s\n", problem.what());
        std::fflush(stdout);
        _exit(1);
    }
    ipc::shared_memory_object::remove(name);
}

void *bench_boost_allocate(size_t n_bytes)
{
    return segment->allocate(n_bytes, std::nothrow);
}

void bench_boost_free(void *block)
{
    segment->deallocate(block);
}
