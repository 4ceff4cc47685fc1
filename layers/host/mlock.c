/* SPDX-License-Identifier: BSD-3-Clause */
/* The region provider over mlock. Owns the list of ranges it has locked; takes no lock, since core
 * calls a provider that is not `concurrent` from one thread at a time.
 *
 * The kernel's locks do not nest: one munlock ends them all, and what it ends are whole OS pages.
 * Ranges may share a page (small user buffers) or overlap (a buffer wrapped twice), so only pages
 * that no other range covers are unlocked. */
#include "layers/host/mlock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "src/base/checked.h"
#include "src/base/list.h"
#include "src/base/meta.h"
#include "src/base/os.h"

struct range {
    struct mmb_list link;
    uintptr_t start, end; /* whole OS pages */
};

struct mmb_mlock {
    struct mmb_list ranges;
    char text[160];
};

struct mmb_mlock *mmb_mlock_new(void)
{
    struct mmb_mlock *self = mmb_meta_alloc(sizeof *self);
    if (self)
        mmb_list_init(&self->ranges);
    return self;
}

void mmb_mlock_delete(struct mmb_mlock *locked)
{
    mmb_meta_free(locked, sizeof *locked);
}

static mmbError open_provider(void *user, mmbRegionCaps *out_caps)
{
    (void)user;
    out_caps->virtual_address = true;
    return MMB_OK;
}

static void close_provider(void *user)
{
    mmb_mlock_delete(user);
}

static const char *error_text(void *user, int native_error)
{
    struct mmb_mlock *self = user;
    char reason[64];
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    snprintf(self->text, sizeof self->text, "mlock: %s (RLIMIT_MEMLOCK is %llu B)",
             strerror_r(native_error, reason, sizeof reason), (unsigned long long)limit.rlim_cur);
    return self->text;
}

/* ---- unlocking ---- */

/* From `at` on: is it covered, and up to where is that so? */
static bool covered(const struct mmb_mlock *self, uintptr_t at, uintptr_t *until)
{
    MMB_LIST_FOR_EACH (node, &self->ranges) {
        const struct range *range = MMB_CONTAINER_OF(node, struct range, link);
        if (range->start <= at && at < range->end) {
            *until = range->end;
            return true;
        }
        if (range->start > at && range->start < *until)
            *until = range->start;
    }
    return false;
}

/* The range is not in the list (any more). */
static void unlock_uncovered(const struct mmb_mlock *self, const struct range *gone)
{
    for (uintptr_t at = gone->start; at < gone->end;) {
        uintptr_t until = gone->end;
        bool is_covered = covered(self, at, &until);
        if (until > gone->end)
            until = gone->end;
        if (!is_covered)
            munlock((void *)at, until - at); /* fails where the memory is gone: no lock is left */
        at = until;
    }
}

/* ---- registering ---- */

/* EPERM: the limit is 0 and the process may not lock at all. */
static bool is_limit(int errnum)
{
    return errnum == ENOMEM || errnum == EAGAIN || errnum == EPERM;
}

static bool pages_of(const void *base, size_t n_bytes, struct range *out)
{
    size_t page = mmb_os_page_bytes(), end;
    out->start = (uintptr_t)base & ~(uintptr_t)(page - 1);
    if (!mmb_add_size((uintptr_t)base, n_bytes, &end) || !mmb_round_up_size(end, page, &end))
        return false;
    out->end = end;
    return true;
}

static mmbError lock_range(struct mmb_mlock *self, struct range *range, mmbRegion *out_region)
{
    if (mlock((const void *)range->start, range->end - range->start) == 0) {
        mmb_list_push_back(&self->ranges, &range->link);
        out_region->native = range;
        return MMB_OK;
    }
    out_region->native_error = errno;
    /* Part of it may have been locked. */
    unlock_uncovered(self, range);
    return is_limit(out_region->native_error) ? MMB_OUT_OF_MEMORY : MMB_ERROR;
}

static mmbError register_region(void *user, void *base, size_t n_bytes, const mmbRegionAttr *attr,
                                mmbRegion *out_region)
{
    out_region->native_error = EINVAL;
    if (attr->device >= 0)
        return MMB_UNSUPPORTED;
    struct range pages;
    if (!pages_of(base, n_bytes, &pages))
        return MMB_INVALID_SIZE;
    struct range *range = mmb_meta_alloc(sizeof *range);
    if (!range) {
        out_region->native_error = ENOMEM;
        return MMB_OUT_OF_MEMORY;
    }
    *range = pages;
    out_region->remote_base = (uintptr_t)base;
    mmbError error = lock_range(user, range, out_region);
    if (error != MMB_OK)
        mmb_meta_free(range, sizeof *range);
    return error;
}

static mmbError deregister_region(void *user, mmbRegion *region)
{
    struct range *range = region->native;
    mmb_list_remove(&range->link);
    unlock_uncovered(user, range);
    mmb_meta_free(range, sizeof *range);
    return MMB_OK;
}

const mmbRegionProviderOps mmb_mlock_provider = {
    .size = sizeof mmb_mlock_provider,
    .name = "mlock",
    .open = open_provider,
    .register_region = register_region,
    .deregister_region = deregister_region,
    .error_text = error_text,
    .close = close_provider,
};
