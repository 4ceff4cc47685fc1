/* SPDX-License-Identifier: BSD-3-Clause */
/* The passthrough strategy: every allocation is a chunk of its own, straight from the backend. */
#ifndef MMB_INTERFACES_PASSTHROUGH_H
#define MMB_INTERFACES_PASSTHROUGH_H
#include "src/spi/allocator.h"

extern const struct mmb_allocator_ops mmb_passthrough_allocator;

#endif
