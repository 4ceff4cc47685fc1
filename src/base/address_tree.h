/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_ADDRESS_TREE_H
#define MMB_BASE_ADDRESS_TREE_H
/* The shape of an address map's index, for address_map.c alone: a radix tree of three levels whose
 * slots cover 8 TiB, 512 MiB and 64 KiB. A word is 0, one range (its entry's address), or
 * MMB_ADDRESS_SHARED | the address of a list of cells. */

#include "src/base/address_map.h"

#define MMB_ADDRESS_LEAF_SHIFT   16
#define MMB_ADDRESS_MIDDLE_SHIFT 29
#define MMB_ADDRESS_ROOT_SHIFT   43
#define MMB_ADDRESS_LEAF_SLOTS   ((size_t)1 << (MMB_ADDRESS_MIDDLE_SHIFT - MMB_ADDRESS_LEAF_SHIFT))
#define MMB_ADDRESS_BRANCH_SLOTS ((size_t)1 << (MMB_ADDRESS_ROOT_SHIFT - MMB_ADDRESS_MIDDLE_SHIFT))
#define MMB_ADDRESS_SHARED       ((uintptr_t)1)

_Static_assert(MMB_ADDRESS_BITS - MMB_ADDRESS_ROOT_SHIFT ==
                   MMB_ADDRESS_ROOT_SHIFT - MMB_ADDRESS_MIDDLE_SHIFT,
               "root and middle nodes are alike");
_Static_assert(sizeof(uintptr_t) == 8, "the tree is for 64-bit addresses");

/* One range. The memory of an entry is never anything else, but may be reused for another range. */
struct mmb_address_entry {
    atomic_uint_fast64_t seq; /* odd: being rewritten */
    atomic_uintptr_t base;
    atomic_size_t n_bytes;
    _Atomic(void *) value;
    struct mmb_address_entry *next_free;
};

/* A range's place in one shared slot. Read and written under the map's lock only. */
struct mmb_address_cell {
    struct mmb_address_entry *entry;
    struct mmb_address_cell *next;
};

struct mmb_address_slot {
    atomic_uintptr_t word;
    _Atomic(void *) child; /* middle node or leaf; once there it stays */
};

/* 256 KiB of fresh mapping, of which the kernel fills in the pages that are used. */
struct mmb_address_branch {
    struct mmb_address_slot slots[MMB_ADDRESS_BRANCH_SLOTS];
};

struct mmb_address_leaf {
    atomic_uintptr_t words[MMB_ADDRESS_LEAF_SLOTS];
};

/* One pass over the words of a range. */
struct mmb_address_walk {
    struct mmb_address_map *map;
    bool (*visit)(struct mmb_address_walk *walk, atomic_uintptr_t *word); /* false ends the walk */
    bool makes_nodes;
    size_t n_cells;                  /* for visit: counts the cells that will be needed */
    struct mmb_address_entry *entry; /* for visit: inserted, removed or found */
    struct mmb_address_range range;
};

static inline size_t mmb_address_slot_index(uintptr_t address, unsigned shift)
{
    size_t n_slots =
        shift == MMB_ADDRESS_LEAF_SHIFT ? MMB_ADDRESS_LEAF_SLOTS : MMB_ADDRESS_BRANCH_SLOTS;

    return (address >> shift) & (n_slots - 1);
}

/* All of these under the map's lock. */

/* Visits each word that the range lies in, in order of address. False: visit said so, or a node is
 * missing and the walk makes none, or there was no memory for it. */
bool mmb_address_walk_range(struct mmb_address_walk *walk);

/* NULL: no memory */
struct mmb_address_entry *mmb_address_take_entry(struct mmb_address_map *map);
void mmb_address_put_entry(struct mmb_address_map *map, struct mmb_address_entry *entry);

/* Makes sure that n_cells can be taken; taking then cannot fail. */
bool mmb_address_reserve_cells(struct mmb_address_map *map, size_t n_cells);
struct mmb_address_cell *mmb_address_take_cell(struct mmb_address_map *map,
                                               struct mmb_address_entry *entry);
void mmb_address_put_cell(struct mmb_address_map *map, struct mmb_address_cell *cell);

/* Nodes, entries and cells, all of them. */
void mmb_address_free_all(struct mmb_address_map *map);

#endif
