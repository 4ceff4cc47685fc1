/* SPDX-License-Identifier: BSD-3-Clause */
/* From a pointer to its allocation object, and over all objects of an interface.
 *
 * Owns nothing; the maps of chunks and wrapped pointers lock for themselves. A visitor is called
 * with no lock held: what it will see is collected first, under the allocator's lock, since a
 * record that was only noted could be freed before it is its turn. */
#include "interfaces/page_map.h"
#include "src/base/error.h"
#include "src/base/os.h"
#include "src/core/allocation.h"
#include "src/core/place.h"
#include "src/core/registry.h"
#include "src/core/subheap.h"
#include "src/core/ticket.h"

/* What else may be at the address when the allocator names this record. */
static __attribute__((noinline)) mmbAllocation *resolve(const struct mmb_chunk *chunk,
                                                        mmbAllocation *record, uintptr_t address)
{
    if (!mmb_record_is_live(record))
        return NULL;
    struct mmb_extension view = {.flags = 0};
    if (mmb_record_view(record, &view) && view.flags & MMB_EXTENSION_MOVED)
        return NULL; /* the block idles, its bytes are elsewhere */
    struct mmb_block block;
    if (!chunk->allocator->ops->locate(chunk->allocator, record, &block))
        return NULL;
    uintptr_t first = chunk->memory.address + block.offset + view.head;
    if (address - first >= mmb_record_bytes(record))
        return NULL;
    return view.flags & MMB_EXTENSION_HIDDEN ? view.parent : record;
}

/* The record that a page names has more to it: a label, an alignment, slices, holds, many bytes. As
 * long as the block is its own it says by itself where that is. */
static __attribute__((noinline)) bool is_extended_at(const mmbAllocation *record, uintptr_t address)
{
    struct mmb_extension view;
    return mmb_record_view(record, &view) && view.flags == 0 &&
           view.base_state <= MMB_RECORD_LOCKED && address - (uintptr_t)record->host < view.n_bytes;
}

static inline mmbAllocation *page_names(uintptr_t address)
{
    mmbAllocation *record = mmb_page_guess(address);
    bool is_there =
        record && (mmb_record_is_plainly_at(record, address) || is_extended_at(record, address));
    return is_there ? record : NULL;
}

/* What no page tells: other strategies, objects that moved, addresses of nobody. */
static mmbAllocation *search(uintptr_t address, mmbMemInterface **out_interface)
{
    struct mmb_chunk *chunk = mmb_chunk_find(address);
    struct mmb_allocator *allocator = chunk ? chunk->allocator : NULL;
    mmbAllocation *record = allocator ? allocator->ops->find(allocator, chunk, address) : NULL;
    if (!mmb_record_is_ours(record))
        return NULL; /* nobody's address, in a page that changes hands */
    *out_interface = allocator->interface;
    return mmb_record_is_plainly_at(record, address) ? record : resolve(chunk, record, address);
}

mmbAllocation *mmb_allocation_at(uintptr_t address, mmbMemInterface **out_interface)
{
    mmbAllocation *record = page_names(address);
    const struct mmb_allocator *allocator = record ? mmb_record_allocator(record) : NULL;
    if (!allocator)
        return search(address, out_interface);
    *out_interface = allocator->interface;
    return record;
}

static mmbAllocation *wrapped_at(uintptr_t address, mmbMemInterface **out_interface)
{
    struct mmb_address_range range;
    if (mmb_address_map_is_empty(&mmb_wrapped_map) ||
        !mmb_address_map_lookup(&mmb_wrapped_map, address, &range))
        return NULL;
    *out_interface = mmb_record_allocator(range.value)->interface;
    return range.value;
}

static __attribute__((noinline)) mmbError find_slowly(const void *ptr,
                                                      mmbAllocation **out_allocation)
{
    mmbError error = mmb_library_check("allocation_find");
    if (error)
        return error;
    if (!ptr || !out_allocation)
        return mmb_fail(MMB_INVALID_ARG, "allocation_find: ptr or out_allocation is NULL");
    mmbMemInterface *interface;
    mmbAllocation *found = wrapped_at((uintptr_t)ptr, &interface);
    if (!found || !(interface->flags & MMB_INTERFACE_FINDABLE))
        found = mmb_allocation_at((uintptr_t)ptr, &interface);
    if (!found || !(interface->flags & MMB_INTERFACE_FINDABLE))
        return mmb_fail(MMB_NOT_FOUND, "allocation_find: %p is in no findable allocation", ptr);
    *out_allocation = mmb_ticket_of(found);
    return MMB_OK;
}

/* Whether the library is initialised need not be asked where a page leads to a live record: none is
 * when it is not. */
mmbError mmb_allocation_find(const void *ptr, mmbAllocation **out_allocation)
{
    const struct mmb_page_entry *entry = mmb_page_entry_of((uintptr_t)ptr);
    if (__builtin_expect(!entry || !out_allocation, 0) ||
        __builtin_expect(!mmb_address_map_is_empty(&mmb_wrapped_map), 0))
        return find_slowly(ptr, out_allocation);
    mmbAllocation *record = mmb_page_entry_guess(entry, (uintptr_t)ptr);
    if (__builtin_expect(!record || !mmb_record_is_plainly_at(record, (uintptr_t)ptr) ||
                             !MMB_OWNED_LOAD(entry->is_findable),
                         0))
        return find_slowly(ptr, out_allocation);
    *out_allocation = mmb_ticket_of(record);
    return MMB_OK;
}

