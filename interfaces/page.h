/* SPDX-License-Identifier: BSD-3-Clause */
/* The scalable page strategy: a heap behind one lock. */
#ifndef MMB_INTERFACES_PAGE_H
#define MMB_INTERFACES_PAGE_H
#include "src/spi/allocator.h"

extern const struct mmb_allocator_ops mmb_page_allocator;

#endif
