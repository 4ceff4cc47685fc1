/* SPDX-License-Identifier: BSD-3-Clause */
/* Making, finding and entering objects (object.h). Owns the heads; takes no lock of its own, and
 * those of the heap below while it allocates.
 *
 * A block is marked as nobody's before the object is known to anybody: what a killed process leaves
 * then is either the dead's, which can be reclaimed, or an object. */
#include "src/structures/object.h"
#include <string.h>
#include <mmb/allocation.h>
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/core/shared.h"

#define MAGIC       0x746a626f626d6d01ull
#define KIND(ident) ((enum mmb_object_kind)((ident)&0xff))

mmbError mmb_object_null(const struct mmb_object_type *type)
{
    mmbError error = mmb_library_check(type->name);
    return error ? error
                 : mmb_fail(MMB_INVALID_ARG, "shared %s: a required pointer is NULL", type->name);
}

mmbError mmb_object_no_size(const struct mmb_object_type *type)
{
    return mmb_fail(MMB_INVALID_SIZE, "shared %s: sizes of 0, or too large", type->name);
}

mmbError mmb_object_corrupt(const struct mmb_object *object, const char *what)
{
    return mmb_fail(MMB_CORRUPT, "shared %s at %llu: %s", object->type->name,
                    (unsigned long long)object->view->pointer.offset, what);
}

/* FNV-1a over words: enough for damage, none for malice, which could write the sum as well. */
static uint64_t sum_of(const struct mmb_object_head *head)
{
    const uint64_t words[] = {head->magic, head->identity, head->sizes[0], head->sizes[1]};
    uint64_t sum = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        sum = (sum ^ words[i]) * 0x100000001b3ull;
    return sum;
}

/* ---- blocks ---- */

/* A fallback's block lies elsewhere, and is no use here. */
static mmbError check_home(const struct mmb_shared_heap *heap, const struct mmb_object_type *type,
                           mmbAllocation *block, mmbSharedPtr *out)
{
    mmbError error = mmb_allocation_get_shared(block, out);
    if (error == MMB_OK && out->allocator == mmb_shared_heap_name(heap))
        return MMB_OK;
    mmb_free(block);
    return mmb_fail(MMB_OUT_OF_MEMORY,
                    "shared %s: the heap is full, and its fallback is no part "
                    "of it",
                    type->name);
}

mmbError mmb_object_block(mmbMemInterface *interface, const struct mmb_object_type *type,
                          size_t n_bytes, uint64_t *out_offset)
{
    struct mmb_shared_heap *heap = NULL;
    mmbAllocation *block;
    mmbSharedPtr pointer = {0, 0};
    mmbError error = mmb_shared_heap_find(interface, type->name, &heap);
    if (error == MMB_OK)
        error = mmb_allocate(n_bytes, interface, &block);
    if (error == MMB_OK)
        error = check_home(heap, type, block, &pointer);
    if (error != MMB_OK)
        return error;
    memset(heap->segment->base + pointer.offset, 0, n_bytes);
    mmb_shared_block_keep(heap, pointer.offset);
    *out_offset = pointer.offset;
    return MMB_OK;
}

void mmb_object_free_block(const mmbSharedObject *view, uint64_t offset)
{
    mmbAllocation *block;
    mmbSharedPtr pointer = {view->pointer.allocator, offset};
    if (mmb_allocation_from_shared(pointer, &block) == MMB_OK)
        mmb_free(block);
}

void *mmb_object_range(const struct mmb_object *object, uint64_t offset, size_t n_bytes)
{
    const struct mmb_shared_layout *layout = &object->segment->layout;
    if (offset % 8 != 0 || offset < layout->data || offset > layout->data_end ||
        n_bytes > layout->data_end - offset)
        return NULL;
    return object->segment->base + offset;
}

/* ---- creating ---- */

mmbError mmb_object_create(mmbMemInterface *interface, const struct mmb_object_type *type,
                           const uint64_t sizes[2], mmbSharedObject *out)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, type->name, &heap);
    if (error != MMB_OK)
        return error;
    if (!out)
        return mmb_object_null(type);
    size_t n_bytes = type->bytes(heap->segment, sizes);
    if (n_bytes == 0)
        return mmb_object_no_size(type);
    uint64_t offset = 0;
    error = mmb_object_block(interface, type, n_bytes, &offset);
    if (error != MMB_OK)
        return error;
    struct mmb_object_head *head = (struct mmb_object_head *)(heap->segment->base + offset);
    *head = (struct mmb_object_head){.magic = MAGIC,
                                     .identity = (uint64_t)mmb_shared_new_generation() << 8 |
                                                 (uint64_t)type->kind,
                                     .sizes = {sizes[0], sizes[1]}};
    head->sum = sum_of(head);
    *out = (mmbSharedObject){.interface = interface,
                             .address = head,
                             .pointer = {mmb_shared_heap_name(heap), offset},
                             .identity = head->identity,
                             .sizes = {sizes[0], sizes[1]}};
    return MMB_OK;
}

