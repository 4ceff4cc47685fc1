/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_CGROUP_H
#define MMB_LAYERS_HOST_CGROUP_H
#include <stddef.h>

/* What the memory cgroups (version 1 and 2) that this process is in, and all above them, still let
 * it have; SIZE_MAX when none limits it. `root` stands before every path: "" is this system. */
size_t mmb_cgroup_available(const char *root);

#endif
