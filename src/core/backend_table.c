/* SPDX-License-Identifier: BSD-3-Clause */
/* The choice of backends and strategies (backend_table.h), and mmb_backend_register. Owns nothing;
 * the user's backends are in layers/user. The public functions take the registry mutex. */
#include "src/core/backend_table.h"
#include <strings.h>
#include "layers/user/user.h"
#include "src/base/error.h"
#include "src/core/context.h"
#include "src/core/discovery.h"
#include "src/core/registry.h"

#define BUILTIN_BACKENDS ((size_t)MMB_BACKEND_OPENACC + 1)
#define STRATEGIES       ((size_t)MMB_STRATEGY_THREAD_LOCAL + 1)

static const char *const backend_names[BUILTIN_BACKENDS] = {
    [MMB_BACKEND_DEFAULT] = "DEFAULT",
    [MMB_BACKEND_MALLOC] = "MALLOC",
    [MMB_BACKEND_MMAP] = "MMAP",
    [MMB_BACKEND_SHM] = "SHM",
    [MMB_BACKEND_ARRAY] = "ARRAY",
    [MMB_BACKEND_NUMA] = "NUMA",
    [MMB_BACKEND_MEMKIND] = "MEMKIND",
    [MMB_BACKEND_FILE] = "FILE",
    [MMB_BACKEND_CUDA] = "CUDA",
    [MMB_BACKEND_CUDA_MANAGED] = "CUDA_MANAGED",
    [MMB_BACKEND_CUDA_HOST] = "CUDA_HOST",
    [MMB_BACKEND_CUDA_SHM] = "CUDA_SHM",
    [MMB_BACKEND_HIP] = "HIP",
    [MMB_BACKEND_HIP_MANAGED] = "HIP_MANAGED",
    [MMB_BACKEND_HIP_HOST] = "HIP_HOST",
    [MMB_BACKEND_HIP_SHM] = "HIP_SHM",
    [MMB_BACKEND_OPENCL] = "OPENCL",
    [MMB_BACKEND_OPENCL_SVM] = "OPENCL_SVM",
    [MMB_BACKEND_OPENACC] = "OPENACC",
};

static const char *const strategy_names[STRATEGIES] = {
    [MMB_STRATEGY_DEFAULT] = "DEFAULT",
    [MMB_STRATEGY_PASSTHROUGH] = "PASSTHROUGH",
    [MMB_STRATEGY_STACK] = "STACK",
    [MMB_STRATEGY_SCALABLE_PAGE] = "SCALABLE_PAGE",
    [MMB_STRATEGY_THREAD_LOCAL] = "THREAD_LOCAL",
};

/* ---- names ---- */

static const char *builtin_name(mmbBackend id)
{
    return (unsigned int)id < BUILTIN_BACKENDS ? backend_names[id] : NULL;
}

const char *mmb_backend_text(mmbBackend id)
{
    const char *name = builtin_name(id);
    const struct mmb_backend_ops *user = name ? NULL : mmb_user_backend_find(id);
    if (user)
        name = user->name;
    return name ? name : "?";
}

const char *mmb_strategy_text(mmbStrategy strategy)
{
    return (unsigned int)strategy < STRATEGIES ? strategy_names[strategy] : "?";
}

mmbError mmb_backend_check(mmbBackend id, const char *function)
{
    if (builtin_name(id) || mmb_user_backend_find(id))
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ARG, "%s: %d is no backend", function, (int)id);
}

mmbError mmb_strategy_check(mmbStrategy strategy, const char *function)
{
    if ((unsigned int)strategy < STRATEGIES)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ARG, "%s: %d is no strategy", function, (int)strategy);
}

const char *mmb_backend_name(mmbBackend id)
{
    if (mmb_registry_enter("backend_name") != MMB_OK)
        return NULL;
    const char *name = NULL;
    if (mmb_backend_check(id, "backend_name") == MMB_OK)
        name = mmb_backend_text(id);
    mmb_registry_unlock();
    return name;
}

const char *mmb_strategy_name(mmbStrategy strategy)
{
    if (mmb_library_check("strategy_name") != MMB_OK ||
        mmb_strategy_check(strategy, "strategy_name") != MMB_OK)
        return NULL;
    return mmb_strategy_text(strategy);
}

/* ---- the choice of a backend ---- */

static const struct mmb_backend_ops *find(mmbBackend id)
{
    for (const struct mmb_backend_ops *const *ops = mmb_builtin_backends; *ops; ops++)
        if ((*ops)->id == id)
            return *ops;
    return mmb_user_backend_find(id);
}

/* What matches a layer in the CPU's context. Discovered memory other than the plain DRAM is had
 * only by binding to its nodes, or by a file on it; where the user registered a layer his word
 * counts, and ordinary memory stands for it. */
static mmbBackend matching_for_cpu(const struct mmb_layer *layer)
{
    if (!mmb_layer_is_host(layer->id))
        return MMB_BACKEND_DEFAULT;
    if (layer->id == MMB_DRAM || !layer->discovered)
        return MMB_BACKEND_MMAP;
    return layer->id == MMB_SSD ? MMB_BACKEND_FILE : MMB_BACKEND_NUMA;
}

