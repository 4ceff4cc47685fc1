/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of spaces (space_limits.h). Owns the quotas of domains; its callers hold the registry
 * mutex. */
#include "src/core/space_limits.h"
#include <stdint.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"

static size_t quotas_bytes(const mmbMemSpace *space)
{
    return space->n_domains * sizeof *space->domain_quotas;
}

mmbError mmb_space_limits_open(mmbMemSpace *space, const struct mmb_space_size *size)
{
    mmb_quota_init(&space->quota, size->limit);
    space->n_domains = size->n_domains;
    space->domain_quotas = NULL;
    if (!size->limits)
        return MMB_OK;
    space->domain_quotas = mmb_meta_alloc(quotas_bytes(space));
    if (!space->domain_quotas)
        return MMB_OUT_OF_MEMORY;
    for (size_t i = 0; i < space->n_domains; i++)
        mmb_quota_init(&space->domain_quotas[i], size->limits[i]);
    return MMB_OK;
}

void mmb_space_limits_close(mmbMemSpace *space)
{
    mmb_meta_free(space->domain_quotas, quotas_bytes(space));
    space->domain_quotas = NULL;
}

/* ---- changing ---- */

static size_t wanted_limit(const struct mmb_space_size *size, size_t domain)
{
    return size->limits ? size->limits[domain] : MMB_NO_LIMIT;
}

static bool lowers(const struct mmb_quota *quota, size_t limit)
{
    return limit < mmb_quota_limit(quota);
}

/* Raising cannot fail, so what is lowered comes first and can be raised again. Until then `old`
 * keeps the limits. */
static mmbError lower(mmbMemSpace *space, const struct mmb_space_size *size, size_t *old)
{
    for (size_t i = 0; i < space->n_domains; i++) {
        struct mmb_quota *quota = &space->domain_quotas[i];
        old[i] = mmb_quota_limit(quota);
        if (!lowers(quota, wanted_limit(size, i)))
            continue;
        mmbError error = mmb_quota_set_limit(quota, wanted_limit(size, i));
        if (error == MMB_OK)
            continue;
        while (i-- > 0)
            mmb_quota_set_limit(&space->domain_quotas[i], old[i]);
        return error;
    }
    return MMB_OK;
}

static mmbError set_domains(mmbMemSpace *space, const struct mmb_space_size *size)
{
    size_t *old = mmb_meta_alloc(space->n_domains * sizeof *old);
    if (!old)
        return mmb_fail(MMB_OUT_OF_MEMORY, "memspace_configure: no memory for %zu limits",
                        space->n_domains);
    mmbError error = lower(space, size, old);
    for (size_t i = 0; error == MMB_OK && i < space->n_domains; i++)
        mmb_quota_set_limit(&space->domain_quotas[i], wanted_limit(size, i));
    mmb_meta_free(old, space->n_domains * sizeof *old);
    return error;
}

/* From one limit to several or back: the heaps of interfaces are made for the one or the other. */
static mmbError change_kind(mmbMemSpace *space, const struct mmb_space_size *size)
{
    if (!mmb_list_is_empty(&space->interfaces))
        return mmb_fail(MMB_BUSY,
                        "memspace_configure: the space's interfaces were made %s limits "
                        "per domain",
                        mmb_space_is_by_domain(space) ? "for" : "without");
    mmbMemSpace fresh = {.n_domains = 0};
    if (mmb_space_limits_open(&fresh, size) != MMB_OK)
        return mmb_fail(MMB_OUT_OF_MEMORY, "memspace_configure: no memory for %zu limits",
                        size->n_domains);
    mmb_space_limits_close(space);
    mmb_space_limits_open(space, &(struct mmb_space_size){.limit = size->limit});
    space->domain_quotas = fresh.domain_quotas;
    space->n_domains = fresh.n_domains;
    return MMB_OK;
}

mmbError mmb_space_limits_set(mmbMemSpace *space, const struct mmb_space_size *size)
{
    bool is_no_limit = !size->limits && size->limit == MMB_NO_LIMIT;
    if (size->is_unchanged)
        return MMB_OK;
    if (mmb_space_is_by_domain(space) && (size->limits || is_no_limit))
        return set_domains(space, size);
    if (mmb_space_is_by_domain(space) || size->limits)
        return change_kind(space, size);
    mmbError error = mmb_quota_set_limit(&space->quota, size->limit);
    if (error == MMB_OK)
        space->n_domains = size->n_domains;
    return error;
}

/* ---- asking ---- */

struct mmb_quota *mmb_space_quota(mmbMemSpace *space, int domain)
{
    return domain < 0 ? &space->quota : &space->domain_quotas[domain];
}

static size_t sum(const mmbMemSpace *space, size_t (*ask)(const struct mmb_quota *))
{
    size_t total = 0;
    if (!space->domain_quotas)
        return ask(&space->quota);
    for (size_t i = 0; i < space->n_domains; i++)
        if (!mmb_add_size(total, ask(&space->domain_quotas[i]), &total))
            return SIZE_MAX;
    return total;
}

size_t mmb_space_limit(const mmbMemSpace *space)
{
    return sum(space, mmb_quota_limit);
}

size_t mmb_space_used(const mmbMemSpace *space)
{
    return sum(space, mmb_quota_used);
}

size_t mmb_space_peak(const mmbMemSpace *space)
{
    return sum(space, mmb_quota_peak);
}

size_t mmb_space_unused(const mmbMemSpace *space)
{
    return sum(space, mmb_quota_room);
}
