/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared heap around fork (shared.h): the child has what the parent mapped, and none of its
 * slots, spans or charges. Locks are taken as elsewhere: caches_lock, the caches', slots_lock, the
 * central mutex, shadows_lock. */
#include <unistd.h>
#include "interfaces/shared.h"

void mmb_shared_heap_fork_lock(struct mmb_allocator *allocator)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    mmb_lock_acquire(&heap->caches_lock);
    MMB_LIST_FOR_EACH (node, &heap->caches)
        mmb_lock_acquire(&MMB_CONTAINER_OF(node, struct mmb_shared_cache, link)->lock);
    mmb_lock_acquire(&heap->segment->slots_lock);
    mmb_mutex_lock(&heap->segment->central);
    mmb_lock_acquire(&heap->shadows_lock);
}

/* The child's caches are empty and have no slots; the blocks are the parent's. The forking thread
 * gets a cache anew, and every cache a new account then. */
static void start_child(struct mmb_shared_heap *heap)
{
    atomic_fetch_add(&heap->debt, mmb_shadows_disown(heap));
    MMB_LIST_FOR_EACH (node, &heap->caches) {
        struct mmb_shared_cache *cache = MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
        mmb_shared_cache_empty(cache);
        cache->slot = MMB_SHARED_NO_SLOT;
        cache->is_idle = cache->is_idle || cache->thread != 0;
        cache->thread = 0;
        cache->runner = NULL;
        cache->here = NULL;
        cache->n_allocated &= ~(uint64_t)1; /* in the midst of what is not here */
        cache->n_freed &= ~(uint64_t)1;
    }
    mmb_shared_here = &mmb_shared_no_cache;
    if (heap->has_key)
        mmb_thread_key_set(heap->key, NULL);
}

void mmb_shared_heap_fork_unlock(struct mmb_allocator *allocator)
{
    struct mmb_shared_heap *heap = mmb_shared_heap_of(allocator);
    bool is_child = heap->segment->pid != getpid();
    if (is_child)
        start_child(heap);
    mmb_lock_release(&heap->shadows_lock);
    mmb_mutex_unlock(&heap->segment->central);
    mmb_lock_release(&heap->segment->slots_lock);
    MMB_LIST_FOR_EACH (node, &heap->caches)
        mmb_lock_release(&MMB_CONTAINER_OF(node, struct mmb_shared_cache, link)->lock);
    if (is_child) {
        mmb_shared_refork(heap->segment);
        heap->main->slot = heap->segment->slot;
    }
    mmb_lock_release(&heap->caches_lock);
}
