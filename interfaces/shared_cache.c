/* SPDX-License-Identifier: BSD-3-Clause */
/* Caches of a shared heap: which thread has which (shared.h).
 *
 * Owns the caches; their list, threads and idleness are under `caches_lock`, which comes before a
 * cache's lock. A thread's cache outlives it and serves the next new thread, so 5,000 threads in a
 * row need one slot. A thread for whom no slot is left shares the process's own. */
#include "interfaces/shared.h"
#include "src/base/error.h"
#include "src/base/meta.h"

static struct mmb_shared_cache *cache_at(struct mmb_list *node)
{
    return MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
}

/* caches_lock held, or nobody else is there. NULL: no metadata. */
static struct mmb_shared_cache *new_cache(struct mmb_shared_heap *heap, uint32_t slot)
{
    struct mmb_shared_cache *cache = mmb_meta_alloc(sizeof *cache);
    if (!cache)
        return NULL;
    mmb_lock_init(&cache->lock);
    cache->heap = heap;
    cache->slot = slot;
    cache->number = ++heap->n_caches;
    for (uint32_t i = 0; i < MMB_SHARED_LISTS; i++)
        mmb_list_init(&cache->spans[i]);
    mmb_list_push_back(&heap->caches, &cache->link);
    return cache;
}

/* The destructor of the key: runs in the thread that ends. */
static void retire(void *value)
{
    struct mmb_shared_cache *cache = value;
    struct mmb_shared_heap *heap = cache->heap;
    mmb_lock_acquire(&heap->caches_lock);
    cache->is_idle = true;
    cache->thread = 0;
    mmb_lock_release(&heap->caches_lock);
}

mmbError mmb_shared_caches_open(struct mmb_shared_heap *heap)
{
    mmb_lock_init(&heap->caches_lock);
    mmb_list_init(&heap->caches);
    heap->main = new_cache(heap, heap->segment->slot);
    if (!heap->main)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a shared heap");
    if (!heap->per_thread || mmb_thread_key_make(&heap->key, retire))
        return MMB_OK;
    mmb_meta_free(heap->main, sizeof *heap->main);
    return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no key for thread caches is left");
}

void mmb_shared_caches_close(struct mmb_shared_heap *heap)
{
    if (heap->per_thread)
        mmb_thread_key_drop(heap->key);
    MMB_LIST_FOR_EACH_SAFE (node, next, &heap->caches)
        mmb_meta_free(cache_at(node), sizeof(struct mmb_shared_cache));
}

/* caches_lock held. */
static struct mmb_shared_cache *find(struct mmb_shared_heap *heap, uint64_t thread)
{
    struct mmb_shared_cache *idle = NULL;
    MMB_LIST_FOR_EACH (node, &heap->caches) {
        struct mmb_shared_cache *cache = cache_at(node);
        if (cache->thread == thread)
            return cache;
        if (cache->is_idle)
            idle = cache;
    }
    return idle;
}

/* caches_lock held. */
static struct mmb_shared_cache *cache_of(struct mmb_shared_heap *heap, uint64_t thread)
{
    struct mmb_shared_cache *cache = find(heap, thread);
    if (!cache) {
        uint32_t slot;
        bool taken = mmb_shared_slot_take(heap->segment, &slot) == MMB_OK;
        cache = taken ? new_cache(heap, slot) : NULL;
        if (taken && !cache)
            mmb_shared_slot_give(heap->segment, slot);
    }
    if (!cache)
        return heap->main;
    cache->thread = thread;
    cache->is_idle = false;
    return cache;
}

static struct mmb_shared_cache *named(struct mmb_shared_heap *heap, uint64_t thread)
{
    mmb_lock_acquire(&heap->caches_lock);
    struct mmb_shared_cache *cache = cache_of(heap, thread);
    mmb_lock_release(&heap->caches_lock);
    return cache;
}

struct mmb_shared_cache *mmb_shared_cache_for(struct mmb_shared_heap *heap, uint64_t thread)
{
    if (!heap->per_thread)
        return heap->main;
    if (thread)
        return named(heap, thread);
    struct mmb_shared_cache *cache = mmb_thread_key_get(heap->key);
    if (__builtin_expect(cache != NULL, 1))
        return cache;
    cache = named(heap, mmb_thread_id());
    if (cache != heap->main)
        mmb_thread_key_set(heap->key, cache);
    return cache;
}

/* After a fork a cache has no slot until it is used, nor then when the process finds none. */
static void find_slot(struct mmb_shared_cache *cache)
{
    struct mmb_shared_segment *segment = cache->heap->segment;
    if (mmb_shared_ensure_slot(segment) != MMB_OK)
        return;
    bool is_main = cache == cache->heap->main;
    if (is_main || mmb_shared_slot_take(segment, &cache->slot) != MMB_OK)
        cache->slot = segment->slot;
}

void mmb_shared_cache_lock(struct mmb_shared_cache *cache)
{
    mmb_lock_acquire(&cache->lock);
    if (__builtin_expect(cache->slot == MMB_SHARED_NO_SLOT, 0))
        find_slot(cache);
}

void mmb_shared_cache_unlock(struct mmb_shared_cache *cache)
{
    size_t owed = cache->owed;
    cache->owed = 0;
    mmb_lock_release(&cache->lock);
    if (__builtin_expect(owed != 0, 0))
        mmb_quota_uncharge(cache->heap->base.quota, owed);
}
