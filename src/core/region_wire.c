/* SPDX-License-Identifier: BSD-3-Clause */
/* The wire form of a region: what a peer needs to reach an allocation, and the views read from it.
 *
 * Owns the imports, type-stable slots that the registry mutex guards; each is a use of its
 * provider. A buffer comes from another machine: every field is read byte by byte and bounded
 * before it is used, and the sum over all of it tells damage from a message.
 *
 *   offset  bytes
 *        0      4  "MMBR"
 *        4      1  version of this form, 1
 *        5      1  bytes of the provider's name, at least 1
 *        6      2  bytes of the key, 1 to 256
 *        8      4  bytes of the whole form
 *       12      4  sum: FNV-1a of the whole form with these four bytes zero
 *       16      8  remote address of the first byte
 *       24      8  bytes of the allocation
 *       32         the provider's name without a final 0, then the key as the provider gave it
 *
 * Numbers are little-endian. */
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/handles.h"
#include "src/core/place.h"
#include "src/core/region.h"
#include "src/core/registry.h"
#include "src/core/ticket.h"

#define FORM_VERSION 1u
#define HEAD_BYTES   32u
#define KEY_BYTES    sizeof(((mmbRegion *)0)->remote_key)
#define FORM_BYTES   (HEAD_BYTES + MMB_REGION_NAME_BYTES + KEY_BYTES)

#define IMPORT_MAGIC 0x6d6d62696d706f72ull

/* A view of a peer's memory; the key is what the view points to. */
struct import {
    uint64_t magic; /* cleared by release */
    struct mmb_list link;
    mmbRegionProvider *provider;
    uint8_t key[KEY_BYTES];
};

#define SLOT_BYTES 512u
_Static_assert(sizeof(struct import) + sizeof(void *) <= SLOT_BYTES, "an import fits its slot");

static struct mmb_handles imports = MMB_HANDLES_INIT(SLOT_BYTES);

/* What a form says; name and key lie in the buffer. */
struct form {
    uint64_t remote_address, n_bytes;
    const uint8_t *name, *key;
    size_t name_bytes, key_bytes;
};

/* ---- bytes ---- */

static void put(uint8_t *to, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *from, size_t n_bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n_bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static uint32_t sum_of(const uint8_t *form, size_t n_bytes)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < n_bytes; i++)
        sum = (sum ^ (i >= 12 && i < 16 ? 0 : form[i])) * 16777619u;
    return sum;
}

/* ---- export ---- */

static void write_form(uint8_t *to, const struct form *form)
{
    size_t total = HEAD_BYTES + form->name_bytes + form->key_bytes;
    memcpy(to, "MMBR", 4);
    put(to + 4, FORM_VERSION, 1);
    put(to + 5, form->name_bytes, 1);
    put(to + 6, form->key_bytes, 2);
    put(to + 8, total, 4);
    put(to + 16, form->remote_address, 8);
    put(to + 24, form->n_bytes, 8);
    memcpy(to + HEAD_BYTES, form->name, form->name_bytes);
    memcpy(to + HEAD_BYTES + form->name_bytes, form->key, form->key_bytes);
    put(to + 12, sum_of(to, total), 4);
}

mmbError mmb_allocation_export_region(const mmbAllocation *allocation, void *buffer,
                                      size_t *n_bytes)
{
    struct mmb_place place;
    const struct mmb_registration *registration;
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_region_of(allocation, "allocation_export_region", &place, &registration);
    if (error != MMB_OK)
        return error;
    if (!n_bytes)
        return mmb_fail(MMB_INVALID_ARG, "allocation_export_region: n_bytes is NULL");
    const mmbRegion *region = &registration->region;
    const char *name = registration->provider->calls.name;
    if (region->remote_key_bytes == 0)
        return mmb_fail(MMB_UNSUPPORTED, "region provider %s has no remote keys", name);
    const struct form form = {
        .remote_address =
            region->remote_base + (place.memory.address + place.offset - registration->base),
        .n_bytes = place.n_bytes,
        .name = (const uint8_t *)name,
        .name_bytes = strlen(name),
        .key = region->remote_key,
        .key_bytes = region->remote_key_bytes,
    };
    size_t total = HEAD_BYTES + form.name_bytes + form.key_bytes;
    if (buffer && *n_bytes < total)
        return mmb_fail(MMB_INVALID_SIZE, "allocation_export_region: %zu B needed, %zu given",
                        total, *n_bytes);
    if (buffer)
        write_form(buffer, &form);
    *n_bytes = total;
    return MMB_OK;
}

/* ---- import ---- */

static mmbError corrupt(const char *why)
{
    return mmb_fail(MMB_CORRUPT, "region_import: the buffer is no export: %s", why);
}

