/* SPDX-License-Identifier: BSD-3-Clause */
/* See stack.h. Owns nothing. A push writes block and entry above the height and then the height; a
 * pop writes the height alone; a free sets one bit. */
#include "src/shared/stack.h"

uint32_t mmb_shared_stack_capacity(const struct mmb_shared_segment *segment)
{
    uint64_t n = (segment->layout.data_end - segment->layout.data) /
                 (sizeof(struct mmb_shared_entry) + MMB_SHARED_UNIT);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

uint32_t mmb_shared_stack_height(const struct mmb_shared_segment *segment)
{
    uint64_t height = __atomic_load_n(&mmb_shared_dynamic(segment)->n_entries, __ATOMIC_ACQUIRE);
    uint32_t capacity = mmb_shared_stack_capacity(segment);
    return height < capacity ? (uint32_t)height : capacity;
}

bool mmb_shared_entry_read(const struct mmb_shared_segment *segment, uint32_t index,
                           struct mmb_shared_entry *out)
{
    const struct mmb_shared_entry *entry = mmb_shared_entry(segment, index);
    const struct mmb_shared_layout *layout = &segment->layout;
    out->info = __atomic_load_n(&entry->info, __ATOMIC_ACQUIRE);
    out->start = __atomic_load_n(&entry->start, __ATOMIC_RELAXED);
    return out->start >= layout->data && out->start <= layout->data_end &&
           out->start % MMB_SHARED_UNIT == 0 &&
           mmb_entry_bytes(out->info) <= layout->data_end - out->start;
}

bool mmb_shared_entry_find(const struct mmb_shared_segment *segment, uint64_t offset,
                           uint32_t *out_index)
{
    uint32_t low = 0, high = mmb_shared_stack_height(segment);
    struct mmb_shared_entry entry;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!mmb_shared_entry_read(segment, middle, &entry))
            return false;
        if (entry.start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    *out_index = low - 1;
    return low > 0 && mmb_shared_entry_read(segment, low - 1, &entry) &&
           offset - entry.start < mmb_entry_bytes(entry.info);
}

uint64_t mmb_shared_stack_top(const struct mmb_shared_segment *segment)
{
    uint32_t height = mmb_shared_stack_height(segment);
    struct mmb_shared_entry entry;
    if (height == 0)
        return segment->layout.data;
    if (!mmb_shared_entry_read(segment, height - 1, &entry))
        return segment->layout.data_end; /* damaged: full */
    return entry.start + mmb_entry_bytes(entry.info);
}

void mmb_shared_stack_disown(struct mmb_shared_segment *segment, uint32_t slot, uint32_t heir)
{
    uint32_t height = mmb_shared_stack_height(segment);
    uint64_t change = (uint64_t)((slot + 1) ^ heir) << MMB_ENTRY_OWNER_SHIFT;
    for (uint32_t i = 0; i < height; i++) {
        uint64_t *info = &mmb_shared_entry(segment, i)->info;
        if (mmb_entry_owner(__atomic_load_n(info, __ATOMIC_RELAXED)) == slot + 1)
            __atomic_fetch_xor(info, change, __ATOMIC_RELAXED);
    }
    mmb_shared_stack_settle(segment);
}

void mmb_shared_stack_settle(struct mmb_shared_segment *segment)
{
    uint32_t height = mmb_shared_stack_height(segment), before = height;
    while (height > 0 &&
           __atomic_load_n(&mmb_shared_entry(segment, height - 1)->info, __ATOMIC_ACQUIRE) &
               MMB_ENTRY_FREED)
        height--;
    if (height != before)
        __atomic_store_n(&mmb_shared_dynamic(segment)->n_entries, height, __ATOMIC_RELEASE);
}

bool mmb_shared_entry_is_dead(struct mmb_shared_segment *segment, uint64_t info)
{
    uint32_t owner = mmb_entry_owner(info);
    if (owner == MMB_SHARED_OWNER_DEAD)
        return true;
    if (owner == MMB_SHARED_OWNER_DETACHED)
        return false;
    return owner == 0 || mmb_shared_slot_is_dead(segment, owner - 1);
}

void mmb_shared_stack_usage(struct mmb_shared_segment *segment, struct mmb_shared_usage *out)
{
    uint32_t height = mmb_shared_stack_height(segment);
    struct mmb_shared_entry entry;
    for (uint32_t i = 0; i < height; i++) {
        if (!mmb_shared_entry_read(segment, i, &entry) || entry.info & MMB_ENTRY_FREED)
            continue;
        out->live_count++;
        out->live_bytes += mmb_entry_bytes(entry.info);
    }
    out->n_spans = height;
    out->reserved_bytes = mmb_shared_stack_top(segment) - segment->layout.data;
}
