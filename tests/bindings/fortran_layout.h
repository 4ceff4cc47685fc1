/* SPDX-License-Identifier: BSD-3-Clause */
/* Called from test_fortran.f90. */
#ifndef TESTS_BINDINGS_FORTRAN_LAYOUT_H
#define TESTS_BINDINGS_FORTRAN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <mmb.h>

bool layout_options(const mmbOptions *options, size_t n_bytes);
bool layout_interface_config(const mmbMemInterfaceConfig *config, size_t n_bytes);
bool layout_space_config(const mmbMemSpaceConfig *config, size_t n_bytes);
bool layout_defaults(const mmbMemSpaceConfig *config);
bool layout_layer_info(mmbLayerInfo *info, size_t n_bytes);
bool layout_space_info(const mmbSpaceInfo *info, size_t n_bytes);
bool layout_stats(const mmbMemInterfaceStats *stats, size_t n_bytes);
bool layout_allocation_info(const mmbAllocationInfo *info, size_t n_bytes);

#endif
