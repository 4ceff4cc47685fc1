/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls on shared heaps: pointers for all processes and back, what dead processes left,
 * and a look at segments by URL. Owns nothing; the heaps lock for themselves. */
#include <mmb/shared.h>
#include <unistd.h>
#include <sys/mman.h>
#include "layers/shm/shm.h"
#include "src/base/error.h"
#include "src/base/struct_size.h"
#include "src/core/allocation.h"
#include "src/core/interface.h"
#include "src/core/place.h"
#include "src/core/registry.h"
#include "src/core/shared.h"
#include "src/core/ticket.h"
#include "src/shared/backend.h"

static mmbError null_argument(const char *function)
{
    return mmb_fail(MMB_INVALID_ARG, "%s: a required pointer is NULL", function);
}

mmbError mmb_shared_heap_find(const mmbMemInterface *interface, const char *function,
                              struct mmb_shared_heap **out)
{
    mmbError error = mmb_interface_check(interface, function);
    if (error != MMB_OK)
        return error;
    if (!interface->backend->shared)
        return mmb_fail(MMB_UNSUPPORTED, "%s: the interface is not over a shared heap", function);
    *out = mmb_shared_heap_of(interface->allocator);
    return MMB_OK;
}

mmbError mmb_interface_from_id(uint64_t id, mmbMemInterface **out_interface)
{
    mmbError error = mmb_library_check("interface_from_id");
    if (error != MMB_OK)
        return error;
    if (!out_interface)
        return null_argument("interface_from_id");
    const struct mmb_shared_heap *heap =
        id <= UINT32_MAX ? mmb_shared_heap_by_id((uint32_t)id, 0) : NULL;
    if (!heap)
        return mmb_fail(MMB_NOT_FOUND, "interface_from_id: no heap with id %llu is attached",
                        (unsigned long long)id);
    *out_interface = heap->base.interface;
    return MMB_OK;
}

mmbError mmb_shm_created(mmbMemInterface *interface, bool *out_created)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, "shm_created", &heap);
    if (error != MMB_OK)
        return error;
    if (!out_created)
        return null_argument("shm_created");
    *out_created = heap->segment->created;
    return MMB_OK;
}

mmbError mmb_interface_get_header(mmbMemInterface *interface, void **out_header,
                                  size_t *out_n_bytes)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, "interface_get_header", &heap);
    if (error != MMB_OK)
        return error;
    if (!out_header || !out_n_bytes)
        return null_argument("interface_get_header");
    const struct mmb_shared_layout *layout = &heap->segment->layout;
    if (layout->header_bytes == 0)
        return mmb_fail(MMB_NOT_FOUND, "interface_get_header: the segment was created without one");
    *out_header = heap->segment->base + layout->header;
    *out_n_bytes = layout->header_bytes;
    return MMB_OK;
}

/* ---- pointers ---- */

/* The heap around an address, where it is the innermost: an array in a segment is its own. */
mmbError mmb_allocation_get_shared(const mmbAllocation *allocation, mmbSharedPtr *out_pointer)
{
    struct mmb_place place;
    mmbError error = mmb_place_of(mmb_ticket_record(allocation), "allocation_get_shared", &place);
    if (error != MMB_OK)
        return error;
    if (!out_pointer)
        return null_argument("allocation_get_shared");
    if (!place.backend->shared || !place.chunk)
        return mmb_fail(MMB_UNSUPPORTED,
                        "allocation_get_shared: the object lies in no shared heap");
    const struct mmb_shared_heap *heap = mmb_shared_heap_of(place.interface->allocator);
    *out_pointer = (mmbSharedPtr){mmb_shared_heap_name(heap), place.offset};
    return MMB_OK;
}

static mmbError heap_named(mmbSharedPtr pointer, const char *function, struct mmb_shared_heap **out)
{
    if (mmb_shared_ptr_is_null(pointer))
        return mmb_fail(MMB_INVALID_ARG, "%s: the pointer is null", function);
    uint32_t id = (uint32_t)pointer.allocator, generation = (uint32_t)(pointer.allocator >> 32);
    *out = generation ? mmb_shared_heap_by_id(id, generation) : NULL;
    if (*out)
        return MMB_OK;
    return mmb_fail(MMB_NOT_FOUND, "%s: heap %u is %s", function, id,
                    mmb_shared_heap_by_id(id, 0) ? "another than when the pointer was made"
                                                 : "not attached");
}

mmbError mmb_allocation_from_shared(mmbSharedPtr pointer, mmbAllocation **out_allocation)
{
    struct mmb_shared_heap *heap = NULL;
    mmbAllocation *record;
    mmbError error = mmb_library_check("allocation_from_shared");
    if (error != MMB_OK)
        return error;
    if (!out_allocation)
        return null_argument("allocation_from_shared");
    error = heap_named(pointer, "allocation_from_shared", &heap);
    if (error == MMB_OK)
        error = heap->base.ops->import(&heap->base, pointer.offset, &record);
    if (error == MMB_OK)
        *out_allocation = mmb_ticket_of(record);
    return error;
}

void *mmb_shared_range(mmbMemInterface *interface, mmbOffset offset, size_t n_bytes)
{
    struct mmb_shared_heap *heap = NULL;
    if (mmb_shared_heap_find(interface, "shared_range", &heap) != MMB_OK)
        return NULL;
    const struct mmb_shared_layout *layout = &heap->segment->layout;
    if (offset.value >= layout->data && offset.value < layout->data_end &&
        n_bytes <= layout->data_end - offset.value)
        return heap->segment->base + offset.value;
    mmb_fail(MMB_INVALID_ARG, "shared_range: %zu B at %llu are not in the data of heap %u", n_bytes,
             (unsigned long long)offset.value, heap->segment->id);
    return NULL;
}

