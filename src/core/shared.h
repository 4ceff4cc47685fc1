/* SPDX-License-Identifier: BSD-3-Clause */
/* The heap behind a public interface, for what is built in shared heaps. */
#ifndef MMB_CORE_SHARED_H
#define MMB_CORE_SHARED_H
#include <mmb/shared.h>
#include "interfaces/shared.h"

/* The interface's heap; MMB_NOT_INITIALIZED, MMB_INVALID_INTERFACE or MMB_UNSUPPORTED with a
 * detail. */
mmbError mmb_shared_heap_find(const mmbMemInterface *interface, const char *function,
                              struct mmb_shared_heap **out);

/* What shared pointers into it say. */
static inline uint64_t mmb_shared_heap_name(const struct mmb_shared_heap *heap)
{
    return (uint64_t)heap->segment->generation << 32 | heap->segment->id;
}

#endif
