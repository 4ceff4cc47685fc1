/* SPDX-License-Identifier: BSD-3-Clause */
/* Making, joining and leaving a segment (segment.h).
 *
 * Owns the private descriptor: an open file description that no other process shares, so that its
 * locks go when this process goes and not before. The segment's own descriptor would not do: a
 * forked child has the same description and keeps the locks alive. */
#include "src/shared/segment.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "src/base/error.h"

void mmb_shared_format(void *base, const struct mmb_shared_layout *layout,
                       const struct mmb_shared_identity *identity)
{
    struct mmb_shared_head *head = base;
    head->version = MMB_SHARED_VERSION;
    head->id = identity->id;
    head->generation = identity->generation;
    head->creator = identity->creator;
    head->other_users = identity->other_users;
    head->layout = *layout;
    head->magic = MMB_SHARED_MAGIC;
    head->checksum = mmb_shared_head_sum(head);
}

uint32_t mmb_shared_new_generation(void)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        number = (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec << 12 ^ (uint32_t)getpid();
    }
    return number ? number : 1;
}

/* A new description of the same file; the old descriptor is closed. -1 with errno: it is not. */
static int reopen(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_RDWR | O_CLOEXEC);
    if (own >= 0)
        close(fd);
    return own;
}

static uint32_t new_incarnation(void)
{
    uint32_t number = mmb_shared_new_generation() & ~(uint32_t)3;
    return number ? number : 4;
}

static mmbError take_first_slot(struct mmb_shared_segment *segment)
{
    memset(segment->own, 0, sizeof segment->own);
    segment->pid = getpid();
    segment->incarnation = new_incarnation();
    return mmb_shared_slot_take(segment, &segment->slot);
}

mmbError mmb_shared_join(struct mmb_shared_segment *segment, void *base,
                         const struct mmb_shared_head *copy, int fd, uint64_t fd_offset)
{
    memset(segment, 0, sizeof *segment);
    segment->base = base;
    segment->layout = copy->layout;
    segment->id = copy->id;
    segment->generation = copy->generation;
    segment->fd = fd < 0 ? -1 : reopen(fd);
    segment->fd_offset = fd_offset;
    if (fd >= 0 && segment->fd < 0) {
        mmbError error =
            mmb_fail_errno(MMB_ERROR, errno, "shared heap: opening /proc/self/fd again");
        close(fd);
        return error;
    }
    mmb_lock_init(&segment->slots_lock);
    mmb_mutex_init(&segment->central);
    mmbError error = take_first_slot(segment);
    if (error == MMB_OK)
        return MMB_OK;
    mmb_mutex_destroy(&segment->central);
    if (segment->fd >= 0)
        close(segment->fd);
    return error;
}

void mmb_shared_leave(struct mmb_shared_segment *segment)
{
    /* The first slot last: the central lock is taken in its name. */
    for (uint32_t slot = 0; slot < segment->layout.n_slots; slot++)
        if (slot != segment->slot && mmb_shared_slot_is_own(segment, slot))
            mmb_shared_slot_give(segment, slot);
    if (segment->slot != MMB_SHARED_NO_SLOT)
        mmb_shared_slot_give(segment, segment->slot);
    mmb_mutex_destroy(&segment->central);
    if (segment->fd >= 0)
        close(segment->fd);
    segment->fd = -1;
}

/* Locks on the inherited descriptor's description are the parent's: nothing may be taken with it.
 */
static mmbError renew_descriptor(struct mmb_shared_segment *segment)
{
    int own = segment->is_inherited ? reopen(segment->fd) : segment->fd;
    if (segment->is_inherited && own < 0)
        return mmb_fail_errno(MMB_OUT_OF_MEMORY, errno, "shared heap %u: no file of its own",
                              segment->id);
    segment->fd = own;
    segment->is_inherited = false;
    return MMB_OK;
}

mmbError mmb_shared_find_slot(struct mmb_shared_segment *segment)
{
    uint32_t slot = MMB_SHARED_NO_SLOT, none = MMB_SHARED_NO_SLOT;
    mmb_lock_acquire(&segment->slots_lock);
    mmbError error = renew_descriptor(segment);
    mmb_lock_release(&segment->slots_lock);
    if (error == MMB_OK)
        error = mmb_shared_slot_take(segment, &slot);
    if (error == MMB_OK && !__atomic_compare_exchange_n(&segment->slot, &none, slot, false,
                                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        mmb_shared_slot_give(segment, slot); /* another thread was first */
    return error;
}

void mmb_shared_refork(struct mmb_shared_segment *segment)
{
    memset(segment->own, 0, sizeof segment->own);
    segment->pid = getpid();
    segment->incarnation = new_incarnation();
    segment->slot = MMB_SHARED_NO_SLOT;
    segment->is_inherited = segment->fd >= 0;
    mmb_shared_find_slot(segment);
}

bool mmb_shared_back(const struct mmb_shared_segment *segment, uint64_t offset, uint64_t n_bytes)
{
    if (!segment->is_sparse || n_bytes == 0)
        return true;
    int result;
    do {
        result = fallocate(segment->fd, 0, (off_t)(segment->fd_offset + offset), (off_t)n_bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}