static mmbError read_form(const uint8_t *from, size_t n_bytes, struct form *out)
{
    if (n_bytes < HEAD_BYTES || memcmp(from, "MMBR", 4) != 0)
        return corrupt("it does not begin like one");
    if (from[4] != FORM_VERSION)
        return mmb_fail(MMB_UNSUPPORTED, "region_import: an export of version %u, this reads %u",
                        from[4], FORM_VERSION);
    out->name_bytes = from[5];
    out->key_bytes = get(from + 6, 2);
    size_t total = HEAD_BYTES + out->name_bytes + out->key_bytes;
    if (out->name_bytes == 0 || out->key_bytes == 0 || out->key_bytes > KEY_BYTES ||
        get(from + 8, 4) != total || n_bytes < total)
        return corrupt("its lengths do not fit");
    if (get(from + 12, 4) != sum_of(from, total))
        return corrupt("its sum is wrong");
    out->remote_address = get(from + 16, 8);
    out->n_bytes = get(from + 24, 8);
    uint64_t last;
    if (out->n_bytes == 0 || out->n_bytes > SIZE_MAX ||
        __builtin_add_overflow(out->remote_address, out->n_bytes - 1, &last))
        return corrupt("its range is none");
    out->name = from + HEAD_BYTES;
    out->key = from + HEAD_BYTES + out->name_bytes;
    return MMB_OK;
}

static mmbError check_kind(const struct form *form, const mmbRegionProvider *provider)
{
    const char *name = provider->calls.name;
    if (strlen(name) == form->name_bytes && memcmp(name, form->name, form->name_bytes) == 0)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED, "region_import: an export of provider %.*s, not of %s",
                    (int)form->name_bytes, (const char *)form->name, name);
}

static mmbError take_import(const struct form *form, mmbRegionProvider *provider,
                            struct import **out)
{
    mmbError error = mmb_handles_open(&imports, "imported regions");
    if (error != MMB_OK)
        return error;
    struct import *import = mmb_handles_take(&imports);
    if (!import)
        return mmb_fail(MMB_OUT_OF_MEMORY, "region_import: no memory for another key");
    memcpy(import->key, form->key, form->key_bytes);
    import->magic = IMPORT_MAGIC;
    import->provider = provider;
    mmb_list_push_back(&provider->imports, &import->link);
    mmb_region_provider_keep(provider);
    *out = import;
    return MMB_OK;
}

static void give_import(struct import *import)
{
    import->magic = 0;
    mmb_list_remove(&import->link);
    mmb_region_provider_drop(import->provider);
    mmb_handles_give(&imports, import);
}

void mmb_region_imports_drop(mmbRegionProvider *provider)
{
    while (!mmb_list_is_empty(&provider->imports))
        give_import(MMB_CONTAINER_OF(provider->imports.next, struct import, link));
}

/* The registry mutex is held. */
static mmbError import_form(const struct form *form, mmbRegionProvider *provider,
                            mmbRegionView *out_view)
{
    struct import *import = NULL;
    mmbError error = mmb_region_provider_check(provider, "region_import");
    if (error == MMB_OK)
        error = check_kind(form, provider);
    if (error == MMB_OK)
        error = take_import(form, provider, &import);
    if (error != MMB_OK)
        return error;
    const mmbRegionView view = {
        .size = sizeof view,
        .n_bytes = (size_t)form->n_bytes,
        .remote_key = import->key,
        .remote_key_bytes = form->key_bytes,
        .remote_address = form->remote_address,
    };
    error = mmb_struct_out(out_view, &view, sizeof view, sizeof view, "mmbRegionView");
    if (error != MMB_OK)
        give_import(import);
    return error;
}

mmbError mmb_region_import(const void *buffer, size_t n_bytes, mmbRegionProvider *provider,
                           mmbRegionView *out_view)
{
    mmbError error = mmb_library_check("region_import");
    if (error != MMB_OK)
        return error;
    if (!buffer || !out_view || !provider)
        return mmb_fail(MMB_INVALID_ARG, "region_import: buffer, provider or out_view is NULL");
    struct form form = {0};
    error = read_form(buffer, n_bytes, &form);
    if (error == MMB_OK)
        error = mmb_registry_enter("region_import");
    if (error != MMB_OK)
        return error;
    error = import_form(&form, provider, out_view);
    mmb_registry_unlock();
    return error;
}

/* ---- release ---- */

/* The registry mutex is held. `key` is what an imported view points to. */
static mmbError release_key(const uint8_t *key)
{
    struct import *import = (struct import *)((uintptr_t)key - offsetof(struct import, key));
    if (!mmb_handles_own(&imports, import) || import->magic != IMPORT_MAGIC)
        return mmb_fail(MMB_INVALID_ARG, "region_release: no imported view, or one whose provider "
                                         "is gone");
    give_import(import);
    return MMB_OK;
}

mmbError mmb_region_release(mmbRegionView *view)
{
    mmbRegionView known = MMB_REGION_VIEW_INIT;
    mmbError error = mmb_registry_enter("region_release");
    if (error != MMB_OK)
        return error;
    if (view) {
        error = mmb_struct_in(&known, sizeof known, view, sizeof known, "mmbRegionView");
        if (error == MMB_OK && !known.ptr && known.remote_key)
            error = release_key(known.remote_key);
        if (error == MMB_OK) {
            known = (mmbRegionView)MMB_REGION_VIEW_INIT;
            mmb_struct_out(view, &known, sizeof known, sizeof known, "mmbRegionView");
        }
    }
    mmb_registry_unlock();
    return error;
}
