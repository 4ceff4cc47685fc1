/* SPDX-License-Identifier: BSD-3-Clause */
/* The handles that are being changed at this moment, in debug builds (changing.h).
 *
 * Owns a table of entries, one per hash of a handle; no lock. An entry is only compared: relaxed
 * order does, since the caller's own order is what is looked for. */
#include "src/core/changing.h"

#ifdef MMB_DEBUG
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "src/base/error.h"

#define ENTRIES 1024u

static _Atomic(const mmbAllocation *) changing[ENTRIES];

static _Atomic(const mmbAllocation *) *entry_of(const mmbAllocation *allocation)
{
    return &changing[(uintptr_t)allocation / 16 % ENTRIES];
}

static mmbError refuse(const mmbAllocation *allocation, const char *function)
{
    return mmb_fail(MMB_BUSY, "%s: another thread is changing %p at the same time", function,
                    (const void *)allocation);
}

mmbError mmb_changing_check(const mmbAllocation *allocation, const char *function)
{
    const mmbAllocation *other = atomic_load_explicit(entry_of(allocation), memory_order_relaxed);
    return allocation && other == allocation ? refuse(allocation, function) : MMB_OK;
}

mmbError mmb_changing_begin(const mmbAllocation *allocation, const char *function)
{
    const mmbAllocation *other = NULL;
    if (!allocation ||
        atomic_compare_exchange_strong_explicit(entry_of(allocation), &other, allocation,
                                                memory_order_relaxed, memory_order_relaxed))
        return MMB_OK;
    return other == allocation ? refuse(allocation, function) : MMB_OK;
}

void mmb_changing_end(const mmbAllocation *allocation)
{
    const mmbAllocation *own = allocation;
    atomic_compare_exchange_strong_explicit(entry_of(allocation), &own, NULL, memory_order_relaxed,
                                            memory_order_relaxed);
}

#else
typedef int mmb_changing_is_for_debug_builds; /* a source has to declare something */
#endif
