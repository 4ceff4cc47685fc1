/* SPDX-License-Identifier: BSD-3-Clause */
/* Sealed files without a name in any directory, found by the name that they were made with. */
#ifndef MMB_LAYERS_SHM_MEMFD_H
#define MMB_LAYERS_SHM_MEMFD_H
#include <stdbool.h>

bool mmb_memfd_is_name(const char *name);
/* -1 with errno. */
int mmb_memfd_create(const char *name);
/* Nobody can shorten or lengthen it, or undo this. */
bool mmb_memfd_seal(int fd);
/* A descriptor of its own on a sealed one that this process or another of this user has; -1. */
int mmb_memfd_find(const char *name);

#endif
