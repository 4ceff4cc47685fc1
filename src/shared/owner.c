/* SPDX-License-Identifier: BSD-3-Clause */
/* Who allocates in a segment, and who of them still lives.
 *
 * A slot is taken by a lock on one byte of the file, held through this process's own open file
 * description: the kernel drops it when the process is gone, however it went, and nothing else
 * does. Process ids would be reused and repeat in containers; classic fcntl locks vanish when the
 * file is opened and closed again. Only a segment in memory without a file makes do with the id and
 * the start time of the process.
 *
 * Taking: the byte first, so that nobody thinks the taker dead; then, under the central lock, the
 * slot's word. Which slots are our own is known from private memory, guarded by `slots_lock`, which
 * comes before the central lock. A slot whose word is set while its byte is free is a dead one; its
 * spans stay its own until somebody needs the slot. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "src/base/error.h"
#include "src/shared/segment.h"
#include "src/shared/stack.h"

/* In a slot's word, beside the process id. While it is being taken the slot's start is still that
 * of who had it before. */
#define TAKEN  ((uint64_t)1)
#define TAKING ((uint64_t)2)

/* ---- processes ---- */

struct life {
    char state; /* as the kernel says: Z is a dead one that nobody waited for */
    uint64_t start;
};

/* False: there is no such process, or it cannot be seen. */
static bool look_at(pid_t pid, struct life *out)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    /* The name may contain anything; what follows its last parenthesis is words. */
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    out->state = at[2];
    at += 2;
    for (int field = 3; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    out->start = at ? strtoull(at + 1, NULL, 10) : 0;
    return true;
}

static bool process_is_dead(const struct mmb_shared_slot *slot)
{
    uint64_t owner = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);
    uint64_t start = __atomic_load_n(&slot->start, __ATOMIC_RELAXED);
    pid_t pid = (pid_t)(owner >> 32);
    struct life life;
    if (pid <= 0 || (kill(pid, 0) != 0 && errno == ESRCH))
        return true;
    if (!look_at(pid, &life))
        return false;
    bool has_start = owner & TAKEN && start;
    return life.state == 'Z' || life.state == 'X' || (has_start && life.start != start);
}

/* ---- bytes of the file ---- */

static struct flock byte_of(const struct mmb_shared_segment *segment, uint32_t slot, short type)
{
    return (struct flock){.l_type = type,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)(segment->fd_offset + slot),
                          .l_len = 1};
}

static bool lock_byte(const struct mmb_shared_segment *segment, uint32_t slot)
{
    struct flock lock = byte_of(segment, slot, F_WRLCK);
    return segment->fd < 0 || fcntl(segment->fd, F_OFD_SETLK, &lock) == 0;
}

static void unlock_byte(const struct mmb_shared_segment *segment, uint32_t slot)
{
    struct flock lock = byte_of(segment, slot, F_UNLCK);
    if (segment->fd >= 0)
        fcntl(segment->fd, F_OFD_SETLK, &lock);
}

