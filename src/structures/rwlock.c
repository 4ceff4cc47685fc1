/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader-writer lock (shared_lock.h): a gate, which is the lock word of the object's head, and
 * behind it one word per owner slot that counts the readers of the slot's process. Owns nothing.
 *
 *     reader   passes the gate and counts itself while it has it: gate, count, gate back
 *     writer   takes the gate for good, marked WRITER, waits until nobody is counted, enters
 *
 * While a writer has the gate nobody can count himself, so the counts only fall, and a count of 0
 * that it saw stays 0. A reader gives its lock back without the gate. A count is its process's
 * incarnation << 32 | readers: one whose process is gone is nobody's, and the writer clears it; the
 * exchange cannot meet a living process, since only the slot's own process writes a count, and not
 * without the gate. A process that gets the slot of a dead one starts from 0 for the same reason.
 *
 * The gate is marked INSIDE only when the writer may write. One that dies at the gate, as a reader
 * or as a writer that still waits, has changed nothing, and the next one is told nothing. */
#include <mmb/shared_lock.h>
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/core/shared.h"
#include "src/structures/object.h"

struct rwlock {
    struct mmb_object_head head;
    uint64_t readers[]; /* by owner slot */
};

static size_t bytes(const struct mmb_shared_segment *segment, const uint64_t sizes[2])
{
    uint32_t n_slots = segment->layout.n_slots;
    bool fits = sizes[0] == n_slots && sizes[1] == 0;
    return fits ? sizeof(struct rwlock) + n_slots * sizeof(uint64_t) : 0;
}

static const struct mmb_object_type type = {MMB_OBJECT_RWLOCK, "rwlock", bytes};

static mmbError enter(const mmbSharedRwlock *lock, struct mmb_object *out)
{
    return mmb_object_enter(lock ? &lock->object : NULL, &type, out);
}

static uint64_t *readers_of(const struct mmb_object *object, uint32_t slot)
{
    return &((struct rwlock *)object->head)->readers[slot];
}

/* ---- life ---- */

/* The size is the segment's: a view has it from there, and a segment that lies about it is refused.
 */
mmbError mmb_shared_rwlock_create(mmbMemInterface *interface, mmbSharedRwlock *out_lock)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, type.name, &heap);
    if (error != MMB_OK)
        return error;
    const uint64_t sizes[2] = {heap->segment->layout.n_slots, 0};
    return mmb_object_create(interface, &type, sizes, out_lock ? &out_lock->object : NULL);
}

mmbError mmb_shared_rwlock_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                mmbSharedRwlock *out_lock)
{
    return mmb_object_open(interface, &type, pointer, out_lock ? &out_lock->object : NULL);
}

mmbError mmb_shared_rwlock_destroy(const mmbSharedRwlock *lock)
{
    struct mmb_object object;
    if (!lock)
        return mmb_library_check("shared_rwlock_destroy");
    mmbError error = enter(lock, &object);
    return error == MMB_OK ? mmb_object_destroy(&object) : error;
}

/* ---- readers ---- */

static uint64_t incarnation_of(const struct mmb_object *object)
{
    return mmb_robust_self(object->segment) >> 32;
}

/* The gate is held; other threads of this process may be leaving. */
static void count_in(const struct mmb_object *object)
{
    uint64_t *readers = readers_of(object, object->segment->slot);
    uint64_t seen = mmb_object_load(readers), first = incarnation_of(object) << 32 | 1, next;
    do
        next = seen >> 32 == incarnation_of(object) ? seen + 1 : first;
    while (!__atomic_compare_exchange_n(readers, &seen, next, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED));
}

static mmbError read_lock(const mmbSharedRwlock *lock, uint32_t give_up, bool *out_holder_died)
{
    struct mmb_object object;
    mmbError error = enter(lock, &object);
    if (error != MMB_OK)
        return error;
    uint64_t *gate = &object.head->lock;
    if (!mmb_robust_lock(object.segment, gate, 0, give_up))
        return mmb_fail(MMB_BUSY, "shared rwlock: a writer has it, or waits for it");
    if (out_holder_died)
        *out_holder_died = mmb_robust_is_suspect(gate);
    count_in(&object);
    mmb_robust_unlock(object.segment, gate, 0);
    return MMB_OK;
}

mmbError mmb_shared_rwlock_read_lock(const mmbSharedRwlock *lock, bool *out_holder_died)
{
    return read_lock(lock, 0, out_holder_died);
}

