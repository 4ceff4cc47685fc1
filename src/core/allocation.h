/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files behind the allocation calls share: src/core/allocation*.c, pointer.c, find.c. */
#ifndef MMB_CORE_ALLOCATION_H
#define MMB_CORE_ALLOCATION_H
#include <stdbool.h>
#include <mmb/allocation.h>
#include "src/core/interface.h"

/* MMB_NOT_INITIALIZED, MMB_INVALID_ALLOCATION (no live handle of ours) with a detail, or MMB_OK. */
mmbError mmb_allocation_check(const mmbAllocation *allocation, const char *function);

/* MMB_INVALID_SIZE with a detail for 0 and for more than PTRDIFF_MAX bytes. */
mmbError mmb_allocation_check_size(size_t n_bytes, const char *function);

/* Checks the size, then asks the interface and, when it is exhausted, its fallbacks in turn. The
 * interface was checked. The domain, -1 for any, is the first one's: a fallback is of another space
 * and chooses for itself. */
struct mmb_wish {
    size_t n_bytes, alignment;
    int domain;
    uint64_t thread; /* 0: the caller */
};
mmbError mmb_interface_allocate(mmbMemInterface *interface, const struct mmb_wish *wish,
                                mmbAllocation **out_record);

/* Makes a block that was allocated just now read as zero. Fresh pages of the system do as they are,
 * and stay untouched: whoever writes them first has them in his node. */
mmbError mmb_allocation_clear(mmbAllocation *record);

/* An object for n_bytes of another process's range, which the backend of the allocator has opened
 * and closes when the object is freed. MMB_OUT_OF_MEMORY, or the region provider's refusal; then it
 * is still open. */
mmbError mmb_allocation_import(uintptr_t address, size_t n_bytes,
                               const struct mmb_allocator *allocator,
                               mmbAllocation **out_allocation);

/* Frees a live object of any kind; `function` is for details. */
mmbError mmb_allocation_release(mmbAllocation *allocation, const char *function);

/* The record whose block has a handle's bytes: the handle's own, or the hidden one of a handle that
 * moved. Not for slices and wrapped objects. */
mmbAllocation *mmb_allocation_block(mmbAllocation *allocation);

/* Finds the handle (never a hidden record) whose bytes cover the address, and the interface that
 * has them. NULL when there is none. */
mmbAllocation *mmb_allocation_at(uintptr_t address, mmbMemInterface **out_interface);

/* MMB_INVALID_ALLOCATION for slices and wrapped objects, MMB_BUSY for what is in use. */
mmbError mmb_allocation_check_movable(const mmbAllocation *allocation, const char *function);

/* mmb_reallocate() itself; the public function also writes to the trace. */
mmbError mmb_block_resize(mmbAllocation *allocation, size_t n_bytes);

/* A new block of n_bytes for the same bytes in the interface, the contents copied. Where both
 * blocks are charged to one quota, only the difference is. `*out_keep` is what the old block must
 * not uncharge when it goes. */
mmbError mmb_block_replace(mmbAllocation *block, size_t n_bytes, mmbMemInterface *interface,
                           mmbAllocation **out_block, size_t *out_keep);

#endif
