/* SPDX-License-Identifier: BSD-3-Clause */
/* A space's accounting of requested bytes. used <= limit at every moment, under any number of
 * threads.
 *
 * Bytes that may still be charged lie in the pool or, as credit, in accounts: one per thread cache
 * and one per allocator with a lock. An owner takes from its credit without asking anybody. Credit
 * can be called back: whoever finds the pool too small collects it from all accounts, so no request
 * that fits is refused because another account holds what it does not use.
 *
 *     limit = pool + sum of granted + direct
 *     used  = sum of (granted - credit - kept) + direct    for accounts; direct: charged without
 * one
 *
 * Peak: each account has a mark, the use it may reach without telling; sum of marks + direct <=
 * peak. What would take it beyond is kept apart from the credit, so that an owner has one number
 * to look at. An owner that goes beyond its mark raises the peak to what is really used, exact as
 * long as one thread does everything, and never below the truth with many, since nobody passes his
 * mark untold. */
#ifndef MMB_SPI_QUOTA_H
#define MMB_SPI_QUOTA_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include "src/base/list.h"
#include "src/base/lock.h"

struct mmb_account;

/* How credit is called back. All are called with the quota's lock. */
struct mmb_account_ops {
    /* From now on no owner starts an operation on the credit without the quota's lock; a thread's
     * own account may have one under way. Sets `suspended`. */
    void (*suspend)(struct mmb_account *account);
    /* After suspend and a barrier that every running thread has passed: returns when no operation
     * is under way any more that saw the account not suspended. NULL: none can be. */
    void (*settle)(struct mmb_account *account);
    /* Undoes suspend. Of a thread's own account only this thread does. NULL: it is never resumed.
     */
    void (*resume)(struct mmb_account *account);
};

/* credit and kept are the owner's while the account is not suspended; then, as all else, the quota
 * lock's. Both are credit; kept = max(granted - mark, 0) is what may not be taken untold. */
struct mmb_account {
    int64_t credit;
    int64_t kept;
    int64_t granted; /* negative where more was freed here than allocated */
    int64_t mark;    /* of what is used */
    int64_t peak;    /* used was never more; of a lock's: whenever the quota saw it */
    const struct mmb_account_ops *ops;
    struct mmb_list link;
    const void *thread; /* the only one that touched it, or MMB_THREAD_NONE, _MANY */
    bool is_shared;     /* its owner is whoever has an allocator's lock, not one thread */
    bool suspended;
    bool settles; /* it is being suspended */
    bool listed;  /* among the quota's accounts: from the first charge on */
};
#define MMB_THREAD_NONE NULL
#define MMB_THREAD_MANY ((const void *)1)

/* Notes that this thread touches an account that an allocator's lock guards. Lock held. */
static inline void mmb_account_touch(struct mmb_account *account)
{
    const void *self = __builtin_thread_pointer(), *before = account->thread;
    if (__builtin_expect(before != self && before != MMB_THREAD_MANY, 0))
        __atomic_store_n(&account->thread, before == MMB_THREAD_NONE ? self : MMB_THREAD_MANY,
                         __ATOMIC_RELAXED);
}

struct mmb_quota {
    struct mmb_lock lock;
    uint32_t n_accounts;
    bool is_stopped;                    /* for fork, which meets a quota once per allocator */
    bool tight;                         /* so little is left that accounts stay suspended */
    _Atomic(struct mmb_account *) sole; /* the only account, when nothing was charged directly */
    _Atomic int64_t pool;
    _Atomic int64_t limit; /* MMB_QUOTA_NONE: none */
    _Atomic int64_t peak;
    int64_t direct;
    struct mmb_list accounts;
    size_t n_collects; /* for tests and the bench */
};
#define MMB_QUOTA_NONE (INT64_MAX / 2)

void mmb_quota_init(struct mmb_quota *quota, size_t limit);

