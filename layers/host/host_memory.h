/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_HOST_MEMORY_H
#define MMB_LAYERS_HOST_HOST_MEMORY_H
#include <stdbool.h>
#include <stddef.h>

/* What this process can really get of host memory now, over all nodes: the least of what the kernel
 * calls available, what its cgroups leave, and what its limits on address space and data leave.
 * SIZE_MAX: nothing is known. */
size_t mmb_host_memory_available(void);

/* The same from the files below `root`, without the process's own limits: for tests. */
size_t mmb_host_memory_available_at(const char *root);

/* What of one NUMA node can be had now: free and easily reclaimed pages without what the kernel
 * keeps for itself. False: nothing is known of that node. `root` as above, "" is this system. */
bool mmb_node_memory_available(const char *root, int os_index, size_t *out_bytes);

#endif
