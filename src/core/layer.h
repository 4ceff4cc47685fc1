/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of layers: the seven standard ones and the user's. A layer is "known" once it was
 * discovered or registered; only known layers have spaces. Guarded by the registry mutex. */
#ifndef MMB_CORE_LAYER_H
#define MMB_CORE_LAYER_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/layer.h>
#include "src/base/list.h"
#include "src/core/budget.h"
#include "src/spi/probe.h"

/* A part of a layer with memory of its own: a NUMA node or a device. */
struct mmb_domain {
    int os_index;
    struct mmb_device_numbers numbers; /* of a device */
    size_t total_bytes;
    struct mmb_budget budget;
};

struct mmb_layer {
    struct mmb_list link; /* of the known ones, in the order in which they became known */
    mmbMemLayer id;
    const char *name; /* owned where the user defined the layer */
    bool known;
    bool discovered;
    size_t total_bytes;
    size_t bandwidth_mib_s;
    size_t latency_ns;
    struct mmb_budget budget;
    struct mmb_domain *domains; /* owned; by discovery order of OS index */
    size_t n_domains;
    int *os_indexes; /* owned; of the domains, as backends read them */
};

/* What backends of plain host memory may take over all layers, whatever the layers say of
 * themselves: what this process could get when the library was initialised. */
extern struct mmb_budget mmb_host_budget;
/* Tells that budget what the library has taken for its own data since then: records of small blocks
 * are as large as the blocks. */
void mmb_host_budget_refresh(void);

/* All below: the registry mutex is held. */
void mmb_layers_open(void);
void mmb_layers_close(void);
/* NULL and the detail MMB_INVALID_LAYER when there is no such layer. */
struct mmb_layer *mmb_layer_lookup(mmbMemLayer id);
void mmb_layer_make_known(struct mmb_layer *layer);
/* Undoes the last make_known. */
void mmb_layer_make_unknown(struct mmb_layer *layer);
size_t mmb_layers_known(void);
/* The n-th known layer, or NULL. */
struct mmb_layer *mmb_layer_known_at(size_t index);
/* Called by discovery: gives a standard layer its domains (copied) and makes it known. */
struct mmb_layer_found {
    mmbMemLayer id;
    const struct mmb_domain_found {
        int os_index;
        size_t total_bytes;     /* of the node or device */
        size_t available_bytes; /* what this process can get of it now */
        struct mmb_device_numbers numbers;
    } * domains;
    size_t n_domains;
    size_t bandwidth_mib_s; /* 0: unknown */
    size_t latency_ns;
};
/* The node, or the device as the runtime of that context counts; -1: the runtime does not have it.
 */
int mmb_domain_number(const struct mmb_domain *domain, mmbExecutionContext context);
/* What the domains that the context reaches can give and no one has. */
size_t mmb_layer_room(const struct mmb_layer *layer, mmbExecutionContext context);
/* MMB_INVALID_LAYER, MMB_EXISTS (found before), MMB_OUT_OF_MEMORY. */
mmbError mmb_layer_add_found(const struct mmb_layer_found *found);

#endif
