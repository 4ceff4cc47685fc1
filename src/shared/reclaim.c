/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks that dead processes left (segment.h): freed for all, or spared for one that wants them.
 *
 * Everything is under the central lock. A dead owner writes nothing any more, so its A words may be
 * written here; one that only seems dead does not exist, since its byte is locked while it lives.
 */
#include "src/base/error.h"
#include "src/shared/segment.h"
#include "src/shared/stack.h"

struct reclaim {
    struct mmb_shared_segment *segment;
    mmb_shared_keep keep;
    void *user;
    uint64_t freed;
};

static bool is_kept(struct reclaim *all, uint64_t offset, size_t n_bytes)
{
    if (all->keep && all->keep(all->user, offset, n_bytes))
        return true;
    all->freed += n_bytes;
    return false;
}

static void reclaim_word(struct reclaim *all, const struct mmb_shared_span *span, uint32_t w)
{
    uint64_t *words = &span->words[2 * w];
    uint64_t allocated = __atomic_load_n(&words[0], __ATOMIC_ACQUIRE);
    uint64_t dead = allocated & ~__atomic_load_n(&words[1], __ATOMIC_ACQUIRE) &
                    ~__atomic_load_n(&span->spared[w], __ATOMIC_ACQUIRE) &
                    mmb_shared_span_mask(span, w);
    for (; dead; dead &= dead - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(dead);
        uint64_t offset = mmb_shared_block_offset(all->segment, span, w * 64 + bit);
        if (!is_kept(all, offset, span->block_bytes))
            __atomic_fetch_and(&words[0], ~((uint64_t)1 << bit), __ATOMIC_RELEASE);
    }
}

static void reclaim_spans(struct reclaim *all)
{
    struct mmb_shared_span span;
    MMB_SHARED_FOR_EACH_SPAN(all->segment, granule, &span)
    {
        if (!mmb_shared_span_is_dead(all->segment, &span))
            continue;
        for (uint32_t w = 0; w < mmb_shared_span_words(&span); w++)
            reclaim_word(all, &span, w);
        if (mmb_shared_span_live(&span) == 0)
            mmb_shared_span_free(all->segment, &span);
    }
}

static void reclaim_entries(struct reclaim *all)
{
    uint32_t height = mmb_shared_stack_height(all->segment);
    struct mmb_shared_entry entry;
    for (uint32_t i = 0; i < height; i++) {
        bool is_dead = mmb_shared_entry_read(all->segment, i, &entry) &&
                       !(entry.info & (MMB_ENTRY_FREED | MMB_ENTRY_SPARED)) &&
                       mmb_shared_entry_is_dead(all->segment, entry.info);
        if (is_dead && !is_kept(all, entry.start, mmb_entry_bytes(entry.info)))
            __atomic_fetch_or(&mmb_shared_entry(all->segment, i)->info, MMB_ENTRY_FREED,
                              __ATOMIC_RELEASE);
    }
    mmb_shared_stack_settle(all->segment);
}

/* ---- slots of the dead that own nothing any more ---- */

struct seen {
    uint64_t slots[MMB_SHARED_SLOTS_MAX / 64];
};

static void note(struct seen *seen, uint32_t owner)
{
    if (owner > 0 && owner <= MMB_SHARED_SLOTS_MAX)
        seen->slots[(owner - 1) / 64] |= (uint64_t)1 << (owner - 1) % 64;
}

static void free_slots(struct mmb_shared_segment *segment)
{
    struct seen seen = {{0}};
    struct mmb_shared_span span;
    struct mmb_shared_entry entry;
    MMB_SHARED_FOR_EACH_SPAN(segment, granule, &span)
    {
        note(&seen, span.owner);
        note(&seen, span.adopter);
    }
    uint32_t height =
        segment->layout.strategy == MMB_STRATEGY_STACK ? mmb_shared_stack_height(segment) : 0;
    for (uint32_t i = 0; i < height; i++)
        if (mmb_shared_entry_read(segment, i, &entry))
            note(&seen, mmb_entry_owner(entry.info));
    for (uint32_t slot = 0; slot < segment->layout.n_slots; slot++) {
        uint64_t *owner = &mmb_shared_slot(segment, slot)->owner;
        bool is_seen = seen.slots[slot / 64] >> slot % 64 & 1;
        if (!is_seen && __atomic_load_n(owner, __ATOMIC_RELAXED) != 0 &&
            mmb_shared_slot_is_dead(segment, slot))
            __atomic_store_n(owner, 0, __ATOMIC_RELEASE);
    }
}

/* What a dead process had adopted is a dead process's again. */
static void return_adopted(struct mmb_shared_segment *segment)
{
    struct mmb_shared_span span;
    MMB_SHARED_FOR_EACH_SPAN(segment, granule, &span)
    {
        if (span.adopter == 0 || span.adopter > segment->layout.n_slots ||
            !mmb_shared_slot_is_dead(segment, span.adopter - 1))
            continue;
        for (uint32_t w = 0; w < mmb_shared_span_words(&span); w++)
            __atomic_store_n(&span.spared[w], 0, __ATOMIC_RELAXED);
        mmb_shared_span_relabel(segment, &span, span.owner, 0);
    }
}

