/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of spaces (space.h). Owns their handles and, through them, the interfaces. The public
 * functions take the registry mutex; inside it the locks of allocators and of the metadata. */
#include "src/core/space.h"
#include "src/base/error.h"
#include "src/core/backend_table.h"
#include "src/core/context.h"
#include "src/core/discovery.h"
#include "src/core/interface.h"
#include "src/core/interface_config.h"
#include "src/core/registry.h"
#include "src/core/space_config.h"
#include "src/core/space_limits.h"

/* A power of two above the size of a space. */
#define SLOT_BYTES 512u
_Static_assert(sizeof(mmbMemSpace) + sizeof(void *) <= SLOT_BYTES, "a space fits its slot");

static struct mmb_handles handles = MMB_HANDLES_INIT(SLOT_BYTES);

mmbError mmb_spaces_open(void)
{
    return mmb_handles_open(&handles, "spaces");
}

mmbError mmb_space_check(const mmbMemSpace *space, const char *function)
{
    if (mmb_handles_own(&handles, space) && space->magic == MMB_SPACE_MAGIC)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_SPACE, "%s: %p is no live space", function, (const void *)space);
}

/* ---- making ---- */

/* What a new space will be. */
struct plan {
    const char *function;
    struct mmb_layer *layer;
    mmbExecutionContext context;
    const mmbMemSpaceConfig *config;
    enum mmb_space_origin origin;
    struct mmb_space_size size;
};

static mmbError open_space(const struct plan *plan, mmbMemSpace **out_space)
{
    mmbMemInterfaceConfig defaults = plan->config->interface_opts;
    mmbMemSpace *space = mmb_handles_take(&handles);
    if (!space || mmb_space_limits_open(space, &plan->size) != MMB_OK ||
        !mmb_interface_config_keep(&defaults)) {
        if (space) {
            mmb_space_limits_close(space);
            mmb_handles_give(&handles, space);
        }
        return mmb_fail(MMB_OUT_OF_MEMORY, "%s: no memory for another space", plan->function);
    }
    space->magic = MMB_SPACE_MAGIC;
    space->layer = plan->layer;
    space->context = plan->context;
    space->origin = plan->origin;
    space->defaults = defaults;
    mmb_list_init(&space->interfaces);
    mmb_list_push_back(&mmb_registry.spaces, &space->link);
    mmb_registry.n_spaces++;
    *out_space = space;
    return MMB_OK;
}

/* What DEFAULT means here: for device memory the first context that a backend serves. */
static mmbError resolve_context(struct plan *plan)
{
    static const mmbExecutionContext candidates[] = {MMB_CPU, MMB_GPU_CUDA, MMB_GPU_HIP,
                                                     MMB_OPENCL};
    mmbError error = mmb_context_check(plan->context, plan->function);
    if (error != MMB_OK)
        return error;
    if (plan->context != MMB_EXECUTION_CONTEXT_DEFAULT)
        return mmb_space_config_serves(plan->config, plan->layer, plan->context);
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (!mmb_context_means(MMB_EXECUTION_CONTEXT_DEFAULT, plan->layer->id, candidates[i]))
            continue;
        error = mmb_space_config_serves(plan->config, plan->layer, candidates[i]);
        if (error != MMB_OK)
            continue;
        plan->context = candidates[i];
        return MMB_OK;
    }
    return error;
}

static mmbError make(struct plan *plan, mmbMemSpace **out_space)
{
    if (!plan->config)
        plan->config = &mmb_space_config_default;
    mmbError error = mmb_context_check(plan->context, plan->function);
    if (error == MMB_OK)
        error = mmb_space_config_check(plan->config, plan->function);
    if (error == MMB_OK)
        error = mmb_space_config_size(plan->config, plan->layer, plan->function, &plan->size);
    if (error == MMB_OK)
        error = resolve_context(plan);
    return error == MMB_OK ? open_space(plan, out_space) : error;
}

mmbError mmb_space_register(mmbMemLayer layer, mmbExecutionContext context,
                            const mmbMemSpaceConfig *config,
                            struct mmb_space_registration *out_registration)
{
    struct plan plan = {
        .function = "register_memory",
        .layer = mmb_layer_lookup(layer),
        .context = context,
        .config = config,
        .origin = MMB_SPACE_REGISTERED,
        .size = {.limit = MMB_NO_LIMIT},
    };
    if (!plan.layer)
        return MMB_INVALID_LAYER;
    mmbError error = make(&plan, &out_registration->space);
    if (error != MMB_OK)
        return error;
    out_registration->made_known = !plan.layer->known;
    mmb_layer_make_known(plan.layer);
    return MMB_OK;
}

