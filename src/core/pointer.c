/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw pointers over an interface, for containers and programs that know no handles. Owns nothing;
 * the record behind a pointer is found through its page or the map of chunks. */
#include <mmb/pointer.h>
#include <mmb/copy.h>
#include "interfaces/page_map.h"
#include "interfaces/thread_hot.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/allocation.h"
#include "src/core/place.h"
#include "src/core/registry.h"
#include "src/core/ticket.h"
#include "src/core/trace.h"

static void *address_of(const mmbAllocation *allocation)
{
    return allocation->host ? allocation->host : mmb_device_ptr(allocation);
}

static mmbError check_pointers(const mmbMemInterface *interface, const char *function)
{
    mmbError error = mmb_interface_check(interface, function);
    if (!error && interface->backend->has_no_pointers)
        error = mmb_fail(MMB_UNSUPPORTED, "%s: memory of backend %s has no pointers", function,
                         interface->backend->ops->name);
    return error;
}

/* ---- the short ways ---- */

/* Debug builds have none but those of mmb_allocate() and mmb_free(), which look after the handles
 * that they give out. */
#ifdef MMB_DEBUG
#define HAS_SHORT_WAYS 0
#else
#define HAS_SHORT_WAYS 1
#endif

/* As mmb_allocate() where a magazine has a record; the interface is a slot. NULL: nothing has
 * happened. */
static inline mmbAllocation *take(const mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *record;
    if (!HAS_SHORT_WAYS || __builtin_expect(n_bytes > interface->hot.pointer_bytes, 0) ||
        __builtin_expect(!mmb_hot_allocate(&interface->hot, n_bytes, &record), 0))
        return NULL;
    return record;
}

/* The same for sizes that are not looked up. */
static inline mmbAllocation *take_large(const mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *record;
    if (!HAS_SHORT_WAYS || !interface->hot.pointer_bytes || n_bytes <= MMB_HOT_BYTES ||
        !mmb_hot_allocate_large(&interface->hot, n_bytes, &record))
        return NULL;
    return record;
}

/* Frees a plain block of this interface's one heap that starts here, if its page tells. Whether the
 * interface is alive need not be asked: it is while it has a block. False: nothing has happened. */
static inline bool give(const mmbMemInterface *interface, const void *ptr)
{
    if (!HAS_SHORT_WAYS || __builtin_expect(!mmb_interface_is_slot(interface), 0))
        return false;
    mmbAllocation *record = mmb_page_guess((uintptr_t)ptr);
    if (__builtin_expect(!record || record->host != ptr, 0) ||
        __builtin_expect(!mmb_interface_owns(interface, record), 0))
        return false;
    return mmb_hot_free(record);
}

static __attribute__((noinline)) void *malloc_slowly(mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *record;
    if (mmb_interface_is_slot(interface) && (record = take_large(interface, n_bytes)) != NULL)
        return record->host;
    if (check_pointers(interface, "malloc") || mmb_allocate(n_bytes, interface, &record))
        return NULL;
    return address_of(record);
}

void *mmb_malloc(mmbMemInterface *interface, size_t n_bytes)
{
    const mmbAllocation *record =
        __builtin_expect(mmb_interface_is_slot(interface), 1) ? take(interface, n_bytes) : NULL;
    return __builtin_expect(record != NULL, 1) ? record->host : malloc_slowly(interface, n_bytes);
}

void *mmb_calloc(mmbMemInterface *interface, size_t count, size_t n_bytes)
{
    if (check_pointers(interface, "calloc"))
        return NULL;
    size_t total;
    if (!mmb_mul_size(count, n_bytes, &total)) {
        mmb_fail(MMB_INVALID_SIZE, "calloc: %zu elements of %zu B overflow", count, n_bytes);
        return NULL;
    }
    mmbAllocation *handle;
    if (mmb_allocate(total, interface, &handle))
        return NULL;
    mmbAllocation *record = mmb_ticket_record(handle);
    if (mmb_allocation_clear(record)) {
        mmb_allocation_release(record, "calloc");
        return NULL;
    }
    return address_of(record);
}

void *mmb_aligned_alloc(mmbMemInterface *interface, size_t alignment, size_t n_bytes)
{
    if (check_pointers(interface, "aligned_alloc"))
        return NULL;
    if (!mmb_is_power_of_two(alignment)) {
        mmb_fail(MMB_INVALID_ARG, "aligned_alloc: alignment %zu is no power of two", alignment);
        return NULL;
    }
    mmbAllocation *record;
    const struct mmb_wish wish = {n_bytes, alignment, -1, 0};
    return mmb_interface_allocate(interface, &wish, &record) ? NULL : address_of(record);
}

static bool serves(const mmbMemInterface *interface, const mmbMemInterface *owner)
{
    while (interface && interface != owner)
        interface = interface->fallback;
    return interface != NULL;
}

