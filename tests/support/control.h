/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_CONTROL_H
#define MMB_TESTS_SUPPORT_CONTROL_H
/* What the tests of layers, spaces and interfaces share. */
#include <stdbool.h>
#include <mmb.h>

#define N_ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* set_up and tear_down of a suite: this machine's library. tear_down finalizes until nobody uses
 * it. */
void control_open(void);
void control_close(void);

extern const mmbMemSpaceConfig control_space_config;
extern const mmbMemInterfaceConfig control_interface_config;

/* A config whose limit is n_bytes. */
mmbMemSpaceConfig control_limit(size_t n_bytes);
/* DRAM for the CPU, registered; NULL never. */
mmbMemSpace *control_space(size_t limit);
mmbMemInterface *control_interface(mmbMemSpace *space, mmbStrategy strategy, mmbBackend backend);
mmbAllocation *control_allocation(mmbMemInterface *interface, size_t n_bytes);

size_t control_used(const mmbMemSpace *space);
size_t control_limit_of(const mmbMemSpace *space);

/* A layer that nobody discovered and nobody knows yet. */
mmbMemLayer control_new_layer(const char *name);

/* The detail of the last failure contains the text. */
bool control_detail_has(const char *text);

#endif
