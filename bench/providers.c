/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds region providers by name. Owns nothing but what lasts as long as the process; takes no
 * lock. */
#include "bench/providers.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "bench/support.h"
#include "bench/way_mmb.h"

static void (*finish)(void);

mmbRegionProvider *bench_provider_open(const char *name)
{
    char path[4096];
    char file[64];
    mmbRegionProvider *provider = NULL;
    bench_provider_function *open_provider;
    const char *why = NULL;

    if (!name)
        return NULL;
    if (strcmp(name, "mlock") == 0) {
        bench_mmb_check(mmb_region_provider_create_mlock(&provider), "mlock");
        return provider;
    }
    snprintf(file, sizeof file, "bench-%s.so", name);
    bench_beside(path, sizeof path, file);
    void *module = dlopen(path, RTLD_NOW);
    if (!module)
        bench_skip("this build has no module for %s", name);
    *(void **)&open_provider = dlsym(module, BENCH_PROVIDER);
    if (!open_provider)
        bench_fail("%s: %s", path, dlerror());
    *(void **)&finish = dlsym(module, BENCH_PROVIDER_FINISH);
    if (!open_provider(&provider, &why))
        bench_skip("%s does not work here: %s", name, why ? why : mmb_error_detail());
    return provider;
}

void bench_provider_end(void)
{
    if (finish)
        finish();
}
