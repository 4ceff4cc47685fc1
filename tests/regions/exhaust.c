/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes all that malloc has, under a limit on addresses. Nothing is given back. */
#include "tests/regions/exhaust.h"
#include <stdlib.h>
#include <sys/resource.h>

bool exhaust_malloc(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    const struct rlimit nothing_more = {1, 1};
    void *volatile last;
    if (setrlimit(RLIMIT_AS, &nothing_more))
        return false;
    for (size_t n_bytes = (size_t)1 << 20; n_bytes >= 16; n_bytes /= 2)
        while ((last = malloc(n_bytes)) != NULL)
            continue;
    last = calloc(1, 24);
    return last == NULL;
#endif
}
