/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of layers (layer.h) and what users ask of it.
 *
 * Owns the layers, their domains and the names of the user's. Everything here is guarded by the
 * registry mutex, which the public functions take; budgets are charged without it. */
#include "src/core/layer.h"
#include <stdint.h>
#include <strings.h>
#include "layers/host/host_memory.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/struct_size.h"
#include "src/core/registry.h"
#include "src/spi/record.h"

#define STANDARD_LAYERS   ((size_t)MMB_SSD + 1)
#define USER_LAYERS_FIRST 8u

static const char *const standard_names[STANDARD_LAYERS] = {
    [MMB_DRAM] = "DRAM", [MMB_GDRAM] = "GDRAM",   [MMB_HBM] = "HBM", [MMB_NVDIMM] = "NVDIMM",
    [MMB_CXL] = "CXL",   [MMB_NADRAM] = "NADRAM", [MMB_SSD] = "SSD",
};

struct mmb_budget mmb_host_budget;

/* Blocks of 16 bytes in a chunk of the usual 4 MiB, and what spans and magazines need. */
#define CHUNK_RECORDS ((size_t)8 << 20)
static size_t own_bytes_before; /* the first charge */

/* user[i] is layer MMB_LAYER_USER + i. */
static struct {
    struct mmb_layer standard[STANDARD_LAYERS];
    struct mmb_layer **user;
    size_t n_user;
    size_t user_capacity;
    struct mmb_list known;
} layers = {.known = MMB_LIST_INIT(layers.known)};

/* ---- the table ---- */

static void layer_init(struct mmb_layer *layer, mmbMemLayer id, const char *name)
{
    *layer = (struct mmb_layer){.id = id, .name = name};
    mmb_list_init(&layer->link);
    mmb_budget_init(&layer->budget, SIZE_MAX, NULL, name);
}

/* The library's own data, in bytes taken from the system; it never gives any back. */
static size_t own_bytes(void)
{
    return mmb_meta_reserved_bytes() + mmb_extensions_bytes() +
           MMB_OWNED_LOAD(mmb_records.n_records) * sizeof(mmbAllocation);
}

void mmb_host_budget_refresh(void)
{
    size_t now = own_bytes();
    mmb_budget_set_overhead(&mmb_host_budget, now > own_bytes_before ? now - own_bytes_before : 0);
}

/* A chunk is charged before its blocks have records, so room for those of one chunk stays free, but
 * of little memory most can be used. */
static size_t without_own(size_t available)
{
    size_t least = available / 8;
    return available == SIZE_MAX ? SIZE_MAX
                                 : available - (least < CHUNK_RECORDS ? least : CHUNK_RECORDS);
}

void mmb_layers_open(void)
{
    size_t available = without_own(mmb_host_memory_available());
    own_bytes_before = own_bytes();
    for (size_t i = 0; i < STANDARD_LAYERS; i++)
        layer_init(&layers.standard[i], (mmbMemLayer)i, standard_names[i]);
    mmb_list_init(&layers.known);
    mmb_budget_init(&mmb_host_budget, available, NULL, "the host memory that this process may use");
    atomic_store_explicit(&layers.standard[MMB_DRAM].budget.capacity, available,
                          memory_order_relaxed);
}

static void drop_domains(struct mmb_layer *layer)
{
    mmb_meta_free(layer->domains, layer->n_domains * sizeof *layer->domains);
    mmb_meta_free(layer->os_indexes, layer->n_domains * sizeof *layer->os_indexes);
    layer->domains = NULL;
    layer->os_indexes = NULL;
    layer->n_domains = 0;
}

void mmb_layers_close(void)
{
    for (size_t i = 0; i < STANDARD_LAYERS; i++)
        drop_domains(&layers.standard[i]);
    for (size_t i = 0; i < layers.n_user; i++) {
        mmb_meta_strfree((char *)(uintptr_t)layers.user[i]->name);
        mmb_meta_free(layers.user[i], sizeof *layers.user[i]);
    }
    mmb_meta_free(layers.user, layers.user_capacity * sizeof *layers.user);
    layers.user = NULL;
    layers.n_user = 0;
    layers.user_capacity = 0;
    mmb_list_init(&layers.known);
}

static struct mmb_layer *find(mmbMemLayer id)
{
    int64_t value = id;
    if (value >= 0 && value < (int64_t)STANDARD_LAYERS)
        return &layers.standard[value];
    if (value >= MMB_LAYER_USER && (size_t)(value - MMB_LAYER_USER) < layers.n_user)
        return layers.user[value - MMB_LAYER_USER];
    return NULL;
}

struct mmb_layer *mmb_layer_lookup(mmbMemLayer id)
{
    struct mmb_layer *layer = find(id);
    if (!layer)
        mmb_fail(MMB_INVALID_LAYER, "%d is no layer", (int)id);
    return layer;
}

void mmb_layer_make_known(struct mmb_layer *layer)
{
    if (layer->known)
        return;
    layer->known = true;
    mmb_list_push_back(&layers.known, &layer->link);
}

