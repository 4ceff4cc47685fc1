/* SPDX-License-Identifier: BSD-3-Clause */
/* Region providers of interfaces (interface_region.h). Owns nothing; takes no lock but those of
 * registering and, when regions are short, of relief. */
#include "src/core/interface_region.h"
#include "src/base/error.h"
#include "src/core/backend_table.h"
#include "src/core/relief.h"
#include "src/core/source.h"

#define EVERY_ACCESS                                                                               \
    ((uint64_t)MMB_ACCESS_LOCAL | MMB_ACCESS_REMOTE_READ | MMB_ACCESS_REMOTE_WRITE |               \
     MMB_ACCESS_REMOTE_ATOMIC)

/* `device` is -1 where no domain says which it is; then it is the first, as for every backend. */
static mmbRegionAttr attr_of(const mmbMemInterface *interface, const struct mmb_backend *backend,
                             int device)
{
    int first = device < 0 ? 0 : device;
    return (mmbRegionAttr){
        .size = sizeof(mmbRegionAttr),
        .layer = interface->space->layer->id,
        .context = interface->space->context,
        .device = backend->host_accessible ? -1 : first,
        .access = EVERY_ACCESS,
    };
}

mmbError mmb_interface_isolate(mmbMemInterfaceConfig *config, mmbStrategy *out_named)
{
    const struct mmb_allocator_ops *ops;
    mmbError error = mmb_strategy_select(config->strategy, &ops);
    if (error != MMB_OK)
        return error;
    *out_named = ops->strategy;
    if (config->region_provider && config->flags & MMB_INTERFACE_OWN_REGION)
        config->strategy = MMB_STRATEGY_PASSTHROUGH;
    return MMB_OK;
}

mmbError mmb_interface_register_chunks(const mmbMemInterface *interface,
                                       const struct mmb_backend *backend, struct mmb_source *source,
                                       int device)
{
    if (!interface->region_provider)
        return MMB_OK;
    if (backend->has_no_pointers)
        return mmb_fail(MMB_UNSUPPORTED,
                        "create_interface: memory of backend %s has no addresses to register",
                        backend->ops->name);
    mmbRegionAttr attr = attr_of(interface, backend, device);
    mmb_source_register_chunks(source, interface->region_provider, &interface->space->quota, &attr);
    return MMB_OK;
}

mmbError mmb_interface_register_wrapped(const mmbMemInterface *interface, void *base,
                                        size_t n_bytes, struct mmb_registration **out)
{
    *out = NULL;
    mmbRegionProvider *provider = interface->region_provider;
    if (!provider)
        return MMB_OK;
    mmbRegionAttr attr = attr_of(interface, interface->backend, -1);
    mmbError error = mmb_registration_make(provider, base, n_bytes, &attr, out);
    if (error == MMB_OUT_OF_MEMORY && mmb_relieve(NULL, interface->source))
        error = mmb_registration_make(provider, base, n_bytes, &attr, out);
    return error;
}
