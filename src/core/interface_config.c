/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the configs of interfaces (interface_config.h). Owns nothing but what `keep` copies; its
 * callers hold the registry mutex. */
#include "src/core/interface_config.h"
#include <string.h>
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/struct_size.h"
#include "src/core/backend_table.h"
#include "src/core/region.h"

#define KNOWN_FLAGS ((uint64_t)MMB_INTERFACE_FINDABLE | MMB_INTERFACE_OWN_REGION)

const mmbMemInterfaceConfig mmb_interface_config_default = MMB_MEMINTERFACE_CONFIG_DEFAULT;

static mmbError check_reserved(const mmbMemInterfaceConfig *config, const char *function)
{
    for (size_t i = 0; i < sizeof config->reserved / sizeof config->reserved[0]; i++)
        if (config->reserved[i])
            return mmb_fail(MMB_INVALID_ARG, "%s: reserved[%zu] of the interface's config is not 0",
                            function, i);
    if (config->flags & ~KNOWN_FLAGS)
        return mmb_fail(MMB_INVALID_ARG, "%s: flags 0x%llx are unknown", function,
                        (unsigned long long)(config->flags & ~KNOWN_FLAGS));
    return MMB_OK;
}

mmbError mmb_interface_config_check_values(const mmbMemInterfaceConfig *config,
                                           const char *function)
{
    mmbError error = check_reserved(config, function);
    if (error == MMB_OK)
        error = mmb_backend_check(config->backend, function);
    return error == MMB_OK ? mmb_strategy_check(config->strategy, function) : error;
}

mmbError mmb_interface_config_check(const mmbMemInterfaceConfig *config, const char *function)
{
    mmbError error = mmb_interface_config_check_values(config, function);
    if (error == MMB_OK && config->fallback)
        error = mmb_interface_check(config->fallback, function);
    if (error == MMB_OK && config->region_provider)
        error = mmb_region_provider_check(config->region_provider, function);
    return error;
}

static bool has_options(const mmbBackendOptions *options)
{
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
        if (options->reserved[i])
            return true;
    return false;
}

/* The options belong to a backend: they come from where it was named, or from the defaults where
 * those name the same one and the config says nothing. */
static void merge_backend(mmbMemInterfaceConfig *config, const mmbMemInterfaceConfig *defaults)
{
    if (config->backend == MMB_BACKEND_DEFAULT) {
        config->backend = defaults->backend;
        config->backend_opts = defaults->backend_opts;
    } else if (config->backend == defaults->backend && !has_options(&config->backend_opts)) {
        config->backend_opts = defaults->backend_opts;
    }
    if (config->backend == MMB_BACKEND_DEFAULT)
        memset(&config->backend_opts, 0, sizeof config->backend_opts);
}

void mmb_interface_config_merge(mmbMemInterfaceConfig *config,
                                const mmbMemInterfaceConfig *defaults)
{
    merge_backend(config, defaults);
    if (config->strategy == MMB_STRATEGY_DEFAULT)
        config->strategy = defaults->strategy;
    if (!config->name)
        config->name = defaults->name;
    if (!config->strategy_opts.chunk_bytes)
        config->strategy_opts.chunk_bytes = defaults->strategy_opts.chunk_bytes;
    if (!config->strategy_opts.stack_bytes)
        config->strategy_opts.stack_bytes = defaults->strategy_opts.stack_bytes;
    if (!config->region_provider)
        config->region_provider = defaults->region_provider;
    if (!config->fallback)
        config->fallback = defaults->fallback;
    config->flags |= defaults->flags;
}

bool mmb_interface_config_asks_nothing(const mmbMemInterfaceConfig *config)
{
    return !config->name && config->backend == MMB_BACKEND_DEFAULT &&
           config->strategy == MMB_STRATEGY_DEFAULT;
}

