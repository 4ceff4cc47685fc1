/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots for handles (handles.h). Owns the reserved ranges; its callers hold the registry mutex.
 * Only the bound `n_bytes` is read without it: a stale, smaller one can only be seen by a thread
 * that was never given a handle above it. */
#include "src/core/handles.h"
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/os.h"

/* 64 MiB of addresses hold 131,072 handles of 512 bytes; where address space is scarce half of it
 * is tried until 1 MiB. */
#define RESERVE_FIRST ((size_t)64 << 20)
#define RESERVE_LAST  ((size_t)1 << 20)
#define COMMIT_BYTES  ((size_t)64 << 10)

/* The link stays clear of the magic, which a handle has at its start. */
static void **link_of(const struct mmb_handles *handles, void *slot)
{
    return (void **)(void *)((char *)slot + handles->slot_bytes - sizeof(void *));
}

mmbError mmb_handles_open(struct mmb_handles *handles, const char *what)
{
    if (handles->base)
        return MMB_OK;
    MMB_ASSERT(mmb_is_power_of_two(handles->slot_bytes));
    for (size_t n_bytes = RESERVE_FIRST; n_bytes >= RESERVE_LAST; n_bytes /= 2) {
        void *range = mmb_os_reserve(n_bytes);
        if (!range)
            continue;
        handles->base = (uintptr_t)range;
        handles->n_reserved = n_bytes;
        return MMB_OK;
    }
    return mmb_fail(MMB_OUT_OF_MEMORY, "init: no %zu B of address space for the handles of %s",
                    RESERVE_LAST, what);
}

static bool commit_more(struct mmb_handles *handles)
{
    size_t n_bytes = atomic_load_explicit(&handles->n_bytes, memory_order_relaxed);
    if (n_bytes == handles->n_reserved ||
        !mmb_os_commit((void *)(handles->base + n_bytes), COMMIT_BYTES))
        return false;
    atomic_store_explicit(&handles->n_bytes, n_bytes + COMMIT_BYTES, memory_order_relaxed);
    __atomic_store_n(&handles->n_slots, (n_bytes + COMMIT_BYTES) / handles->slot_bytes,
                     __ATOMIC_RELAXED);
    return true;
}

void *mmb_handles_take(struct mmb_handles *handles)
{
    void *slot = handles->free;
    if (slot) {
        handles->free = *link_of(handles, slot);
        memset(slot, 0, handles->slot_bytes);
        return slot;
    }
    if (handles->n_used_bytes == atomic_load_explicit(&handles->n_bytes, memory_order_relaxed) &&
        !commit_more(handles))
        return NULL;
    slot = (void *)(handles->base + handles->n_used_bytes);
    handles->n_used_bytes += handles->slot_bytes;
    return slot;
}

void mmb_handles_give(struct mmb_handles *handles, void *slot)
{
    MMB_ASSERT(mmb_handles_own(handles, slot));
    *link_of(handles, slot) = handles->free;
    handles->free = slot;
}
