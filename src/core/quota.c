/* SPDX-License-Identifier: BSD-3-Clause */
/* The accounting of a space (spi/quota.h). Owns nothing, takes no lock.
 *
 * One atomic decides: `room`, what may still be charged. A charge takes from it, a lowered limit
 * takes from it too, so neither can win against the other by looking first. Comparing `used` with
 * `limit` would need both in one instant: between the comparison and the exchange the limit may
 * have been lowered, or lowered and raised again.
 *
 * `used` is added to after room was taken and subtracted from before room is given back, and the
 * limit is lowered after room was taken and raised before room is given, hence used + room <= limit
 * always. A block counts in `used` for the whole time that the user has it, so a `peak` over `used`
 * is never below the true one. */
#include "src/spi/quota.h"
#include <stdint.h>
#include "src/base/debug.h"
#include "src/base/error.h"

void mmb_quota_init(struct mmb_quota *quota, size_t limit)
{
    atomic_init(&quota->limit, limit);
    atomic_init(&quota->room, limit);
    atomic_init(&quota->used, 0);
    atomic_init(&quota->peak, 0);
}

/* Acquire and release pair a charge with the uncharges that made its room: `used` then already
 * lacks what they gave back, so that it cannot be seen above the limit. */
static bool take_room(struct mmb_quota *quota, size_t n_bytes)
{
    size_t room = atomic_load_explicit(&quota->room, memory_order_relaxed);
    do {
        if (n_bytes > room)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&quota->room, &room, room - n_bytes,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return true;
}

static void give_room(struct mmb_quota *quota, size_t n_bytes)
{
    atomic_fetch_add_explicit(&quota->room, n_bytes, memory_order_release);
}

static void raise_peak(struct mmb_quota *quota, size_t used)
{
    size_t peak = atomic_load_explicit(&quota->peak, memory_order_relaxed);
    while (used > peak &&
           !atomic_compare_exchange_weak_explicit(&quota->peak, &peak, used, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

mmbError mmb_quota_charge(struct mmb_quota *quota, size_t n_bytes)
{
    if (!take_room(quota, n_bytes))
        return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: limit %zu, used %zu", n_bytes,
                        mmb_quota_limit(quota), mmb_quota_used(quota));
    size_t before = atomic_fetch_add_explicit(&quota->used, n_bytes, memory_order_relaxed);
    raise_peak(quota, before + n_bytes);
    return MMB_OK;
}

void mmb_quota_uncharge(struct mmb_quota *quota, size_t n_bytes)
{
    size_t before = atomic_fetch_sub_explicit(&quota->used, n_bytes, memory_order_relaxed);
    MMB_ASSERT(before >= n_bytes);
    (void)before;
    give_room(quota, n_bytes);
}

mmbError mmb_quota_set_limit(struct mmb_quota *quota, size_t limit)
{
    size_t old = mmb_quota_limit(quota);
    if (limit < old && !take_room(quota, old - limit))
        return mmb_fail(MMB_BUSY, "limit %zu B: %zu B are in use", limit, mmb_quota_used(quota));
    atomic_store_explicit(&quota->limit, limit, memory_order_relaxed);
    if (limit > old)
        give_room(quota, limit - old);
    return MMB_OK;
}

size_t mmb_quota_limit(const struct mmb_quota *quota)
{
    return atomic_load_explicit(&quota->limit, memory_order_relaxed);
}

size_t mmb_quota_used(const struct mmb_quota *quota)
{
    return atomic_load_explicit(&quota->used, memory_order_relaxed);
}

size_t mmb_quota_peak(const struct mmb_quota *quota)
{
    return atomic_load_explicit(&quota->peak, memory_order_relaxed);
}

size_t mmb_quota_room(const struct mmb_quota *quota)
{
    return atomic_load_explicit(&quota->room, memory_order_relaxed);
}
