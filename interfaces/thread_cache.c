/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of thread areas and of the caches in them (thread_cache.h).
 *
 * Owns the areas, one per thread that ever allocated here and has not ended, the list of caches of
 * each allocator and the list of all areas. Lock order: `caches.mutex` -> quota -> a class's store
 * -> heap. */
#include "interfaces/thread_cache.h"
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include "interfaces/thread.h"
#include "src/base/barrier.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"

#define AREA_BYTES ((size_t)MMB_THREAD_SLOTS * MMB_SLOT_BYTES)

/* Threads without an area set their marks here, all over each other, and find nothing. */
static char no_area[AREA_BYTES] __attribute__((aligned(MMB_SLOT_BYTES)));
__thread char *mmb_thread_area __attribute__((tls_model(MMB_TLS_MODEL))) = no_area;

/* The key's value of a thread whose area is gone: it gets none again. */
static char exiting;

static struct {
    struct mmb_mutex mutex;
    pthread_key_t key;
    bool is_open;
} caches = {.mutex = MMB_MUTEX_INIT};

static size_t blocks_bytes(const struct mmb_thread_allocator *allocator, uint32_t class_index)
{
    return mmb_thread_capacity(allocator, class_index) * sizeof(mmbAllocation *);
}

/* ---- the account ---- */

static struct mmb_thread_cache *cache_of(struct mmb_account *account)
{
    return MMB_CONTAINER_OF(account, struct mmb_thread_cache, account);
}

static void suspend(struct mmb_account *account)
{
    struct mmb_thread_cache *cache = cache_of(account);
    __atomic_store_n(&account->suspended, true, __ATOMIC_RELAXED);
    for (uint32_t c = 0; c < MMB_CLASSES; c++) {
        struct mmb_magazine *magazine = mmb_cache_magazine(cache, c);
        if (!magazine->blocks)
            continue;
        MMB_MAGAZINE_STORE(magazine->low, (mmbAllocation **)MMB_MAGAZINE_LOW_MAX);
        MMB_MAGAZINE_STORE(magazine->high, (mmbAllocation **)0);
    }
}

static void settle(struct mmb_account *account)
{
    struct mmb_thread_cache *cache = cache_of(account);
    mmb_mark_wait(&cache->busy);
    for (uint32_t c = 0; c < MMB_CLASSES; c++) {
        struct mmb_backoff backoff = {0, 0};
        while (mmb_magazine_is_marked(mmb_cache_magazine(cache, c)))
            mmb_backoff(&backoff);
    }
}

static void set_bounds(struct mmb_thread_cache *cache, uint32_t class_index)
{
    struct mmb_magazine *magazine = mmb_cache_magazine(cache, class_index);
    MMB_MAGAZINE_STORE(magazine->low, magazine->blocks);
    MMB_MAGAZINE_STORE(magazine->high,
                       magazine->blocks + mmb_thread_capacity(cache->allocator, class_index));
}

static void resume(struct mmb_account *account)
{
    struct mmb_thread_cache *cache = cache_of(account);
    for (uint32_t c = 0; c < MMB_CLASSES; c++)
        if (mmb_cache_magazine(cache, c)->blocks)
            set_bounds(cache, c);
    __atomic_store_n(&account->suspended, false, __ATOMIC_RELAXED);
}

/* Without barriers caches are never resumed: everything takes the locked path. */
static const struct mmb_account_ops revocable = {suspend, settle, resume};
static const struct mmb_account_ops locked_only = {suspend, settle, NULL};

/* ---- magazines ---- */

bool mmb_magazine_open(struct mmb_thread_cache *cache, uint32_t class_index)
{
    struct mmb_magazine *magazine = mmb_cache_magazine(cache, class_index);
    if (magazine->blocks)
        return true;
    mmbAllocation **blocks = mmb_meta_alloc(blocks_bytes(cache->allocator, class_index));
    if (!blocks)
        return false;
    if ((uintptr_t)blocks >> MMB_MAGAZINE_ADDRESS_BITS) {
        mmb_meta_free(blocks, blocks_bytes(cache->allocator, class_index));
        return false;
    }
    mmb_lock_acquire(&cache->allocator->base.quota->lock);
    MMB_MAGAZINE_STORE(magazine->top, blocks);
    /* Statistics look without the lock: who sees the blocks sees a top that goes with them. */
    __atomic_store_n(&magazine->blocks, blocks, __ATOMIC_RELEASE);
    if (cache->account.suspended)
        suspend(&cache->account);
    else
        set_bounds(cache, class_index);
    mmb_lock_release(&cache->allocator->base.quota->lock);
    return true;
}

