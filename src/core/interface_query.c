/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding interfaces and asking them. Owns nothing; the public functions take the registry mutex
 * and inside it the locks of allocators. */
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/interface.h"
#include "src/core/interface_config.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"

/* ---- finding ---- */

static mmbError find(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                     mmbMemInterface **out_interface)
{
    MMB_LIST_FOR_EACH (node, &space->interfaces) {
        mmbMemInterface *interface = MMB_CONTAINER_OF(node, mmbMemInterface, link);
        if (!mmb_interface_satisfies(interface, config))
            continue;
        *out_interface = interface;
        return MMB_OK;
    }
    return mmb_fail(MMB_NOT_FOUND, "request_interface: no interface of the space is like that");
}

static mmbError request(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                        mmbMemInterface **out_interface)
{
    mmbError error = mmb_space_check(space, "request_interface");
    if (error != MMB_OK)
        return error;
    if (!out_interface)
        return mmb_fail(MMB_INVALID_ARG, "request_interface: out_interface is NULL");
    error = mmb_interface_config_check_values(config, "request_interface");
    if (error != MMB_OK)
        return error;
    if (mmb_interface_config_asks_nothing(config))
        return mmb_interface_default(space, out_interface);
    return find(space, config, out_interface);
}

mmbError mmb_request_interface(mmbMemSpace *space, const mmbMemInterfaceConfig *config_opts,
                               mmbMemInterface **out_interface)
{
    mmbError error = mmb_registry_enter("request_interface");
    if (error != MMB_OK)
        return error;
    error =
        request(space, config_opts ? config_opts : &mmb_interface_config_default, out_interface);
    mmb_registry_unlock();
    return error;
}

/* A space that was registered for nothing goes again, as if nobody had asked. */
static mmbError register_and_open(mmbMemLayer layer, mmbExecutionContext context,
                                  mmbMemInterface **out_interface)
{
    struct mmb_space_registration registration;
    mmbError error = mmb_space_register(layer, context, NULL, &registration);
    if (error != MMB_OK)
        return error;
    error = mmb_interface_default(registration.space, out_interface);
    if (error != MMB_OK)
        mmb_space_unregister(&registration);
    return error;
}

mmbError mmb_get_interface(mmbMemLayer layer, mmbExecutionContext context,
                           mmbMemInterface **out_interface)
{
    mmbError error = mmb_registry_enter("get_interface");
    if (error != MMB_OK)
        return error;
    mmbMemSpace *space = mmb_space_default(layer, context);
    if (!out_interface)
        error = mmb_fail(MMB_INVALID_ARG, "get_interface: out_interface is NULL");
    else if (space)
        error = mmb_interface_default(space, out_interface);
    else
        error = register_and_open(layer, context, out_interface);
    mmb_registry_unlock();
    return error;
}

size_t mmb_interface_count(const mmbMemSpace *space)
{
    if (mmb_registry_enter("interface_count") != MMB_OK)
        return 0;
    size_t count = 0;
    if (mmb_space_check(space, "interface_count") == MMB_OK)
        MMB_LIST_FOR_EACH (node, &space->interfaces)
            count++;
    mmb_registry_unlock();
    return count;
}

static mmbError at(const mmbMemSpace *space, size_t index, mmbMemInterface **out_interface)
{
    mmbError error = mmb_space_check(space, "interface_at");
    if (error != MMB_OK)
        return error;
    if (!out_interface)
        return mmb_fail(MMB_INVALID_ARG, "interface_at: out_interface is NULL");
    size_t left = index;
    MMB_LIST_FOR_EACH (node, &space->interfaces)
        if (left-- == 0) {
            *out_interface = MMB_CONTAINER_OF(node, mmbMemInterface, link);
            return MMB_OK;
        }
    return mmb_fail(MMB_NOT_FOUND, "interface_at: the space has no interface %zu", index);
}

mmbError mmb_interface_at(const mmbMemSpace *space, size_t index, mmbMemInterface **out_interface)
{
    mmbError error = mmb_registry_enter("interface_at");
    if (error != MMB_OK)
        return error;
    error = at(space, index, out_interface);
    mmb_registry_unlock();
    return error;
}

/* ---- asking ---- */

/* The mutex is held afterwards if and only if the result is MMB_OK. */
static mmbError enter(const mmbMemInterface *interface, const char *function)
{
    mmbError error = mmb_registry_enter(function);
    if (error != MMB_OK)
        return error;
    error = mmb_interface_check(interface, function);
    if (error != MMB_OK)
        mmb_registry_unlock();
    return error;
}

mmbError mmb_interface_get_info(const mmbMemInterface *interface, mmbMemInterfaceInfo *out_info)
{
    mmbError error = enter(interface, "interface_get_info");
    if (error != MMB_OK)
        return error;
    const mmbMemInterfaceInfo known = {
        .size = sizeof known,
        .name = interface->name,
        .space = interface->space,
        .backend = interface->backend_id,
        .strategy = interface->strategy,
        .min_alignment = interface->min_alignment,
        .host_accessible = interface->host_accessible,
    };
    mmb_registry_unlock();
    return mmb_struct_out(out_info, &known, sizeof known, sizeof known, "mmbMemInterfaceInfo");
}

mmbError mmb_interface_get_stats(const mmbMemInterface *interface, mmbMemInterfaceStats *out_stats)
{
    mmbError error = enter(interface, "interface_get_stats");
    if (error != MMB_OK)
        return error;
    struct mmb_allocator_stats stats;
    mmb_subheaps_get_stats(interface, &stats);
    const mmbMemInterfaceStats known = {
        .size = sizeof known,
        .live_bytes = stats.live_bytes,
        .live_count = stats.live_count,
        .peak_bytes = stats.peak_bytes,
        .total_allocations = stats.total_allocations,
        .total_frees = stats.total_frees,
        .refused = atomic_load_explicit(&interface->refused, memory_order_relaxed),
        .chunks = mmb_subheaps_chunks(interface),
        .reserved_bytes = mmb_subheaps_reserved(interface),
    };
    mmb_registry_unlock();
    return mmb_struct_out(out_stats, &known, sizeof known, sizeof known, "mmbMemInterfaceStats");
}

mmbError mmb_interface_trim(mmbMemInterface *interface, size_t min_bytes_to_keep)
{
    mmbError error = enter(interface, "interface_trim");
    if (error != MMB_OK)
        return error;
    mmb_subheaps_trim(interface, min_bytes_to_keep);
    mmb_registry_unlock();
    return MMB_OK;
}
