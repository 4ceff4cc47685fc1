/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding spaces and asking them. Owns nothing; the public functions take the registry mutex and,
 * for counts, the locks of allocators inside it. */
#include <stdint.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/context.h"
#include "src/core/interface.h"
#include "src/core/registry.h"
#include "src/core/source.h"
#include "src/core/space_config.h"
#include "src/core/space_limits.h"
#include "src/core/subheap.h"

static mmbMemSpace *space_of(struct mmb_list *node)
{
    return MMB_CONTAINER_OF(node, mmbMemSpace, link);
}

static size_t reserved_by(const mmbMemSpace *space)
{
    size_t sum = 0;
    MMB_LIST_FOR_EACH (node, &space->interfaces)
        sum += mmb_subheaps_reserved(MMB_CONTAINER_OF(node, mmbMemInterface, link));
    return sum;
}

/* What the space has reserved and does not use is its own, whatever the layer has left. */
size_t mmb_space_room(const mmbMemSpace *space)
{
    size_t room = mmb_space_unused(space);
    size_t reserved = reserved_by(space);
    size_t used = mmb_space_used(space);
    size_t physical = mmb_budget_room(&space->layer->budget);
    if (space->context == MMB_CPU && mmb_budget_room(&mmb_host_budget) < physical)
        physical = mmb_budget_room(&mmb_host_budget);
    if (!mmb_add_size(physical, reserved > used ? reserved - used : 0, &physical))
        physical = SIZE_MAX;
    return room < physical ? room : physical;
}

/* ---- request ---- */

static bool is_of(const mmbMemSpace *space, mmbMemLayer layer, mmbExecutionContext context)
{
    return space->layer->id == layer && mmb_context_means(context, layer, space->context);
}

mmbMemSpace *mmb_space_default(mmbMemLayer layer, mmbExecutionContext context)
{
    mmbMemSpace *registered = NULL;
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces) {
        mmbMemSpace *space = space_of(node);
        if (!is_of(space, layer, context))
            continue;
        if (space->origin == MMB_SPACE_DISCOVERED)
            return space;
        if (space->origin == MMB_SPACE_REGISTERED && !registered)
            registered = space;
    }
    return registered;
}

static mmbMemSpace *find_size(mmbMemLayer layer, mmbExecutionContext context, size_t n_bytes)
{
    mmbMemSpace *full = NULL;
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces) {
        mmbMemSpace *space = space_of(node);
        if (!is_of(space, layer, context) || mmb_space_limit(space) < n_bytes)
            continue;
        if (mmb_space_room(space) >= n_bytes)
            return space;
        if (!full)
            full = space;
    }
    return full;
}

static mmbError request(mmbMemLayer layer_id, mmbExecutionContext context,
                        const mmbMemSpaceConfig *config, mmbMemSpace **out_space)
{
    const struct mmb_layer *layer = mmb_layer_lookup(layer_id);
    if (!layer)
        return MMB_INVALID_LAYER;
    mmbError error = mmb_context_check(context, "request_space");
    if (error != MMB_OK)
        return error;
    if (!out_space)
        return mmb_fail(MMB_INVALID_ARG, "request_space: out_space is NULL");
    error = mmb_space_config_check_values(config, "request_space");
    struct mmb_space_size size = {.limit = 0};
    if (error == MMB_OK)
        error = mmb_space_config_size(config, layer, "request_space", &size);
    if (error != MMB_OK)
        return error;
    mmbMemSpace *space = config->size_opts.action == MMB_SIZE_SET
                             ? find_size(layer_id, context, size.limit)
                             : mmb_space_default(layer_id, context);
    if (!space)
        return mmb_fail(MMB_NOT_FOUND, "request_space: layer %s has no such space in context %s",
                        layer->name, mmb_context_text(context));
    *out_space = space;
    return MMB_OK;
}

mmbError mmb_request_space(const mmbMemLayer layer, const mmbExecutionContext ex_con,
                           const mmbMemSpaceConfig *config_opts, mmbMemSpace **out_space)
{
    mmbError error = mmb_registry_enter("request_space");
    if (error != MMB_OK)
        return error;
    error =
        request(layer, ex_con, config_opts ? config_opts : &mmb_space_config_default, out_space);
    mmb_registry_unlock();
    return error;
}

