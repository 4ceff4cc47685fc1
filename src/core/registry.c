/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's root and the allocator table (registry.h).
 *
 * Owns the registry mutex and the table's segments. A segment is made once and kept until the
 * process ends, because free and copy read the table without a lock. `table.lock` guards which
 * slots are taken; it is a leaf but for the metadata lock. */
#include "src/core/registry.h"
#include <pthread.h>
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/spi/record.h"

/* A record's home holds slot * MMB_SLOT_BYTES in 32 bits. */
#define SEGMENT_SLOTS 1024u
#define SEGMENTS      ((uint32_t)(((uint64_t)1 << 32) / MMB_SLOT_BYTES / SEGMENT_SLOTS))
#define WORD_BITS     64u

/* `taken` has one bit per slot. */
struct segment {
    _Atomic(struct mmb_allocator *) allocators[SEGMENT_SLOTS];
    uint64_t taken[SEGMENT_SLOTS / WORD_BITS];
};

struct mmb_registry mmb_registry = {
    .mutex = MMB_MUTEX_INIT,
    .spaces = MMB_LIST_INIT(mmb_registry.spaces),
};
_Atomic bool mmb_library_ready;
struct mmb_address_map mmb_chunk_map = MMB_ADDRESS_MAP_INIT;
struct mmb_address_map mmb_wrapped_map = MMB_ADDRESS_MAP_INIT;

/* Whose the mutex is. Relaxed is enough: a thread can only read its own identity here if it wrote
 * it itself. */
static _Atomic uintptr_t holder;

static struct {
    struct mmb_lock lock;
    struct segment first; /* slot 0 is never given: a record with home 0 has no allocator */
    _Atomic(struct segment *) more[SEGMENTS];
} table = {.lock = MMB_LOCK_INIT, .first = {.taken = {1}}};

/* ---- the mutex ---- */

mmbError mmb_library_check(const char *function)
{
    if (atomic_load_explicit(&mmb_library_ready, memory_order_acquire))
        return MMB_OK;
    return mmb_fail(MMB_NOT_INITIALIZED, "%s: mmb_init has not been called", function);
}

void mmb_registry_lock(void)
{
    mmb_mutex_lock(&mmb_registry.mutex);
    atomic_store_explicit(&holder, (uintptr_t)pthread_self(), memory_order_relaxed);
}

void mmb_registry_unlock(void)
{
    atomic_store_explicit(&holder, 0, memory_order_relaxed);
    mmb_mutex_unlock(&mmb_registry.mutex);
}

bool mmb_registry_is_mine(void)
{
    return atomic_load_explicit(&holder, memory_order_relaxed) == (uintptr_t)pthread_self();
}

mmbError mmb_registry_enter(const char *function)
{
    mmbError error = mmb_library_check(function);
    if (error != MMB_OK)
        return error;
    mmb_registry_lock();
    /* Once more: a finalize may have had the mutex before. */
    error = mmb_library_check(function);
    if (error != MMB_OK)
        mmb_registry_unlock();
    return error;
}

bool mmb_registry_try_enter(void)
{
    if (pthread_mutex_trylock(&mmb_registry.mutex.native) != 0)
        return false;
    atomic_store_explicit(&holder, (uintptr_t)pthread_self(), memory_order_relaxed);
    if (atomic_load_explicit(&mmb_library_ready, memory_order_relaxed))
        return true;
    mmb_registry_unlock();
    return false;
}

/* ---- the allocator table ---- */

static struct segment *segment_at(uint32_t slot)
{
    if (slot < SEGMENT_SLOTS)
        return &table.first;
    if (slot / SEGMENT_SLOTS >= SEGMENTS)
        return NULL;
    return atomic_load_explicit(&table.more[slot / SEGMENT_SLOTS], memory_order_acquire);
}

struct mmb_allocator *mmb_allocator_at(uint32_t slot)
{
    struct segment *segment = segment_at(slot);
    if (!segment)
        return NULL;
    return atomic_load_explicit(&segment->allocators[slot % SEGMENT_SLOTS], memory_order_acquire);
}

void mmb_allocators_visit(void (*visit)(struct mmb_allocator *allocator))
{
    for (uint32_t slot = 1; segment_at(slot); slot++) {
        struct mmb_allocator *allocator = mmb_allocator_at(slot);
        if (allocator)
            visit(allocator);
    }
}

/* The lowest slot of a segment that is not taken, SEGMENT_SLOTS when all are. */
static uint32_t take_from(struct segment *segment)
{
    for (uint32_t i = 0; i < SEGMENT_SLOTS / WORD_BITS; i++) {
        if (segment->taken[i] == UINT64_MAX)
            continue;
        uint32_t bit = (uint32_t)__builtin_ctzll(~segment->taken[i]);
        segment->taken[i] |= (uint64_t)1 << bit;
        return i * WORD_BITS + bit;
    }
    return SEGMENT_SLOTS;
}

static struct segment *segment_make(uint32_t number)
{
    struct segment *segment = number ? segment_at(number * SEGMENT_SLOTS) : &table.first;
    if (segment)
        return segment;
    segment = mmb_meta_alloc(sizeof *segment);
    if (segment)
        atomic_store_explicit(&table.more[number], segment, memory_order_release);
    return segment;
}

/* From the lowest: slots below 1,024 have the fast path of thread caches. */
mmbError mmb_allocator_slot_take(uint32_t *out_slot)
{
    mmb_lock_acquire(&table.lock);
    uint32_t index = SEGMENT_SLOTS;
    uint32_t number = 0;
    for (; number < SEGMENTS; number++) {
        struct segment *segment = segment_make(number);
        if (!segment)
            break;
        index = take_from(segment);
        if (index < SEGMENT_SLOTS)
            break;
    }
    mmb_lock_release(&table.lock);
    if (index == SEGMENT_SLOTS)
        return mmb_fail(MMB_OUT_OF_MEMORY, "no slot for another allocator after %u segments",
                        number);
    *out_slot = number * SEGMENT_SLOTS + index;
    return MMB_OK;
}

void mmb_allocator_slot_set(uint32_t slot, struct mmb_allocator *allocator)
{
    struct segment *segment = segment_at(slot);
    uint32_t index = slot % SEGMENT_SLOTS;
    MMB_ASSERT(slot != 0 && segment);
    atomic_store_explicit(&segment->allocators[index], allocator, memory_order_release);
    if (allocator)
        return;
    mmb_lock_acquire(&table.lock);
    segment->taken[index / WORD_BITS] &= ~((uint64_t)1 << index % WORD_BITS);
    mmb_lock_release(&table.lock);
}

void mmb_allocator_table_fork_lock(void)
{
    mmb_lock_acquire(&table.lock);
}

void mmb_allocator_table_fork_unlock(void)
{
    mmb_lock_release(&table.lock);
}
