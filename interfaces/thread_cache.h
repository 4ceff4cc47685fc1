/* SPDX-License-Identifier: BSD-3-Clause */
/* What one thread keeps of one thread-local allocator: a credit account and a magazine of free
 * records per size class. Each thread has one area of addresses with a slot per allocator; a record
 * knows the offset of its magazine in every area (record.h, home).
 *
 * The owner's operation:  set a mark; check low / high; work; clear the mark.
 * The revoker's, under the quota's lock:  make low / high impossible; barrier of all threads; wait
 * until all marks are clear; from then on account and magazines are the lock's, until the owner
 * resumes them, under the lock too. No fence is needed in the owner: either its mark was visible
 * before the barrier, and the revoker waits, or its check comes after the barrier and fails. It is
 * cleared by a release store, so that the revoker, who reads it with acquire, sees all the work.
 * Everything else that both sides touch is accessed with relaxed atomics.
 *
 * There is a mark for the whole cache, and one in each magazine for the operations that every
 * allocation is: the top bit of `top`, where addresses have none. Storing the new top clears it,
 * which is one store instead of two. `top` is read before its mark is set, and may be stale by
 * then; but a magazine that was revoked in between stays so until its owner, who is here, resumes
 * it, and the check fails. A failing operation writes the mark alone, which the revoker ignores.
 * Areas that several threads may look into are all zero but for marks: a marked top is negative and
 * not above any low, and not below a high of 0. */
#ifndef MMB_INTERFACES_THREAD_CACHE_H
#define MMB_INTERFACES_THREAD_CACHE_H
#include <stdbool.h>
#include <stdint.h>
#include "interfaces/size_class.h"
#include "src/base/owned.h"
#include "src/spi/quota.h"
#include "src/spi/record.h"

struct mmb_thread_allocator;

/* low <= top <= high, blocks <= low, high <= blocks + capacity; suspended: low = the highest
 * positive number, high = 0, so that both checks fail. blocks is NULL until the class is first
 * used. */
struct mmb_magazine {
    union {
        mmbAllocation **top;
        uint8_t top_bytes[8];
    };
    mmbAllocation **low, **high, **blocks;
};
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MMB_MAGAZINE_MARK 7 /* the most significant of top_bytes */
#else
#define MMB_MAGAZINE_MARK 0
#endif
#define MMB_MAGAZINE_MARKED  0x80u
#define MMB_MAGAZINE_LOW_MAX INTPTR_MAX
/* Addresses of blocks have no more bits: the mark takes a byte. */
#define MMB_MAGAZINE_ADDRESS_BITS 56

/* Slot 0 has no allocator: read as a magazine it is empty (hot.h), though its mark may be set. */
struct mmb_thread_cache {
    struct mmb_thread_allocator *allocator; /* NULL: the slot is not in use in this area */
    uint64_t n_allocated;
    uint32_t busy;      /* the mark of the cache */
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

/* The same for one magazine's records and the account. Gives its top. */
static inline mmbAllocation **mmb_magazine_enter(struct mmb_magazine *magazine)
{
    mmbAllocation **top = MMB_OWNED_LOAD(magazine->top);
    __atomic_store_n(&magazine->top_bytes[MMB_MAGAZINE_MARK], MMB_MAGAZINE_MARKED,
                     __ATOMIC_RELAXED);
    atomic_signal_fence(memory_order_seq_cst);
    return top;
}

static inline void mmb_magazine_leave(struct mmb_magazine *magazine, mmbAllocation **top)
{
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n(&magazine->top, top, __ATOMIC_RELEASE);
}

/* When the check has failed: nothing has changed. */
static inline void mmb_magazine_leave_unchanged(struct mmb_magazine *magazine)
{
    __atomic_store_n(&magazine->top_bytes[MMB_MAGAZINE_MARK], 0, __ATOMIC_RELAXED);
}

/* In an operation: has it a record to give, room for one? */
static inline bool mmb_magazine_has_record(const struct mmb_magazine *magazine, mmbAllocation **top)
{
    return (intptr_t)top > (intptr_t)MMB_OWNED_LOAD(magazine->low);
}

static inline bool mmb_magazine_has_room(const struct mmb_magazine *magazine, mmbAllocation **top)
{
    return (uintptr_t)top < (uintptr_t)MMB_OWNED_LOAD(magazine->high);
}

/* In an operation: may it go on? */
static inline bool mmb_cache_is_running(const struct mmb_thread_cache *cache)
{
    return !__atomic_load_n(&cache->account.suspended, __ATOMIC_RELAXED);
}

#define MMB_MAGAZINE_LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define MMB_MAGAZINE_STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

/* The top that others see while the owner may be setting and clearing the mark. */
static inline mmbAllocation **mmb_magazine_top(const struct mmb_magazine *magazine)
{
    uintptr_t top = (uintptr_t)__atomic_load_n(&magazine->top, __ATOMIC_ACQUIRE);
    return (mmbAllocation **)(top & (((uintptr_t)1 << MMB_MAGAZINE_ADDRESS_BITS) - 1));
}

static inline bool mmb_magazine_is_marked(const struct mmb_magazine *magazine)
{
    return (intptr_t)__atomic_load_n(&magazine->top, __ATOMIC_ACQUIRE) < 0;
}

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
