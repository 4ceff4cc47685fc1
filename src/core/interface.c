/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of interfaces (interface.h). Owns their handles, names, sources and, through their
 * tables, backends and allocators. The public functions take the registry mutex; inside it the
 * locks of allocators and of the metadata. Only mmb_interface_check is lock-free. */
#include "src/core/interface.h"
#include <stdio.h>
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/core/backend_table.h"
#include "src/core/context.h"
#include "src/core/interface_config.h"
#include "src/core/interface_region.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"
#include "src/core/trace.h"

/* A power of two above the size of an interface. */
#define SLOT_BYTES 512u
_Static_assert(sizeof(mmbMemInterface) + sizeof(void *) <= SLOT_BYTES,
               "an interface fits its slot");

struct mmb_handles mmb_interface_handles = MMB_HANDLES_INIT(SLOT_BYTES);
static uint64_t last_id;

mmbError mmb_interfaces_open(void)
{
    return mmb_handles_open(&mmb_interface_handles, "interfaces");
}

mmbError mmb_interface_check(const mmbMemInterface *interface, const char *function)
{
    mmbError error = mmb_library_check(function);
    if (error != MMB_OK || mmb_interface_is_live(interface))
        return error;
    return mmb_fail(MMB_INVALID_INTERFACE, "%s: %p is no live interface", function,
                    (const void *)interface);
}

mmbError mmb_interface_align(const mmbMemInterface *interface, struct mmb_request *request)
{
    size_t least = interface->min_alignment;
    if (request->alignment < least)
        request->alignment = least;
    if (request->alignment == least || !interface->backend->has_no_pointers)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED,
                    "allocate: an alignment of %zu is more than memory of backend %s has, %zu",
                    request->alignment, mmb_backend_text(interface->backend_id), least);
}

/* ---- making ---- */

/* No circle of fallbacks can come to be: an interface names one that was there before it, and never
 * another one. */
static void set_fallback(mmbMemInterface *interface, mmbMemInterface *fallback)
{
    interface->fallback = fallback;
    if (fallback)
        atomic_fetch_add_explicit(&fallback->dependents, 1, memory_order_relaxed);
}

static void fill_hot(mmbMemInterface *interface)
{
    struct mmb_allocator *allocator = interface->allocator;
    if (allocator->ops->fill_hot)
        allocator->ops->fill_hot(allocator, &interface->hot);
    interface->hot.allocator = allocator;
    interface->hot.quick = allocator->ops->allocate_quickly;
    interface->hot.lookup_bytes = interface->hot.slot_base ? MMB_HOT_BYTES : 0;
    interface->hot.pointer_bytes = interface->host_accessible ? interface->hot.lookup_bytes : 0;
}

mmbError mmb_interface_open(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                            mmbMemInterface **out_interface)
{
    mmbMemInterfaceConfig merged = *config;
    mmb_interface_config_merge(&merged, &space->defaults);
    mmbMemInterface *interface = mmb_handles_take(&mmb_interface_handles);
    char *name = mmb_meta_strdup(merged.name);
    mmbError error;
    if (!interface || (merged.name && !name)) {
        error = mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no memory for another interface");
        goto undo;
    }
    interface->space = space;
    interface->name = name;
    interface->flags = merged.flags;
    interface->region_provider = merged.region_provider;
    mmbStrategy named;
    error = mmb_interface_isolate(&merged, &named);
    if (error == MMB_OK)
        error = mmb_subheaps_open(interface, &merged);
    if (error != MMB_OK)
        goto undo;
    interface->strategy = named;
    mmb_region_provider_keep(interface->region_provider);
    interface->id = ++last_id;
    set_fallback(interface, merged.fallback);
    mmb_list_push_back(&space->interfaces, &interface->link);
    mmb_hot_clear(&interface->hot);
    /* Which domain is nearest changes with the thread's CPU: no magazine can be known before. And
     * which class serves a size is another one where blocks are aligned by more than 16. */
    if (interface->n_heaps == 1 && interface->min_alignment <= MMB_HOST_ALIGNMENT &&
        !mmb_trace_is_on)
        fill_hot(interface);
    atomic_store_explicit(&interface->magic, MMB_INTERFACE_MAGIC, memory_order_release);
    if (mmb_trace_is_on)
        mmb_trace_interface(interface);
    *out_interface = interface;
    return MMB_OK;

undo:
    mmb_meta_strfree(name);
    if (interface)
        mmb_handles_give(&mmb_interface_handles, interface);
    return error;
}

