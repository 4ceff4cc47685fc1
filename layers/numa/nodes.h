/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_NUMA_NODES_H
#define MMB_LAYERS_NUMA_NODES_H
/* How far NUMA nodes are from each other and what is left of them, as the kernel says. Built on
 * every system: where there is no such thing all nodes are equally far. */
#include <stddef.h>
#include <stdint.h>

#define MMB_NODES_MAX     1024u /* the most that Linux can be built for */
#define MMB_NODES_UNKNOWN 255u  /* a distance that nobody knows */

/* Distances of one node from nodes 0 to 63; threads on nodes beyond have no preference. */
#define MMB_NODES_NEAR 64u
struct mmb_node_distances {
    uint8_t from[MMB_NODES_NEAR];
};

/* `root` is where the system's files are, "" for this system: for tests. */
void mmb_node_distances_read(const char *root, int node, struct mmb_node_distances *out);

/* Free and easily reclaimed pages of a node. SIZE_MAX: nobody knows. */
size_t mmb_node_free_bytes(const char *root, int node);
/* What of them the kernel keeps back: a process that needs it is killed instead. */
size_t mmb_node_kept_bytes(const char *root, int node);

/* The node of the CPU that runs the caller, or -1. */
int mmb_node_here(void);

#endif
