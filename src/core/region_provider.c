/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of region providers (region.h). Owns their handles, names and the list of all of them,
 * which is the registry mutex's. A provider's functions run under its own `turn`, taken after any
 * lock of core's and never while `lock` is held; they do not call the library. */
#include <string.h>
#include "layers/host/mlock.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/base/struct_size.h"
#include "src/core/handles.h"
#include "src/core/region.h"
#include "src/core/registry.h"

/* A power of two above the size of a provider. */
#define SLOT_BYTES 512u
_Static_assert(sizeof(mmbRegionProvider) + sizeof(void *) <= SLOT_BYTES, "a provider fits");

static struct mmb_handles handles = MMB_HANDLES_INIT(SLOT_BYTES);
static struct mmb_list providers = MMB_LIST_INIT(providers);

static bool is_live(const mmbRegionProvider *provider)
{
    return mmb_handles_own(&handles, provider) &&
           atomic_load_explicit(&provider->magic, memory_order_acquire) ==
               MMB_REGION_PROVIDER_MAGIC;
}

mmbError mmb_region_provider_check(const mmbRegionProvider *provider, const char *function)
{
    if (is_live(provider))
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ARG, "%s: %p is no live region provider", function,
                    (const void *)provider);
}

void mmb_region_provider_keep(mmbRegionProvider *provider)
{
    if (provider)
        atomic_fetch_add_explicit(&provider->users, 1, memory_order_relaxed);
}

void mmb_region_provider_drop(mmbRegionProvider *provider)
{
    if (provider)
        atomic_fetch_sub_explicit(&provider->users, 1, memory_order_release);
}

void mmb_region_provider_enter(mmbRegionProvider *provider)
{
    if (!provider->caps.concurrent)
        mmb_mutex_lock(&provider->turn);
}

void mmb_region_provider_leave(mmbRegionProvider *provider)
{
    if (!provider->caps.concurrent)
        mmb_mutex_unlock(&provider->turn);
}

size_t mmb_region_provider_room(mmbRegionProvider *provider)
{
    if (provider->caps.max_bytes == 0)
        return SIZE_MAX;
    mmb_lock_acquire(&provider->lock);
    size_t n_bytes = provider->n_bytes;
    mmb_lock_release(&provider->lock);
    return provider->caps.max_bytes - n_bytes;
}

mmbError mmb_region_provider_fail(const mmbRegionProvider *provider, mmbError code, int native,
                                  const char *doing)
{
    const char *text = NULL;
    if (provider->calls.error_text)
        text = provider->calls.error_text(provider->user, native);
    if (!mmb_error_name(code))
        code = MMB_ERROR;
    if (!text)
        return mmb_fail(code, "region provider %s: %s failed with %d", provider->calls.name, doing,
                        native);
    return mmb_fail(code, "region provider %s: %s: %s", provider->calls.name, doing, text);
}

/* ---- making ---- */

static mmbError check_ops(const mmbRegionProviderOps *ops)
{
    if (!ops->name || !ops->register_region || !ops->deregister_region)
        return mmb_fail(MMB_INVALID_ARG, "region_provider_create: ops lack %s",
                        !ops->name              ? "name"
                        : !ops->register_region ? "register_region"
                                                : "deregister_region");
    if (ops->name[0] == '\0' || strlen(ops->name) > MMB_REGION_NAME_BYTES)
        return mmb_fail(MMB_INVALID_ARG, "region_provider_create: a name has 1 to %u bytes",
                        MMB_REGION_NAME_BYTES);
    return MMB_OK;
}

static mmbError check_caps(const mmbRegionProvider *provider)
{
    const mmbRegionCaps *caps = &provider->caps;
    const mmbRegion *region;
    if (caps->remote_key_bytes > sizeof region->remote_key)
        return mmb_fail(MMB_INVALID_ARG, "region provider %s: a key of %zu B is more than %zu",
                        provider->calls.name, caps->remote_key_bytes, sizeof region->remote_key);
    if (caps->alignment && !mmb_is_power_of_two(caps->alignment))
        return mmb_fail(MMB_INVALID_ARG, "region provider %s: alignment %zu is no power of two",
                        provider->calls.name, caps->alignment);
    return MMB_OK;
}

static mmbError call_open(mmbRegionProvider *provider)
{
    mmbRegionCaps caps = {.size = sizeof caps};
    mmbError error = MMB_OK;
    if (provider->calls.open)
        error = provider->calls.open(provider->user, &caps);
    if (error != MMB_OK)
        return mmb_region_provider_fail(provider, error, 0, "open");
    provider->caps = caps;
    error = check_caps(provider);
    if (error != MMB_OK && provider->calls.close)
        provider->calls.close(provider->user);
    return error;
}