mmbError mmb_interface_default(mmbMemSpace *space, mmbMemInterface **out_interface)
{
    if (!space->default_interface) {
        mmbError error =
            mmb_interface_open(space, &mmb_interface_config_default, &space->default_interface);
        if (error != MMB_OK)
            return error;
    }
    *out_interface = space->default_interface;
    return MMB_OK;
}

/* ---- ending ---- */

void mmb_interface_close(mmbMemInterface *interface)
{
    mmbMemSpace *space = interface->space;
    if (mmb_trace_is_on)
        mmb_trace_interface_end(interface);
    atomic_store_explicit(&interface->magic, 0, memory_order_release);
    mmb_hot_clear(&interface->hot);
    mmb_list_remove(&interface->link);
    if (space->default_interface == interface)
        space->default_interface = NULL;
    if (interface->fallback)
        atomic_fetch_sub_explicit(&interface->fallback->dependents, 1, memory_order_relaxed);
    mmb_subheaps_close(interface);
    mmb_region_provider_drop(interface->region_provider);
    mmb_meta_strfree(interface->name);
    mmb_handles_give(&mmb_interface_handles, interface);
}

static struct mmb_allocator_stats stats_of(const mmbMemInterface *interface)
{
    struct mmb_allocator_stats stats;
    mmb_subheaps_get_stats(interface, &stats);
    return stats;
}

size_t mmb_interface_live(const mmbMemInterface *interface)
{
    struct mmb_allocator *allocator = interface->allocator;
    size_t live =
        allocator->ops->in_use ? allocator->ops->in_use(allocator) : stats_of(interface).live_count;
    return live + atomic_load_explicit(&interface->wrapped, memory_order_relaxed);
}

void mmb_interface_report_leaks(const mmbMemInterface *interface)
{
    const mmbMemSpace *space = interface->space;
    struct mmb_allocator_stats stats = {0};
    if (!interface->allocator->ops->in_use) /* shared blocks stay, and are no leak */
        stats = stats_of(interface);
    size_t wrapped = atomic_load_explicit(&interface->wrapped, memory_order_relaxed);
    if (stats.live_count + wrapped == 0)
        return;
    char more[64] = "";
    if (wrapped)
        snprintf(more, sizeof more, " and %zu wrapped objects", wrapped);
    mmb_log(MMB_LOG_WARNING,
            "finalize: interface %s (%s over %s, layer %s, context %s): %zu allocations with "
            "%zu B%s were not freed",
            interface->name ? interface->name : "without name",
            mmb_strategy_text(interface->strategy), mmb_backend_text(interface->backend_id),
            space->layer->name, mmb_context_text(space->context), stats.live_count,
            stats.live_bytes, more);
}

static mmbError destroy(mmbMemInterface *interface)
{
    mmbError error = mmb_interface_check(interface, "destroy_interface");
    if (error != MMB_OK)
        return error;
    size_t live = mmb_interface_live(interface);
    if (live)
        return mmb_fail(MMB_BUSY, "destroy_interface: %zu allocations are live", live);
    size_t dependents = atomic_load_explicit(&interface->dependents, memory_order_relaxed);
    if (dependents)
        return mmb_fail(MMB_BUSY, "destroy_interface: it is the fallback of %zu others",
                        dependents);
    mmb_interface_close(interface);
    return MMB_OK;
}

/* ---- the public functions ---- */

static mmbError create(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                       mmbMemInterface **out_interface)
{
    mmbError error = mmb_space_check(space, "create_interface");
    if (error != MMB_OK)
        return error;
    if (!out_interface)
        return mmb_fail(MMB_INVALID_ARG, "create_interface: out_interface is NULL");
    error = mmb_interface_config_check(config, "create_interface");
    return error == MMB_OK ? mmb_interface_open(space, config, out_interface) : error;
}

mmbError mmb_create_interface(mmbMemSpace *space, const mmbMemInterfaceConfig *config_opts,
                              mmbMemInterface **out_interface)
{
    mmbError error = mmb_registry_enter("create_interface");
    if (error != MMB_OK)
        return error;
    error = create(space, config_opts ? config_opts : &mmb_interface_config_default, out_interface);
    mmb_registry_unlock();
    return error;
}

mmbError mmb_destroy_interface(mmbMemInterface *interface)
{
    mmbError error = mmb_registry_enter("destroy_interface");
    if (error != MMB_OK)
        return error;
    error = interface ? destroy(interface) : MMB_OK;
    mmb_registry_unlock();
    return error;
}
