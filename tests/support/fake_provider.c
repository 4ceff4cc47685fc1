/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake network (fake_provider.h). Its own lock is a flag that is only ever tried: two calls at
 * a time are what it is to notice, unless it says that it is concurrent. */
#include "tests/support/fake_provider.h"
#include <stdint.h>
#include <string.h>
#include "tests/support/suite.h"

void fake_provider_init(struct fake_provider *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->caps.virtual_address = true;
    fake->caps.remote_key_bytes = FAKE_KEY_BYTES;
    fake->key_bytes = FAKE_KEY_BYTES;
    fake->refusal = MMB_PERMISSION;
    fake->text = "the fake network says no";
    atomic_flag_clear(&fake->busy);
}

static void enter(struct fake_provider *fake)
{
    bool was_busy = atomic_flag_test_and_set(&fake->busy);
    if (was_busy && !fake->caps.concurrent)
        fake->wrong++;
}

static mmbError leave(struct fake_provider *fake, mmbError error)
{
    atomic_flag_clear(&fake->busy);
    return error;
}

static mmbError open_provider(void *user, mmbRegionCaps *out_caps)
{
    struct fake_provider *fake = user;
    size_t size = out_caps->size;
    fake->opened++;
    *out_caps = fake->caps;
    out_caps->size = size;
    return fake->open_error;
}

static void close_provider(void *user)
{
    struct fake_provider *fake = user;
    fake->closed++;
}

static const char *error_text(void *user, int native_error)
{
    const struct fake_provider *fake = user;
    (void)native_error;
    return fake->text;
}

static bool overlaps(const struct fake_region *region, const void *base, size_t n_bytes)
{
    uintptr_t a = (uintptr_t)region->base, b = (uintptr_t)base;
    return region->key && a < b + n_bytes && b < a + region->n_bytes;
}

static mmbError take(struct fake_provider *fake, const struct fake_region *wanted,
                     mmbRegion *out_region)
{
    size_t slot = FAKE_REGIONS;
    for (size_t i = 0; i < FAKE_REGIONS; i++) {
        if (overlaps(&fake->regions[i], wanted->base, wanted->n_bytes))
            fake->wrong++;
        if (!fake->regions[i].key && slot == FAKE_REGIONS)
            slot = i;
    }
    if (slot == FAKE_REGIONS)
        return MMB_OUT_OF_MEMORY;
    struct fake_region *region = &fake->regions[slot];
    *region = *wanted;
    out_region->native = region;
    out_region->local_desc = &region->key;
    out_region->remote_base = FAKE_REMOTE_BASE + (uintptr_t)wanted->base;
    out_region->remote_key_bytes = (uint16_t)fake->key_bytes;
    if (fake->key_bytes <= sizeof out_region->remote_key)
        memset(out_region->remote_key, 0x5a, fake->key_bytes);
    if (fake->key_bytes >= sizeof region->key)
        memcpy(out_region->remote_key, &region->key, sizeof region->key);
    if (++fake->live > fake->peak)
        fake->peak = fake->live;
    return MMB_OK;
}

static mmbError register_region(void *user, void *base, size_t n_bytes, const mmbRegionAttr *attr,
                                mmbRegion *out_region)
{
    struct fake_provider *fake = user;
    enter(fake);
    long number = ++fake->calls;
    out_region->native_error = 1000 + (int)number;
    if (fake->refuse_from && number >= fake->refuse_from && number <= fake->refuse_to)
        return leave(fake, fake->refusal);
    const struct fake_region wanted = {0x1111u * (uint64_t)number, base, n_bytes, *attr};
    return leave(fake, take(fake, &wanted, out_region));
}

static mmbError deregister_region(void *user, mmbRegion *region)
{
    struct fake_provider *fake = user;
    struct fake_region *known = region->native;
    enter(fake);
    region->native_error = 2000;
    if (fake->deregister_error != MMB_OK)
        return leave(fake, fake->deregister_error);
    if (known < fake->regions || known >= fake->regions + FAKE_REGIONS || !known->key)
        fake->wrong++;
    else
        known->key = 0;
    fake->live--;
    fake->deregistered++;
    return leave(fake, MMB_OK);
}

const mmbRegionProviderOps fake_provider_ops = {
    .size = sizeof fake_provider_ops,
    .name = "fake",
    .open = open_provider,
    .register_region = register_region,
    .deregister_region = deregister_region,
    .error_text = error_text,
    .close = close_provider,
};

mmbRegionProvider *fake_provider_make(struct fake_provider *fake)
{
    mmbRegionProvider *provider = NULL;
    SUITE_CHECK(mmb_region_provider_create(&fake_provider_ops, fake, &provider) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(provider);
    return provider;
}

void *fake_provider_reach(struct fake_provider *fake, uint64_t key, uint64_t remote_address,
                          size_t n_bytes)
{
    for (size_t i = 0; i < FAKE_REGIONS; i++) {
        const struct fake_region *region = &fake->regions[i];
        uint64_t first = FAKE_REMOTE_BASE + (uintptr_t)region->base;
        if (!region->key || region->key != key || remote_address < first ||
            remote_address - first > region->n_bytes ||
            n_bytes > region->n_bytes - (remote_address - first))
            continue;
        return (char *)region->base + (remote_address - first);
    }
    return NULL;
}