/* Charges without an account. MMB_OUT_OF_MEMORY with requested, used and limit in the detail; then
 * nothing is charged. The caller holds no lock of an allocator. */
mmbError mmb_quota_charge(struct mmb_quota *quota, size_t n_bytes);
void mmb_quota_uncharge(struct mmb_quota *quota, size_t n_bytes);
/* MMB_BUSY when more than the new limit is in use; then nothing has changed. SIZE_MAX: none. */
mmbError mmb_quota_set_limit(struct mmb_quota *quota, size_t limit);
size_t mmb_quota_limit(const struct mmb_quota *quota); /* SIZE_MAX: none */
size_t mmb_quota_room(const struct mmb_quota *quota);  /* that may still be charged */
size_t mmb_quota_used(const struct mmb_quota *quota);
size_t mmb_quota_peak(const struct mmb_quota *quota);

/* Recalls all credit and keeps the lock: until mmb_quota_go no owner is in an operation on its
 * credit or on what goes with it (a thread's magazines). */
void mmb_quota_stop(struct mmb_quota *quota);
void mmb_quota_go(struct mmb_quota *quota);

/* ---- accounts ---- */

/* The account is zeroed but for ops, thread and is_shared. It starts suspended, and takes part from
 * its first charge on: one that is never used costs the others no share. */
void mmb_account_attach(struct mmb_quota *quota, struct mmb_account *account);
/* The owner takes no part any more, or is the caller. Its credit goes back; what is used in it
 * stays charged: in another account, or with NULL directly. The account is as new, but for its
 * peak: it takes part again from its next charge on. */
void mmb_account_detach(struct mmb_quota *quota, struct mmb_account *account,
                        struct mmb_account *heir);

/* Charges n bytes that the owner's credit or mark does not allow, and gives it more credit for the
 * next ones where there is some. The caller is the owner, holds no lock of its allocator and is in
 * no operation on its credit. MMB_OUT_OF_MEMORY as charge. */
mmbError mmb_account_charge(struct mmb_quota *quota, struct mmb_account *account, size_t n_bytes);
/* For a thread's own account, by the owner in an operation: lowers a mark that is far above the
 * use, so that a thread which only frees does not make the peak of those that allocate look higher.
 */
void mmb_account_settle_mark(struct mmb_account *account);
/* Gives n bytes back when the owner may not touch its credit. Resumes the account where there is
 * enough for all. */
void mmb_account_uncharge(struct mmb_quota *quota, struct mmb_account *account, size_t n_bytes);

/* For the owner, in an operation on its credit: takes n if credit and mark allow. */
static inline bool mmb_account_take(struct mmb_account *account, int64_t n_bytes)
{
    int64_t credit = __atomic_load_n(&account->credit, __ATOMIC_RELAXED) - n_bytes;
    if (__builtin_expect(credit < 0, 0))
        return false;
    __atomic_store_n(&account->credit, credit, __ATOMIC_RELAXED);
    return true;
}

static inline void mmb_account_give(struct mmb_account *account, int64_t n_bytes)
{
    int64_t credit = __atomic_load_n(&account->credit, __ATOMIC_RELAXED);
    __atomic_store_n(&account->credit, credit + n_bytes, __ATOMIC_RELAXED);
}

/* The same for an owner that is the quota's only account: a new peak needs no lock then. False when
 * the credit does not suffice or the account is not alone. */
bool mmb_account_take_sole(struct mmb_quota *quota, struct mmb_account *account, int64_t n_bytes);

/* Granted and not used, and what is used through the account; racy unless its owner is quiet. */
static inline int64_t mmb_account_left(const struct mmb_account *account)
{
    return __atomic_load_n(&account->credit, __ATOMIC_RELAXED) +
           __atomic_load_n(&account->kept, __ATOMIC_RELAXED);
}

static inline int64_t mmb_account_used(const struct mmb_account *account)
{
    return __atomic_load_n(&account->granted, __ATOMIC_RELAXED) - mmb_account_left(account);
}

#endif
