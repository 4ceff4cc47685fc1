/* SPDX-License-Identifier: BSD-3-Clause */
/* Caches of a shared heap: which thread has which, and runs it (shared.h).
 *
 * Owns the caches; their list, threads and idleness are under `caches_lock`, which comes before a
 * cache's lock. A thread's cache outlives it and serves the next new thread, so 5,000 threads in a
 * row need one slot. A thread for whom no slot is left shares the process's own, which nobody runs;
 * nor do user-level threads run any, several of which are one thread to the processor. The quota's
 * lock comes before all of these: accounts are opened and closed while none is held. Before that
 * comes the lock under which caches end (thread_cache.h): a thread may end while a heap is closed
 * that it has used. */
#include "interfaces/shared.h"
#include "src/base/barrier.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* A cache that all threads use costs a barrier whenever another one comes than its runner, so the
 * runner must have been alone for as many calls as make up for that. */
#define ALONE_FIRST 64u
#define ALONE_LAST  4096u

static struct mmb_shared_cache *cache_at(struct mmb_list *node)
{
    return MMB_CONTAINER_OF(node, struct mmb_shared_cache, link);
}

void mmb_shared_cache_empty(struct mmb_shared_cache *cache)
{
    for (uint32_t i = 0; i < MMB_SHARED_CLASSES_MAX; i++) {
        cache->bins[i] = &mmb_shared_no_word;
        mmb_shared_pocket_init(&cache->pockets[i]);
    }
    for (uint32_t i = 0; i < MMB_SHARED_LISTS; i++) {
        mmb_list_init(&cache->open[i]);
        mmb_list_init(&cache->closed[i]);
    }
    mmb_shared_pocket_init(&cache->no_pocket);
    cache->last = &cache->no_pocket;
}

/* caches_lock held, or nobody else is there. NULL: no metadata. */
static struct mmb_shared_cache *new_cache(struct mmb_shared_heap *heap, uint32_t slot)
{
    struct mmb_shared_cache *cache = mmb_meta_alloc(sizeof *cache);
    if (!cache)
        return NULL;
    mmb_lock_init(&cache->lock);
    cache->heap = heap;
    cache->state = heap->serial;
    cache->slot = slot;
    cache->home_slot = heap->base.slot;
    cache->fresh = mmb_record_halves((uint32_t)MMB_RECORD_SHARED << 24,
                                     heap->base.slot * MMB_SLOT_BYTES + MMB_SHARED_CHARGED);
    mmb_shared_cache_empty(cache);
    cache->number = ++heap->n_caches;
    mmb_list_push_back(&heap->caches, &cache->link);
    return cache;
}

/* ---- runners ---- */

static void set_runner(struct mmb_shared_cache *cache, const void *thread)
{
    mmb_lock_acquire(&cache->lock);
    __atomic_store_n(&cache->runner, thread, __ATOMIC_RELAXED);
    __atomic_fetch_and(&cache->state, ~MMB_SHARED_STOP_VISIT, __ATOMIC_RELAXED);
    mmb_lock_release(&cache->lock);
}

/* Caches of heaps that are gone, whose thread may still come to them: in a call for another heap it
 * marks itself busy in the one that it used last before it sees whose that is, and when it ends it
 * may be on its way to retire(). It frees them when it gets another one or has retired. */
static _Atomic(struct mmb_shared_cache *) left_behind;

static void leave_behind(struct mmb_shared_cache *cache)
{
    cache->next_left = atomic_load(&left_behind);
    while (!atomic_compare_exchange_weak(&left_behind, &cache->next_left, cache))
        continue;
}

static void free_left_behind(void)
{
    struct mmb_shared_cache *next, *cache = atomic_exchange(&left_behind, NULL);
    for (; cache; cache = next) {
        next = cache->next_left;
        if (cache->here == &mmb_shared_here)
            mmb_meta_free(cache, sizeof *cache);
        else
            leave_behind(cache);
    }
}