/* Its memory without a live plain block, and what fallbacks have. */
static __attribute__((noinline)) bool contains(const mmbMemInterface *interface, const void *ptr)
{
    struct mmb_chunk *chunk = mmb_chunk_find((uintptr_t)ptr);
    struct mmb_allocator *allocator = chunk ? chunk->allocator : NULL;
    if (!allocator || !interface || !mmb_interface_is_live(interface))
        return false;
    while (interface && interface != allocator->interface)
        interface = interface->fallback;
    return interface != NULL;
}

/* A live block tells whose it is. */
static inline bool has_block_at(const mmbMemInterface *interface, const void *ptr)
{
    if (!mmb_interface_is_slot(interface))
        return false;
    const mmbAllocation *record = mmb_page_find((uintptr_t)ptr);
    return record && mmb_interface_owns(interface, record);
}

bool mmb_contains_ptr(const mmbMemInterface *interface, const void *ptr)
{
    return __builtin_expect(has_block_at(interface, ptr), 1) || contains(interface, ptr);
}

/* ---- all of them ---- */

struct shown {
    mmbAllocationInfo info;
    const char *label;
};

struct collection {
    struct shown *shown;
    size_t n, room;
    bool is_short; /* there was more than room */
};

/* The record as it is at one moment. Not every allocator frees under the lock that this is called
 * with: false when it is gone, or its bytes are elsewhere and shown by the interface that has them.
 */
static bool look_at(const mmbAllocation *record, struct mmb_extension *out_view)
{
    for (;;) {
        uint32_t word = mmb_record_word(record);
        uint32_t state = mmb_record_state(word);
        *out_view = (struct mmb_extension){.n_bytes = word & MMB_RECORD_LOW};
        if (state != MMB_RECORD_INDIRECT)
            return word != 0 && state < MMB_RECORD_INDIRECT;
        if (mmb_record_view(record, out_view))
            return !(out_view->flags & MMB_EXTENSION_MOVED);
    }
}

static bool collect(void *user, mmbAllocation *record, const struct mmb_block *block)
{
    struct collection *all = user;
    struct mmb_extension view;
    mmbAllocation *handle = record;
    struct mmb_place place;
    if (!look_at(record, &view))
        return true;
    all->is_short = all->n == all->room;
    if (all->is_short)
        return false;
    mmb_place_of_block(&view, block, &place);
    if (view.flags & MMB_EXTENSION_HIDDEN) {
        handle = view.parent;
        mmb_record_view(handle, &view);
    }
    struct shown *shown = &all->shown[all->n++];
    shown->info = (mmbAllocationInfo)MMB_ALLOCATION_INFO_INIT;
    mmb_allocation_fill_info(handle, &place, &shown->info);
    shown->label = view.label;
    return true;
}

static bool count(void *user, mmbAllocation *record, const struct mmb_block *block)
{
    struct mmb_extension view;
    (void)block;
    *(size_t *)user += look_at(record, &view);
    return true;
}

static void walk(mmbMemInterface *interface, mmb_record_visitor visit, void *user)
{
    for (size_t i = 0; i < interface->n_heaps; i++) {
        struct mmb_allocator *allocator = interface->heaps[i].allocator;
        allocator->ops->for_each(allocator, visit, user);
    }
}

/* *all is mapped afterwards if and only if the result is MMB_OK. What is allocated meanwhile may
 * make the room too small; then everything is listed again, since what lived all the time must be
 * there. */
static mmbError gather(mmbMemInterface *interface, struct collection *all)
{
    size_t n_live = 0;
    walk(interface, count, &n_live);
    for (all->room = n_live + 1;; all->room *= 2) {
        all->n = 0;
        all->is_short = false;
        all->shown = mmb_os_map(all->room * sizeof *all->shown);
        if (!all->shown)
            return mmb_fail(MMB_OUT_OF_MEMORY, "for_each_allocation: no memory to list %zu objects",
                            all->room);
        walk(interface, collect, all);
        if (!all->is_short)
            return MMB_OK;
        mmb_os_unmap(all->shown, all->room * sizeof *all->shown);
    }
}

mmbError mmb_for_each_allocation(mmbMemInterface *interface, mmbAllocationVisitor visitor,
                                 void *user)
{
    mmbError error = mmb_interface_check(interface, "for_each_allocation");
    if (error)
        return error;
    if (!visitor)
        return mmb_fail(MMB_INVALID_ARG, "for_each_allocation: visitor is NULL");
    struct collection all;
    error = gather(interface, &all);
    if (error)
        return error;
    for (size_t i = 0; i < all.n && visitor(user, &all.shown[i].info, all.shown[i].label);)
        i++;
    mmb_os_unmap(all.shown, all.room * sizeof *all.shown);
    return MMB_OK;
}
