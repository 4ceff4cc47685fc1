/* SPDX-License-Identifier: BSD-3-Clause */
/* Charges of a shared heap's blocks to the account of the calling thread's cache (shared.h).
 *
 * Owns nothing: an account is its cache's. It takes part while the cache has a runner, who touches
 * the credit only in an operation and without any lock. A thread that runs no cache charges and
 * uncharges the quota itself. Locks: the quota's. */
#include <string.h>
#include "interfaces/shared.h"
#include "src/base/error.h"

static struct mmb_shared_cache *cache_of(struct mmb_account *account)
{
    return MMB_CONTAINER_OF(account, struct mmb_shared_cache, account);
}

static void suspend(struct mmb_account *account)
{
    __atomic_store_n(&account->suspended, true, __ATOMIC_RELAXED);
    __atomic_fetch_or(&cache_of(account)->state, MMB_SHARED_STOP_QUOTA, __ATOMIC_RELAXED);
}

static void settle(struct mmb_account *account)
{
    mmb_shared_wait_for_runner(cache_of(account));
}

static void resume(struct mmb_account *account)
{
    __atomic_fetch_and(&cache_of(account)->state, ~MMB_SHARED_STOP_QUOTA, __ATOMIC_RELAXED);
    __atomic_store_n(&account->suspended, false, __ATOMIC_RELAXED);
}

static const struct mmb_account_ops revocable = {suspend, settle, resume};

void mmb_shared_account_open(struct mmb_shared_cache *cache)
{
    memset(&cache->account, 0, sizeof cache->account);
    cache->account.ops = &revocable;
    cache->account.thread = __builtin_thread_pointer();
    mmb_account_attach(cache->heap->base.quota, &cache->account);
}

/* What is used in it stays charged to the quota directly. */
void mmb_shared_account_close(struct mmb_shared_cache *cache)
{
    if (!cache->account.ops)
        return;
    mmb_account_detach(cache->heap->base.quota, &cache->account, NULL);
    cache->account.ops = NULL;
}

/* ---- charging ---- */

/* In an operation: may the credit be touched? */
static bool is_running(const struct mmb_shared_cache *cache)
{
    return !__atomic_load_n(&cache->account.suspended, __ATOMIC_RELAXED);
}

static bool take(struct mmb_quota *quota, struct mmb_shared_cache *cache, int64_t n_bytes)
{
    mmb_tally_begin(&cache->n_allocated);
    bool taken = is_running(cache) && (mmb_account_take(&cache->account, n_bytes) ||
                                       mmb_account_take_sole(quota, &cache->account, n_bytes));
    mmb_tally_undo(&cache->n_allocated);
    return taken;
}

static mmbError charge(struct mmb_quota *quota, struct mmb_shared_cache *cache, size_t n_bytes)
{
    if (!cache)
        return mmb_quota_charge(quota, n_bytes);
    if (n_bytes <= INT64_MAX && take(quota, cache, (int64_t)n_bytes))
        return MMB_OK;
    return mmb_account_charge(quota, &cache->account, n_bytes);
}

mmbError mmb_shared_charge(struct mmb_shared_heap *heap, size_t n_bytes)
{
    struct mmb_shared_cache *cache = mmb_shared_cache_here(heap);
    if (__builtin_expect(atomic_load_explicit(&heap->debt, memory_order_relaxed) != 0, 0))
        mmb_shared_pay(heap);
    mmbError error = charge(heap->base.quota, cache, n_bytes);
    if (error != MMB_OUT_OF_MEMORY)
        return error;
    heap->collect(heap);
    return charge(heap->base.quota, cache, n_bytes);
}

void mmb_shared_uncharge(struct mmb_shared_heap *heap, size_t n_bytes)
{
    struct mmb_shared_cache *cache = mmb_shared_cache_here(heap);
    if (!cache) {
        mmb_quota_uncharge(heap->base.quota, n_bytes);
        return;
    }
    mmb_tally_begin(&cache->n_allocated);
    bool given = is_running(cache);
    if (given)
        mmb_account_give(&cache->account, (int64_t)n_bytes);
    mmb_tally_undo(&cache->n_allocated);
    if (!given)
        mmb_account_uncharge(heap->base.quota, &cache->account, n_bytes);
}
