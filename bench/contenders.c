/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is measured. A new contender is one entry here; tables have their columns in this order. Owns
 * nothing, takes no lock. */
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include "bench/bench.h"
#include "bench/way_boost.h"

static void glibc_version(char *text, size_t n_bytes)
{
    snprintf(text, n_bytes, "%s", gnu_get_libc_version());
}

static void mimalloc_version(char *text, size_t n_bytes)
{
    int (*mi_version)(void);

    *(void **)&mi_version = dlsym(RTLD_DEFAULT, "mi_version");
    int version = mi_version ? mi_version() : 0;
    snprintf(text, n_bytes, "%d.%d.%d", version / 100, version / 10 % 10, version % 10);
}

static void jemalloc_version(char *text, size_t n_bytes)
{
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    const char *version = "";
    size_t n = sizeof version;

    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    if (mallctl && mallctl("version", &version, &n, NULL, 0) == 0)
        snprintf(text, n_bytes, "%.*s", (int)strcspn(version, "-"), version);
}

#define PEER            .way = BENCH_MALLOC, .group = BENCH_PEERS
#define MMB             .way = BENCH_MMB
#define REGION(library) .strategy = MMB_STRATEGY_THREAD_LOCAL, .provider = library
#define EACH_TIME(library, text)                                                                   \
    {                                                                                              \
        .name = "each-" library, .title = "a buffer registered each time, with " text,             \
        .way = BENCH_REFERENCE, .group = BENCH_EACH_TIME, REGION(library)                          \
    }

const struct bench_contender bench_contenders[] = {
    {.name = "mimalloc",
     .title = "mimalloc",
     PEER,
     .preload = "libmimalloc.so.2",
     .version = mimalloc_version},
    {.name = "thread",
     .title = "libmmb thread-local",
     MMB,
     .group = BENCH_LOCAL,
     .strategy = MMB_STRATEGY_THREAD_LOCAL},
    {.name = "page",
     .title = "libmmb scalable page",
     MMB,
     .group = BENCH_PAGES,
     .strategy = MMB_STRATEGY_SCALABLE_PAGE},
    {.name = "glibc", .title = "glibc", PEER, .version = glibc_version},
    {.name = "jemalloc",
     .title = "jemalloc",
     PEER,
     .preload = "libjemalloc.so.2",
     .version = jemalloc_version},
    {.name = "tbbmalloc", .title = "tbbmalloc", PEER, .preload = "libtbbmalloc_proxy.so.2"},
    {.name = "unlimited",
     .title = "libmmb thread-local, no limit",
     MMB,
     .group = BENCH_UNLIMITED,
     .strategy = MMB_STRATEGY_THREAD_LOCAL,
     .has_no_limit = true},
    {.name = "findable",
     .title = "libmmb thread-local, findable",
     MMB,
     .group = BENCH_FINDABLE,
     .strategy = MMB_STRATEGY_THREAD_LOCAL,
     .flags = MMB_INTERFACE_FINDABLE},
    {.name = "registered",
     .title = "libmmb thread-local, registered",
     MMB,
     .group = BENCH_REGISTERED,
     REGION("mlock")},
    {.name = "libfabric",
     .title = "libmmb thread-local, registered with libfabric",
     MMB,
     .group = BENCH_NETWORKS,
     REGION("libfabric")},
    {.name = "ucx",
     .title = "libmmb thread-local, registered with UCX",
     MMB,
     .group = BENCH_NETWORKS,
     REGION("ucx")},
    {.name = "mpi",
     .title = "libmmb thread-local, registered with MPI",
     MMB,
     .group = BENCH_NETWORKS,
     REGION("mpi")},
    EACH_TIME("mlock", "mlock"),
    EACH_TIME("libfabric", "libfabric"),
    EACH_TIME("ucx", "UCX"),
    EACH_TIME("mpi", "MPI"),
    {.name = "mmb-run", .title = "mmb-run", .way = BENCH_PLACED, .group = BENCH_RUN},
    {.name = "shared",
     .title = "libmmb shared heap, thread-local",
     MMB,
     .group = BENCH_SHARED,
     .strategy = MMB_STRATEGY_THREAD_LOCAL,
     .is_shared = true},
    {.name = "boost",
     .title = "boost.interprocess",
     .way = BENCH_BOOST,
     .group = BENCH_SHARED,
     .version = bench_boost_version},
    {.name = "stack",
     .title = "libmmb stack",
     MMB,
     .group = BENCH_STACKS,
     .strategy = MMB_STRATEGY_STACK},
    {.name = "bump", .title = "bump pointer, inlined", .way = BENCH_BUMP, .group = BENCH_STACKS},
    {.name = "reference", .title = "reference", .way = BENCH_REFERENCE, .group = BENCH_THE_OTHER},
};
const size_t bench_n_contenders = sizeof bench_contenders / sizeof bench_contenders[0];

bool bench_takes_part(const struct bench_contender *contender,
                      const struct bench_workload *workload)
{
    return workload->groups & contender->group && workload->run[contender->way];
}

size_t bench_find_contender(const char *name)
{
    for (size_t i = 0; i < bench_n_contenders; i++) {
        if (strcmp(bench_contenders[i].name, name) == 0)
            return i;
    }
    return SIZE_MAX;
}