/* ---- the best space ---- */

/* Where a layer stands when its speed is not known; a layer that is not listed comes last. */
static unsigned int usual_place(const struct mmb_layer *layer)
{
    static const mmbMemLayer order[] = {MMB_GDRAM,  MMB_HBM,    MMB_DRAM, MMB_CXL,
                                        MMB_NVDIMM, MMB_NADRAM, MMB_SSD};
    unsigned int place = 0;
    while (place < sizeof order / sizeof order[0] && order[place] != layer->id)
        place++;
    return place;
}

/* Larger is better; 0: unknown. */
static size_t merit(const struct mmb_layer *layer, mmbRank rank)
{
    if (rank == MMB_BEST_BANDWIDTH)
        return layer->bandwidth_mib_s;
    return layer->latency_ns ? SIZE_MAX - layer->latency_ns : 0;
}

/* -1, 0 or 1. Values count only when all are known: comparing some pairs by value and others by
 * their usual place would go round in circles. */
static int compare_layers(const struct mmb_layer *a, const struct mmb_layer *b, mmbRank rank,
                          bool all_known)
{
    if (all_known) {
        size_t merit_a = merit(a, rank);
        size_t merit_b = merit(b, rank);
        return (merit_a > merit_b) - (merit_a < merit_b);
    }
    return (usual_place(a) < usual_place(b)) - (usual_place(a) > usual_place(b));
}

static bool is_candidate(const mmbMemSpace *space, mmbExecutionContext context, size_t n_bytes)
{
    return space->context == context && mmb_space_room(space) >= n_bytes;
}

static bool all_are_known(mmbRank rank, mmbExecutionContext context, size_t n_bytes)
{
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces) {
        const mmbMemSpace *space = space_of(node);
        if (is_candidate(space, context, n_bytes) && !merit(space->layer, rank))
            return false;
    }
    return true;
}

/* Of equal ones the one with most room, then the oldest. */
static mmbMemSpace *find_best(mmbRank rank, mmbExecutionContext context, size_t n_bytes)
{
    bool by_speed = rank != MMB_MOST_FREE;
    bool all_known = by_speed && all_are_known(rank, context, n_bytes);
    mmbMemSpace *best = NULL;
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces) {
        mmbMemSpace *space = space_of(node);
        if (!is_candidate(space, context, n_bytes))
            continue;
        int better =
            best && by_speed ? compare_layers(space->layer, best->layer, rank, all_known) : 0;
        if (!best || better > 0 || (better == 0 && mmb_space_room(space) > mmb_space_room(best)))
            best = space;
    }
    return best;
}

static mmbError request_best(mmbRank rank, mmbExecutionContext context, size_t n_bytes,
                             mmbMemSpace **out_space)
{
    mmbError error = mmb_context_check(context, "request_best_space");
    if (error != MMB_OK)
        return error;
    if ((unsigned int)rank > MMB_MOST_FREE)
        return mmb_fail(MMB_INVALID_ARG, "request_best_space: %d is no rank", (int)rank);
    if (!out_space)
        return mmb_fail(MMB_INVALID_ARG, "request_best_space: out_space is NULL");
    if (context == MMB_EXECUTION_CONTEXT_DEFAULT)
        context = MMB_CPU;
    mmbMemSpace *space = find_best(rank, context, n_bytes);
    if (!space)
        return mmb_fail(MMB_NOT_FOUND, "request_best_space: no space of context %s has %zu B left",
                        mmb_context_text(context), n_bytes);
    *out_space = space;
    return MMB_OK;
}

mmbError mmb_request_best_space(mmbRank rank, mmbExecutionContext context, size_t n_bytes,
                                mmbMemSpace **out_space)
{
    mmbError error = mmb_registry_enter("request_best_space");
    if (error != MMB_OK)
        return error;
    error = request_best(rank, context, n_bytes, out_space);
    mmb_registry_unlock();
    return error;
}

/* ---- enumeration ---- */

size_t mmb_space_count(void)
{
    if (mmb_registry_enter("space_count") != MMB_OK)
        return 0;
    size_t count = mmb_registry.n_spaces;
    mmb_registry_unlock();
    return count;
}