void mmb_layer_make_unknown(struct mmb_layer *layer)
{
    layer->known = false;
    mmb_list_remove(&layer->link);
}

size_t mmb_layers_known(void)
{
    size_t count = 0;
    MMB_LIST_FOR_EACH (node, &layers.known)
        count++;
    return count;
}

struct mmb_layer *mmb_layer_known_at(size_t index)
{
    MMB_LIST_FOR_EACH (node, &layers.known)
        if (index-- == 0)
            return MMB_CONTAINER_OF(node, struct mmb_layer, link);
    return NULL;
}

/* ---- discovery ---- */

static size_t add_saturated(size_t a, size_t b)
{
    size_t sum;
    return mmb_add_size(a, b, &sum) ? sum : SIZE_MAX;
}

/* Both arrays or none. */
static bool make_domains(struct mmb_layer *layer, size_t n_domains)
{
    size_t n_bytes;
    if (n_domains == 0)
        return true;
    if (!mmb_mul_size(n_domains, sizeof *layer->domains, &n_bytes))
        return false;
    layer->n_domains = n_domains;
    layer->domains = mmb_meta_alloc(n_bytes);
    layer->os_indexes = mmb_meta_alloc(n_domains * sizeof *layer->os_indexes);
    if (layer->domains && layer->os_indexes)
        return true;
    drop_domains(layer);
    return false;
}

mmbError mmb_layer_add_found(const struct mmb_layer_found *found)
{
    struct mmb_layer *layer = mmb_layer_lookup(found->id);
    if (!layer)
        return MMB_INVALID_LAYER;
    if (layer->discovered)
        return mmb_fail(MMB_EXISTS, "init: layer %s was discovered twice", layer->name);
    if (!make_domains(layer, found->n_domains))
        return mmb_fail(MMB_OUT_OF_MEMORY, "init: no memory for the %zu domains of layer %s",
                        found->n_domains, layer->name);
    size_t total = 0;
    size_t available = 0;
    for (size_t i = 0; i < found->n_domains; i++) {
        const struct mmb_domain_found *from = &found->domains[i];
        struct mmb_domain *domain = &layer->domains[i];
        domain->os_index = from->os_index;
        layer->os_indexes[i] = from->os_index;
        domain->numbers = from->numbers;
        domain->total_bytes = from->total_bytes;
        mmb_budget_init(&domain->budget, from->available_bytes, &layer->budget, layer->name);
        domain->budget.domain = (int)i;
        total = add_saturated(total, from->total_bytes);
        available = add_saturated(available, from->available_bytes);
    }
    layer->total_bytes = total;
    layer->bandwidth_mib_s = found->bandwidth_mib_s;
    layer->latency_ns = found->latency_ns;
    layer->discovered = true;
    atomic_store_explicit(&layer->budget.capacity, available, memory_order_relaxed);
    mmb_layer_make_known(layer);
    return MMB_OK;
}

int mmb_domain_number(const struct mmb_domain *domain, mmbExecutionContext context)
{
    const struct mmb_device_numbers *numbers = &domain->numbers;
    return numbers->asked >> context & 1 ? numbers->by[context] : domain->os_index;
}

size_t mmb_layer_room(const struct mmb_layer *layer, mmbExecutionContext context)
{
    size_t room = 0, all = mmb_budget_room(&layer->budget);
    if (layer->n_domains == 0)
        return all;
    for (size_t i = 0; i < layer->n_domains; i++)
        if (mmb_domain_number(&layer->domains[i], context) >= 0)
            room = add_saturated(room, mmb_budget_room(&layer->domains[i].budget));
    return room < all ? room : all;
}

/* ---- the user's layers ---- */

static struct mmb_layer *find_name(const char *name)
{
    for (size_t i = 0; i < STANDARD_LAYERS; i++)
        if (strcasecmp(layers.standard[i].name, name) == 0)
            return &layers.standard[i];
    for (size_t i = 0; i < layers.n_user; i++)
        if (strcasecmp(layers.user[i]->name, name) == 0)
            return layers.user[i];
    return NULL;
}

static bool make_room(void)
{
    if (layers.n_user < layers.user_capacity)
        return true;
    size_t capacity = layers.user_capacity ? 2 * layers.user_capacity : USER_LAYERS_FIRST;
    struct mmb_layer **more = mmb_meta_alloc(capacity * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < layers.n_user; i++)
        more[i] = layers.user[i];
    mmb_meta_free(layers.user, layers.user_capacity * sizeof *layers.user);
    layers.user = more;
    layers.user_capacity = capacity;
    return true;
}

static struct mmb_layer *layer_create(const char *name)
{
    char *copy = mmb_meta_strdup(name);
    struct mmb_layer *layer = mmb_meta_alloc(sizeof *layer);
    if (!copy || !layer || !make_room()) {
        mmb_meta_free(layer, sizeof *layer);
        mmb_meta_strfree(copy);
        return NULL;
    }
    layer_init(layer, (mmbMemLayer)(MMB_LAYER_USER + (int)layers.n_user), copy);
    layers.user[layers.n_user++] = layer;
    return layer;
}