/* ---- opening ---- */

/* Of a copy, so that nobody changes it between the check and the use. */
static bool is_possible(const struct mmb_shared_segment *segment,
                        const struct mmb_object_type *type, const struct mmb_object_head *copy,
                        size_t n_bytes)
{
    if (copy->magic != MAGIC || KIND(copy->identity) != type->kind || copy->sum != sum_of(copy))
        return false;
    size_t needed = type->bytes(segment, copy->sizes);
    return needed != 0 && needed <= n_bytes;
}

static mmbError find_block(mmbMemInterface *interface, const struct mmb_object_type *type,
                           mmbSharedPtr pointer, struct mmb_shared_heap **heap, size_t *n_bytes)
{
    mmbAllocation *block;
    mmbError error = mmb_shared_heap_find(interface, type->name, heap);
    if (error != MMB_OK)
        return error;
    if (mmb_shared_ptr_is_null(pointer) || pointer.allocator != mmb_shared_heap_name(*heap))
        return mmb_fail(MMB_INVALID_ARG, "shared %s: the pointer is null or names another heap",
                        type->name);
    error = mmb_allocation_from_shared(pointer, &block);
    if (error == MMB_OK)
        *n_bytes = mmb_allocation_size(block);
    return error;
}

mmbError mmb_object_open(mmbMemInterface *interface, const struct mmb_object_type *type,
                         mmbSharedPtr pointer, mmbSharedObject *out)
{
    struct mmb_shared_heap *heap = NULL;
    struct mmb_object_head copy;
    size_t n_bytes = 0;
    mmbError error = find_block(interface, type, pointer, &heap, &n_bytes);
    if (error != MMB_OK)
        return error;
    if (!out)
        return mmb_object_null(type);
    void *address = heap->segment->base + pointer.offset;
    if (n_bytes >= sizeof copy)
        memcpy(&copy, address, sizeof copy);
    if (n_bytes < sizeof copy || !is_possible(heap->segment, type, &copy, n_bytes))
        return mmb_fail(MMB_CORRUPT, "shared %s: the block at %llu is none, or a damaged one",
                        type->name, (unsigned long long)pointer.offset);
    *out = (mmbSharedObject){.interface = interface,
                             .address = address,
                             .pointer = pointer,
                             .identity = copy.identity,
                             .sizes = {copy.sizes[0], copy.sizes[1]}};
    return MMB_OK;
}

/* ---- entering ---- */

/* The interface's slot may have been used again, and the segment mapped elsewhere. */
static bool is_attached(const struct mmb_shared_heap *heap, const mmbSharedObject *view)
{
    return mmb_shared_heap_name(heap) == view->pointer.allocator &&
           heap->segment->base + view->pointer.offset == (unsigned char *)view->address;
}

mmbError mmb_object_enter(const mmbSharedObject *view, const struct mmb_object_type *type,
                          struct mmb_object *out)
{
    struct mmb_shared_heap *heap = NULL;
    if (!view)
        return mmb_object_null(type);
    if (!view->address || KIND(view->identity) != type->kind)
        return mmb_fail(MMB_INVALID_ARG, "shared %s: the view is not one of it", type->name);
    mmbError error = mmb_shared_heap_find(view->interface, type->name, &heap);
    if (error == MMB_NOT_INITIALIZED)
        return error;
    if (error != MMB_OK || !is_attached(heap, view))
        return mmb_fail(MMB_INVALID_INTERFACE, "shared %s: its interface was destroyed",
                        type->name);
    error = mmb_shared_ensure_slot(heap->segment);
    if (error != MMB_OK)
        return error;
    *out = (struct mmb_object){type, heap->segment, view->address, view};
    if (mmb_object_load(&out->head->magic) != MAGIC ||
        mmb_object_load(&out->head->identity) != view->identity)
        return mmb_object_corrupt(out, "it was destroyed, or its head is damaged");
    return MMB_OK;
}

mmbError mmb_object_destroy(const struct mmb_object *object)
{
    mmbAllocation *block;
    if (mmb_allocation_from_shared(object->view->pointer, &block) != MMB_OK)
        return mmb_object_corrupt(object, "no block is there any more");
    __atomic_store_n(&object->head->magic, 0, __ATOMIC_RELEASE);
    mmbError error = mmb_free(block);
    if (error != MMB_OK)
        __atomic_store_n(&object->head->magic, MAGIC, __ATOMIC_RELEASE);
    return error;
}
