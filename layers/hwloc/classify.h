/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HWLOC_CLASSIFY_H
#define MMB_LAYERS_HWLOC_CLASSIFY_H
/* Which layer a NUMA node belongs to. */
#include <stdbool.h>
#include <stddef.h>
#include <hwloc.h>
#include <mmb/layer.h>

struct mmb_hwloc_node {
    hwloc_obj_t object;
    mmbMemLayer layer;
    bool is_named;          /* the firmware or the kernel says what it is */
    size_t bandwidth_mib_s; /* from the best initiator; 0: unknown */
    size_t latency_ns;
};

/* Fills nodes, which has room for all NUMA nodes of the topology, with those that have memory and
 * that this process may use, in the order of hwloc's tree. Returns how many. */
size_t mmb_hwloc_classify(hwloc_topology_t topology, struct mmb_hwloc_node *nodes);

#endif
