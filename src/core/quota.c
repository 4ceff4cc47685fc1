/* SPDX-License-Identifier: BSD-3-Clause */
/* The accounting of a space (spi/quota.h): the pool, the accounts and their recall.
 *
 * Owns the list of accounts, under the quota's lock. Lock order: quota -> an allocator's lock
 * (taken by settle of an account that one guards). Nothing here waits for a thread that could wait
 * for this lock: an owner is never in an operation on its credit when it comes here.
 *
 * Recall: suspend all accounts, one membarrier, settle all. The barrier puts every running thread
 * past its stores: an owner that had not seen the suspension had made its `busy` mark visible
 * before, and settle waits for it; one that starts later sees the suspension. */
#include "src/spi/quota.h"
#include "src/base/barrier.h"
#include "src/base/debug.h"
#include "src/base/error.h"

/* The most credit that one grant gives beyond the need. */
#define GRANT_BYTES ((int64_t)1 << 20)
/* Less than this per account: accounts would only take it from each other. */
#define TIGHT_BYTES ((int64_t)4 << 10)
/* With several threads the peak is told in steps, so that growing does not tell at every block. */
#define MARK_STEP ((int64_t)64 << 10)

static int64_t load(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic int64_t *value, int64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static int64_t to_limit(size_t limit)
{
    return limit < (size_t)MMB_QUOTA_NONE ? (int64_t)limit : MMB_QUOTA_NONE;
}

void mmb_quota_init(struct mmb_quota *quota, size_t limit)
{
    mmb_lock_init(&quota->lock);
    mmb_list_init(&quota->accounts);
    quota->n_accounts = 0;
    quota->is_stopped = false;
    quota->tight = false;
    quota->direct = 0;
    quota->n_collects = 0;
    atomic_init(&quota->sole, NULL);
    atomic_init(&quota->pool, to_limit(limit));
    atomic_init(&quota->limit, to_limit(limit));
    atomic_init(&quota->peak, 0);
}

static struct mmb_account *account_at(struct mmb_list *node)
{
    return MMB_CONTAINER_OF(node, struct mmb_account, link);
}

/* ---- peak ---- */

/* granted and peak change under the quota's lock or by a sole owner, and are read for statistics
 * without either. */
static void set_granted(struct mmb_account *account, int64_t granted)
{
    __atomic_store_n(&account->granted, granted, __ATOMIC_RELAXED);
}

static void raise_peak(struct mmb_account *account, int64_t used)
{
    if (used > account->peak)
        __atomic_store_n(&account->peak, used, __ATOMIC_RELAXED);
}

/* Whatever changes granted or what is left of it ends here. */
static void set_left(struct mmb_account *account, int64_t left)
{
    int64_t kept = account->granted > account->mark ? account->granted - account->mark : 0;
    __atomic_store_n(&account->kept, kept, __ATOMIC_RELAXED);
    __atomic_store_n(&account->credit, left - kept, __ATOMIC_RELAXED);
}

static void set_mark(struct mmb_account *account, int64_t mark)
{
    int64_t left = mmb_account_left(account);
    account->mark = mark;
    set_left(account, left);
}

/* The same for an account that may reach a mark it never had: of a thread's own one nobody else
 * tells how much it used; those that a lock guards count for themselves from here on. */
static void set_mark_untold(struct mmb_account *account, int64_t mark)
{
    set_mark(account, mark);
    raise_peak(account, account->is_shared ? mmb_account_used(account) : mark);
}

/* Makes an account's mark what is used, which holds still where this thread alone touches it. A
 * shared one is suspended for that: another thread may be about to be the second. */
static bool lower_mark(struct mmb_account *account)
{
    bool runs = account->is_shared && !account->suspended;
    if (runs)
        account->ops->suspend(account);
    const void *thread = __atomic_load_n(&account->thread, __ATOMIC_RELAXED);
    bool alone = thread == __builtin_thread_pointer() || thread == MMB_THREAD_NONE;
    if (alone)
        set_mark(account, mmb_account_used(account));
    if (runs)
        account->ops->resume(account);
    return alone;
}

/* The owner of `account` (the caller; NULL: a direct charge) has passed its mark. Others' use is
 * exact where this thread alone touches them, since nothing changes there meanwhile; else their
 * mark bounds it. The caller gets all the slack there is. */
static void tell_peak(struct mmb_quota *quota, struct mmb_account *account)
{
    int64_t used = account ? mmb_account_used(account) : 0, sum = used + quota->direct;
    bool many = account &&
                __atomic_load_n(&account->thread, __ATOMIC_RELAXED) != __builtin_thread_pointer();
    MMB_LIST_FOR_EACH (node, &quota->accounts) {
        struct mmb_account *other = account_at(node);
        if (other == account)
            continue;
        if (!lower_mark(other))
            many = true;
        sum += other->mark;
    }
    int64_t peak = load(&quota->peak), limit = load(&quota->limit);
    if (sum > peak) {
        peak = sum + (many ? MARK_STEP : 0);
        peak = peak < limit ? peak : limit;
        store(&quota->peak, peak);
    }
    if (!account)
        return;
    int64_t slack = peak > sum ? peak - sum : 0;
    /* Alone, the account's own peak is told as exactly as the quota's. */
    int64_t mark = used + slack;
    set_mark_untold(account, !many && mark > account->peak ? account->peak : mark);
}

/* No account is alone any more. Its owner may be raising the peak by itself right now. */
static void drop_sole(struct mmb_quota *quota)
{
    struct mmb_account *sole = atomic_load_explicit(&quota->sole, memory_order_relaxed);
    if (!sole)
        return;
    atomic_store_explicit(&quota->sole, NULL, memory_order_relaxed);
    if (sole->suspended)
        return;
    sole->ops->suspend(sole);
    if (!sole->ops->settle)
        return; /* a lock guards it */
    mmb_barrier_threads();
    sole->ops->settle(sole);
}

bool mmb_account_take_sole(struct mmb_quota *quota, struct mmb_account *account, int64_t n_bytes)
{
    int64_t left = mmb_account_left(account) - n_bytes;
    if (atomic_load_explicit(&quota->sole, memory_order_relaxed) != account || left < 0)
        return false;
    int64_t used = account->granted - left;
    raise_peak(account, used);
    if (used > load(&quota->peak))
        store(&quota->peak, used);
    account->mark = account->peak;
    set_left(account, left);
    return true;
}

/* ---- recall ---- */

static void take_credit(struct mmb_quota *quota, struct mmb_account *account)
{
    int64_t left = mmb_account_left(account);
    store(&quota->pool, load(&quota->pool) + left);
    set_granted(account, account->granted - left);
    set_left(account, 0);
}

/* Takes the credit of every account but one into the pool and leaves them suspended. Those that
 * were suspended before need not settle again: they did, or their owner suspended them himself. */
static void collect(struct mmb_quota *quota, const struct mmb_account *but)
{
    quota->n_collects++;
    bool any = false;
    MMB_LIST_FOR_EACH (node, &quota->accounts) {
        struct mmb_account *account = account_at(node);
        if (account == but || account->suspended)
            continue;
        account->ops->suspend(account);
        account->settles = account->ops->settle != NULL;
        any |= account->settles;
    }
    if (any)
        mmb_barrier_threads();
    MMB_LIST_FOR_EACH (node, &quota->accounts) {
        struct mmb_account *account = account_at(node);
        if (account == but)
            continue;
        if (account->settles)
            account->ops->settle(account);
        account->settles = false;
        take_credit(quota, account);
    }
}

static int64_t tight_bytes(const struct mmb_quota *quota)
{
    return quota->n_accounts > 1 ? (int64_t)quota->n_accounts * TIGHT_BYTES : 0;
}

/* Is there `need` in the pool, after recalling what others hold? */
static bool make_room(struct mmb_quota *quota, const struct mmb_account *but, int64_t need)
{
    if (load(&quota->pool) >= need)
        return true;
    collect(quota, but);
    quota->tight = load(&quota->pool) - need < tight_bytes(quota);
    return load(&quota->pool) >= need;
}

/* Twice the bound, so that the state does not flap. */
static void loosen(struct mmb_quota *quota)
{
    if (quota->tight && load(&quota->pool) > 2 * tight_bytes(quota))
        quota->tight = false;
}

static int64_t credits(const struct mmb_quota *quota)
{
    int64_t sum = 0;
    MMB_LIST_FOR_EACH (node, &quota->accounts)
        sum += mmb_account_left(account_at(node));
    return sum;
}

static mmbError refuse(struct mmb_quota *quota, size_t n_bytes)
{
    int64_t limit = load(&quota->limit), used = limit - load(&quota->pool) - credits(quota);
    mmb_lock_release(&quota->lock);
    return mmb_fail(MMB_OUT_OF_MEMORY, "allocate %zu B: limit %lld, used %lld", n_bytes,
                    (long long)limit, (long long)used);
}

/* ---- charging ---- */

mmbError mmb_quota_charge(struct mmb_quota *quota, size_t n_bytes)
{
    mmb_lock_acquire(&quota->lock);
    drop_sole(quota);
    if (n_bytes > (size_t)MMB_QUOTA_NONE || !make_room(quota, NULL, (int64_t)n_bytes))
        return refuse(quota, n_bytes);
    store(&quota->pool, load(&quota->pool) - (int64_t)n_bytes);
    quota->direct += (int64_t)n_bytes;
    tell_peak(quota, NULL);
    mmb_lock_release(&quota->lock);
    return MMB_OK;
}

void mmb_quota_uncharge(struct mmb_quota *quota, size_t n_bytes)
{
    mmb_lock_acquire(&quota->lock);
    drop_sole(quota);
    store(&quota->pool, load(&quota->pool) + (int64_t)n_bytes);
    quota->direct -= (int64_t)n_bytes;
    loosen(quota);
    mmb_lock_release(&quota->lock);
}

/* What a grant gives beyond the need: all there is to an only account, else a share that leaves as
 * much for the others. */
static int64_t spare(const struct mmb_quota *quota)
{
    int64_t left = load(&quota->pool);
    if (quota->n_accounts > 1)
        left /= 2 * (int64_t)quota->n_accounts;
    return left < GRANT_BYTES ? left : GRANT_BYTES;
}

static void grant(struct mmb_quota *quota, struct mmb_account *account, int64_t n_bytes)
{
    store(&quota->pool, load(&quota->pool) - n_bytes);
    set_granted(account, account->granted + n_bytes);
    set_left(account, mmb_account_left(account) + n_bytes);
}

/* A shared account is resumed and suspended under its allocator's lock, so that nobody is in an
 * operation on the credit while it changes here. */
static void suspend_own(struct mmb_account *account)
{
    if (!account->suspended)
        account->ops->suspend(account);
}

/* Lets an account take part. */
static void list(struct mmb_quota *quota, struct mmb_account *account)
{
    if (account->listed)
        return;
    drop_sole(quota);
    account->listed = true;
    mmb_list_push_back(&quota->accounts, &account->link);
    quota->n_accounts++;
    if (quota->n_accounts == 1 && quota->direct == 0)
        atomic_store_explicit(&quota->sole, account, memory_order_relaxed);
}

mmbError mmb_account_charge(struct mmb_quota *quota, struct mmb_account *account, size_t n_bytes)
{
    mmb_lock_acquire(&quota->lock);
    list(quota, account);
    if (account->is_shared)
        suspend_own(account);
    loosen(quota);
    int64_t need = (int64_t)n_bytes - mmb_account_left(account);
    if (n_bytes > (size_t)MMB_QUOTA_NONE || !make_room(quota, account, need))
        return refuse(quota, n_bytes);
    if (need > 0)
        grant(quota, account, need);
    set_left(account, mmb_account_left(account) - (int64_t)n_bytes);
    bool may_run = !quota->tight && account->ops->resume;
    if (may_run && need > 0)
        grant(quota, account, spare(quota));
    raise_peak(account, mmb_account_used(account));
    if (mmb_account_used(account) > account->mark)
        tell_peak(quota, account);
    if (may_run && account->suspended) {
        account->ops->resume(account);
    } else if (!may_run) {
        suspend_own(account);
        take_credit(quota, account);
    }
    mmb_lock_release(&quota->lock);
    return MMB_OK;
}

void mmb_account_uncharge(struct mmb_quota *quota, struct mmb_account *account, size_t n_bytes)
{
    mmb_lock_acquire(&quota->lock);
    list(quota, account);
    if (account->is_shared)
        suspend_own(account); /* another thread may have resumed it since */
    store(&quota->pool, load(&quota->pool) + (int64_t)n_bytes);
    set_granted(account, account->granted - (int64_t)n_bytes);
    set_left(account, mmb_account_left(account));
    loosen(quota);
    if (account->suspended && !quota->tight && account->ops->resume)
        account->ops->resume(account);
    mmb_lock_release(&quota->lock);
}

void mmb_account_settle_mark(struct mmb_account *account)
{
    int64_t used = mmb_account_used(account);
    if (account->mark - used > 2 * MARK_STEP)
        set_mark(account, used + MARK_STEP);
}

/* ---- accounts ---- */

void mmb_account_attach(struct mmb_quota *quota, struct mmb_account *account)
{
    mmb_lock_acquire(&quota->lock);
    account->ops->suspend(account);
    mmb_lock_release(&quota->lock);
}

/* What is used in an account that takes no part any more. Nobody may run on the heir: its peak
 * changes. */
static void pass_on(struct mmb_quota *quota, struct mmb_account *account, struct mmb_account *heir)
{
    if (heir && account->granted) {
        list(quota, heir);
        suspend_own(heir);
        set_granted(heir, heir->granted + account->granted);
        set_mark_untold(heir, heir->mark + account->mark);
    } else {
        quota->direct += account->granted;
    }
    set_granted(account, 0);
    account->mark = 0;
    set_left(account, 0);
}

void mmb_account_detach(struct mmb_quota *quota, struct mmb_account *account,
                        struct mmb_account *heir)
{
    mmb_lock_acquire(&quota->lock);
    if (!account->listed) {
        mmb_lock_release(&quota->lock);
        return;
    }
    drop_sole(quota);
    suspend_own(account);
    take_credit(quota, account);
    mmb_list_remove(&account->link);
    account->listed = false;
    quota->n_accounts--;
    pass_on(quota, account, heir);
    loosen(quota);
    mmb_lock_release(&quota->lock);
}

/* ---- stopping everybody ---- */

void mmb_quota_stop(struct mmb_quota *quota)
{
    mmb_lock_acquire(&quota->lock);
    collect(quota, NULL);
}

void mmb_quota_go(struct mmb_quota *quota)
{
    mmb_lock_release(&quota->lock);
}

/* ---- asking and changing ---- */

mmbError mmb_quota_set_limit(struct mmb_quota *quota, size_t limit)
{
    mmb_lock_acquire(&quota->lock);
    collect(quota, NULL);
    int64_t used = load(&quota->limit) - load(&quota->pool), to = to_limit(limit);
    if (used <= to) {
        store(&quota->limit, to);
        store(&quota->pool, to - used);
        quota->tight = to - used < tight_bytes(quota);
    }
    mmb_lock_release(&quota->lock);
    if (used <= to)
        return MMB_OK;
    return mmb_fail(MMB_BUSY, "a limit of %zu B: %lld B are in use", limit, (long long)used);
}

size_t mmb_quota_limit(const struct mmb_quota *quota)
{
    int64_t limit = load(&quota->limit);
    return limit == MMB_QUOTA_NONE ? SIZE_MAX : (size_t)limit;
}

/* For reading what the lock guards through a pointer to const. */
static struct mmb_lock *lock_of(const struct mmb_quota *quota)
{
    return (struct mmb_lock *)&quota->lock;
}

size_t mmb_quota_room(const struct mmb_quota *quota)
{
    mmb_lock_acquire(lock_of(quota));
    int64_t room = load(&quota->pool) + credits(quota), limit = load(&quota->limit);
    mmb_lock_release(lock_of(quota));
    return limit == MMB_QUOTA_NONE ? SIZE_MAX : (size_t)room;
}

size_t mmb_quota_used(const struct mmb_quota *quota)
{
    mmb_lock_acquire(lock_of(quota));
    int64_t used = load(&quota->limit) - load(&quota->pool) - credits(quota);
    mmb_lock_release(lock_of(quota));
    return used > 0 ? (size_t)used : 0;
}

size_t mmb_quota_peak(const struct mmb_quota *quota)
{
    return (size_t)load(&quota->peak);
}
