/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA regions: who registers memory (a provider) and one registered range (a registration).
 * Providers are type-stable handles as spaces are. A provider is used by interfaces, by the
 * defaults of spaces and by imported views; it cannot be destroyed while it is. */
#ifndef MMB_CORE_REGION_H
#define MMB_CORE_REGION_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <mmb/region.h>
#include "src/base/list.h"
#include "src/base/lock.h"

#define MMB_REGION_PROVIDER_MAGIC 0x6d6d62726567696full /* cleared by destroy */
#define MMB_REGION_NAME_BYTES     255u                  /* of a provider: one byte in an export */

/* Invariants: n_regions and n_bytes count what is registered or just being registered; n_regions <=
 * caps.max_regions and n_bytes <= caps.max_bytes where those are not 0. */
struct mmbRegionProvider {
    _Atomic uint64_t magic;
    struct mmb_list link;       /* all providers; registry mutex */
    struct mmb_list imports;    /* views read from exports; registry mutex */
    mmbRegionProviderOps calls; /* the name is owned */
    void *user;
    mmbRegionCaps caps;
    struct mmb_mutex turn; /* held during every call unless caps.concurrent */
    struct mmb_lock lock;  /* a leaf; guards the three below */
    struct mmb_list registrations;
    size_t n_regions;
    size_t n_bytes;
    _Atomic size_t users;
    _Atomic bool is_inherited; /* this is a child of fork: the registrations are the parent's */
};

/* `link` is the provider's. Made before anybody sees the memory and never changed, so that views of
 * it need no lock. */
struct mmb_registration {
    mmbRegion region;
    mmbRegionProvider *provider;
    struct mmb_list link;
    uintptr_t base;
    size_t n_bytes;
};

/* ---- providers (region_provider.c) ---- */

/* MMB_INVALID_ARG with a detail unless it is a live provider. Any pointer may be asked. The caller
 * holds the registry mutex or has a use of its own. */
mmbError mmb_region_provider_check(const mmbRegionProvider *provider, const char *function);
/* One user more or one less; NULL does nothing. */
void mmb_region_provider_keep(mmbRegionProvider *provider);
void mmb_region_provider_drop(mmbRegionProvider *provider);
/* Ends all of them; the registry mutex is held and no interface is left. */
void mmb_region_providers_close(void);
/* Registers and deregisters in turn, where the provider must not be called by several threads. */
void mmb_region_provider_enter(mmbRegionProvider *provider);
void mmb_region_provider_leave(mmbRegionProvider *provider);
/* Bytes that max_bytes leaves, SIZE_MAX without it. */
size_t mmb_region_provider_room(mmbRegionProvider *provider);
/* Fails with the provider's own code and its text. Between enter and leave. */
mmbError mmb_region_provider_fail(const mmbRegionProvider *provider, mmbError code, int native,
                                  const char *doing);

/* Around fork; the registry mutex is held. */
void mmb_region_providers_fork_lock(void);
void mmb_region_providers_fork_unlock(void);
void mmb_region_providers_fork_child(void); /* after unlock */

/* ---- registrations (registration.c) ---- */

/* Counts, then calls the provider. MMB_OUT_OF_MEMORY: beyond max_regions or max_bytes (then the
 * provider was not called) or no metadata; MMB_UNSUPPORTED: start or size is not aligned as it
 * wants; else the provider's code. Nothing has changed then. The caller holds no heap lock. */
mmbError mmb_registration_make(mmbRegionProvider *provider, void *base, size_t n_bytes,
                               const mmbRegionAttr *attr, struct mmb_registration **out);
/* NULL does nothing. Else the provider's code: it still has the memory, which must stay where it
 * is; the registration is then the provider's, and it is asked once more when that goes. */
mmbError mmb_registration_end(struct mmb_registration *registration);
/* Ends what is left, whatever the provider says. */
void mmb_registrations_end_all(mmbRegionProvider *provider);

/* ---- views (region.c, region_wire.c) ---- */

struct mmb_place;

/* Of a live allocation at that place, NULL: none. */
const struct mmb_registration *mmb_registration_of(const mmbAllocation *allocation,
                                                   const struct mmb_place *place);
/* Where an allocation is and its registration. MMB_INVALID_ALLOCATION, MMB_UNSUPPORTED: none. */
mmbError mmb_region_of(const mmbAllocation *allocation, const char *function,
                       struct mmb_place *out_place, const struct mmb_registration **out);

/* Forgets the imports of a provider that goes; the registry mutex is held. */
void mmb_region_imports_drop(mmbRegionProvider *provider);

#endif
