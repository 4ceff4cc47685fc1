/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_NODE_H
#define MMB_TESTS_SUPPORT_NODE_H
/* What the kernel says of where memory lies. */
#include <stdbool.h>
#include <stddef.h>

/* The NUMA node of the touched page at an address, or minus the reason. */
int node_of(const void *address);
/* The kernel's policy mode of an address, or -1. */
int node_policy_of(const void *address);
/* The mode that a backend's policy comes to on a machine of one node. */
int node_policy_for(int policy);
/* The calling thread runs on this CPU alone from now on. */
bool node_run_on_cpu(size_t cpu);

#endif
