/* SPDX-License-Identifier: BSD-3-Clause */
/* See locked_account.h. Lock order: quota -> the allocator's lock; suspend and resume are called
 * with the former and take the latter, so no operation on the credit is under way when they return.
 * The lock's owner enters the shortest ways only while the account is not suspended. */
#include "interfaces/locked_account.h"

static void set_suspended(struct mmb_account *base, bool suspended)
{
    struct mmb_locked_account *account = MMB_CONTAINER_OF(base, struct mmb_locked_account, base);
    mmb_biased_acquire(account->lock);
    base->suspended = suspended;
    mmb_biased_set_quick(account->lock, !suspended);
    mmb_biased_release(account->lock);
}

static void suspend(struct mmb_account *base)
{
    set_suspended(base, true);
}

static void resume(struct mmb_account *base)
{
    set_suspended(base, false);
}

static const struct mmb_account_ops locked_account_ops = {.suspend = suspend, .resume = resume};

void mmb_locked_account_open(struct mmb_locked_account *account, struct mmb_quota *quota,
                             struct mmb_biased *lock)
{
    account->base.ops = &locked_account_ops;
    account->base.is_shared = true;
    account->quota = quota;
    account->lock = lock;
    mmb_account_attach(quota, &account->base);
}

void mmb_locked_account_close(struct mmb_locked_account *account)
{
    mmb_account_detach(account->quota, &account->base, NULL);
}

void mmb_locked_account_pay(struct mmb_locked_account *account, size_t owed)
{
    mmb_account_uncharge(account->quota, &account->base, owed);
}

mmbError mmb_locked_account_charge(struct mmb_locked_account *account, size_t n_bytes)
{
    mmb_biased_acquire(account->lock);
    bool taken = mmb_locked_account_take(account, n_bytes);
    int64_t used = mmb_account_used(&account->base);
    if (taken && used > account->base.peak)
        __atomic_store_n(&account->base.peak, used, __ATOMIC_RELAXED);
    mmb_locked_account_release(account);
    if (taken)
        return MMB_OK;
    return mmb_account_charge(account->quota, &account->base, n_bytes);
}

void mmb_locked_account_uncharge(struct mmb_locked_account *account, size_t n_bytes)
{
    mmb_biased_acquire(account->lock);
    mmb_locked_account_give(account, n_bytes);
    mmb_locked_account_release(account);
}
