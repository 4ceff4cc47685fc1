/* SPDX-License-Identifier: BSD-3-Clause */
/* Which range holds an address: insertion, removal and lookup on the tree of address_tree.h. A
 * lookup reads one word per level and takes the smallest range that it finds there.
 *
 * Owns nothing beyond the map; map->lock is over everything but what a lookup reads without it, and
 * under it only the metadata's lock is taken.
 *
 * Lookups without the lock:
 * 1. A node is published by a release store and never freed or moved, except by reset.
 * 2. An entry may be rewritten for another range while a lookup reads it. The writer makes seq odd,
 *    then stores the members with release; so a lookup that read any new member with acquire then
 *    sees seq changed, and does not trust what it read.
 * 3. After reading the entry, the lookup reads the word again. Unchanged means that at that moment
 *    the entry was alone in its slot: a range that was live all the time and lies in this slot
 *    would have made the word different.
 * 4. Where either has changed, and for every list, the lookup starts again under the lock. It does
 *    not try again without: one writer after the other could keep it from ever finishing. */
#include "src/base/address_tree.h"
#include "src/base/error.h"

static bool is_shared(uintptr_t word)
{
    return (word & MMB_ADDRESS_SHARED) != 0;
}

static struct mmb_address_cell *cells_of(uintptr_t word)
{
    return (struct mmb_address_cell *)(word & ~MMB_ADDRESS_SHARED);
}

static struct mmb_address_entry *entry_of(uintptr_t word)
{
    return (struct mmb_address_entry *)word;
}