bool mmb_interface_satisfies(const mmbMemInterface *interface, const mmbMemInterfaceConfig *config)
{
    if (config->name && (!interface->name || strcmp(interface->name, config->name) != 0))
        return false;
    if (config->backend != MMB_BACKEND_DEFAULT && config->backend != interface->backend_id)
        return false;
    return config->strategy == MMB_STRATEGY_DEFAULT || config->strategy == interface->strategy;
}

/* ---- keeping ---- */

/* What a backend's options point to: a text, or a struct that begins with its size; NULL: nothing
 * but the user's own memory. */
struct pointee {
    const void **pointer;
    bool is_text;
};

static struct pointee pointee_of(mmbMemInterfaceConfig *config)
{
    mmbBackendOptions *options = &config->backend_opts;
    switch (config->backend) {
    case MMB_BACKEND_SHM:
        return (struct pointee){(const void **)&options->shm.url, true};
    case MMB_BACKEND_FILE:
        return (struct pointee){(const void **)&options->file.path, true};
    case MMB_BACKEND_MEMKIND:
        return (struct pointee){(const void **)&options->memkind.kind, true};
    case MMB_BACKEND_CUDA:
    case MMB_BACKEND_CUDA_MANAGED:
    case MMB_BACKEND_CUDA_HOST:
    case MMB_BACKEND_CUDA_SHM:
        return (struct pointee){(const void **)&options->cuda, false};
    case MMB_BACKEND_HIP:
    case MMB_BACKEND_HIP_MANAGED:
    case MMB_BACKEND_HIP_HOST:
    case MMB_BACKEND_HIP_SHM:
        return (struct pointee){(const void **)&options->hip, false};
    case MMB_BACKEND_OPENCL:
    case MMB_BACKEND_OPENCL_SVM:
        return (struct pointee){(const void **)&options->opencl, false};
    default:
        return (struct pointee){NULL, false};
    }
}

/* Of a size that no struct has, the size alone: the backend will refuse it by that. */
static size_t struct_bytes(const void *options)
{
    size_t n_bytes;
    memcpy(&n_bytes, options, sizeof n_bytes);
    return n_bytes < sizeof n_bytes || n_bytes > MMB_STRUCT_BYTES_MAX ? sizeof n_bytes : n_bytes;
}

/* False: no memory; the config is as it was. */
static bool keep_pointee(mmbMemInterfaceConfig *config)
{
    struct pointee pointee = pointee_of(config);
    if (!pointee.pointer || !*pointee.pointer)
        return true;
    size_t n_bytes = pointee.is_text ? 0 : struct_bytes(*pointee.pointer);
    void *copy = pointee.is_text ? mmb_meta_strdup(*pointee.pointer) : mmb_meta_alloc(n_bytes);
    if (!copy)
        return false;
    if (!pointee.is_text)
        memcpy(copy, *pointee.pointer, n_bytes);
    *pointee.pointer = copy;
    return true;
}

static void drop_pointee(mmbMemInterfaceConfig *config)
{
    struct pointee pointee = pointee_of(config);
    if (!pointee.pointer || !*pointee.pointer)
        return;
    void *copy = (void *)(uintptr_t)*pointee.pointer;
    if (pointee.is_text)
        mmb_meta_strfree(copy);
    else
        mmb_meta_free(copy, struct_bytes(copy));
}

bool mmb_interface_config_keep(mmbMemInterfaceConfig *config)
{
    if (!keep_pointee(config))
        return false;
    if (config->name) {
        config->name = mmb_meta_strdup(config->name);
        if (!config->name) {
            drop_pointee(config);
            return false;
        }
    }
    if (config->fallback)
        atomic_fetch_add_explicit(&config->fallback->dependents, 1, memory_order_relaxed);
    mmb_region_provider_keep(config->region_provider);
    return true;
}

void mmb_interface_config_drop(mmbMemInterfaceConfig *config)
{
    drop_pointee(config);
    mmb_meta_strfree((char *)(uintptr_t)config->name);
    if (config->fallback)
        atomic_fetch_sub_explicit(&config->fallback->dependents, 1, memory_order_relaxed);
    mmb_region_provider_drop(config->region_provider);
    *config = mmb_interface_config_default;
}