/* What cannot be asked counts as held. */
static bool byte_is_free(const struct mmb_shared_segment *segment, uint32_t slot)
{
    struct flock lock = byte_of(segment, slot, F_WRLCK);
    return fcntl(segment->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* ---- slots ---- */

static uint64_t own_bit(uint32_t slot)
{
    return (uint64_t)1 << slot % 64;
}

bool mmb_shared_slot_is_own(struct mmb_shared_segment *segment, uint32_t slot)
{
    return __atomic_load_n(&segment->own[slot / 64], __ATOMIC_RELAXED) & own_bit(slot);
}

static bool is_gone(struct mmb_shared_segment *segment, uint32_t slot)
{
    if (mmb_shared_slot_is_own(segment, slot))
        return false;
    return segment->fd >= 0 ? byte_is_free(segment, slot)
                            : process_is_dead(mmb_shared_slot(segment, slot));
}

bool mmb_shared_slot_is_dead(struct mmb_shared_segment *segment, uint32_t slot)
{
    return slot < segment->layout.n_slots && is_gone(segment, slot);
}

/* Gives all spans of a slot another owner, or back where they are empty; blocks that it had adopted
 * are the dead's again. Central lock held. */
static void disown(struct mmb_shared_segment *segment, uint32_t slot, uint32_t heir)
{
    struct mmb_shared_span span;
    if (segment->layout.strategy == MMB_STRATEGY_STACK)
        mmb_shared_stack_disown(segment, slot, heir);
    MMB_SHARED_FOR_EACH_SPAN(segment, granule, &span)
    {
        uint32_t owner = span.owner, adopter = span.adopter;
        if (adopter == slot + 1) {
            adopter = heir == MMB_SHARED_OWNER_DEAD ? 0 : MMB_SHARED_ADOPTERS_MANY;
            for (uint32_t w = 0; adopter == 0 && w < mmb_shared_span_words(&span); w++)
                __atomic_store_n(&span.spared[w], 0, __ATOMIC_RELAXED);
        }
        if (owner == slot + 1)
            owner = heir;
        if (owner == heir && mmb_shared_span_live(&span) == 0)
            mmb_shared_span_free(segment, &span);
        else if (owner != span.owner || adopter != span.adopter)
            mmb_shared_span_relabel(segment, &span, owner, adopter);
    }
}

/* A segment in memory has no bytes to lock: the word itself is taken, then. */
static bool take_word(const struct mmb_shared_segment *segment, struct mmb_shared_slot *slot,
                      uint64_t *before, uint64_t after)
{
    return segment->fd >= 0 || __atomic_compare_exchange_n(&slot->owner, before, after, false,
                                                           __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* slots_lock held: the slot was not taken after all. `before` is what its word was. */
static mmbError let_go(struct mmb_shared_segment *segment, uint32_t number, uint64_t before)
{
    struct mmb_shared_slot *slot = mmb_shared_slot(segment, number);
    if (segment->fd < 0)
        __atomic_store_n(&slot->owner, before, __ATOMIC_RELEASE);
    __atomic_fetch_and(&segment->own[number / 64], ~own_bit(number), __ATOMIC_RELAXED);
    unlock_byte(segment, number);
    return mmb_fail(MMB_BUSY,
                    "shared heap %u: its lock stays held by a process that lives: it is "
                    "stopped, or the segment is damaged",
                    segment->id);
}

/* slots_lock held. MMB_EXISTS without words: somebody has it; MMB_BUSY. */
static mmbError try_take(struct mmb_shared_segment *segment, uint32_t number)
{
    struct mmb_shared_slot *slot = mmb_shared_slot(segment, number);
    struct life life = {0, 0};
    uint64_t before = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);
    uint64_t after = (uint64_t)segment->pid << 32 | segment->incarnation;
    if (segment->fd < 0)
        look_at(segment->pid, &life);
    if (!lock_byte(segment, number) || !take_word(segment, slot, &before, after | TAKING))
        return MMB_EXISTS;
    __atomic_fetch_or(&segment->own[number / 64], own_bit(number), __ATOMIC_RELAXED);
    if (!mmb_shared_lock_first(segment, number))
        return let_go(segment, number, before);
    if (segment->fd >= 0)
        before = __atomic_load_n(&slot->owner, __ATOMIC_RELAXED);
    if (before != 0)
        disown(segment, number, MMB_SHARED_OWNER_DEAD);
    __atomic_store_n(&slot->start, life.start, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->owner, after | TAKEN, __ATOMIC_RELEASE);
    mmb_shared_unlock(segment);
    return MMB_OK;
}

static bool can_take(struct mmb_shared_segment *segment, uint32_t slot, bool dead_too)
{
    uint64_t owner = __atomic_load_n(&mmb_shared_slot(segment, slot)->owner, __ATOMIC_RELAXED);
    if (mmb_shared_slot_is_own(segment, slot))
        return false;
    return owner == 0 || (dead_too && is_gone(segment, slot));
}

mmbError mmb_shared_slot_take(struct mmb_shared_segment *segment, uint32_t *out_slot)
{
    mmbError error = MMB_EXISTS;
    mmb_lock_acquire(&segment->slots_lock);
    for (uint32_t i = 0; error == MMB_EXISTS && i < 2 * segment->layout.n_slots; i++) {
        uint32_t slot = i % segment->layout.n_slots;
        bool dead_too = i >= segment->layout.n_slots;
        if (can_take(segment, slot, dead_too))
            error = try_take(segment, slot);
        if (error == MMB_OK)
            *out_slot = slot;
    }
    mmb_lock_release(&segment->slots_lock);
    if (error != MMB_EXISTS)
        return error;
    return mmb_fail(MMB_OUT_OF_MEMORY, "shared heap: all %u owner slots are in use",
                    segment->layout.n_slots);
}

void mmb_shared_slot_give(struct mmb_shared_segment *segment, uint32_t slot)
{
    mmb_shared_lock(segment, slot);
    disown(segment, slot, MMB_SHARED_OWNER_DETACHED);
    __atomic_store_n(&mmb_shared_slot(segment, slot)->owner, 0, __ATOMIC_RELEASE);
    mmb_shared_unlock(segment);
    mmb_lock_acquire(&segment->slots_lock);
    __atomic_fetch_and(&segment->own[slot / 64], ~own_bit(slot), __ATOMIC_RELAXED);
    unlock_byte(segment, slot);
    mmb_lock_release(&segment->slots_lock);
}
