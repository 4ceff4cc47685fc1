/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of slots (range.h). Owns the reservations; takes no lock. */
#include "src/base/range.h"
#include "src/base/checked.h"
#include "src/base/debug.h"
#include "src/base/os.h"

/* Makes more readable than is writable, so that the readable part is a power of two. Beyond what is
 * committed there are only zeroes, which cost no memory. */
static bool show(struct mmb_range *range, size_t n_bytes)
{
    size_t n_shown = range->n_shown;
    if (n_bytes <= n_shown)
        return true;
    while (n_shown < n_bytes)
        n_shown = n_shown ? 2 * n_shown : range->slot_bytes;
    size_t page = mmb_os_page_bytes();
    if (n_shown < page)
        n_shown = page;
    if (!mmb_os_show((void *)(range->base + range->n_shown), n_shown - range->n_shown))
        return false;
    range->n_shown = n_shown;
    return true;
}

bool mmb_range_grow(struct mmb_range *range, size_t n_bytes)
{
    size_t n_committed = range->n_committed + n_bytes;
    if (n_committed > range->n_reserved || !show(range, n_committed) ||
        !mmb_os_commit((void *)(range->base + range->n_committed), n_bytes))
        return false;
    range->n_committed = n_committed;
    /* Release: who sees the larger part can read it. */
    __atomic_store_n(&range->mask, ~(range->n_shown - 1) | (range->slot_bytes - 1),
                     __ATOMIC_RELEASE);
    return true;
}

bool mmb_range_open(struct mmb_range *range, size_t n_bytes, size_t n_first)
{
    MMB_ASSERT(mmb_is_power_of_two(n_bytes) && mmb_is_power_of_two(range->slot_bytes));
    void *start = mmb_os_reserve_aligned(n_bytes);
    if (!start)
        return false;
    struct mmb_range made = {
        .base = (uintptr_t)start, .slot_bytes = range->slot_bytes, .n_reserved = n_bytes};
    if (!mmb_range_grow(&made, n_first)) {
        mmb_os_unmap(start, n_bytes);
        return false;
    }
    uintptr_t mask = made.mask;
    made.mask = 0; /* nothing is in it until all else is written */
    *range = made;
    __atomic_store_n(&range->mask, mask, __ATOMIC_RELEASE);
    return true;
}
