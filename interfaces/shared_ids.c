/* SPDX-License-Identifier: BSD-3-Clause */
/* Which shared heaps this process has attached, by id (shared.h). Owns the list, under `lock`, a
 * leaf. */
#include "interfaces/shared.h"
#include "src/base/error.h"

static struct {
    struct mmb_lock lock;
    struct mmb_list heaps;
} ids = {.lock = MMB_LOCK_INIT, .heaps = {&ids.heaps, &ids.heaps}};

/* Lock held. */
static struct mmb_shared_heap *find(uint32_t id)
{
    MMB_LIST_FOR_EACH (node, &ids.heaps) {
        struct mmb_shared_heap *heap = MMB_CONTAINER_OF(node, struct mmb_shared_heap, link);
        if (heap->segment->id == id)
            return heap;
    }
    return NULL;
}

mmbError mmb_shared_heap_register(struct mmb_shared_heap *heap)
{
    mmb_lock_acquire(&ids.lock);
    const struct mmb_shared_heap *other = find(heap->segment->id);
    bool is_same = other && other->segment->generation == heap->segment->generation;
    if (!other)
        mmb_list_push_back(&ids.heaps, &heap->link);
    mmb_lock_release(&ids.lock);
    if (!other)
        return MMB_OK;
    return mmb_fail(MMB_EXISTS, "create_interface: %s %u in this process",
                    is_same ? "the segment is attached already, id" : "another heap has the id",
                    heap->segment->id);
}

void mmb_shared_heap_unregister(struct mmb_shared_heap *heap)
{
    mmb_lock_acquire(&ids.lock);
    mmb_list_remove(&heap->link);
    mmb_lock_release(&ids.lock);
}

struct mmb_shared_heap *mmb_shared_heap_by_id(uint32_t id, uint32_t generation)
{
    mmb_lock_acquire(&ids.lock);
    struct mmb_shared_heap *heap = find(id);
    mmb_lock_release(&ids.lock);
    return heap && (generation == 0 || heap->segment->generation == generation) ? heap : NULL;
}

bool mmb_shared_id_is_taken(uint32_t id)
{
    return mmb_shared_heap_by_id(id, 0) != NULL;
}
