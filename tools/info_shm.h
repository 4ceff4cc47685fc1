/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TOOLS_INFO_SHM_H
#define MMB_TOOLS_INFO_SHM_H
#include <stdbool.h>
#include <stdio.h>
#include <mmb.h>

/* Verifies the segment of a URL and prints what it holds; an exit status. */
int info_show_shm(FILE *out, const char *url, bool as_json);

#endif
