/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_GROUP_H
#define MMB_TESTS_SUPPORT_GROUP_H
/* Control groups for tests that run as root on a machine of their own. */
#include <stdbool.h>

/* The caller's process goes into a new group with one setting: file and value, such as
 * "memory.max", "67108864". False: that is not possible here. */
bool enter_group(const char *name, const char *file, const char *value);

#endif