/* The cache is stopped or its owner gone. */
static void flush_cache(struct mmb_thread_cache *cache)
{
    struct mmb_heap *heap = &cache->allocator->heap;
    mmb_biased_acquire(&heap->lock);
    for (uint32_t c = 0; c < MMB_CLASSES; c++) {
        struct mmb_magazine *magazine = mmb_cache_magazine(cache, c);
        if (!magazine->blocks)
            continue;
        for (mmbAllocation **top = mmb_magazine_top(magazine); top > magazine->blocks;)
            mmb_heap_put(heap, *--top);
        MMB_MAGAZINE_STORE(magazine->top, magazine->blocks);
    }
    mmb_biased_release(&heap->lock);
}

void mmb_caches_flush(struct mmb_thread_allocator *allocator)
{
    mmb_mutex_lock(&caches.mutex);
    mmb_quota_stop(allocator->base.quota);
    MMB_LIST_FOR_EACH (node, &allocator->caches)
        flush_cache(MMB_CONTAINER_OF(node, struct mmb_thread_cache, link));
    mmb_quota_go(allocator->base.quota);
    mmb_mutex_unlock(&caches.mutex);
    for (uint32_t c = 0; c < MMB_CLASSES; c++)
        mmb_central_flush(&allocator->central[c], &allocator->heap);
}

/* ---- the end of a cache: caches.mutex held, the owner takes no part any more ---- */

static void add_peak(struct mmb_caches_sum *sum, const struct mmb_thread_cache *cache)
{
    int64_t peak = __atomic_load_n(&cache->account.peak, __ATOMIC_RELAXED);
    sum->peak += peak;
    sum->highest = peak > sum->highest ? peak : sum->highest;
}

/* A cache that ends takes its part of what all used at most along. */
static void keep_peak(struct mmb_thread_allocator *allocator)
{
    struct mmb_caches_sum sum = {0, 0, 0, 0, 0};
    MMB_LIST_FOR_EACH (node, &allocator->caches)
        add_peak(&sum, MMB_CONTAINER_OF(node, struct mmb_thread_cache, link));
    mmb_biased_acquire(&allocator->heap.lock);
    mmb_thread_keep_peak(allocator, &sum);
    mmb_biased_release(&allocator->heap.lock);
}

static void end_cache(struct mmb_thread_cache *cache)
{
    struct mmb_thread_allocator *allocator = cache->allocator;
    keep_peak(allocator);
    mmb_account_detach(allocator->base.quota, &cache->account, &allocator->account.base);
    mmb_biased_acquire(&allocator->heap.lock);
    allocator->n_allocated += cache->n_allocated;
    if (allocator->holder == cache)
        __atomic_store_n(&allocator->holder, NULL, __ATOMIC_RELAXED);
    mmb_biased_release(&allocator->heap.lock);
    mmb_list_remove(&cache->link);
    for (uint32_t c = 0; c < MMB_CLASSES; c++) {
        struct mmb_magazine *magazine = mmb_cache_magazine(cache, c);
        if (magazine->blocks)
            mmb_meta_free(magazine->blocks, blocks_bytes(allocator, c));
        memset(magazine, 0, sizeof *magazine);
    }
    memset(cache, 0, sizeof *cache);
}

void mmb_caches_close(struct mmb_thread_allocator *allocator)
{
    mmb_mutex_lock(&caches.mutex);
    /* Nobody is in a call; this makes all that was done there visible here. */
    mmb_quota_stop(allocator->base.quota);
    mmb_quota_go(allocator->base.quota);
    MMB_LIST_FOR_EACH_SAFE (node, next, &allocator->caches)
        end_cache(MMB_CONTAINER_OF(node, struct mmb_thread_cache, link));
    mmb_mutex_unlock(&caches.mutex);
}

