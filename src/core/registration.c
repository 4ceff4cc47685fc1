/* SPDX-License-Identifier: BSD-3-Clause */
/* Registering ranges with a provider (region.h). Owns the registrations, each in its provider's
 * list. Takes the provider's turn for its calls and its lock for the counts, never both.
 *
 * A range is counted before the provider is called and uncounted after: some providers do not
 * refuse the region that is one too many, they hang or tear the connection down. */
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/core/region.h"

static bool is_inherited(const mmbRegionProvider *provider)
{
    return atomic_load_explicit(&provider->is_inherited, memory_order_relaxed);
}

/* ---- counts ---- */

static mmbError check_room(const mmbRegionProvider *provider, size_t n_bytes)
{
    const mmbRegionCaps *caps = &provider->caps;
    if (caps->max_regions && provider->n_regions >= caps->max_regions)
        return MMB_OUT_OF_MEMORY;
    if (caps->max_bytes && n_bytes > caps->max_bytes - provider->n_bytes)
        return MMB_OUT_OF_MEMORY;
    return MMB_OK;
}

static mmbError count_in(mmbRegionProvider *provider, size_t n_bytes)
{
    mmb_lock_acquire(&provider->lock);
    mmbError error = check_room(provider, n_bytes);
    size_t n_regions = provider->n_regions, registered = provider->n_bytes;
    if (error == MMB_OK) {
        provider->n_regions++;
        provider->n_bytes += n_bytes;
    }
    mmb_lock_release(&provider->lock);
    if (error == MMB_OK)
        return MMB_OK;
    return mmb_fail(error,
                    "region provider %s: register %zu B: %zu regions with %zu B are registered, "
                    "max_regions %zu, max_bytes %zu (0: no bound)",
                    provider->calls.name, n_bytes, n_regions, registered,
                    provider->caps.max_regions, provider->caps.max_bytes);
}

static void count_out(mmbRegionProvider *provider, size_t n_bytes)
{
    mmb_lock_acquire(&provider->lock);
    provider->n_regions--;
    provider->n_bytes -= n_bytes;
    mmb_lock_release(&provider->lock);
}

/* ---- making ---- */

static mmbError check_range(const mmbRegionProvider *provider, const void *base, size_t n_bytes)
{
    size_t alignment = provider->caps.alignment;
    if (is_inherited(provider))
        return mmb_fail(MMB_UNSUPPORTED, "region provider %s belongs to the parent process",
                        provider->calls.name);
    if (alignment == 0 || (((uintptr_t)base | n_bytes) & (alignment - 1)) == 0)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED,
                    "region provider %s: %zu B at %p; it wants start and size in multiples of %zu",
                    provider->calls.name, n_bytes, base, alignment);
}

static mmbError call_register(struct mmb_registration *registration, const mmbRegionAttr *attr)
{
    mmbRegionProvider *provider = registration->provider;
    mmbRegion *region = &registration->region;
    mmb_region_provider_enter(provider);
    mmbError error = provider->calls.register_region(provider->user, (void *)registration->base,
                                                     registration->n_bytes, attr, region);
    if (error != MMB_OK) {
        error = mmb_region_provider_fail(provider, error, region->native_error, "register");
    } else if (region->remote_key_bytes > sizeof region->remote_key) {
        provider->calls.deregister_region(provider->user, region);
        error = mmb_fail(MMB_ERROR, "region provider %s: register gave a key of %u B",
                         provider->calls.name, region->remote_key_bytes);
    }
    mmb_region_provider_leave(provider);
    return error;
}

static void link_in(struct mmb_registration *registration)
{
    mmb_lock_acquire(&registration->provider->lock);
    mmb_list_push_back(&registration->provider->registrations, &registration->link);
    mmb_lock_release(&registration->provider->lock);
}

mmbError mmb_registration_make(mmbRegionProvider *provider, void *base, size_t n_bytes,
                               const mmbRegionAttr *attr, struct mmb_registration **out)
{
    mmbError error = check_range(provider, base, n_bytes);
    if (error == MMB_OK)
        error = count_in(provider, n_bytes);
    if (error != MMB_OK)
        return error;
    struct mmb_registration *registration = mmb_meta_alloc(sizeof *registration);
    if (!registration) {
        error = mmb_fail(MMB_OUT_OF_MEMORY, "no memory for the registration of %zu B", n_bytes);
        goto uncount;
    }
    registration->provider = provider;
    registration->base = (uintptr_t)base;
    registration->n_bytes = n_bytes;
    error = call_register(registration, attr);
    if (error != MMB_OK)
        goto free_registration;
    link_in(registration);
    *out = registration;
    return MMB_OK;

free_registration:
    mmb_meta_free(registration, sizeof *registration);
uncount:
    count_out(provider, n_bytes);
    return error;
}

/* ---- ending ---- */

static mmbError call_deregister(struct mmb_registration *registration)
{
    mmbRegionProvider *provider = registration->provider;
    if (is_inherited(provider))
        return MMB_OK;
    mmb_region_provider_enter(provider);
    mmbError error = provider->calls.deregister_region(provider->user, &registration->region);
    if (error != MMB_OK)
        error = mmb_region_provider_fail(provider, error, registration->region.native_error,
                                         "deregister");
    mmb_region_provider_leave(provider);
    return error;
}

static void forget(struct mmb_registration *registration)
{
    mmbRegionProvider *provider = registration->provider;
    mmb_lock_acquire(&provider->lock);
    mmb_list_remove(&registration->link);
    mmb_lock_release(&provider->lock);
    count_out(provider, registration->n_bytes);
    mmb_meta_free(registration, sizeof *registration);
}

mmbError mmb_registration_end(struct mmb_registration *registration)
{
    if (!registration)
        return MMB_OK;
    mmbError error = call_deregister(registration);
    if (error == MMB_OK)
        forget(registration);
    return error;
}

void mmb_registrations_end_all(mmbRegionProvider *provider)
{
    while (!mmb_list_is_empty(&provider->registrations)) {
        struct mmb_registration *registration =
            MMB_CONTAINER_OF(provider->registrations.next, struct mmb_registration, link);
        if (call_deregister(registration) != MMB_OK)
            mmb_log(MMB_LOG_ERROR, "%zu B stay registered: %s", registration->n_bytes,
                    mmb_error_detail());
        forget(registration);
    }
}
