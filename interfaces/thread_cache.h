/* SPDX-License-Identifier: BSD-3-Clause */
/* What one thread keeps of one thread-local allocator: a credit account and a magazine of free
 * records per size class. Each thread has one area of addresses with a slot per allocator; a record
 * knows the offset of its magazine in every area (record.h, home).
 *
 * The owner's operation:  busy = 1; check low / high; work; busy = 0.
 * The revoker's, under the quota's lock:  make low / high impossible; barrier of all threads; wait
 * for busy == 0; from then on account and magazines are the lock's, until the owner resumes them,
 * under the lock too. No fence is needed in the owner: either its busy mark was visible before the
 * barrier, and the revoker waits, or its check comes after the barrier and fails. busy = 0 is a
 * release store, so that the revoker, who reads it with acquire, sees all the work. Everything else
 * that both sides touch is accessed with relaxed atomics. */
#ifndef MMB_INTERFACES_THREAD_CACHE_H
#define MMB_INTERFACES_THREAD_CACHE_H
#include <stdbool.h>
#include <stdint.h>
#include "interfaces/size_class.h"
#include "src/base/owned.h"
#include "src/spi/quota.h"
#include "src/spi/record.h"

struct mmb_thread_allocator;

/* low <= top <= high, blocks <= low, high <= blocks + capacity; suspended: low = all ones, high =
 * 0, so that both checks fail. blocks is NULL until the class is first used. */
struct mmb_magazine {
    mmbAllocation **top, **low, **high, **blocks;
};

/* The first two members are never written in slot 0, which has no allocator: read as a magazine it
 * is empty (hot.h). */
struct mmb_thread_cache {
    struct mmb_thread_allocator *allocator; /* NULL: the slot is not in use in this area */
    uint64_t n_allocated;
    uint32_t busy;      /* the owner is in an operation */
    uint32_t last_slot; /* in slot 0: the highest one that was ever in use in this area */
    struct mmb_account account;
    struct mmb_list link; /* in the allocator's list */
};
_Static_assert(sizeof(struct mmb_thread_cache) <= MMB_MAGAZINE_OFFSET(0), "magazines come behind");
_Static_assert(MMB_MAGAZINE_OFFSET(MMB_CLASSES) <= MMB_SLOT_BYTES, "all magazines fit");
_Static_assert(sizeof(struct mmb_magazine) == 32, "as MMB_MAGAZINE_OFFSET counts");

#define MMB_THREAD_SLOTS 1024u /* allocators with magazines; others take the locked path */

/* This thread's area, or the one of all threads that have none: its slots are all zero. */
#ifndef MMB_TLS_MODEL
#define MMB_TLS_MODEL "initial-exec"
#endif
extern __thread char *mmb_thread_area
    __attribute__((tls_model(MMB_TLS_MODEL), visibility("hidden")));

static inline struct mmb_thread_cache *mmb_cache_at(char *area, uint32_t slot_base)
{
    return (struct mmb_thread_cache *)(void *)(area + slot_base);
}

static inline struct mmb_magazine *mmb_magazine_at(char *area, uint32_t offset)
{
    return (struct mmb_magazine *)(void *)(area + offset);
}

/* Areas are aligned to slots. */
static inline struct mmb_thread_cache *mmb_magazine_cache(struct mmb_magazine *magazine)
{
    return (struct mmb_thread_cache *)((uintptr_t)magazine & ~(uintptr_t)(MMB_SLOT_BYTES - 1));
}

static inline struct mmb_magazine *mmb_cache_magazine(struct mmb_thread_cache *cache,
                                                      uint32_t class_index)
{
    return mmb_magazine_at((char *)cache, MMB_MAGAZINE_OFFSET(class_index));
}

/* ---- the owner's operation ---- */

static inline void mmb_cache_enter(struct mmb_thread_cache *cache)
{
    mmb_mark_set(&cache->busy);
}

static inline void mmb_cache_leave(struct mmb_thread_cache *cache)
{
    mmb_mark_clear(&cache->busy);
}

/* In an operation: may it go on? */
static inline bool mmb_cache_is_running(const struct mmb_thread_cache *cache)
{
    return !__atomic_load_n(&cache->account.suspended, __ATOMIC_RELAXED);
}

#define MMB_MAGAZINE_LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define MMB_MAGAZINE_STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/* ---- src: interfaces/thread_cache.c ---- */

/* This thread's cache of an allocator, made if need be. NULL: the allocator's slot has none, the
 * thread is exiting, or there is no metadata; the heap serves then. */
struct mmb_thread_cache *mmb_cache_get(struct mmb_thread_allocator *allocator);
/* Ends every cache of an allocator that closes; its blocks are the heap's and not looked at. */
void mmb_caches_close(struct mmb_thread_allocator *allocator);
/* Gives every cached block of an allocator back to its heap. */
void mmb_caches_flush(struct mmb_thread_allocator *allocator);
/* Creates the key that ends threads; any number of times. */
mmbError mmb_caches_open(void);
/* Makes room for a class: false when there is no metadata. The owner, not in an operation. */
bool mmb_magazine_open(struct mmb_thread_cache *cache, uint32_t class_index);

/* The lock under which caches end, with their thread or with their allocator, those of shared heaps
 * too; before all quotas. Fork takes it; the child, which unlocks it by the last of these, keeps
 * the forking thread's caches only and gives the others' back. */
void mmb_caches_lock(void);
void mmb_caches_unlock(void);
void mmb_caches_fork_child(void);

#endif
