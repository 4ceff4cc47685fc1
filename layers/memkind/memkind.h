/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_MEMKIND_H
#define MMB_LAYERS_MEMKIND_H
#include "src/spi/backend.h"

/* Kinds of libmemkind, by their names or by the directory of a file-backed one. */
extern const struct mmb_backend_ops mmb_memkind_backend;

#endif
