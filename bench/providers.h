/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BENCH_PROVIDERS_H
#define MMB_BENCH_PROVIDERS_H
/* Region providers by name. Those over a network library are modules beside mmb-bench, because
 * such a library is felt by a process that only has it loaded: UCX, for one, replaces mmap. */
#include <mmb.h>

/* NULL has none. Ends the process, as what cannot be measured here, when there is no such module or
 * its network does not work. The provider stays until the process ends. */
mmbRegionProvider *bench_provider_open(const char *name);
/* Before the process ends: what would otherwise leave files behind. */
void bench_provider_end(void);

/* What each module has under this name: false when its network does not work here. Why not, in
 * words, unless libmmb knows. */
__attribute__((visibility("default"))) bool bench_provider(mmbRegionProvider **out_provider,
                                                           const char **out_why);
/* And this one only where it is needed. */
__attribute__((visibility("default"))) void bench_provider_finish(void);
#define BENCH_PROVIDER        "bench_provider"
#define BENCH_PROVIDER_FINISH "bench_provider_finish"
typedef bool bench_provider_function(mmbRegionProvider **out_provider, const char **out_why);

#endif