/* Under the lock, which orders everything by itself. */
static uintptr_t read_word(atomic_uintptr_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Release: a lookup that follows the word finds its entry written. */
static void write_word(atomic_uintptr_t *word, uintptr_t content)
{
    atomic_store_explicit(word, content, memory_order_release);
}

static void write_list(atomic_uintptr_t *word, struct mmb_address_cell *first)
{
    write_word(word, (uintptr_t)first | MMB_ADDRESS_SHARED);
}

/* See the top for the order of these stores. */
static void write_entry(struct mmb_address_entry *entry, const struct mmb_address_range *range)
{
    uint_fast64_t seq = atomic_load_explicit(&entry->seq, memory_order_relaxed);

    atomic_store_explicit(&entry->seq, seq + 1, memory_order_relaxed);
    atomic_store_explicit(&entry->base, range->base, memory_order_release);
    atomic_store_explicit(&entry->n_bytes, range->n_bytes, memory_order_release);
    atomic_store_explicit(&entry->value, range->value, memory_order_release);
    atomic_store_explicit(&entry->seq, seq + 2, memory_order_release);
}

static struct mmb_address_range read_entry(struct mmb_address_entry *entry)
{
    return (struct mmb_address_range){
        .base = atomic_load_explicit(&entry->base, memory_order_acquire),
        .n_bytes = atomic_load_explicit(&entry->n_bytes, memory_order_acquire),
        .value = atomic_load_explicit(&entry->value, memory_order_acquire)};
}

/* Under the lock: n modulo 2^64. */
static void count_ranges(struct mmb_address_map *map, size_t n)
{
    size_t n_before = atomic_load_explicit(&map->n_ranges, memory_order_relaxed);

    atomic_store_explicit(&map->n_ranges, n_before + n, memory_order_relaxed);
}

/* ---- insertion ---- */

static bool count_cells(struct mmb_address_walk *walk, atomic_uintptr_t *word)
{
    uintptr_t content = read_word(word);

    if (content != 0)
        walk->n_cells += is_shared(content) ? 1 : 2;
    return true;
}

/* Before the first that is not smaller: so an equal one that came later stands in front. */
static struct mmb_address_cell *insert_sorted(struct mmb_address_cell *first,
                                              struct mmb_address_cell *cell, size_t n_bytes)
{
    struct mmb_address_cell **link = &first;

    while (*link && read_entry((*link)->entry).n_bytes < n_bytes)
        link = &(*link)->next;
    cell->next = *link;
    *link = cell;
    return first;
}

static bool enter(struct mmb_address_walk *walk, atomic_uintptr_t *word)
{
    uintptr_t content = read_word(word);
    struct mmb_address_cell *first;

    if (content == 0) {
        write_word(word, (uintptr_t)walk->entry);
        return true;
    }
    if (is_shared(content)) {
        first = cells_of(content);
    } else {
        first = mmb_address_take_cell(walk->map, entry_of(content));
        first->next = NULL;
    }
    write_list(word, insert_sorted(first, mmb_address_take_cell(walk->map, walk->entry),
                                   walk->range.n_bytes));
    return true;
}

/* A first walk makes the nodes and counts the cells; the second, which cannot fail, enters the
 * range. Undoing a half-entered range instead would show it to lookups before it is refused. */
static bool insert_locked(struct mmb_address_map *map, const struct mmb_address_range *range)
{
    struct mmb_address_walk walk = {
        .map = map, .visit = count_cells, .makes_nodes = true, .range = *range};

    walk.entry = mmb_address_take_entry(map);
    if (!walk.entry)
        return false;
    if (!mmb_address_walk_range(&walk) || !mmb_address_reserve_cells(map, walk.n_cells)) {
        mmb_address_put_entry(map, walk.entry);
        return false;
    }
    write_entry(walk.entry, range);
    walk.visit = enter;
    mmb_address_walk_range(&walk);
    count_ranges(map, 1);
    return true;
}

mmbError mmb_address_map_insert(struct mmb_address_map *map, uintptr_t base, size_t n_bytes,
                                void *value)
{
    const struct mmb_address_range range = {base, n_bytes, value};
    const uintptr_t limit = (uintptr_t)1 << MMB_ADDRESS_BITS;
    bool is_in;

    if (n_bytes == 0)
        return mmb_fail(MMB_INVALID_SIZE, "address range at %#zx: 0 bytes", (size_t)base);
    if (!value || base >= limit || n_bytes > limit - base)
        return mmb_fail(MMB_INVALID_ARG, "address range at %#zx of %zu bytes: %s", (size_t)base,
                        n_bytes, value ? "beyond the address space" : "no value");
    mmb_lock_acquire(&map->lock);
    is_in = insert_locked(map, &range);
    mmb_lock_release(&map->lock);
    if (!is_in)
        return mmb_fail(MMB_OUT_OF_MEMORY, "address range at %#zx of %zu bytes: no metadata",
                        (size_t)base, n_bytes);
    return MMB_OK;
}

/* ---- removal ---- */

static bool is_same(struct mmb_address_entry *entry, const struct mmb_address_range *range)
{
    struct mmb_address_range found = read_entry(entry);

    return found.base == range->base && found.n_bytes == range->n_bytes &&
           found.value == range->value;
}

/* A range is in all of its slots, so the first one tells. */
static bool find(struct mmb_address_walk *walk, atomic_uintptr_t *word)
{
    uintptr_t content = read_word(word);
    struct mmb_address_cell *cell;

    if (!is_shared(content)) {
        if (content != 0 && is_same(entry_of(content), &walk->range))
            walk->entry = entry_of(content);
        return false;
    }
    for (cell = cells_of(content); cell; cell = cell->next) {
        if (is_same(cell->entry, &walk->range)) {
            walk->entry = cell->entry;
            break;
        }
    }
    return false;
}

static struct mmb_address_cell *unlink_cell(struct mmb_address_walk *walk,
                                            struct mmb_address_cell *first)
{
    struct mmb_address_cell **link = &first;
    struct mmb_address_cell *cell;

    while ((*link)->entry != walk->entry)
        link = &(*link)->next;
    cell = *link;
    *link = cell->next;
    mmb_address_put_cell(walk->map, cell);
    return first;
}

static bool leave(struct mmb_address_walk *walk, atomic_uintptr_t *word)
{
    uintptr_t content = read_word(word);
    struct mmb_address_cell *first;

    if (!is_shared(content)) {
        MMB_ASSERT(entry_of(content) == walk->entry);
        write_word(word, 0);
        return true;
    }
    first = unlink_cell(walk, cells_of(content));
    if (first->next) {
        write_list(word, first);
    } else {
        write_word(word, (uintptr_t)first->entry);
        mmb_address_put_cell(walk->map, first);
    }
    return true;
}

void mmb_address_map_remove(struct mmb_address_map *map, uintptr_t base, size_t n_bytes,
                            const void *value)
{
    struct mmb_address_walk walk = {
        .map = map, .visit = find, .range = {base, n_bytes, (void *)value}};

    mmb_lock_acquire(&map->lock);
    mmb_address_walk_range(&walk);
    MMB_ASSERT(walk.entry);
    if (walk.entry) {
        walk.visit = leave;
        mmb_address_walk_range(&walk);
        mmb_address_put_entry(map, walk.entry);
        count_ranges(map, (size_t)-1);
    }
    mmb_lock_release(&map->lock);
}

/* ---- lookup ---- */

static inline void prefer(const struct mmb_address_range *range, uintptr_t address,
                          struct mmb_address_range *best)
{
    if (address - range->base < range->n_bytes &&
        (best->n_bytes == 0 || range->n_bytes < best->n_bytes))
        *best = *range;
}

/* Without the lock; false asks for it. */
static inline bool look(atomic_uintptr_t *word, uintptr_t address, struct mmb_address_range *best)
{
    uintptr_t content = atomic_load_explicit(word, memory_order_acquire);
    struct mmb_address_range range;
    uint_fast64_t seq;

    if (content == 0)
        return true;
    if (is_shared(content))
        return false;
    seq = atomic_load_explicit(&entry_of(content)->seq, memory_order_acquire);
    range = read_entry(entry_of(content));
    if ((seq & 1) != 0 ||
        atomic_load_explicit(&entry_of(content)->seq, memory_order_relaxed) != seq ||
        atomic_load_explicit(word, memory_order_relaxed) != content)
        return false;
    prefer(&range, address, best);
    return true;
}

static bool look_locked(atomic_uintptr_t *word, uintptr_t address, struct mmb_address_range *best)
{
    uintptr_t content = read_word(word);
    struct mmb_address_range range;

    if (content != 0 && !is_shared(content)) {
        range = read_entry(entry_of(content));
        prefer(&range, address, best);
    }
    for (struct mmb_address_cell *cell = is_shared(content) ? cells_of(content) : NULL; cell;
         cell = cell->next) {
        range = read_entry(cell->entry);
        prefer(&range, address, best);
    }
    return true;
}

/* The words on the way down, with one of the two functions above, inlined into each. */
static inline __attribute__((always_inline)) bool
descend(struct mmb_address_map *map, uintptr_t address,
        bool (*at_word)(atomic_uintptr_t *, uintptr_t, struct mmb_address_range *),
        struct mmb_address_range *best)
{
    struct mmb_address_branch *branch = atomic_load_explicit(&map->root, memory_order_acquire);
    struct mmb_address_slot *slot;
    struct mmb_address_leaf *leaf;

    best->n_bytes = 0;
    if (!branch)
        return true;
    slot = &branch->slots[mmb_address_slot_index(address, MMB_ADDRESS_ROOT_SHIFT)];
    if (!at_word(&slot->word, address, best))
        return false;
    branch = atomic_load_explicit(&slot->child, memory_order_acquire);
    if (!branch)
        return true;
    slot = &branch->slots[mmb_address_slot_index(address, MMB_ADDRESS_MIDDLE_SHIFT)];
    if (!at_word(&slot->word, address, best))
        return false;
    leaf = atomic_load_explicit(&slot->child, memory_order_acquire);
    return !leaf || at_word(&leaf->words[mmb_address_slot_index(address, MMB_ADDRESS_LEAF_SHIFT)],
                            address, best);
}

/* The slot below, or NULL when there is none or a range covers more than one of its kind. */
static inline struct mmb_address_slot *only_child(struct mmb_address_branch *branch,
                                                  uintptr_t address, unsigned shift)
{
    struct mmb_address_slot *slot = &branch->slots[mmb_address_slot_index(address, shift)];

    return atomic_load_explicit(&slot->word, memory_order_acquire) ? NULL : slot;
}

/* Most lookups find one range in a leaf and nothing on the way. False: look at everything. */
static inline bool look_in_leaf(struct mmb_address_map *map, uintptr_t address,
                                struct mmb_address_range *best)
{
    struct mmb_address_branch *branch = atomic_load_explicit(&map->root, memory_order_acquire);
    struct mmb_address_slot *slot =
        branch ? only_child(branch, address, MMB_ADDRESS_ROOT_SHIFT) : NULL;
    branch = slot ? atomic_load_explicit(&slot->child, memory_order_acquire) : NULL;
    slot = branch ? only_child(branch, address, MMB_ADDRESS_MIDDLE_SHIFT) : NULL;
    struct mmb_address_leaf *leaf =
        slot ? atomic_load_explicit(&slot->child, memory_order_acquire) : NULL;

    best->n_bytes = 0;
    return leaf &&
           look(&leaf->words[mmb_address_slot_index(address, MMB_ADDRESS_LEAF_SHIFT)], address,
                best) &&
           best->n_bytes != 0;
}

static __attribute__((noinline)) bool
look_everywhere(struct mmb_address_map *map, uintptr_t address, struct mmb_address_range *out)
{
    struct mmb_address_range best;

    if (!descend(map, address, look, &best)) {
        mmb_lock_acquire(&map->lock);
        descend(map, address, look_locked, &best);
        mmb_lock_release(&map->lock);
    }
    if (best.n_bytes == 0)
        return false;
    *out = best;
    return true;
}

bool mmb_address_map_lookup(struct mmb_address_map *map, uintptr_t address,
                            struct mmb_address_range *out)
{
    struct mmb_address_range best;

    if (address >> MMB_ADDRESS_BITS != 0)
        return false;
    if (__builtin_expect(!look_in_leaf(map, address, &best), 0))
        return look_everywhere(map, address, out);
    *out = best;
    return true;
}

size_t mmb_address_map_count(struct mmb_address_map *map)
{
    size_t n_ranges;

    mmb_lock_acquire(&map->lock);
    n_ranges = atomic_load_explicit(&map->n_ranges, memory_order_relaxed);
    mmb_lock_release(&map->lock);
    return n_ranges;
}

/* ---- the whole map ---- */

void mmb_address_map_reset(struct mmb_address_map *map)
{
    mmb_lock_acquire(&map->lock);
    mmb_address_free_all(map);
    atomic_store_explicit(&map->root, NULL, memory_order_relaxed);
    map->free_entries = NULL;
    map->free_cells = NULL;
    map->n_free_cells = 0;
    atomic_store_explicit(&map->n_ranges, 0, memory_order_relaxed);
    mmb_lock_release(&map->lock);
}

void mmb_address_map_fork_prepare(struct mmb_address_map *map)
{
    mmb_lock_acquire(&map->lock);
}

void mmb_address_map_fork_parent(struct mmb_address_map *map)
{
    mmb_lock_release(&map->lock);
}

void mmb_address_map_fork_child(struct mmb_address_map *map)
{
    mmb_lock_release(&map->lock);
}