static mmbError at(size_t index, mmbMemSpace **out_space)
{
    if (!out_space)
        return mmb_fail(MMB_INVALID_ARG, "space_at: out_space is NULL");
    size_t left = index;
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces)
        if (left-- == 0) {
            *out_space = space_of(node);
            return MMB_OK;
        }
    return mmb_fail(MMB_NOT_FOUND, "space_at: there is no space %zu", index);
}

mmbError mmb_space_at(size_t index, mmbMemSpace **out_space)
{
    mmbError error = mmb_registry_enter("space_at");
    if (error != MMB_OK)
        return error;
    error = at(index, out_space);
    mmb_registry_unlock();
    return error;
}

/* ---- asking ---- */

static size_t allocations_in(const mmbMemSpace *space)
{
    size_t sum = 0;
    MMB_LIST_FOR_EACH (node, &space->interfaces) {
        const mmbMemInterface *interface = MMB_CONTAINER_OF(node, mmbMemInterface, link);
        struct mmb_allocator_stats stats;
        mmb_subheaps_get_stats(interface, &stats);
        sum += stats.live_count;
    }
    return sum;
}

static mmbSpaceInfo info_of(const mmbMemSpace *space)
{
    return (mmbSpaceInfo){
        .size = sizeof(mmbSpaceInfo),
        .layer = space->layer->id,
        .context = space->context,
        .limit = mmb_space_limit(space),
        .used = mmb_space_used(space),
        .peak = mmb_space_peak(space),
        .reserved = reserved_by(space),
        .allocations = allocations_in(space),
        .domains = space->n_domains,
    };
}

mmbError mmb_space_get_info(const mmbMemSpace *space, mmbSpaceInfo *out_info)
{
    mmbError error = mmb_registry_enter("space_get_info");
    if (error != MMB_OK)
        return error;
    error = mmb_space_check(space, "space_get_info");
    if (error == MMB_OK) {
        mmbSpaceInfo known = info_of(space);
        error = mmb_struct_out(out_info, &known, sizeof known, sizeof known, "mmbSpaceInfo");
    }
    mmb_registry_unlock();
    return error;
}

static mmbSpaceInfo domain_info_of(const mmbMemSpace *space, size_t domain)
{
    const struct mmb_quota *quota = &space->domain_quotas[domain];
    mmbSpaceInfo info = {
        .size = sizeof(mmbSpaceInfo),
        .layer = space->layer->id,
        .context = space->context,
        .limit = mmb_quota_limit(quota),
        .used = mmb_quota_used(quota),
        .peak = mmb_quota_peak(quota),
    };
    MMB_LIST_FOR_EACH (node, &space->interfaces) {
        const struct mmb_subheap *heap =
            &MMB_CONTAINER_OF(node, mmbMemInterface, link)->heaps[domain];
        struct mmb_allocator_stats stats;
        heap->allocator->ops->get_stats(heap->allocator, &stats);
        info.reserved += mmb_source_reserved(heap->source);
        info.allocations += stats.live_count;
    }
    return info;
}

/* The one domain that can have a limit of its own has all of the space's. */
static mmbError get_domain_info(const mmbMemSpace *space, size_t domain, mmbSpaceInfo *out_info)
{
    mmbError error = mmb_space_check(space, "space_get_domain_info");
    if (error != MMB_OK)
        return error;
    if (domain >= space->n_domains)
        return mmb_fail(MMB_NOT_FOUND, "space_get_domain_info: the space has no domain %zu of %zu",
                        domain, space->n_domains);
    mmbSpaceInfo known =
        mmb_space_is_by_domain(space) ? domain_info_of(space, domain) : info_of(space);
    known.domains = 0;
    return mmb_struct_out(out_info, &known, sizeof known, sizeof known, "mmbSpaceInfo");
}

mmbError mmb_space_get_domain_info(const mmbMemSpace *space, size_t domain, mmbSpaceInfo *out_info)
{
    mmbError error = mmb_registry_enter("space_get_domain_info");
    if (error != MMB_OK)
        return error;
    error = get_domain_info(space, domain, out_info);
    mmb_registry_unlock();
    return error;
}
