/* SPDX-License-Identifier: BSD-3-Clause */
/* What the backends of host memory share: which pairs they stand behind, how they refuse options
 * they do not know, how they describe a range. Owns nothing, takes no lock. */
#include "layers/host/host.h"
#include "src/base/error.h"

bool mmb_host_serves(mmbMemLayer layer, mmbExecutionContext context)
{
    return layer != MMB_GDRAM && context == MMB_CPU;
}

mmbError mmb_host_available(void)
{
    return MMB_OK;
}

mmbError mmb_host_options_unused(const mmbBackendOptions *options, const char *backend)
{
    const size_t n_words = sizeof options->reserved / sizeof options->reserved[0];
    for (size_t i = 0; i < n_words; i++)
        if (options->reserved[i] != 0)
            return mmb_fail(MMB_INVALID_ARG,
                            "%s backend: word %zu of the backend's options is not used and must "
                            "be zero",
                            backend, i);
    return MMB_OK;
}

void mmb_host_memory_fill(struct mmb_memory *out, void *host, size_t n_bytes)
{
    *out = (struct mmb_memory){
        .host = host, .address = (uintptr_t)host, .n_bytes = n_bytes, .native = host};
}
