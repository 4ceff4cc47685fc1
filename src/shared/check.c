/* SPDX-License-Identifier: BSD-3-Clause */
/* Verifies a segment from outside (segment.h): every descriptor and entry, and who lives. Owns
 * nothing and takes no lock, so it can look at a segment whose lock is stuck; exact when no process
 * is inside a call. */
#include "src/base/error.h"
#include "src/shared/segment.h"
#include "src/shared/stack.h"

static mmbError corrupt(const char *what, uint64_t where)
{
    return mmb_fail(MMB_CORRUPT, "shared heap: %s %llu", what, (unsigned long long)where);
}

static bool is_owner(const struct mmb_shared_segment *segment, uint32_t owner)
{
    return (owner >= 1 && owner <= segment->layout.n_slots) || owner == MMB_SHARED_OWNER_DEAD ||
           owner == MMB_SHARED_OWNER_DETACHED;
}

static mmbError check_bits(const struct mmb_shared_span *span)
{
    for (uint32_t w = 0; w < mmb_shared_span_words(span); w++)
        if (__atomic_load_n(&span->words[2 * w], __ATOMIC_RELAXED) & ~mmb_shared_span_mask(span, w))
            return corrupt("blocks beyond the last are allocated in the span at granule",
                           span->granule);
    return MMB_OK;
}

static bool is_rest_of(const struct mmb_shared_segment *segment, uint32_t granule, uint32_t head)
{
    uint64_t word = __atomic_load_n(mmb_shared_descriptor(segment, granule), __ATOMIC_ACQUIRE);
    struct mmb_descriptor d = mmb_descriptor_unpack(word);
    return d.state == MMB_SPAN_REST && d.n_granules == head;
}

/* Every granule behind the head says whose it is; else another span may lie across this one. Who
 * finds that the span is another one meanwhile has no reason to complain. */
static mmbError check_rest(const struct mmb_shared_segment *segment,
                           const struct mmb_shared_span *span, uint64_t word)
{
    const uint64_t *head = mmb_shared_descriptor(segment, span->granule);
    for (uint32_t i = 1; i < span->n_granules; i++) {
        bool is_wrong = !is_rest_of(segment, span->granule + i, span->granule);
        if (is_wrong && __atomic_load_n(head, __ATOMIC_ACQUIRE) != word)
            return MMB_OK;
        if (is_wrong && !is_rest_of(segment, span->granule + i, span->granule))
            return corrupt("two spans share granule", span->granule + i);
    }
    return MMB_OK;
}

static mmbError check_spans(const struct mmb_shared_segment *segment)
{
    struct mmb_shared_span span;
    uint32_t granule = 0;
    while (granule < segment->layout.n_granules) {
        uint64_t word = __atomic_load_n(mmb_shared_descriptor(segment, granule), __ATOMIC_ACQUIRE);
        struct mmb_descriptor d = mmb_descriptor_unpack(word);
        bool is_span = mmb_shared_span_at(segment, granule, &span);
        if (d.state > MMB_SPAN_REST || (d.state == MMB_SPAN_HEAD && !is_span) ||
            (d.state == MMB_SPAN_FREE && word != 0))
            return corrupt("an impossible descriptor of granule", granule);
        if (is_span && !is_owner(segment, span.owner))
            return corrupt("an impossible owner of the span at granule", granule);
        mmbError error = is_span ? check_bits(&span) : MMB_OK;
        if (is_span && error == MMB_OK)
            error = check_rest(segment, &span, word);
        if (error != MMB_OK)
            return error;
        granule += is_span ? span.n_granules : 1;
    }
    return MMB_OK;
}

static mmbError check_entries(const struct mmb_shared_segment *segment)
{
    uint32_t height = mmb_shared_stack_height(segment);
    uint64_t end = segment->layout.data;
    struct mmb_shared_entry entry;
    if (mmb_shared_dynamic(segment)->n_entries > mmb_shared_stack_capacity(segment))
        return corrupt("the stack has more entries than room:",
                       mmb_shared_dynamic(segment)->n_entries);
    for (uint32_t i = 0; i < height; i++) {
        if (!mmb_shared_entry_read(segment, i, &entry) || entry.start < end ||
            !is_owner(segment, mmb_entry_owner(entry.info)))
            return corrupt("an impossible entry of the stack:", i);
        end = entry.start + mmb_entry_bytes(entry.info);
    }
    return MMB_OK;
}

/* ---- who ---- */

/* A process can have many slots; its first one counts. */
static bool is_first(const struct mmb_shared_segment *segment, uint32_t slot, uint64_t owner)
{
    for (uint32_t before = 0; before < slot; before++)
        if (__atomic_load_n(&mmb_shared_slot(segment, before)->owner, __ATOMIC_RELAXED) == owner)
            return false;
    return true;
}

static bool owner_has_blocks(const struct mmb_shared_segment *segment, uint32_t owner)
{
    struct mmb_shared_span span;
    struct mmb_shared_entry entry;
    MMB_SHARED_FOR_EACH_SPAN(segment, granule, &span)
    if (span.owner == owner && mmb_shared_span_live(&span) > 0)
        return true;
    if (segment->layout.strategy != MMB_STRATEGY_STACK)
        return false;
    for (uint32_t i = 0; i < mmb_shared_stack_height(segment); i++)
        if (mmb_shared_entry_read(segment, i, &entry) && !(entry.info & MMB_ENTRY_FREED) &&
            mmb_entry_owner(entry.info) == owner)
            return true;
    return false;
}

/* In any of its slots, of which this is the first. */
static bool has_blocks(const struct mmb_shared_segment *segment, uint32_t first, uint64_t owner)
{
    for (uint32_t slot = first; slot < segment->layout.n_slots; slot++)
        if (__atomic_load_n(&mmb_shared_slot(segment, slot)->owner, __ATOMIC_RELAXED) == owner &&
            owner_has_blocks(segment, slot + 1))
            return true;
    return false;
}

/* Of the dead whose slots were needed nobody knows how many they were: they count as one. */
static void count_owners(struct mmb_shared_segment *segment, struct mmb_shared_census *out)
{
    out->owners = 0;
    out->dead_owners = owner_has_blocks(segment, MMB_SHARED_OWNER_DEAD);
    for (uint32_t slot = 0; slot < segment->layout.n_slots; slot++) {
        uint64_t owner = __atomic_load_n(&mmb_shared_slot(segment, slot)->owner, __ATOMIC_RELAXED);
        if (owner == 0)
            continue;
        if (!mmb_shared_slot_is_dead(segment, slot))
            out->owners += is_first(segment, slot, owner);
        else
            out->dead_owners += is_first(segment, slot, owner) && has_blocks(segment, slot, owner);
    }
}

mmbError mmb_shared_check(struct mmb_shared_segment *segment, struct mmb_shared_census *out)
{
    mmbError error = segment->layout.strategy == MMB_STRATEGY_STACK ? check_entries(segment)
                                                                    : check_spans(segment);
    if (error != MMB_OK)
        return error;
    struct mmb_shared_usage usage;
    mmb_shared_usage(segment, &usage);
    out->n_bytes = segment->layout.n_bytes;
    out->live_bytes = usage.live_bytes;
    out->live_count = usage.live_count;
    count_owners(segment, out);
    return MMB_OK;
}
