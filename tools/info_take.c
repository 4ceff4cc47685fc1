/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes everything before a word is printed: a failure then leaves no half of an answer. Owns the
 * arrays of struct info. */
#include "tools/info.h"
#include <stdlib.h>
#include <string.h>

static void *make_array(size_t n, size_t n_bytes)
{
    return calloc(n ? n : 1, n_bytes);
}

static bool take_layers(struct info *info)
{
    size_t n = mmb_layer_count();
    info->layers = make_array(n, sizeof *info->layers);
    if (!info->layers)
        return false;
    for (; info->n_layers < n; info->n_layers++) {
        mmbLayerInfo *layer = &info->layers[info->n_layers];
        mmbMemLayer id;
        layer->size = sizeof *layer;
        if (mmb_layer_at(info->n_layers, &id) != MMB_OK || mmb_layer_get_info(id, layer) != MMB_OK)
            return false;
    }
    return true;
}

static bool take_interface(const mmbMemSpace *space, size_t index, struct info_interface *out)
{
    mmbMemInterface *interface;
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    if (mmb_interface_at(space, index, &interface) != MMB_OK ||
        mmb_interface_get_info(interface, &info) != MMB_OK ||
        mmb_interface_get_stats(interface, &stats) != MMB_OK)
        return false;
    out->name = info.name;
    out->backend = mmb_backend_name(info.backend);
    out->strategy = mmb_strategy_name(info.strategy);
    out->live_bytes = stats.live_bytes;
    out->live_count = stats.live_count;
    out->reserved_bytes = stats.reserved_bytes;
    out->peak_bytes = stats.peak_bytes;
    out->n_allocated = stats.total_allocations;
    out->n_freed = stats.total_frees;
    out->n_refused = stats.refused;
    out->n_chunks = stats.chunks;
    return true;
}

static bool take_space(size_t index, struct info_space *out)
{
    mmbMemSpace *space;
    out->info.size = sizeof out->info;
    if (mmb_space_at(index, &space) != MMB_OK || mmb_space_get_info(space, &out->info) != MMB_OK)
        return false;
    out->layer = mmb_layer_name(out->info.layer);
    out->context = mmb_execution_context_name(out->info.context);
    size_t n = mmb_interface_count(space);
    out->interfaces = make_array(n, sizeof *out->interfaces);
    if (!out->interfaces)
        return false;
    for (; out->n_interfaces < n; out->n_interfaces++)
        if (!take_interface(space, out->n_interfaces, &out->interfaces[out->n_interfaces]))
            return false;
    return true;
}

static bool take_spaces(struct info *info)
{
    size_t n = mmb_space_count();
    info->spaces = make_array(n, sizeof *info->spaces);
    if (!info->spaces)
        return false;
    for (; info->n_spaces < n; info->n_spaces++)
        if (!take_space(info->n_spaces, &info->spaces[info->n_spaces]))
            return false;
    return true;
}

/* The library has no more backends than numbers below the user's; gaps are no backends. */
static bool take_backends(struct info *info)
{
    info->backends = make_array(MMB_BACKEND_USER, sizeof *info->backends);
    if (!info->backends)
        return false;
    for (int id = MMB_BACKEND_DEFAULT + 1; id < MMB_BACKEND_USER; id++) {
        mmbBackendInfo known = MMB_BACKEND_INFO_INIT;
        if (mmb_backend_get_info((mmbBackend)id, &known) != MMB_OK)
            continue;
        struct info_backend *backend = &info->backends[info->n_backends++];
        backend->name = known.name;
        backend->built = known.built;
        backend->available = known.available;
        backend->detail = strdup(known.detail);
        if (!backend->detail)
            return false;
    }
    return true;
}

bool info_take(struct info *info)
{
    memset(info, 0, sizeof *info);
    return take_layers(info) && take_spaces(info) && take_backends(info);
}

void info_drop(struct info *info)
{
    /* What failed half-way is the one after the last counted. */
    for (size_t i = 0; info->spaces && i < info->n_spaces; i++)
        free(info->spaces[i].interfaces);
    for (size_t i = 0; info->backends && i < info->n_backends; i++)
        free(info->backends[i].detail);
    free(info->layers);
    free(info->spaces);
    free(info->backends);
}
