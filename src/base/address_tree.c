/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of an address map: its nodes, and the pools of entries and cells. Everything lies in
 * metadata and is owned by the map; every function runs under the map's lock and takes the
 * metadata's.
 *
 * A range lies in the slots that it covers whole, as high up as possible, and at its two ragged
 * ends in the 64 KiB slots that it touches, as in a segment tree. So the cost of a walk is bounded
 * by the width of the nodes and not by the size of the range: 1 TiB in 64 KiB slots would be 16
 * million. Pushing a large range down to make room for a small one inside it would save lookups a
 * word or two, but would fill a whole node per small range, and once more when the large one goes.
 *
 * Nodes stay until the map is reset: lookups without the lock may be in any of them. */
#include "src/base/address_tree.h"
#include "src/base/meta.h"

#define SLAB_BYTES 4096

struct mmb_address_slab {
    struct mmb_address_slab *next;
};

/* SLAB_BYTES / element_bytes - 1 elements, behind one that holds the header; NULL: no memory. */
static char *add_slab(struct mmb_address_map *map, size_t element_bytes)
{
    struct mmb_address_slab *slab = mmb_meta_alloc(SLAB_BYTES);

    if (!slab)
        return NULL;
    slab->next = map->slabs;
    map->slabs = slab;
    return (char *)slab + element_bytes;
}

struct mmb_address_entry *mmb_address_take_entry(struct mmb_address_map *map)
{
    struct mmb_address_entry *entry = map->free_entries;
    struct mmb_address_entry *added;

    if (!entry) {
        added = (void *)add_slab(map, sizeof(*added));
        for (size_t i = 0; added && i < SLAB_BYTES / sizeof(*added) - 1; i++) {
            added[i].next_free = entry;
            entry = &added[i];
        }
    }
    if (entry)
        map->free_entries = entry->next_free;
    return entry;
}

void mmb_address_put_entry(struct mmb_address_map *map, struct mmb_address_entry *entry)
{
    entry->next_free = map->free_entries;
    map->free_entries = entry;
}

void mmb_address_put_cell(struct mmb_address_map *map, struct mmb_address_cell *cell)
{
    cell->next = map->free_cells;
    map->free_cells = cell;
    map->n_free_cells++;
}

bool mmb_address_reserve_cells(struct mmb_address_map *map, size_t n_cells)
{
    while (map->n_free_cells < n_cells) {
        struct mmb_address_cell *added = (void *)add_slab(map, sizeof(*added));

        if (!added)
            return false;
        for (size_t i = 0; i < SLAB_BYTES / sizeof(*added) - 1; i++)
            mmb_address_put_cell(map, &added[i]);
    }
    return true;
}

/* Cannot fail: reserved before. */
struct mmb_address_cell *mmb_address_take_cell(struct mmb_address_map *map,
                                               struct mmb_address_entry *entry)
{
    struct mmb_address_cell *cell = map->free_cells;

    MMB_ASSERT(map->n_free_cells > 0);
    map->free_cells = cell->next;
    map->n_free_cells--;
    cell->entry = entry;
    return cell;
}

/* The node below a slot, or the root: made when it is missing and the walk may make it. */
static void *node_at(struct mmb_address_walk *walk, _Atomic(void *) *at, size_t n_bytes)
{
    void *node = atomic_load_explicit(at, memory_order_relaxed);

    if (!node && walk->makes_nodes) {
        node = mmb_meta_alloc(n_bytes);
        atomic_store_explicit(at, node, memory_order_release);
    }
    return node;
}

static bool walk_leaf(struct mmb_address_walk *walk, struct mmb_address_slot *above,
                      uintptr_t first, uintptr_t last)
{
    struct mmb_address_leaf *leaf = node_at(walk, &above->child, sizeof(*leaf));

    if (!leaf)
        return false;
    for (size_t i = mmb_address_slot_index(first, MMB_ADDRESS_LEAF_SHIFT);
         i <= mmb_address_slot_index(last, MMB_ADDRESS_LEAF_SHIFT); i++) {
        if (!walk->visit(walk, &leaf->words[i]))
            return false;
    }
    return true;
}

static bool walk_slots(struct mmb_address_walk *walk, struct mmb_address_branch *node,
                       unsigned shift, uintptr_t first, uintptr_t last);

/* [first, last] lies in this one slot */
static bool walk_slot(struct mmb_address_walk *walk, struct mmb_address_slot *slot, unsigned shift,
                      uintptr_t first, uintptr_t last)
{
    struct mmb_address_branch *below;

    if (last - first == ((uintptr_t)1 << shift) - 1)
        return walk->visit(walk, &slot->word);
    if (shift == MMB_ADDRESS_MIDDLE_SHIFT)
        return walk_leaf(walk, slot, first, last);
    below = node_at(walk, &slot->child, sizeof(*below));
    return below && walk_slots(walk, below, MMB_ADDRESS_MIDDLE_SHIFT, first, last);
}

static bool walk_slots(struct mmb_address_walk *walk, struct mmb_address_branch *node,
                       unsigned shift, uintptr_t first, uintptr_t last)
{
    uintptr_t span_mask = ((uintptr_t)1 << shift) - 1;

    for (;;) {
        uintptr_t slot_last = first | span_mask;
        bool is_final = slot_last >= last;

        if (!walk_slot(walk, &node->slots[mmb_address_slot_index(first, shift)], shift, first,
                       is_final ? last : slot_last))
            return false;
        if (is_final)
            return true;
        first = slot_last + 1;
    }
}

bool mmb_address_walk_range(struct mmb_address_walk *walk)
{
    struct mmb_address_branch *root = node_at(walk, &walk->map->root, sizeof(*root));
    uintptr_t first = walk->range.base;

    return root &&
           walk_slots(walk, root, MMB_ADDRESS_ROOT_SHIFT, first, first + (walk->range.n_bytes - 1));
}

static void free_branch(struct mmb_address_branch *branch, unsigned shift)
{
    for (size_t i = 0; i < MMB_ADDRESS_BRANCH_SLOTS; i++) {
        void *child = atomic_load_explicit(&branch->slots[i].child, memory_order_relaxed);

        if (child && shift == MMB_ADDRESS_ROOT_SHIFT)
            free_branch(child, MMB_ADDRESS_MIDDLE_SHIFT);
        else
            mmb_meta_free(child, sizeof(struct mmb_address_leaf));
    }
    mmb_meta_free(branch, sizeof(*branch));
}

void mmb_address_free_all(struct mmb_address_map *map)
{
    struct mmb_address_branch *root = atomic_load_explicit(&map->root, memory_order_relaxed);

    if (root)
        free_branch(root, MMB_ADDRESS_ROOT_SHIFT);
    while (map->slabs) {
        struct mmb_address_slab *slab = map->slabs;

        map->slabs = slab->next;
        mmb_meta_free(slab, SLAB_BYTES);
    }
}
