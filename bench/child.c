/* SPDX-License-Identifier: BSD-3-Clause */
/* One measurement, or the question who is there, in a process that does nothing else. Owns nothing,
 * takes no lock. */
#include "bench/child.h"
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/providers.h"
#include "bench/support.h"
#include "bench/themes.h"
#include "bench/way_boost.h"
#include "bench/way_bump.h"
#include "bench/way_mmb.h"

#define PATIENCE_S 900 /* a measurement that hangs is killed */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The library that malloc comes from. A preload that the loader ignored must not pass for a peer.
 */
static const char *server_of_malloc(const struct bench_contender *contender)
{
    Dl_info where;

    if (!dladdr(dlsym(RTLD_DEFAULT, "malloc"), &where) || !where.dli_fname)
        bench_fail("nobody knows where malloc comes from");
    const char *name = file_name(where.dli_fname);
    if (strncmp(name, "libc.so", strlen("libc.so")) == 0 ? contender->preload != NULL
                                                         : !contender->preload)
        bench_skip("malloc comes from %s", name);
    if (contender->preload && strcmp(name, contender->preload) != 0)
        bench_skip("malloc comes from %s, not from %s", name, contender->preload);
    return name;
}

/* What the value is of: the strategy that was really used, the library that really served. */
static const char *open_way(const struct bench_run *run)
{
    switch (run->contender->way) {
    case BENCH_MALLOC:
        return server_of_malloc(run->contender);
    case BENCH_MMB:
        if (run->workload->is_bare)
            return "-";
        bench_mmb_open(run->contender);
        return mmb_strategy_name(bench_mmb_strategy());
    case BENCH_BUMP:
        bench_bump_open();
        return "-";
    case BENCH_BOOST:
        bench_boost_open();
        return "-";
    default:
        return "-";
    }
}

static bool is_substitute(const struct bench_run *run)
{
    return run->contender->way == BENCH_MMB && !run->workload->is_bare &&
           bench_mmb_strategy() != run->contender->strategy;
}

static void verify(struct bench_run *run)
{
    if (run->workload->is_memory || run->workload->is_bare)
        return;
    if (run->contender->way == BENCH_MALLOC)
        malloc_verify(run);
    else if (run->contender->way == BENCH_MMB && run->contender->strategy != MMB_STRATEGY_STACK)
        mmb_verify(run);
    else if (run->contender->way == BENCH_BOOST)
        boost_verify(run);
}

void bench_child_measure(const struct bench_workload *workload,
                         const struct bench_contender *contender, double scale)
{
    struct bench_run run = {.workload = workload,
                            .contender = contender,
                            .ops = (size_t)((double)workload->ops * scale),
                            .value = NAN};

    if (run.ops < workload->least_ops)
        run.ops = workload->least_ops;
    alarm(PATIENCE_S);
    const char *server = open_way(&run);
    verify(&run);
    workload->run[contender->way](&run);
    if (!isfinite(run.value))
        bench_fail("no value");
    printf(BENCH_LINE, run.value, run.wall, is_substitute(&run), server);
    fflush(stdout);
    bench_provider_end();
    _exit(EXIT_SUCCESS);
}

void bench_child_identify(const struct bench_contender *contender)
{
    char version[64] = "";

    if (contender->way == BENCH_MALLOC) {
        (void)server_of_malloc(contender);
        if (contender->version)
            contender->version(version, sizeof version);
    } else if (contender->way == BENCH_MMB) {
        int major, minor, patch;
        bench_mmb_check(mmb_version(&major, &minor, &patch), "mmb_version");
        snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    } else if (contender->way == BENCH_BOOST) {
        contender->version(version, sizeof version);
    }
    if (contender->provider) {
        bench_mmb_check(mmb_init(MMB_INIT_DEFAULT), "mmb_init");
        bench_provider_open(contender->provider);
    }
    printf("%s\n", version);
    fflush(stdout);
    bench_provider_end();
    _exit(EXIT_SUCCESS);
}
