/* SPDX-License-Identifier: BSD-3-Clause */
/* A mutex for the program's own data (shared_lock.h): the lock word of an object's head. Owns
 * nothing. While it is held it is marked INSIDE, so whoever takes it from the dead finds it
 * SUSPECT; the mark stays until a holder takes it away. */
#include <mmb/shared_lock.h>
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/structures/object.h"

static size_t bytes(const struct mmb_shared_segment *segment, const uint64_t sizes[2])
{
    (void)segment;
    return sizes[0] == 0 && sizes[1] == 0 ? sizeof(struct mmb_object_head) : 0;
}

static const struct mmb_object_type type = {MMB_OBJECT_MUTEX, "mutex", bytes};

static const mmbSharedObject *view_of(const mmbSharedMutex *mutex)
{
    return mutex ? &mutex->object : NULL;
}

mmbError mmb_shared_mutex_create(mmbMemInterface *interface, mmbSharedMutex *out_mutex)
{
    const uint64_t sizes[2] = {0, 0};
    return mmb_object_create(interface, &type, sizes, out_mutex ? &out_mutex->object : NULL);
}

mmbError mmb_shared_mutex_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                               mmbSharedMutex *out_mutex)
{
    return mmb_object_open(interface, &type, pointer, out_mutex ? &out_mutex->object : NULL);
}

mmbError mmb_shared_mutex_destroy(const mmbSharedMutex *mutex)
{
    struct mmb_object object;
    if (!mutex)
        return mmb_library_check("shared_mutex_destroy");
    mmbError error = mmb_object_enter(view_of(mutex), &type, &object);
    return error == MMB_OK ? mmb_object_destroy(&object) : error;
}

static mmbError take(const mmbSharedMutex *mutex, uint32_t give_up, bool *out_holder_died)
{
    struct mmb_object object;
    mmbError error = mmb_object_enter(view_of(mutex), &type, &object);
    if (error != MMB_OK)
        return error;
    if (!mmb_robust_lock(object.segment, &object.head->lock, MMB_ROBUST_INSIDE, give_up))
        return mmb_fail(MMB_BUSY, "shared mutex: somebody has it");
    if (out_holder_died)
        *out_holder_died = mmb_robust_is_suspect(&object.head->lock);
    return MMB_OK;
}

mmbError mmb_shared_mutex_lock(const mmbSharedMutex *mutex, bool *out_holder_died)
{
    return take(mutex, 0, out_holder_died);
}

mmbError mmb_shared_mutex_try_lock(const mmbSharedMutex *mutex, bool *out_holder_died)
{
    return take(mutex, MMB_ROBUST_INSIDE, out_holder_died);
}

static mmbError not_held(void)
{
    return mmb_fail(MMB_NOT_FOUND, "shared mutex: this process does not hold it");
}

mmbError mmb_shared_mutex_unlock(const mmbSharedMutex *mutex)
{
    struct mmb_object object;
    mmbError error = mmb_object_enter(view_of(mutex), &type, &object);
    if (error != MMB_OK)
        return error;
    bool held = mmb_robust_unlock(object.segment, &object.head->lock, MMB_ROBUST_INSIDE);
    return held ? MMB_OK : not_held();
}

mmbError mmb_shared_mutex_repaired(const mmbSharedMutex *mutex)
{
    struct mmb_object object;
    mmbError error = mmb_object_enter(view_of(mutex), &type, &object);
    if (error != MMB_OK)
        return error;
    uint64_t word = mmb_object_load(&object.head->lock);
    if (!mmb_robust_is_own(object.segment, word, MMB_ROBUST_INSIDE))
        return not_held();
    mmb_robust_trust(&object.head->lock);
    return MMB_OK;
}