static mmbError define(const char *name, const mmbLayerInfo *info, mmbMemLayer *out_layer)
{
    struct mmb_layer *same = find_name(name);
    if (same)
        return mmb_fail(MMB_EXISTS, "layer_define: layer %s exists already", same->name);
    struct mmb_layer *layer = layer_create(name);
    if (!layer)
        return mmb_fail(MMB_OUT_OF_MEMORY, "layer_define: no memory for layer %s", name);
    /* The user's total is a word to report, no budget: what a layer of his own really has is known
     * to the backend that he gives it. */
    layer->total_bytes = info->total_bytes;
    layer->bandwidth_mib_s = info->bandwidth_mib_s;
    layer->latency_ns = info->latency_ns;
    *out_layer = layer->id;
    return MMB_OK;
}

mmbError mmb_layer_define(const char *name, const mmbLayerInfo *info, mmbMemLayer *out_layer)
{
    mmbError error = mmb_library_check("layer_define");
    if (error != MMB_OK)
        return error;
    if (!name || !*name || !out_layer)
        return mmb_fail(MMB_INVALID_ARG, "layer_define: %s",
                        out_layer ? "a layer needs a name" : "out_layer is NULL");
    mmbLayerInfo known = MMB_LAYER_INFO_INIT;
    error = mmb_struct_in(&known, sizeof known, info, sizeof known, "mmbLayerInfo");
    if (error == MMB_OK)
        error = mmb_registry_enter("layer_define");
    if (error != MMB_OK)
        return error;
    error = define(name, &known, out_layer);
    mmb_registry_unlock();
    return error;
}

/* ---- characteristics ---- */

mmbError mmb_layer_set_info(mmbMemLayer id, const mmbLayerInfo *info)
{
    mmbError error = mmb_registry_enter("layer_set_info");
    if (error != MMB_OK)
        return error;
    mmbLayerInfo known = MMB_LAYER_INFO_INIT;
    struct mmb_layer *layer = mmb_layer_lookup(id);
    if (!layer)
        error = MMB_INVALID_LAYER;
    else if (!info)
        error = mmb_fail(MMB_INVALID_ARG, "layer_set_info: info is NULL");
    else
        error = mmb_struct_in(&known, sizeof known, info, sizeof known, "mmbLayerInfo");
    if (error == MMB_OK) {
        layer->bandwidth_mib_s = known.bandwidth_mib_s;
        layer->latency_ns = known.latency_ns;
    }
    mmb_registry_unlock();
    return error;
}

mmbError mmb_layer_get_info(mmbMemLayer id, mmbLayerInfo *out_info)
{
    mmbError error = mmb_registry_enter("layer_get_info");
    if (error != MMB_OK)
        return error;
    const struct mmb_layer *layer = mmb_layer_lookup(id);
    if (layer) {
        const mmbLayerInfo known = {
            .size = sizeof known,
            .name = layer->name,
            .total_bytes = layer->total_bytes,
            .domains = layer->n_domains,
            .bandwidth_mib_s = layer->bandwidth_mib_s,
            .latency_ns = layer->latency_ns,
            .discovered = layer->discovered,
        };
        error = mmb_struct_out(out_info, &known, sizeof known, sizeof known, "mmbLayerInfo");
    } else {
        error = MMB_INVALID_LAYER;
    }
    mmb_registry_unlock();
    return error;
}

/* ---- enumeration and names ---- */

size_t mmb_layer_count(void)
{
    if (mmb_registry_enter("layer_count") != MMB_OK)
        return 0;
    size_t count = mmb_layers_known();
    mmb_registry_unlock();
    return count;
}

mmbError mmb_layer_at(size_t index, mmbMemLayer *out_layer)
{
    mmbError error = mmb_registry_enter("layer_at");
    if (error != MMB_OK)
        return error;
    const struct mmb_layer *layer = mmb_layer_known_at(index);
    if (!out_layer)
        error = mmb_fail(MMB_INVALID_ARG, "layer_at: out_layer is NULL");
    else if (!layer)
        error = mmb_fail(MMB_NOT_FOUND, "layer_at: there is no layer %zu", index);
    else
        *out_layer = layer->id;
    mmb_registry_unlock();
    return error;
}

const char *mmb_layer_name(mmbMemLayer id)
{
    if (mmb_registry_enter("layer_name") != MMB_OK)
        return NULL;
    const struct mmb_layer *layer = mmb_layer_lookup(id);
    mmb_registry_unlock();
    return layer ? layer->name : NULL;
}

mmbError mmb_layer_from_name(const char *name, mmbMemLayer *out_layer)
{
    mmbError error = mmb_registry_enter("layer_from_name");
    if (error != MMB_OK)
        return error;
    const struct mmb_layer *layer = name ? find_name(name) : NULL;
    if (!name || !out_layer)
        error =
            mmb_fail(MMB_INVALID_ARG, "layer_from_name: %s is NULL", name ? "out_layer" : "name");
    else if (!layer)
        error = mmb_fail(MMB_NOT_FOUND, "layer_from_name: no layer is called \"%s\"", name);
    else
        *out_layer = layer->id;
    mmb_registry_unlock();
    return error;
}
