/* SPDX-License-Identifier: BSD-3-Clause */
/* See kinds.h. */
#include "tests/structures/kinds.h"

static mmbError create_ring(mmbMemInterface *interface, union view *out)
{
    return mmb_shared_ring_create(interface, 8, 8, &out->ring);
}
static mmbError create_vector(mmbMemInterface *interface, union view *out)
{
    return mmb_shared_vector_create(interface, 8, 0, &out->vector);
}
static mmbError create_list(mmbMemInterface *interface, union view *out)
{
    return mmb_shared_list_create(interface, 8, 0, &out->list);
}
static mmbError create_map(mmbMemInterface *interface, union view *out)
{
    return mmb_shared_map_create(interface, 8, 8, 0, &out->map);
}
static mmbError create_mutex(mmbMemInterface *interface, union view *out)
{
    return mmb_shared_mutex_create(interface, &out->mutex);
}
static mmbError create_rwlock(mmbMemInterface *interface, union view *out)
{
    return mmb_shared_rwlock_create(interface, &out->rwlock);
}

static mmbError open_ring(mmbMemInterface *interface, mmbSharedPtr pointer, union view *out)
{
    return mmb_shared_ring_open(interface, pointer, &out->ring);
}
static mmbError open_vector(mmbMemInterface *interface, mmbSharedPtr pointer, union view *out)
{
    return mmb_shared_vector_open(interface, pointer, &out->vector);
}
static mmbError open_list(mmbMemInterface *interface, mmbSharedPtr pointer, union view *out)
{
    return mmb_shared_list_open(interface, pointer, &out->list);
}
static mmbError open_map(mmbMemInterface *interface, mmbSharedPtr pointer, union view *out)
{
    return mmb_shared_map_open(interface, pointer, &out->map);
}
static mmbError open_mutex(mmbMemInterface *interface, mmbSharedPtr pointer, union view *out)
{
    return mmb_shared_mutex_open(interface, pointer, &out->mutex);
}
static mmbError open_rwlock(mmbMemInterface *interface, mmbSharedPtr pointer, union view *out)
{
    return mmb_shared_rwlock_open(interface, pointer, &out->rwlock);
}

static mmbError worst(mmbError a, mmbError b)
{
    bool is_ordinary = a == MMB_OK || a == MMB_NOT_FOUND || a == MMB_BUSY || a == MMB_INVALID_SIZE;
    return is_ordinary ? b : a;
}

static mmbError use_ring(const union view *view)
{
    uint64_t element = 1;
    size_t n;
    mmbError error = mmb_shared_ring_count(view ? &view->ring : NULL, &n);
    for (int i = 0; i < 12; i++) {
        error = worst(error, mmb_shared_ring_push(view ? &view->ring : NULL, &element));
        error =
            worst(error, i % 3 ? MMB_OK : mmb_shared_ring_pop(view ? &view->ring : NULL, &element));
    }
    return error;
}

static mmbError use_vector(const union view *view)
{
    const mmbSharedVector *vector = view ? &view->vector : NULL;
    uint64_t element = 1;
    size_t n;
    mmbError error = mmb_shared_vector_count(vector, &n);
    for (size_t i = 0; i < 20; i++)
        error = worst(error, mmb_shared_vector_push(vector, &element));
    error = worst(error, mmb_shared_vector_set(vector, 3, &element));
    error = worst(error, mmb_shared_vector_get(vector, 4, &element));
    return worst(error, mmb_shared_vector_pop(vector, &element));
}

static mmbError use_list(const union view *view)
{
    const mmbSharedList *list = view ? &view->list : NULL;
    uint64_t element = 1, position = 0, other = 0;
    size_t n;
    mmbError error = mmb_shared_list_count(list, &n);
    for (size_t i = 0; i < 20; i++)
        error = worst(error, mmb_shared_list_insert(list, 0, &element, &position));
    error = worst(error, mmb_shared_list_next(list, 0, &other));
    for (size_t i = 0; i < 4; i++)
        error = worst(error, mmb_shared_list_next(list, other, &other));
    error = worst(error, mmb_shared_list_previous(list, other, &other));
    error = worst(error, mmb_shared_list_set(list, other, &element));
    error = worst(error, mmb_shared_list_get(list, other, &element));
    error = worst(error, mmb_shared_list_remove(list, other, NULL));
    return worst(error, mmb_shared_list_remove(list, position, &element));
}

static mmbError use_map(const union view *view)
{
    const mmbSharedMap *map = view ? &view->map : NULL;
    uint64_t key, value = 1, cursor = 0;
    size_t n;
    mmbError error = mmb_shared_map_count(map, &n);
    for (key = 0; key < 20; key++)
        error = worst(error, mmb_shared_map_put(map, &key, &value));
    for (key = 0; key < 6; key++) {
        error = worst(error, mmb_shared_map_get(map, &key, &value));
        error = worst(error, mmb_shared_map_next(map, &cursor, &value, NULL));
    }
    return worst(error, mmb_shared_map_remove(map, &key, NULL));
}

static mmbError use_mutex(const union view *view)
{
    const mmbSharedMutex *mutex = view ? &view->mutex : NULL;
    mmbError error = mmb_shared_mutex_lock(mutex, NULL);
    error = worst(error, mmb_shared_mutex_repaired(mutex));
    error = worst(error, mmb_shared_mutex_unlock(mutex));
    error = worst(error, mmb_shared_mutex_try_lock(mutex, NULL));
    return worst(error, mmb_shared_mutex_unlock(mutex));
}

static mmbError use_rwlock(const union view *view)
{
    const mmbSharedRwlock *lock = view ? &view->rwlock : NULL;
    mmbError error = mmb_shared_rwlock_read_lock(lock, NULL);
    error = worst(error, mmb_shared_rwlock_read_unlock(lock));
    error = worst(error, mmb_shared_rwlock_write_lock(lock, NULL));
    error = worst(error, mmb_shared_rwlock_repaired(lock));
    error = worst(error, mmb_shared_rwlock_write_unlock(lock));
    error = worst(error, mmb_shared_rwlock_try_write_lock(lock, NULL));
    error = worst(error, mmb_shared_rwlock_write_unlock(lock));
    error = worst(error, mmb_shared_rwlock_try_read_lock(lock, NULL));
    return worst(error, mmb_shared_rwlock_read_unlock(lock));
}

static mmbError destroy_ring(const union view *view)
{
    return mmb_shared_ring_destroy(view ? &view->ring : NULL);
}
static mmbError destroy_vector(const union view *view)
{
    return mmb_shared_vector_destroy(view ? &view->vector : NULL);
}
static mmbError destroy_list(const union view *view)
{
    return mmb_shared_list_destroy(view ? &view->list : NULL);
}
static mmbError destroy_map(const union view *view)
{
    return mmb_shared_map_destroy(view ? &view->map : NULL);
}
static mmbError destroy_mutex(const union view *view)
{
    return mmb_shared_mutex_destroy(view ? &view->mutex : NULL);
}
static mmbError destroy_rwlock(const union view *view)
{
    return mmb_shared_rwlock_destroy(view ? &view->rwlock : NULL);
}

const struct kind kinds[N_KINDS] = {
    {"ring", create_ring, open_ring, use_ring, destroy_ring},
    {"vector", create_vector, open_vector, use_vector, destroy_vector},
    {"list", create_list, open_list, use_list, destroy_list},
    {"map", create_map, open_map, use_map, destroy_map},
    {"mutex", create_mutex, open_mutex, use_mutex, destroy_mutex},
    {"rwlock", create_rwlock, open_rwlock, use_rwlock, destroy_rwlock},
};