uint64_t mmb_shared_reclaim(struct mmb_shared_segment *segment, mmb_shared_keep keep, void *user)
{
    struct reclaim all = {segment, keep, user, 0};
    mmb_shared_lock(segment, segment->slot);
    return_adopted(segment);
    if (segment->layout.strategy == MMB_STRATEGY_STACK)
        reclaim_entries(&all);
    else
        reclaim_spans(&all);
    free_slots(segment);
    mmb_shared_unlock(segment);
    return all.freed;
}

/* ---- adopting ---- */

static mmbError no_block(uint64_t offset)
{
    return mmb_fail(MMB_INVALID_ALLOCATION, "shm_adopt: no live block starts at %llu",
                    (unsigned long long)offset);
}

static mmbError owner_lives(uint64_t offset)
{
    return mmb_fail(MMB_BUSY, "shm_adopt: the owner of the block at %llu lives",
                    (unsigned long long)offset);
}

static bool is_own(struct mmb_shared_segment *segment, uint32_t owner)
{
    return owner > 0 && owner <= segment->layout.n_slots &&
           mmb_shared_slot_is_own(segment, owner - 1);
}

static mmbError adopt_entry(struct mmb_shared_segment *segment, uint64_t offset, bool *out_is_own)
{
    struct mmb_shared_entry entry;
    uint32_t index;
    if (!mmb_shared_entry_find(segment, offset, &index) ||
        !mmb_shared_entry_read(segment, index, &entry) || entry.start != offset ||
        entry.info & MMB_ENTRY_FREED)
        return no_block(offset);
    uint32_t owner = mmb_entry_owner(entry.info);
    *out_is_own = is_own(segment, owner);
    if (*out_is_own)
        return MMB_OK;
    if (owner != MMB_SHARED_OWNER_DETACHED && !mmb_shared_entry_is_dead(segment, entry.info))
        return owner_lives(offset);
    __atomic_fetch_xor(&mmb_shared_entry(segment, index)->info,
                       (uint64_t)(owner ^ (segment->slot + 1)) << MMB_ENTRY_OWNER_SHIFT,
                       __ATOMIC_RELEASE);
    return MMB_OK;
}

static mmbError adopt_block(struct mmb_shared_segment *segment, uint64_t offset, bool *out_is_own)
{
    struct mmb_shared_span span;
    uint32_t index;
    if (!mmb_shared_span_find(segment, offset, &span, &index) ||
        mmb_shared_block_offset(segment, &span, index) != offset ||
        !mmb_shared_block_is_live(&span, index))
        return no_block(offset);
    uint64_t *spared = &span.spared[index / 64], bit = (uint64_t)1 << index % 64;
    uint32_t mine = segment->slot + 1, adopter = span.adopter;
    bool is_spared = __atomic_load_n(spared, __ATOMIC_ACQUIRE) & bit;
    *out_is_own = is_own(segment, span.owner) || (is_spared && adopter == mine);
    if (*out_is_own)
        return MMB_OK;
    bool is_free =
        span.owner == MMB_SHARED_OWNER_DETACHED || mmb_shared_span_is_dead(segment, &span);
    bool is_taken = is_spared && (adopter == MMB_SHARED_ADOPTERS_MANY || adopter == 0 ||
                                  !mmb_shared_slot_is_dead(segment, adopter - 1));
    if (!is_free || is_taken)
        return owner_lives(offset);
    if (adopter != mine)
        mmb_shared_span_relabel(segment, &span, span.owner,
                                adopter == 0 ? mine : MMB_SHARED_ADOPTERS_MANY);
    __atomic_fetch_or(spared, bit, __ATOMIC_RELEASE);
    return MMB_OK;
}

mmbError mmb_shared_adopt(struct mmb_shared_segment *segment, uint64_t offset, bool *out_is_own)
{
    mmb_shared_lock(segment, segment->slot);
    mmbError error = segment->layout.strategy == MMB_STRATEGY_STACK
                         ? adopt_entry(segment, offset, out_is_own)
                         : adopt_block(segment, offset, out_is_own);
    mmb_shared_unlock(segment);
    return error;
}

/* ---- blocks that outlive their owners ---- */

static void keep_entry(struct mmb_shared_segment *segment, uint64_t offset)
{
    struct mmb_shared_entry entry;
    uint32_t index;
    if (mmb_shared_entry_find(segment, offset, &index) &&
        mmb_shared_entry_read(segment, index, &entry))
        __atomic_fetch_or(&mmb_shared_entry(segment, index)->info, MMB_ENTRY_SPARED,
                          __ATOMIC_RELEASE);
}

/* The mark of many adopters first: with a single one, its death would take the block's mark away.
 */
static void keep_in_span(struct mmb_shared_segment *segment, uint64_t offset)
{
    struct mmb_shared_span span;
    uint32_t index;
    if (!mmb_shared_span_find(segment, offset, &span, &index))
        return;
    if (span.adopter != MMB_SHARED_ADOPTERS_MANY)
        mmb_shared_span_relabel(segment, &span, span.owner, MMB_SHARED_ADOPTERS_MANY);
    __atomic_fetch_or(&span.spared[index / 64], (uint64_t)1 << index % 64, __ATOMIC_RELEASE);
}

void mmb_shared_keep_block(struct mmb_shared_segment *segment, uint64_t offset)
{
    mmb_shared_lock(segment, segment->slot);
    if (segment->layout.strategy == MMB_STRATEGY_STACK)
        keep_entry(segment, offset);
    else
        keep_in_span(segment, offset);
    mmb_shared_unlock(segment);
}