static mmbError create(mmbMemLayer layer, mmbExecutionContext context,
                       const mmbMemSpaceConfig *config, mmbMemSpace **out_space)
{
    struct plan plan = {
        .function = "create_space",
        .layer = mmb_layer_lookup(layer),
        .context = context,
        .config = config,
        .origin = MMB_SPACE_CREATED,
        .size = {.limit = MMB_NO_LIMIT},
    };
    if (!plan.layer)
        return MMB_INVALID_LAYER;
    if (!plan.layer->known)
        return mmb_fail(MMB_INVALID_LAYER, "create_space: layer %s is not known here; register it",
                        plan.layer->name);
    if (!out_space)
        return mmb_fail(MMB_INVALID_ARG, "create_space: out_space is NULL");
    return make(&plan, out_space);
}

/* Nothing where no backend serves the context here, or none of the layer's devices is of it. */
static mmbError add_default(struct mmb_layer *layer, mmbExecutionContext context)
{
    const struct mmb_backend_ops *ops;
    size_t room = mmb_layer_room(layer, context);
    if (room == 0 && !mmb_layer_is_host(layer->id))
        return MMB_OK;
    if (mmb_backend_select(MMB_BACKEND_DEFAULT, layer, context, &ops) != MMB_OK)
        return MMB_OK;
    const struct plan plan = {
        .function = "init",
        .layer = layer,
        .context = context,
        .config = &mmb_space_config_default,
        .origin = MMB_SPACE_DISCOVERED,
        .size = {.limit = room},
    };
    mmbMemSpace *space;
    return open_space(&plan, &space);
}

/* A device's runtime is loaded only when the device was seen, and on this system. */
static mmbError add_discovered(struct mmb_layer *layer)
{
    static const mmbExecutionContext contexts[] = {MMB_GPU_CUDA, MMB_GPU_HIP, MMB_OPENCL};
    if (!layer->discovered)
        return MMB_OK;
    if (mmb_layer_is_host(layer->id))
        return add_default(layer, MMB_CPU);
    mmbError error = MMB_OK;
    size_t n_contexts = mmb_discovery_is_this_system() ? sizeof contexts / sizeof contexts[0] : 0;
    for (size_t i = 0; error == MMB_OK && i < n_contexts; i++)
        error = add_default(layer, contexts[i]);
    return error;
}

mmbError mmb_spaces_add_discovered(size_t first)
{
    mmbError error = MMB_OK;
    struct mmb_layer *layer;
    for (size_t i = first; error == MMB_OK && (layer = mmb_layer_known_at(i)); i++)
        error = add_discovered(layer);
    return error;
}

/* ---- ending ---- */

static mmbMemInterface *last_interface(const mmbMemSpace *space)
{
    return MMB_CONTAINER_OF(space->interfaces.prev, mmbMemInterface, link);
}

/* The youngest interface first: it may have an older one as its fallback. */
static void close_space(mmbMemSpace *space)
{
    space->magic = 0;
    mmb_list_remove(&space->link);
    mmb_registry.n_spaces--;
    mmb_interface_config_drop(&space->defaults);
    while (!mmb_list_is_empty(&space->interfaces))
        mmb_interface_close(last_interface(space));
    mmb_space_limits_close(space);
    mmb_handles_give(&handles, space);
}

void mmb_space_unregister(const struct mmb_space_registration *registration)
{
    if (registration->made_known)
        mmb_layer_make_unknown(registration->space->layer);
    close_space(registration->space);
}

/* Interfaces and spaces other than this one that have `interface` as fallback. */
static size_t outside_dependents(const mmbMemInterface *interface)
{
    const mmbMemSpace *space = interface->space;
    size_t count = atomic_load_explicit(&interface->dependents, memory_order_relaxed);
    if (space->defaults.fallback == interface)
        count--;
    MMB_LIST_FOR_EACH (node, &space->interfaces)
        if (MMB_CONTAINER_OF(node, mmbMemInterface, link)->fallback == interface)
            count--;
    return count;
}

