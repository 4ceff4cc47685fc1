/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots for handles (handles.h). Owns the reserved ranges; its callers hold the registry mutex.
 * Whether a pointer is a slot's address is asked without it (range.h). */
#include "src/core/handles.h"
#include <string.h>
#include "src/base/debug.h"
#include "src/base/error.h"

/* 64 MiB of addresses hold 131,072 handles of 512 bytes; where address space is scarce half of it
 * is tried until 1 MiB. */
#define RESERVE_FIRST ((size_t)64 << 20)
#define RESERVE_LAST  ((size_t)1 << 20)
#define COMMIT_BYTES  ((size_t)64 << 10)

/* The link stays clear of the magic, which a handle has at its start. */
static void **link_of(const struct mmb_handles *handles, void *slot)
{
    return (void **)(void *)((char *)slot + handles->range.slot_bytes - sizeof(void *));
}

mmbError mmb_handles_open(struct mmb_handles *handles, const char *what)
{
    if (mmb_range_is_open(&handles->range))
        return MMB_OK;
    for (size_t n_bytes = RESERVE_FIRST; n_bytes >= RESERVE_LAST; n_bytes /= 2)
        if (mmb_range_open(&handles->range, n_bytes, COMMIT_BYTES))
            return MMB_OK;
    return mmb_fail(MMB_OUT_OF_MEMORY, "init: no %zu B of address space for the handles of %s",
                    RESERVE_LAST, what);
}

void *mmb_handles_take(struct mmb_handles *handles)
{
    void *slot = handles->free;
    if (slot) {
        handles->free = *link_of(handles, slot);
        memset(slot, 0, handles->range.slot_bytes);
        return slot;
    }
    if (handles->n_used_bytes == handles->range.n_committed &&
        !mmb_range_grow(&handles->range, COMMIT_BYTES))
        return NULL;
    slot = (void *)(handles->range.base + handles->n_used_bytes);
    handles->n_used_bytes += handles->range.slot_bytes;
    return slot;
}

void mmb_handles_give(struct mmb_handles *handles, void *slot)
{
    MMB_ASSERT(mmb_handles_own(handles, slot));
    *link_of(handles, slot) = handles->free;
    handles->free = slot;
}