void *mmb_shared_ptr(mmbMemInterface *interface, mmbOffset offset)
{
    struct mmb_shared_heap *heap = NULL;
    if (mmb_shared_heap_find(interface, "shared_ptr", &heap) != MMB_OK)
        return NULL;
    return mmb_shared_range(interface, offset, 1);
}

mmbError mmb_shared_offset(mmbMemInterface *interface, const void *ptr, mmbOffset *out_offset)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, "shared_offset", &heap);
    if (error != MMB_OK)
        return error;
    if (!out_offset)
        return null_argument("shared_offset");
    const struct mmb_shared_layout *layout = &heap->segment->layout;
    uint64_t offset = ptr ? mmb_shared_offset_of(heap, ptr) : 0;
    if (ptr && (offset < layout->data || offset >= layout->data_end))
        return mmb_fail(MMB_NOT_FOUND, "shared_offset: %p is not in the data of heap %u", ptr,
                        heap->segment->id);
    out_offset->value = offset;
    return MMB_OK;
}

/* ---- what the dead left ---- */

mmbError mmb_shm_adopt(mmbMemInterface *interface, mmbSharedPtr pointer)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, "shm_adopt", &heap);
    if (error != MMB_OK)
        return error;
    if (mmb_shared_ptr_is_null(pointer) || pointer.allocator != mmb_shared_heap_name(heap))
        return mmb_fail(MMB_INVALID_ARG, "shm_adopt: the pointer is null or names another heap");
    mmbAllocation *record;
    error = mmb_shared_ensure_slot(heap->segment);
    if (error == MMB_OK)
        error = heap->base.ops->import(&heap->base, pointer.offset, &record);
    if (error != MMB_OK)
        return error;
    size_t n_bytes = mmb_record_bytes(record);
    error = mmb_shared_charge(heap, n_bytes);
    if (error != MMB_OK)
        return error;
    bool is_own = true;
    error = mmb_shared_adopt(heap->segment, pointer.offset, &is_own);
    uint32_t before = MMB_SHARED_CHARGED;
    if (error == MMB_OK && !is_own)
        before = __atomic_fetch_or(&mmb_allocation_block(record)->home, MMB_SHARED_CHARGED,
                                   __ATOMIC_ACQ_REL);
    if (before & MMB_SHARED_CHARGED)
        mmb_quota_uncharge(heap->base.quota, n_bytes);
    return error;
}

struct keeping {
    mmbShmKeep keep;
    void *user;
    uint64_t heap;
};

static bool ask(void *user, uint64_t offset, size_t n_bytes)
{
    const struct keeping *keeping = user;
    return keeping->keep(keeping->user, (mmbSharedPtr){keeping->heap, offset}, n_bytes);
}

mmbError mmb_shm_reclaim(mmbMemInterface *interface, mmbShmKeep keep, void *user,
                         size_t *out_n_bytes_freed)
{
    struct mmb_shared_heap *heap = NULL;
    mmbError error = mmb_shared_heap_find(interface, "shm_reclaim", &heap);
    if (error != MMB_OK)
        return error;
    struct mmb_shared_census census;
    error = mmb_shared_check(heap->segment, &census);
    if (error != MMB_OK)
        return error;
    error = mmb_shared_ensure_slot(heap->segment);
    if (error != MMB_OK)
        return error;
    struct keeping keeping = {keep, user, mmb_shared_heap_name(heap)};
    size_t freed = mmb_shared_reclaim(heap->segment, keep ? ask : NULL, &keeping);
    if (out_n_bytes_freed)
        *out_n_bytes_freed = freed;
    return MMB_OK;
}

/* ---- by URL ---- */

static mmbError check_file(int fd, const char *url, struct mmb_shared_census *out)
{
    struct mmb_shared_head head;
    mmbError error = mmb_shared_fd_head(fd, url, &head);
    if (error != MMB_OK)
        return error;
    void *mapping = mmb_shared_map(fd, head.layout.n_bytes, false);
    if (!mapping)
        return mmb_fail(MMB_CORRUPT, "shm_check: %s: it cannot be mapped", url);
    struct mmb_shared_segment segment = {.base = mapping, .layout = head.layout, .fd = fd};
    error = mmb_shared_check(&segment, out);
    munmap(mapping, head.layout.n_bytes);
    return error;
}

mmbError mmb_shm_check(const char *url, mmbShmInfo *out_info)
{
    mmbError error = mmb_library_check("shm_check");
    if (error != MMB_OK)
        return error;
    int fd = mmb_shm_url_open(url, &error);
    if (fd < 0)
        return error;
    struct mmb_shared_census census;
    error = check_file(fd, url, &census);
    close(fd);
    if (error != MMB_OK || !out_info)
        return error;
    const mmbShmInfo known = {.size = sizeof known,
                              .bytes = census.n_bytes,
                              .live_bytes = census.live_bytes,
                              .live_count = census.live_count,
                              .owners = census.owners,
                              .dead_owners = census.dead_owners};
    return mmb_struct_out(out_info, &known, sizeof known, sizeof known, "mmbShmInfo");
}

mmbError mmb_shm_unlink(const char *url)
{
    mmbError error = mmb_library_check("shm_unlink");
    return error == MMB_OK ? mmb_shm_url_unlink(url) : error;
}
