/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the configs of spaces (space_config.h). Owns nothing; its callers hold the registry
 * mutex. */
#include "src/core/space_config.h"
#include <stdint.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/backend_table.h"
#include "src/core/interface_config.h"

const mmbMemSpaceConfig mmb_space_config_default = MMB_MEMSPACE_CONFIG_DEFAULT;

static mmbError check_size(const mmbSizeConfig *size, const char *function)
{
    if ((unsigned int)size->action > MMB_SIZE_SET)
        return mmb_fail(MMB_INVALID_ARG, "%s: %d is no size action", function, (int)size->action);
    for (size_t i = 0; i < sizeof size->reserved / sizeof size->reserved[0]; i++)
        if (size->reserved[i])
            return mmb_fail(MMB_INVALID_ARG, "%s: reserved[%zu] of the size's config is not 0",
                            function, i);
    return MMB_OK;
}

mmbError mmb_space_config_check_values(const mmbMemSpaceConfig *config, const char *function)
{
    mmbError error = check_size(&config->size_opts, function);
    return error == MMB_OK ? mmb_interface_config_check_values(&config->interface_opts, function)
                           : error;
}

mmbError mmb_space_config_check(const mmbMemSpaceConfig *config, const char *function)
{
    mmbError error = check_size(&config->size_opts, function);
    return error == MMB_OK ? mmb_interface_config_check(&config->interface_opts, function) : error;
}

/* One limit per domain. With one domain, or where none is known, their sum is an ordinary limit. */
static mmbError read_sizes(const mmbNumaSizes *sizes, const struct mmb_layer *layer,
                           const char *function, struct mmb_space_size *out_size)
{
    if (!sizes->sizes || !sizes->d_size)
        return mmb_fail(MMB_INVALID_ARG, "%s: no sizes for the domains of layer %s", function,
                        layer->name);
    if (layer->n_domains && sizes->d_size != 1 && sizes->d_size != layer->n_domains)
        return mmb_fail(MMB_INVALID_ARG, "%s: %zu sizes for the %zu domains of layer %s", function,
                        sizes->d_size, layer->n_domains, layer->name);
    bool is_by_domain = layer->n_domains > 1 && sizes->d_size > 1;
    if (is_by_domain && sizes->d_size > MMB_SPACE_DOMAINS_MAX)
        return mmb_fail(MMB_UNSUPPORTED, "%s: %zu domains, and at most %u can have a limit each",
                        function, sizes->d_size, MMB_SPACE_DOMAINS_MAX);
    size_t sum = 0;
    for (size_t i = 0; i < sizes->d_size; i++)
        if (!mmb_add_size(sum, sizes->sizes[i], &sum))
            return mmb_fail(MMB_INVALID_SIZE, "%s: the sizes of the domains add up to too much",
                            function);
    *out_size = (struct mmb_space_size){.limit = sum, .n_domains = sizes->d_size == 1};
    if (is_by_domain)
        *out_size = (struct mmb_space_size){
            .limit = sum, .n_domains = sizes->d_size, .limits = sizes->sizes};
    return MMB_OK;
}

mmbError mmb_space_config_size(const mmbMemSpaceConfig *config, const struct mmb_layer *layer,
                               const char *function, struct mmb_space_size *size)
{
    const mmbSizeConfig *from = &config->size_opts;
    switch (from->action) {
    case MMB_SIZE_NONE:
        return MMB_OK;
    case MMB_SIZE_ANY:
        *size = (struct mmb_space_size){.limit = MMB_NO_LIMIT};
        return MMB_OK;
    case MMB_SIZE_SET:
        break;
    }
    if (from->is_numa_aware)
        return read_sizes(&from->numa_sizes, layer, function, size);
    *size = (struct mmb_space_size){.limit = from->mem_size};
    return MMB_OK;
}

mmbError mmb_space_config_serves(const mmbMemSpaceConfig *config, const struct mmb_layer *layer,
                                 mmbExecutionContext context)
{
    const mmbMemInterfaceConfig *defaults = &config->interface_opts;
    const struct mmb_allocator_ops *allocator;
    mmbError error = mmb_strategy_select(defaults->strategy, &allocator);
    if (error != MMB_OK)
        return error;
    const struct mmb_backend_ops *backend;
    if (defaults->backend != MMB_BACKEND_DEFAULT)
        return mmb_backend_select(defaults->backend, layer, context, &backend);
    return mmb_backend_any_serves(layer, context);
}
