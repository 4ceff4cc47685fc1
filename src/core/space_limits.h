/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of a space: one, or one per domain with their sum as the space's own. The registry
 * mutex is held; quotas themselves are charged without it. */
#ifndef MMB_CORE_SPACE_LIMITS_H
#define MMB_CORE_SPACE_LIMITS_H
#include "src/core/space.h"
#include "src/core/space_config.h"

/* MMB_OUT_OF_MEMORY without a detail. */
mmbError mmb_space_limits_open(mmbMemSpace *space, const struct mmb_space_size *size);
void mmb_space_limits_close(mmbMemSpace *space);
/* MMB_BUSY: more is in use, or interfaces have their heaps as it was. Nothing has changed then. */
mmbError mmb_space_limits_set(mmbMemSpace *space, const struct mmb_space_size *size);

/* Has each domain a limit, and each interface a heap per domain? */
static inline bool mmb_space_is_by_domain(const mmbMemSpace *space)
{
    return space->domain_quotas != NULL;
}

/* The domain's, or with -1 the one of a space that is not by domain. */
struct mmb_quota *mmb_space_quota(mmbMemSpace *space, int domain);

/* Sums over the domains; SIZE_MAX where one has no limit. The peak is at least the true one. */
size_t mmb_space_limit(const mmbMemSpace *space);
size_t mmb_space_used(const mmbMemSpace *space);
size_t mmb_space_peak(const mmbMemSpace *space);
size_t mmb_space_unused(const mmbMemSpace *space); /* of the limit */

#endif