static void end_area(char *area)
{
    for (uint32_t slot = mmb_cache_at(area, 0)->last_slot; slot > 0; slot--) {
        struct mmb_thread_cache *cache = mmb_cache_at(area, slot * MMB_SLOT_BYTES);
        if (!cache->allocator)
            continue;
        flush_cache(cache);
        end_cache(cache);
    }
    mmb_os_unmap(area, AREA_BYTES);
}

/* Runs when a thread ends, and again as long as the key's value is not NULL: then it finds the
 * mark. */
static void end_thread(void *value)
{
    pthread_setspecific(caches.key, &exiting);
    if (value == &exiting)
        return;
    mmb_thread_area = no_area;
    mmb_mutex_lock(&caches.mutex);
    end_area(value);
    mmb_mutex_unlock(&caches.mutex);
}

mmbError mmb_caches_open(void)
{
    mmb_mutex_lock(&caches.mutex);
    if (!caches.is_open)
        caches.is_open = pthread_key_create(&caches.key, end_thread) == 0;
    mmb_mutex_unlock(&caches.mutex);
    mmb_barrier_open();
    return caches.is_open ? MMB_OK
                          : mmb_fail(MMB_OUT_OF_MEMORY, "init: no thread-specific key is left");
}

/* ---- the start ---- */

/* This thread's own area, or NULL. A huge page would make 2 MiB of the two pages that are used. */
static char *open_area(void)
{
    if (mmb_thread_area != no_area)
        return mmb_thread_area;
    if (!caches.is_open || pthread_getspecific(caches.key) == &exiting)
        return NULL;
    char *area = mmb_os_map(AREA_BYTES);
    if (!area)
        return NULL;
    madvise(area, AREA_BYTES, MADV_NOHUGEPAGE);
    if (pthread_setspecific(caches.key, area)) {
        mmb_os_unmap(area, AREA_BYTES);
        return NULL;
    }
    mmb_thread_area = area;
    return area;
}

static void open_cache(char *area, struct mmb_thread_allocator *allocator)
{
    struct mmb_thread_cache *cache = mmb_cache_at(area, allocator->slot_base);
    mmb_mutex_lock(&caches.mutex);
    if (allocator->base.slot > mmb_cache_at(area, 0)->last_slot)
        mmb_cache_at(area, 0)->last_slot = allocator->base.slot;
    cache->allocator = allocator;
    bool runs = !allocator->is_single && mmb_barrier_open();
    cache->account.ops = runs ? &revocable : &locked_only; /* a holder's is set by hold */
    cache->account.thread = __builtin_thread_pointer();
    mmb_list_push_back(&allocator->caches, &cache->link);
    mmb_account_attach(allocator->base.quota, &cache->account);
    mmb_mutex_unlock(&caches.mutex);
}

static struct mmb_thread_cache *own_cache(struct mmb_thread_allocator *allocator)
{
    char *area = allocator->slot_base ? open_area() : NULL;
    if (!area)
        return NULL;
    struct mmb_thread_cache *cache = mmb_cache_at(area, allocator->slot_base);
    if (!cache->allocator)
        open_cache(area, allocator);
    return cache;
}

/* ---- the holder of a scalable page ---- */

static void set_holder(struct mmb_thread_allocator *allocator, struct mmb_thread_cache *holder)
{
    mmb_biased_acquire(&allocator->heap.lock);
    __atomic_store_n(&allocator->holder, holder, __ATOMIC_RELAXED);
    allocator->in_a_row = 0;
    if (!holder && allocator->needed < MMB_SINGLE_NEEDED_MOST)
        allocator->needed *= MMB_SINGLE_NEEDED_MORE;
    mmb_biased_release(&allocator->heap.lock);
}

/* From now on the account runs when it is charged, or never: then the magazines are emptied too,
 * under the lock, since the owner may be opening one right now. */
static void set_running(struct mmb_thread_cache *cache, bool may_run)
{
    struct mmb_quota *quota = cache->allocator->base.quota;
    mmb_lock_acquire(&quota->lock);
    cache->account.ops = may_run ? &revocable : &locked_only;
    if (!may_run && !cache->account.suspended) {
        suspend(&cache->account);
        mmb_barrier_threads();
        settle(&cache->account);
    }
    if (!may_run)
        flush_cache(cache);
    mmb_lock_release(&quota->lock);
}

/* Whoever charged the allocator's account has seen that there is no holder, under the heap's lock;
 * the few that come late leave a little used there. */