/* The handle behind a pointer that was given out by this interface or its fallbacks. */
static mmbError find(mmbMemInterface *interface, const void *ptr, const char *function,
                     mmbAllocation **out_record)
{
    mmbMemInterface *owner;
    mmbAllocation *record = mmb_allocation_at((uintptr_t)ptr, &owner);
    if (!record || address_of(record) != ptr)
        return mmb_fail(MMB_INVALID_ALLOCATION, "%s: no live block starts at %p", function, ptr);
    if (!serves(interface, owner))
        return mmb_fail(MMB_INVALID_ALLOCATION, "%s: %p belongs to another interface", function,
                        ptr);
    *out_record = record;
    return MMB_OK;
}

/* What is nothing but a block goes the way of all handles, which is short. */
static mmbError release(mmbAllocation *record, const char *function)
{
    if (mmb_record_state(mmb_record_word(record)) == MMB_RECORD_PLAIN)
        return mmb_free(record);
    return mmb_allocation_release(record, function);
}

static __attribute__((noinline)) mmbError free_slowly(mmbMemInterface *interface, void *ptr)
{
    mmbError error = mmb_interface_check(interface, "free_ptr");
    mmbAllocation *record;
    if (error || !ptr)
        return error;
    error = find(interface, ptr, "free_ptr", &record);
    return error ? error : release(record, "free_ptr");
}

mmbError mmb_free_ptr(mmbMemInterface *interface, void *ptr)
{
    return __builtin_expect(give(interface, ptr), 1) ? MMB_OK : free_slowly(interface, ptr);
}

mmbError mmb_free_sized(mmbMemInterface *interface, void *ptr, size_t n_bytes, size_t alignment)
{
    mmbError error = mmb_interface_check(interface, "free_sized");
    mmbAllocation *record;
    if (error || !ptr)
        return error;
    if (alignment && (!mmb_is_power_of_two(alignment) || (uintptr_t)ptr & (alignment - 1)))
        return mmb_fail(MMB_INVALID_ARG, "free_sized: %p does not have alignment %zu", ptr,
                        alignment);
    error = find(interface, ptr, "free_sized", &record);
    if (error)
        return error;
    if (mmb_record_bytes(record) != n_bytes)
        return mmb_fail(MMB_INVALID_SIZE, "free_sized: %p has %zu B, not %zu", ptr,
                        mmb_record_bytes(record), n_bytes);
    return release(record, "free_sized");
}

size_t mmb_usable_size(mmbMemInterface *interface, const void *ptr)
{
    mmbAllocation *record;
    struct mmb_place place;
    if (mmb_interface_check(interface, "usable_size") ||
        find(interface, ptr, "usable_size", &record) || mmb_place_of(record, "usable_size", &place))
        return 0;
    return place.usable;
}

/* A pointer may move, so no record is kept behind: the new block, of the interface or one of its
 * fallbacks, replaces the old one. */
static void *replace(mmbAllocation *record, size_t n_bytes, mmbMemInterface *interface)
{
    mmbAllocation *fresh;
    size_t keep;
    mmbError error;
    do {
        error = mmb_block_replace(record, n_bytes, interface, &fresh, &keep);
        interface = interface->fallback;
    } while (error == MMB_OUT_OF_MEMORY && interface);
    if (error)
        return NULL;
    struct mmb_allocator *allocator = mmb_record_allocator(record);
    allocator->ops->free(allocator, record, mmb_record_bytes(record), keep);
    return address_of(fresh);
}

/* NULL: refused. */
static void *resize(mmbAllocation *record, size_t n_bytes)
{
    if (mmb_allocation_block(record) != record)
        return mmb_block_resize(record, n_bytes) ? NULL : address_of(record);
    struct mmb_allocator *allocator = mmb_record_allocator(record);
    mmbError error = allocator->ops->resize(allocator, record, mmb_record_bytes(record), n_bytes);
    if (error == MMB_UNSUPPORTED)
        return replace(record, n_bytes, allocator->interface);
    if (error == MMB_OUT_OF_MEMORY && allocator->interface->fallback)
        return replace(record, n_bytes, allocator->interface->fallback);
    return error ? NULL : address_of(record);
}

void *mmb_realloc(mmbMemInterface *interface, void *ptr, size_t n_bytes)
{
    if (!ptr)
        return mmb_malloc(interface, n_bytes);
    mmbAllocation *record;
    if (check_pointers(interface, "realloc") || find(interface, ptr, "realloc", &record) ||
        mmb_allocation_check_movable(record, "realloc"))
        return NULL;
    if (mmb_allocation_check_size(n_bytes, "realloc"))
        return NULL;
    if (__builtin_expect(!mmb_trace_is_on, 1))
        return resize(record, n_bytes);
    mmb_trace_leave(record);
    void *fresh = resize(record, n_bytes);
    mmbMemInterface *has_it;
    mmb_trace_moved(fresh ? mmb_allocation_at((uintptr_t)fresh, &has_it) : NULL);
    return fresh;
}
