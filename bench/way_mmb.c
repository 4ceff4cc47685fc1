/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens the space and interface that a measuring process allocates from. Owns both until the
 * process ends; takes no lock. */
#include "bench/way_mmb.h"
#include <stdio.h>
#include <unistd.h>
#include "bench/providers.h"
#include "bench/support.h"
#include "bench/way_boost.h"

mmbMemSpace *bench_space;
mmbMemInterface *bench_interface;

void bench_mmb_check(mmbError error, const char *what)
{
    if (error != MMB_OK)
        bench_fail("%s: %s: %s", what, mmb_error_name(error), mmb_error_detail());
}

/* Half of the machine: a limit that is counted but not met. */
static size_t roomy_limit(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
}

/* What a run holds must be lockable, 8 MiB at most; else there is nothing to measure. */
static void skip_unless_registrable(void)
{
    mmbAllocation *block;
    mmbError error = mmb_allocate((size_t)7 << 20, bench_interface, &block);

    if (error == MMB_OUT_OF_MEMORY)
        bench_skip("%s", mmb_error_detail());
    bench_mmb_check(error, "7 MiB of registered memory");
    bench_mmb_check(mmb_free(block), "mmb_free");
    bench_mmb_check(mmb_interface_trim(bench_interface, 0), "mmb_interface_trim");
}

void bench_mmb_open(const struct bench_contender *contender)
{
    mmbMemSpaceConfig space = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemInterfaceConfig interface = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    char url[64];

    space.size_opts.action = contender->has_no_limit ? MMB_SIZE_ANY : MMB_SIZE_SET;
    if (!contender->has_no_limit)
        space.size_opts.mem_size = roomy_limit();
    interface.strategy = contender->strategy;
    interface.flags = contender->flags;
    if (contender->is_shared) {
        snprintf(url, sizeof url, "/mmb-bench-%ld", (long)getpid());
        interface.backend = MMB_BACKEND_SHM;
        interface.backend_opts.shm.url = url;
        interface.backend_opts.shm.bytes = BENCH_SEGMENT_BYTES;
        interface.backend_opts.shm.mode = MMB_SHM_CREATE;
    }
    bench_mmb_check(mmb_init(MMB_INIT_DEFAULT), "mmb_init");
    bench_mmb_check(mmb_register_memory(MMB_DRAM, MMB_CPU, &space, &bench_space),
                    "mmb_register_memory");
    interface.region_provider = bench_provider_open(contender->provider);
    mmbError error = mmb_create_interface(bench_space, &interface, &bench_interface);
    if (error == MMB_UNSUPPORTED && interface.strategy == MMB_STRATEGY_THREAD_LOCAL) {
        interface.strategy = MMB_STRATEGY_DEFAULT;
        error = mmb_create_interface(bench_space, &interface, &bench_interface);
    }
    if (error == MMB_UNSUPPORTED)
        bench_skip("%s", mmb_error_detail());
    bench_mmb_check(error, "mmb_create_interface");
    if (contender->is_shared)
        bench_mmb_check(mmb_shm_unlink(url), "mmb_shm_unlink");
    if (contender->provider)
        skip_unless_registrable();
}

mmbStrategy bench_mmb_strategy(void)
{
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;

    bench_mmb_check(mmb_interface_get_info(bench_interface, &info), "mmb_interface_get_info");
    return info.strategy;
}

size_t bench_mmb_limit(size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    mmbAllocation *block;

    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    bench_mmb_check(mmb_memspace_configure(&config, bench_space), "mmb_memspace_configure");
    bench_mmb_check(mmb_space_get_info(bench_space, &info), "mmb_space_get_info");
    size_t left = limit - info.used;
    if (mmb_allocate(left + 1, bench_interface, &block) != MMB_OUT_OF_MEMORY)
        bench_fail("%zu bytes were granted where %zu are left", left + 1, left);
    bench_mmb_check(mmb_allocate(left, bench_interface, &block), "all that is left");
    bench_mmb_check(mmb_free(block), "mmb_free");
    return left;
}