static struct mmb_thread_cache *hold(struct mmb_thread_allocator *allocator)
{
    struct mmb_thread_cache *cache = own_cache(allocator);
    mmb_mutex_lock(&caches.mutex);
    bool is_free = cache && !allocator->holder;
    if (is_free) {
        set_holder(allocator, cache);
        set_running(cache, true);
        mmb_account_detach(allocator->base.quota, &allocator->account.base, &cache->account);
    }
    mmb_mutex_unlock(&caches.mutex);
    return is_free ? cache : NULL;
}

static void end_holder(struct mmb_thread_allocator *allocator)
{
    mmb_mutex_lock(&caches.mutex);
    struct mmb_thread_cache *cache = allocator->holder;
    if (cache) {
        set_running(cache, false);
        mmb_account_detach(allocator->base.quota, &cache->account, &allocator->account.base);
        set_holder(allocator, NULL);
    }
    mmb_mutex_unlock(&caches.mutex);
}

static bool is_due(struct mmb_thread_allocator *allocator)
{
    mmb_biased_acquire(&allocator->heap.lock);
    bool due =
        allocator->in_a_row >= allocator->needed && allocator->last == __builtin_thread_pointer();
    if (due)
        allocator->in_a_row = 0;
    mmb_biased_release(&allocator->heap.lock);
    return due;
}

static struct mmb_thread_cache *single_cache(struct mmb_thread_allocator *allocator)
{
    struct mmb_thread_cache *holder = __atomic_load_n(&allocator->holder, __ATOMIC_RELAXED);
    if (!holder)
        return is_due(allocator) ? hold(allocator) : NULL;
    if (holder == mmb_cache_at(mmb_thread_area, allocator->slot_base))
        return holder;
    end_holder(allocator);
    return NULL;
}

struct mmb_thread_cache *mmb_cache_get(struct mmb_thread_allocator *allocator)
{
    if (allocator->is_single)
        return single_cache(allocator);
    return own_cache(allocator);
}

/* ---- sums ---- */

void mmb_caches_sum(struct mmb_thread_allocator *allocator, struct mmb_caches_sum *out_sum)
{
    *out_sum = (struct mmb_caches_sum){0, 0, 0, 0, 0};
    mmb_mutex_lock(&caches.mutex);
    MMB_LIST_FOR_EACH (node, &allocator->caches) {
        struct mmb_thread_cache *cache = MMB_CONTAINER_OF(node, struct mmb_thread_cache, link);
        out_sum->used += mmb_account_used(&cache->account);
        add_peak(out_sum, cache);
        out_sum->n_allocated += __atomic_load_n(&cache->n_allocated, __ATOMIC_RELAXED);
        for (uint32_t c = 0; c < MMB_CLASSES; c++) {
            struct mmb_magazine *magazine = mmb_cache_magazine(cache, c);
            mmbAllocation **blocks = __atomic_load_n(&magazine->blocks, __ATOMIC_ACQUIRE);
            if (blocks)
                out_sum->n_cached += (size_t)(mmb_magazine_top(magazine) - blocks);
        }
    }
    mmb_mutex_unlock(&caches.mutex);
}

/* ---- fork ---- */

void mmb_caches_lock(void)
{
    mmb_mutex_lock(&caches.mutex);
}

void mmb_caches_unlock(void)
{
    mmb_mutex_unlock(&caches.mutex);
}

/* The other threads do not exist here: what their caches held is the heap's again. Their areas stay
 * mapped, untouched. */
void mmb_caches_fork_child(void)
{
    for (uint32_t slot = 1; slot < MMB_THREAD_SLOTS; slot++) {
        struct mmb_allocator *base = mmb_allocator_at(slot);
        if (!base || base->ops->fill_hot != mmb_thread_fill_hot)
            continue;
        struct mmb_thread_allocator *allocator = (struct mmb_thread_allocator *)base;
        MMB_LIST_FOR_EACH_SAFE (node, next, &allocator->caches) {
            struct mmb_thread_cache *cache = MMB_CONTAINER_OF(node, struct mmb_thread_cache, link);
            if (cache == mmb_cache_at(mmb_thread_area, allocator->slot_base))
                continue;
            flush_cache(cache);
            end_cache(cache);
        }
    }
    mmb_mutex_unlock(&caches.mutex);
}