mmbError mmb_shared_rwlock_try_read_lock(const mmbSharedRwlock *lock, bool *out_holder_died)
{
    return read_lock(lock, MMB_ROBUST_WRITER, out_holder_died);
}

/* Release: what was read was read before. A writer may sleep on the count. */
mmbError mmb_shared_rwlock_read_unlock(const mmbSharedRwlock *lock)
{
    struct mmb_object object;
    mmbError error = enter(lock, &object);
    if (error != MMB_OK)
        return error;
    uint64_t *readers = readers_of(&object, object.segment->slot);
    uint64_t seen = mmb_object_load(readers);
    do {
        if (seen >> 32 != incarnation_of(&object) || (uint32_t)seen == 0)
            return mmb_fail(MMB_NOT_FOUND, "shared rwlock: this process does not read");
    } while (!__atomic_compare_exchange_n(readers, &seen, seen - 1, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    uint64_t gate = __atomic_load_n(&object.head->lock, __ATOMIC_SEQ_CST);
    if ((uint32_t)seen == 1 && gate & MMB_ROBUST_WRITER)
        mmb_robust_wake(readers);
    return MMB_OK;
}

/* ---- writers ---- */

/* Waits until no living process reads in the slot. False: `only_try`, and one does. */
static bool drain(const struct mmb_object *object, uint32_t slot, bool only_try)
{
    uint64_t *readers = readers_of(object, slot);
    long nap = MMB_ROBUST_FIRST_NAP;
    uint64_t seen;
    while ((uint32_t)(seen = __atomic_load_n(readers, __ATOMIC_SEQ_CST)) != 0) {
        if (mmb_robust_is_gone(object->segment, slot, (uint32_t)(seen >> 32), UINT32_MAX))
            __atomic_compare_exchange_n(readers, &seen, 0, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED);
        else if (only_try)
            return false;
        else
            nap = mmb_robust_wait(readers, seen, nap);
    }
    return true;
}

static mmbError busy(void)
{
    return mmb_fail(MMB_BUSY, "shared rwlock: somebody has it");
}

static mmbError write_lock(const mmbSharedRwlock *lock, bool only_try, bool *out_holder_died)
{
    struct mmb_object object;
    mmbError error = enter(lock, &object);
    if (error != MMB_OK)
        return error;
    uint64_t *gate = &object.head->lock;
    if (!mmb_robust_lock(object.segment, gate, MMB_ROBUST_WRITER, only_try ? MMB_ROBUST_WRITER : 0))
        return busy();
    for (uint32_t slot = 0; slot < object.segment->layout.n_slots; slot++) {
        if (drain(&object, slot, only_try))
            continue;
        mmb_robust_unlock(object.segment, gate, MMB_ROBUST_WRITER);
        return busy();
    }
    mmb_robust_enter(gate);
    if (out_holder_died)
        *out_holder_died = mmb_robust_is_suspect(gate);
    return MMB_OK;
}

mmbError mmb_shared_rwlock_write_lock(const mmbSharedRwlock *lock, bool *out_holder_died)
{
    return write_lock(lock, false, out_holder_died);
}

mmbError mmb_shared_rwlock_try_write_lock(const mmbSharedRwlock *lock, bool *out_holder_died)
{
    return write_lock(lock, true, out_holder_died);
}

static mmbError not_writing(void)
{
    return mmb_fail(MMB_NOT_FOUND, "shared rwlock: this process does not write");
}

mmbError mmb_shared_rwlock_write_unlock(const mmbSharedRwlock *lock)
{
    struct mmb_object object;
    mmbError error = enter(lock, &object);
    if (error != MMB_OK)
        return error;
    bool held = mmb_robust_unlock(object.segment, &object.head->lock, MMB_ROBUST_INSIDE);
    return held ? MMB_OK : not_writing();
}

mmbError mmb_shared_rwlock_repaired(const mmbSharedRwlock *lock)
{
    struct mmb_object object;
    mmbError error = enter(lock, &object);
    if (error != MMB_OK)
        return error;
    uint64_t word = mmb_object_load(&object.head->lock);
    if (!mmb_robust_is_own(object.segment, word, MMB_ROBUST_INSIDE))
        return not_writing();
    mmb_robust_trust(&object.head->lock);
    return MMB_OK;
}
