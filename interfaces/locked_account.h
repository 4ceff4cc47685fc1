/* SPDX-License-Identifier: BSD-3-Clause */
/* The quota account of an allocator with a lock: whoever has the lock is its owner. While the
 * account is suspended, what is given back is owed to the quota and goes there when the lock is
 * released, because the quota's lock comes before the allocator's. */
#ifndef MMB_INTERFACES_LOCKED_ACCOUNT_H
#define MMB_INTERFACES_LOCKED_ACCOUNT_H
#include "src/base/biased.h"
#include "src/spi/quota.h"

struct mmb_locked_account {
    struct mmb_account base;
    struct mmb_quota *quota;
    struct mmb_biased *lock; /* the allocator's */
    size_t owed;
};

void mmb_locked_account_open(struct mmb_locked_account *account, struct mmb_quota *quota,
                             struct mmb_biased *lock);
void mmb_locked_account_close(struct mmb_locked_account *account);

/* Lock held: charges from the credit; false when it has to be asked for. */
static inline bool mmb_locked_account_take(struct mmb_locked_account *account, size_t n_bytes)
{
    mmb_account_touch(&account->base);
    if (account->base.suspended || n_bytes > INT64_MAX)
        return false;
    return mmb_account_take(&account->base, (int64_t)n_bytes) ||
           mmb_account_take_sole(account->quota, &account->base, (int64_t)n_bytes);
}

/* Lock held: uncharges. */
static inline void mmb_locked_account_give(struct mmb_locked_account *account, size_t n_bytes)
{
    if (account->base.suspended)
        account->owed += n_bytes;
    else
        mmb_account_give(&account->base, (int64_t)n_bytes);
}

void mmb_locked_account_pay(struct mmb_locked_account *account, size_t owed);

/* Releases the lock and pays what is owed. */
static inline void mmb_locked_account_release(struct mmb_locked_account *account)
{
    size_t owed = account->owed;
    account->owed = 0;
    mmb_biased_release(account->lock);
    if (__builtin_expect(owed != 0, 0))
        mmb_locked_account_pay(account, owed);
}

/* Without the lock: take, or ask the quota. MMB_OUT_OF_MEMORY as mmb_quota_charge. */
mmbError mmb_locked_account_charge(struct mmb_locked_account *account, size_t n_bytes);
void mmb_locked_account_uncharge(struct mmb_locked_account *account, size_t n_bytes);

#endif
