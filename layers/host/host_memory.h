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

/* Calls visit for every NUMA node with what of it can be had now: free and easily reclaimed pages
 * without what the kernel keeps for itself. No call: nothing is known. `root` as above, "" is this
 * system. */
typedef void (*mmb_node_memory_visitor)(void *user, int os_index, size_t available_bytes);
void mmb_node_memory_each(const char *root, mmb_node_memory_visitor visit, void *user);

#endif