static mmbError make(const mmbRegionProviderOps *ops, void *user, mmbRegionProvider **out_provider)
{
    mmbError error = mmb_handles_open(&handles, "region providers");
    if (error != MMB_OK)
        return error;
    mmbRegionProvider *provider = mmb_handles_take(&handles);
    char *name = mmb_meta_strdup(ops->name);
    if (!provider || !name) {
        error = mmb_fail(MMB_OUT_OF_MEMORY, "region_provider_create: no memory for another one");
        goto undo;
    }
    provider->calls = *ops;
    provider->calls.name = name;
    provider->user = user;
    mmb_list_init(&provider->imports);
    mmb_list_init(&provider->registrations);
    mmb_lock_init(&provider->lock);
    error = call_open(provider);
    if (error != MMB_OK)
        goto undo;
    mmb_mutex_init(&provider->turn);
    mmb_list_push_back(&providers, &provider->link);
    atomic_store_explicit(&provider->magic, MMB_REGION_PROVIDER_MAGIC, memory_order_release);
    *out_provider = provider;
    return MMB_OK;

undo:
    mmb_meta_strfree(name);
    if (provider)
        mmb_handles_give(&handles, provider);
    return error;
}

/* ---- ending ---- */

/* In a child of fork the provider's state is the parent's, its locks may be held by threads that
 * are not here, and what it stands for (a device, a connection) must not be touched. */
static void end(mmbRegionProvider *provider)
{
    bool is_mine = !atomic_load_explicit(&provider->is_inherited, memory_order_relaxed);
    atomic_store_explicit(&provider->magic, 0, memory_order_release);
    mmb_region_imports_drop(provider);
    mmb_registrations_end_all(provider);
    if (is_mine && provider->calls.close)
        provider->calls.close(provider->user);
    if (is_mine)
        mmb_mutex_destroy(&provider->turn);
    mmb_list_remove(&provider->link);
    mmb_meta_strfree((char *)(uintptr_t)provider->calls.name);
    mmb_handles_give(&handles, provider);
}

void mmb_region_providers_close(void)
{
    while (!mmb_list_is_empty(&providers)) {
        mmbRegionProvider *provider = MMB_CONTAINER_OF(providers.prev, mmbRegionProvider, link);
        mmb_log(MMB_LOG_WARNING, "finalize: region provider %s was not destroyed",
                provider->calls.name);
        end(provider);
    }
}

static mmbError destroy(mmbRegionProvider *provider)
{
    mmbError error = mmb_region_provider_check(provider, "region_provider_destroy");
    if (error != MMB_OK)
        return error;
    size_t users = atomic_load_explicit(&provider->users, memory_order_acquire);
    if (users)
        return mmb_fail(MMB_BUSY,
                        "region_provider_destroy: %zu interfaces, spaces or views refer to %s",
                        users, provider->calls.name);
    end(provider);
    return MMB_OK;
}

/* ---- fork ---- */

void mmb_region_providers_fork_lock(void)
{
    MMB_LIST_FOR_EACH (node, &providers)
        mmb_lock_acquire(&MMB_CONTAINER_OF(node, mmbRegionProvider, link)->lock);
}

void mmb_region_providers_fork_unlock(void)
{
    MMB_LIST_FOR_EACH (node, &providers)
        mmb_lock_release(&MMB_CONTAINER_OF(node, mmbRegionProvider, link)->lock);
}

void mmb_region_providers_fork_child(void)
{
    MMB_LIST_FOR_EACH (node, &providers)
        atomic_store_explicit(&MMB_CONTAINER_OF(node, mmbRegionProvider, link)->is_inherited, true,
                              memory_order_relaxed);
}

/* ---- the public functions ---- */

mmbError mmb_region_provider_create(const mmbRegionProviderOps *ops, void *user,
                                    mmbRegionProvider **out_provider)
{
    mmbError error = mmb_registry_enter("region_provider_create");
    if (error != MMB_OK)
        return error;
    mmbRegionProviderOps known = {.size = sizeof known};
    if (!ops || !out_provider)
        error = mmb_fail(MMB_INVALID_ARG, "region_provider_create: %s is NULL",
                         ops ? "out_provider" : "ops");
    if (error == MMB_OK)
        error = mmb_struct_in(&known, sizeof known, ops, sizeof known, "mmbRegionProviderOps");
    if (error == MMB_OK)
        error = check_ops(&known);
    if (error == MMB_OK)
        error = make(&known, user, out_provider);
    mmb_registry_unlock();
    return error;
}

mmbError mmb_region_provider_create_mlock(mmbRegionProvider **out_provider)
{
    mmbError error = mmb_library_check("region_provider_create_mlock");
    if (error != MMB_OK)
        return error;
    if (!out_provider)
        return mmb_fail(MMB_INVALID_ARG, "region_provider_create_mlock: out_provider is NULL");
    struct mmb_mlock *locked = mmb_mlock_new();
    if (!locked)
        return mmb_fail(MMB_OUT_OF_MEMORY, "region_provider_create_mlock: no memory for it");
    error = mmb_region_provider_create(&mmb_mlock_provider, locked, out_provider);
    if (error != MMB_OK)
        mmb_mlock_delete(locked);
    return error;
}

mmbError mmb_region_provider_destroy(mmbRegionProvider *provider)
{
    mmbError error = mmb_registry_enter("region_provider_destroy");
    if (error != MMB_OK)
        return error;
    error = provider ? destroy(provider) : MMB_OK;
    mmb_registry_unlock();
    return error;
}
