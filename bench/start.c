/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting the library with discovery, and loading the topology that discovery looks at. Owns
 * nothing, takes no lock. */
#include "config.h"
#include "bench/support.h"
#include "bench/themes.h"
#include "bench/way_mmb.h"
#ifdef MMB_HAVE_HWLOC
#include <hwloc.h>
#endif

void mmb_start(struct bench_run *run)
{
    double spent = 0;

    for (size_t i = 0; i < run->ops; i++) {
        double start = bench_cpu_ns();
        bench_mmb_check(mmb_init(MMB_INIT_DEFAULT), "mmb_init");
        spent += bench_cpu_ns() - start;
        if (mmb_layer_count() == 0)
            bench_skip("nothing was discovered: mmb_init does something else here");
        bench_mmb_check(mmb_finalize(), "mmb_finalize");
    }
    run->value = spent / (double)run->ops;
}

#ifdef MMB_HAVE_HWLOC

static hwloc_topology_t load(void)
{
    hwloc_topology_t topology;

    if (hwloc_topology_init(&topology) != 0 ||
        hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT) != 0 ||
        hwloc_topology_load(topology) != 0)
        bench_fail("hwloc cannot load the topology");
    return topology;
}

void reference_start(struct bench_run *run)
{
    double spent = 0;

    for (size_t i = 0; i < run->ops; i++) {
        double start = bench_cpu_ns();
        hwloc_topology_t topology = load();
        spent += bench_cpu_ns() - start;
        if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) < 1)
            bench_fail("hwloc sees no memory");
        hwloc_topology_destroy(topology);
    }
    run->value = spent / (double)run->ops;
}

#else

void reference_start(struct bench_run *run)
{
    (void)run;
    bench_skip("this build has no hwloc");
}

#endif
