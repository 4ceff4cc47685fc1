/* SPDX-License-Identifier: BSD-3-Clause */
/* Type-stable memory for handles: slots of one size in one reserved range. A slot is only ever
 * reused for the same type and the range is kept for the life of the process, so that any pointer
 * can be told from a handle without being followed, and a stale handle can be followed to its
 * magic. */
#ifndef MMB_CORE_HANDLES_H
#define MMB_CORE_HANDLES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include "src/base/range.h"

struct mmb_handles {
    struct mmb_range range;
    void *free; /* given back before; linked through their last words */
    size_t n_used_bytes;
};

#define MMB_HANDLES_INIT(bytes)                                                                    \
    {                                                                                              \
        .range = MMB_RANGE_INIT(bytes)                                                             \
    }

/* Reserves the range at the first call. The caller orders this and the two below. */
mmbError mmb_handles_open(struct mmb_handles *handles, const char *what);
/* A zeroed slot, or NULL: no memory, or all slots are in use. */
void *mmb_handles_take(struct mmb_handles *handles);
void mmb_handles_give(struct mmb_handles *handles, void *slot);

/* Is this the address of a slot? One that was never handed out is zero. Lock-free. */
static inline bool mmb_handles_own(const struct mmb_handles *handles, const void *pointer)
{
    return mmb_range_has(&handles->range, pointer);
}

#endif