/* MMB_BACKEND_DEFAULT: nothing matches. */
static mmbBackend matching(const struct mmb_layer *layer, mmbExecutionContext context)
{
    bool device = layer->id == MMB_GDRAM || layer->id == MMB_HBM;
    switch (context) {
    case MMB_CPU:
        return matching_for_cpu(layer);
    case MMB_GPU_CUDA:
        if (device)
            return MMB_BACKEND_CUDA;
        return layer->id == MMB_DRAM ? MMB_BACKEND_CUDA_HOST : MMB_BACKEND_DEFAULT;
    case MMB_GPU_HIP:
        if (device)
            return MMB_BACKEND_HIP;
        return layer->id == MMB_DRAM ? MMB_BACKEND_HIP_HOST : MMB_BACKEND_DEFAULT;
    case MMB_OPENCL:
        return layer->id == MMB_GDRAM ? MMB_BACKEND_OPENCL : MMB_BACKEND_DEFAULT;
    case MMB_OPENACC:
        return layer->id == MMB_GDRAM ? MMB_BACKEND_OPENACC : MMB_BACKEND_DEFAULT;
    case MMB_EXECUTION_CONTEXT_DEFAULT:
        break;
    }
    return MMB_BACKEND_DEFAULT;
}

mmbError mmb_backend_select(mmbBackend id, const struct mmb_layer *layer,
                            mmbExecutionContext context, const struct mmb_backend_ops **out_ops)
{
    const char *context_name = mmb_context_text(context);
    mmbBackend chosen = id == MMB_BACKEND_DEFAULT ? matching(layer, context) : id;
    if (chosen == MMB_BACKEND_DEFAULT)
        return mmb_fail(MMB_UNSUPPORTED, "no backend matches layer %s in context %s", layer->name,
                        context_name);
    const struct mmb_backend_ops *ops = find(chosen);
    if (!ops)
        return mmb_fail(MMB_UNSUPPORTED,
                        "layer %s in context %s: backend %s is not built into this version",
                        layer->name, context_name, mmb_backend_text(chosen));
    if (id == MMB_BACKEND_DEFAULT && ops->needs_options)
        return mmb_fail(MMB_UNSUPPORTED,
                        "layer %s in context %s: name backend %s and its options; nothing can be "
                        "had without",
                        layer->name, context_name, mmb_backend_text(chosen));
    if (!ops->serves(layer->id, context))
        return mmb_fail(MMB_UNSUPPORTED, "backend %s cannot serve layer %s in context %s",
                        mmb_backend_text(chosen), layer->name, context_name);
    if (ops->binds && !mmb_discovery_is_this_system())
        return mmb_fail(MMB_UNSUPPORTED,
                        "backend %s binds to nodes, and those of layer %s are another machine's",
                        mmb_backend_text(chosen), layer->name);
    mmbError error = ops->available();
    if (error == MMB_OK)
        *out_ops = ops;
    return error;
}

/* The user's backends do not count: each of them serves nearly everything, but only where it is
 * named, and then it is asked by name. */
mmbError mmb_backend_any_serves(const struct mmb_layer *layer, mmbExecutionContext context)
{
    mmbError error = MMB_NOT_FOUND;
    for (const struct mmb_backend_ops *const *ops = mmb_builtin_backends; *ops; ops++) {
        if (!(*ops)->serves(layer->id, context))
            continue;
        error = (*ops)->available();
        if (error == MMB_OK)
            return MMB_OK;
    }
    if (error != MMB_NOT_FOUND)
        return error;
    mmbBackend missing = matching(layer, context);
    return mmb_fail(MMB_UNSUPPORTED,
                    "layer %s in context %s: no backend that is built in serves it%s%s",
                    layer->name, mmb_context_text(context), missing ? "; it needs " : "",
                    missing ? mmb_backend_text(missing) : "");
}

/* ---- the choice of a strategy ---- */

static const struct mmb_allocator_ops *find_strategy(mmbStrategy strategy)
{
    for (const struct mmb_allocator_ops *const *ops = mmb_builtin_allocators; *ops; ops++)
        if ((*ops)->strategy == strategy)
            return *ops;
    return NULL;
}

mmbError mmb_strategy_select(mmbStrategy strategy, const struct mmb_allocator_ops **out_ops)
{
    const struct mmb_allocator_ops *ops;
    if (strategy == MMB_STRATEGY_DEFAULT) {
        ops = find_strategy(MMB_STRATEGY_THREAD_LOCAL);
        strategy = MMB_STRATEGY_SCALABLE_PAGE;
    } else {
        ops = NULL;
    }
    if (!ops)
        ops = find_strategy(strategy);
    if (!ops)
        return mmb_fail(MMB_UNSUPPORTED, "strategy %s is not built into this version",
                        mmb_strategy_text(strategy));
    *out_ops = ops;
    return MMB_OK;
}

/* ---- registration ---- */

static bool is_builtin_name(const char *name)
{
    for (size_t i = 0; i < BUILTIN_BACKENDS; i++)
        if (strcasecmp(backend_names[i], name) == 0)
            return true;
    return false;
}

mmbError mmb_backend_register(const mmbBackendOps *ops, void *user, mmbBackend *out_backend)
{
    mmbError error = mmb_registry_enter("backend_register");
    if (error != MMB_OK)
        return error;
    if (!ops || !out_backend)
        error =
            mmb_fail(MMB_INVALID_ARG, "backend_register: %s is NULL", ops ? "out_backend" : "ops");
    else if (ops->size >= sizeof *ops && ops->name && is_builtin_name(ops->name))
        error = mmb_fail(MMB_EXISTS, "backend_register: %s exists already", ops->name);
    else
        error = mmb_user_backend_add(ops, user, out_backend);
    mmb_registry_unlock();
    return error;
}