static mmbError destroy(mmbMemSpace *space)
{
    mmbError error = mmb_space_check(space, "destroy_space");
    if (error != MMB_OK)
        return error;
    MMB_LIST_FOR_EACH (node, &space->interfaces) {
        const mmbMemInterface *interface = MMB_CONTAINER_OF(node, mmbMemInterface, link);
        size_t live = mmb_interface_live(interface);
        if (live)
            return mmb_fail(MMB_BUSY, "destroy_space: %zu allocations are live in an interface",
                            live);
        size_t dependents = outside_dependents(interface);
        if (dependents)
            return mmb_fail(MMB_BUSY, "destroy_space: an interface is the fallback of %zu others",
                            dependents);
    }
    close_space(space);
    return MMB_OK;
}

/* Fallbacks may lead across spaces in any order, so nothing may look at another interface while all
 * of them go. */
static void forget_fallbacks(mmbMemSpace *space)
{
    if (space->defaults.fallback)
        atomic_fetch_sub_explicit(&space->defaults.fallback->dependents, 1, memory_order_relaxed);
    space->defaults.fallback = NULL;
    MMB_LIST_FOR_EACH (node, &space->interfaces)
        MMB_CONTAINER_OF(node, mmbMemInterface, link)->fallback = NULL;
}

void mmb_spaces_close(void)
{
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces) {
        mmbMemSpace *space = MMB_CONTAINER_OF(node, mmbMemSpace, link);
        MMB_LIST_FOR_EACH (inner, &space->interfaces)
            mmb_interface_report_leaks(MMB_CONTAINER_OF(inner, mmbMemInterface, link));
        forget_fallbacks(space);
    }
    while (!mmb_list_is_empty(&mmb_registry.spaces))
        close_space(MMB_CONTAINER_OF(mmb_registry.spaces.prev, mmbMemSpace, link));
}

/* ---- changing ---- */

static mmbError configure(mmbMemSpace *space, const mmbMemSpaceConfig *config)
{
    mmbError error = mmb_space_check(space, "memspace_configure");
    if (error == MMB_OK)
        error = mmb_space_config_check(config, "memspace_configure");
    if (error == MMB_OK)
        error = mmb_space_config_serves(config, space->layer, space->context);
    if (error != MMB_OK)
        return error;
    struct mmb_space_size size = {.is_unchanged = true};
    error = mmb_space_config_size(config, space->layer, "memspace_configure", &size);
    if (error != MMB_OK)
        return error;
    mmbMemInterfaceConfig defaults = config->interface_opts;
    if (!mmb_interface_config_keep(&defaults))
        return mmb_fail(MMB_OUT_OF_MEMORY, "memspace_configure: no memory for a name");
    error = mmb_space_limits_set(space, &size);
    if (error != MMB_OK) {
        mmb_interface_config_drop(&defaults);
        return error;
    }
    mmb_interface_config_drop(&space->defaults);
    space->defaults = defaults;
    return MMB_OK;
}

/* ---- the public functions ---- */

mmbError mmb_register_memory(const mmbMemLayer layer, const mmbExecutionContext ex_context,
                             const mmbMemSpaceConfig *config_opts, mmbMemSpace **new_space)
{
    mmbError error = mmb_registry_enter("register_memory");
    if (error != MMB_OK)
        return error;
    struct mmb_space_registration registration;
    error = mmb_space_register(layer, ex_context, config_opts, &registration);
    if (error == MMB_OK && new_space)
        *new_space = registration.space;
    mmb_registry_unlock();
    return error;
}

mmbError mmb_create_space(const mmbMemLayer layer, const mmbExecutionContext ex_con,
                          const mmbMemSpaceConfig *config_opts, mmbMemSpace **out_space)
{
    mmbError error = mmb_registry_enter("create_space");
    if (error != MMB_OK)
        return error;
    error = create(layer, ex_con, config_opts, out_space);
    mmb_registry_unlock();
    return error;
}

mmbError mmb_memspace_configure(const mmbMemSpaceConfig *config_opts, mmbMemSpace *space)
{
    mmbError error = mmb_registry_enter("memspace_configure");
    if (error != MMB_OK)
        return error;
    error = configure(space, config_opts ? config_opts : &mmb_space_config_default);
    mmb_registry_unlock();
    return error;
}

mmbError mmb_destroy_space(mmbMemSpace *space)
{
    mmbError error = mmb_registry_enter("destroy_space");
    if (error != MMB_OK)
        return error;
    error = space ? destroy(space) : MMB_OK;
    mmb_registry_unlock();
    return error;
}