static void be_here(struct mmb_shared_cache *cache)
{
    __atomic_store_n(&mmb_shared_here, cache, __ATOMIC_RELEASE);
}

/* Its thread is in no call for its heap. */
static void leave_here(struct mmb_shared_cache *cache)
{
    struct mmb_shared_cache *now = cache;
    if (cache->here)
        __atomic_compare_exchange_n(cache->here, &now, &mmb_shared_no_cache, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* A thread that ends would leave mmb_shared_here behind. */
static __thread bool is_ending;

static bool can_run(const struct mmb_shared_heap *heap)
{
    return heap->is_hot && !is_ending && !mmb_thread_is_users();
}

/* The calling thread has just got the cache, and the key leads to it. */
static void start_runner(struct mmb_shared_cache *cache)
{
    if (!can_run(cache->heap))
        return;
    mmb_shared_account_close(cache); /* in a forked child: of a thread that is not here */
    mmb_shared_account_open(cache);
    set_runner(cache, __builtin_thread_pointer());
    be_here(cache);
}

static void end_runner(struct mmb_shared_cache *cache)
{
    struct mmb_shared_heap *heap = cache->heap;
    leave_here(cache);
    cache->here = NULL;
    mmb_shared_account_close(cache);
    set_runner(cache, NULL);
    if (cache == heap->main)
        return;
    mmb_lock_acquire(&heap->caches_lock);
    cache->is_idle = true;
    cache->thread = 0;
    mmb_lock_release(&heap->caches_lock);
}

/* The destructor of the key: runs in the thread that ends, perhaps while the heap is closed. */
static void retire(void *value)
{
    struct mmb_shared_cache *cache = value;
    is_ending = !mmb_thread_is_users();
    mmb_caches_lock();
    if (cache->heap)
        end_runner(cache);
    mmb_caches_unlock();
    free_left_behind();
}

/* ---- all of them ---- */

mmbError mmb_shared_caches_open(struct mmb_shared_heap *heap)
{
    mmb_lock_init(&heap->caches_lock);
    mmb_list_init(&heap->caches);
    heap->main = new_cache(heap, heap->segment->slot);
    if (!heap->main)
        return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no metadata for a shared heap");
    heap->has_key = mmb_thread_key_make(&heap->key, retire);
    if (!heap->per_thread || heap->has_key)
        return MMB_OK;
    mmb_meta_free(heap->main, sizeof *heap->main);
    return mmb_fail(MMB_OUT_OF_MEMORY, "create_interface: no key for thread caches is left");
}

static void end_cache(struct mmb_shared_cache *cache)
{
    mmb_shared_account_close(cache);
    cache->heap = NULL;
    if (cache->here && cache->here != &mmb_shared_here)
        leave_behind(cache);
    else
        mmb_meta_free(cache, sizeof *cache);
}

/* Threads that end while their key is there wait in retire(), so that their mmb_shared_here is
 * still there too; once it is dropped nobody comes to retire() any more. */
void mmb_shared_caches_close(struct mmb_shared_heap *heap)
{
    mmb_caches_lock();
    MMB_LIST_FOR_EACH (node, &heap->caches)
        leave_here(cache_at(node));
    mmb_caches_unlock();
    if (heap->has_key)
        mmb_thread_key_drop(heap->key);
    mmb_caches_lock();
    MMB_LIST_FOR_EACH_SAFE (node, next, &heap->caches)
        end_cache(cache_at(node));
    mmb_caches_unlock();
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

/* The key is to lead the calling thread to the cache, and to retire() when the thread ends. */
static bool set_key(struct mmb_shared_heap *heap, struct mmb_shared_cache *cache)
{
    free_left_behind();
    if (!mmb_thread_key_set(heap->key, cache))
        return false;
    cache->here = mmb_thread_is_users() ? NULL : &mmb_shared_here;
    return true;
}

/* The calling thread's, which it has not got yet. Who is past the end of his caches gets none. */
static struct mmb_shared_cache *get_cache(struct mmb_shared_heap *heap)
{
    struct mmb_shared_cache *cache = is_ending ? heap->main : named(heap, mmb_thread_id());
    if (cache != heap->main && set_key(heap, cache))
        start_runner(cache);
    return cache;
}

/* Where all threads share a cache, one runs it. */
static void run_main(struct mmb_shared_heap *heap)
{
    struct mmb_shared_cache *cache = heap->main;
    const void *self = __builtin_thread_pointer(), *runner;
    if (!heap->has_key || !can_run(heap))
        return;
    mmb_lock_acquire(&cache->lock);
    runner = cache->runner;
    if (!runner) {
        __atomic_fetch_or(&cache->state, MMB_SHARED_STOP_VISIT, __ATOMIC_RELAXED);
        __atomic_store_n(&cache->runner, self, __ATOMIC_RELAXED);
    }
    mmb_lock_release(&cache->lock);
    if (runner)
        return;
    if (set_key(heap, cache))
        start_runner(cache);
    else
        set_runner(cache, NULL);
}

static struct mmb_shared_cache *shared_by_all(struct mmb_shared_heap *heap)
{
    const void *runner = __atomic_load_n(&heap->main->runner, __ATOMIC_RELAXED);
    if (!runner)
        run_main(heap);
    else if (runner == __builtin_thread_pointer() && !mmb_shared_cache_here(heap))
        be_here(heap->main);
    return heap->main;
}

struct mmb_shared_cache *mmb_shared_cache_for(struct mmb_shared_heap *heap, uint64_t thread)
{
    if (!heap->per_thread)
        return shared_by_all(heap);
    if (thread)
        return named(heap, thread);
    struct mmb_shared_cache *cache = mmb_shared_cache_here(heap);
    if (__builtin_expect(cache != NULL, 1))
        return cache;
    cache = mmb_thread_key_get(heap->key);
    if (!cache)
        return get_cache(heap);
    if (cache->runner == __builtin_thread_pointer())
        be_here(cache);
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

void mmb_shared_wait_for_runner(const struct mmb_shared_cache *cache)
{
    mmb_tally_wait(&cache->n_allocated);
    mmb_tally_wait(&cache->n_freed);
}

/* Lock held by another thread than the runner. */
static void stop_runner(struct mmb_shared_cache *cache)
{
    cache->alone = 0;
    if (__atomic_fetch_or(&cache->state, MMB_SHARED_STOP_VISIT, __ATOMIC_RELAXED) &
        MMB_SHARED_STOP_VISIT)
        return;
    if (!cache->heap->per_thread && cache->needed < ALONE_LAST)
        cache->needed = cache->needed ? cache->needed * 8 : ALONE_FIRST;
    mmb_barrier_threads();
    mmb_shared_wait_for_runner(cache);
}

/* Lock held by the runner. */
static void go_on(struct mmb_shared_cache *cache)
{
    uint64_t state = __atomic_load_n(&cache->state, __ATOMIC_RELAXED);
    if (state & MMB_SHARED_STOP_VISIT && cache->alone++ >= cache->needed)
        __atomic_fetch_and(&cache->state, ~MMB_SHARED_STOP_VISIT, __ATOMIC_RELAXED);
}

void mmb_shared_cache_lock(struct mmb_shared_cache *cache)
{
    mmb_lock_acquire(&cache->lock);
    if (cache->runner == __builtin_thread_pointer())
        go_on(cache);
    else if (cache->runner)
        stop_runner(cache);
    if (__builtin_expect(cache->slot == MMB_SHARED_NO_SLOT, 0))
        find_slot(cache);
}

void mmb_shared_cache_unlock(struct mmb_shared_cache *cache)
{
    size_t owed = cache->owed;
    cache->owed = 0;
    mmb_lock_release(&cache->lock);
    if (__builtin_expect(owed != 0, 0))
        mmb_shared_uncharge(cache->heap, owed);
}
