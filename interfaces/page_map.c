/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of pages (page_map.h). Owns its leaves. Takes no lock: a leaf that two threads make at
 * the same time is one of them's, and entries belong to the heap whose page it is. */
#include "interfaces/page_map.h"
#include "src/base/debug.h"
#include "src/base/meta.h"

/* An array of entries, and what only resetting asks for. */
struct leaf {
    struct mmb_page_entry entries[MMB_LEAF_ENTRIES];
    struct leaf *next;
    size_t index;
};

_Atomic(struct mmb_page_entry *) mmb_page_leaves[MMB_LEAVES];
static _Atomic(struct leaf *) made;

static struct mmb_page_entry *make_leaf(size_t index)
{
    struct leaf *leaf = mmb_meta_alloc(sizeof *leaf);
    struct mmb_page_entry *other = NULL;
    if (!leaf)
        return NULL;
    leaf->index = index;
    if (!atomic_compare_exchange_strong(&mmb_page_leaves[index], &other, leaf->entries)) {
        mmb_meta_free(leaf, sizeof *leaf);
        return other;
    }
    leaf->next = atomic_load(&made);
    while (!atomic_compare_exchange_weak(&made, &leaf->next, leaf))
        ;
    return leaf->entries;
}

static struct mmb_page_entry *leaf_at(uintptr_t address, bool make)
{
    size_t index = address >> MMB_LEAF_SHIFT;
    if (index >= MMB_LEAVES)
        return NULL;
    struct mmb_page_entry *leaf =
        atomic_load_explicit(&mmb_page_leaves[index], memory_order_acquire);
    return leaf || !make ? leaf : make_leaf(index);
}

/* Whoever looks meanwhile takes any mixture (page_map.h), so an entry is copied as a whole, in
 * one store where the processor has it; ThreadSanitizer is given atomics. */
static inline void write_entry(struct mmb_page_entry *entry, const struct mmb_page_entry *content)
{
#ifdef MMB_OWNED_ATOMIC
    __atomic_store_n(&entry->first, content->first, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->start, content->start, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->reciprocal, content->reciprocal, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->is_findable, content->is_findable, __ATOMIC_RELAXED);
#else
    *entry = *content;
#endif
}

/* Leaf by leaf: a run may lie across the border of two. */
static void write_pages(uintptr_t address, size_t n_pages, const struct mmb_page_entry *content,
                        bool make)
{
    while (n_pages > 0) {
        struct mmb_page_entry *leaf = leaf_at(address, make);
        size_t first = address >> MMB_PAGE_SHIFT & (MMB_LEAF_ENTRIES - 1);
        size_t room = MMB_LEAF_ENTRIES - first, here = n_pages < room ? n_pages : room;
        for (size_t i = 0; leaf && i < here; i++)
            write_entry(&leaf[first + i], content);
        address += here * MMB_PAGE_BYTES;
        n_pages -= here;
    }
}

static uint32_t reciprocal_of(size_t block_bytes)
{
    return block_bytes ? (1u << MMB_RECIPROCAL_SHIFT) / (uint32_t)(block_bytes / 16) + 1 : 0;
}

void mmb_page_map_enter(uintptr_t address, size_t n_pages, const mmbAllocation *first,
                        size_t block_bytes, bool is_findable)
{
    MMB_ASSERT(address % MMB_PAGE_BYTES == 0 && block_bytes % 16 == 0 &&
               (!block_bytes || n_pages <= MMB_SPAN_PAGES_MAX));
    const struct mmb_page_entry content = {.first = (uint32_t)mmb_record_number(first),
                                           .start = (uint32_t)address,
                                           .reciprocal = reciprocal_of(block_bytes),
                                           .is_findable = is_findable};
    write_pages(address, n_pages, &content, true);
}

void mmb_page_map_leave(uintptr_t address, size_t n_pages)
{
    const struct mmb_page_entry none = {.first = 0};
    write_pages(address, n_pages, &none, false);
}

void mmb_page_map_reset(void)
{
    struct leaf *leaf = atomic_exchange(&made, NULL);
    while (leaf) {
        struct leaf *next = leaf->next;
        atomic_store(&mmb_page_leaves[leaf->index], NULL);
        mmb_meta_free(leaf, sizeof *leaf);
        leaf = next;
    }
}
