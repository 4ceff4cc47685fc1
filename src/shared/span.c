/* SPDX-License-Identifier: BSD-3-Clause */
/* Spans of a shared segment: finding, making and giving back, and what all of them hold together.
 *
 * Owns nothing. Taking and giving back need the central lock; reading needs none, since whatever a
 * descriptor says is bounded here. A descriptor is the last word written when a span comes and the
 * only one when it goes: granules behind it that still say REST without a head before them are
 * free. */
#include "src/shared/segment.h"
#include "src/shared/stack.h"

#define WORDS_OF(segment) (((uint32_t)1 << (segment)->layout.granule_log2) / MMB_SHARED_UNIT / 64)

void mmb_shared_span_fill(const struct mmb_shared_segment *segment, struct mmb_shared_span *span)
{
    const struct mmb_shared_layout *layout = &segment->layout;
    size_t n_bytes = (size_t)span->n_granules << layout->granule_log2;
    bool is_large = span->class_index == MMB_SHARED_CLASS_LARGE;
    span->block_bytes = is_large ? n_bytes : mmb_shared_class_bytes(span->class_index);
    span->n_blocks = is_large ? 1 : (uint32_t)(n_bytes / span->block_bytes);
    unsigned char *control =
        segment->base + layout->control + (uint64_t)span->granule * layout->control_bytes;
    span->words = (uint64_t *)control;
    span->spared = span->words + 2 * WORDS_OF(segment);
    span->generations = (uint8_t *)(span->words + 3 * WORDS_OF(segment));
}

static bool is_possible(const struct mmb_shared_segment *segment, uint32_t granule,
                        const struct mmb_descriptor *d)
{
    const struct mmb_shared_layout *layout = &segment->layout;
    if (d->state != MMB_SPAN_HEAD || d->n_granules == 0 ||
        d->n_granules > layout->n_granules - granule)
        return false;
    if (d->class_index == MMB_SHARED_CLASS_LARGE)
        return true;
    if (d->class_index >= mmb_shared_n_classes(layout->granule_log2))
        return false;
    size_t n_blocks =
        ((size_t)d->n_granules << layout->granule_log2) / mmb_shared_class_bytes(d->class_index);
    return n_blocks > 0 && n_blocks <= (size_t)WORDS_OF(segment) * 64;
}

bool mmb_shared_span_at(const struct mmb_shared_segment *segment, uint32_t granule,
                        struct mmb_shared_span *out)
{
    uint64_t word = __atomic_load_n(mmb_shared_descriptor(segment, granule), __ATOMIC_ACQUIRE);
    struct mmb_descriptor d = mmb_descriptor_unpack(word);
    if (!is_possible(segment, granule, &d))
        return false;
    out->granule = granule;
    out->n_granules = d.n_granules;
    out->class_index = d.class_index;
    out->owner = d.owner;
    out->adopter = d.adopter;
    mmb_shared_span_fill(segment, out);
    return true;
}

/* The span that a granule is part of; false: it is free. */
static bool span_around(const struct mmb_shared_segment *segment, uint32_t granule,
                        struct mmb_shared_span *out)
{
    uint64_t word = __atomic_load_n(mmb_shared_descriptor(segment, granule), __ATOMIC_ACQUIRE);
    struct mmb_descriptor d = mmb_descriptor_unpack(word);
    uint32_t head = d.state == MMB_SPAN_REST ? d.n_granules : granule;
    return head <= granule && mmb_shared_span_at(segment, head, out) &&
           granule - head < out->n_granules;
}

bool mmb_shared_span_find(const struct mmb_shared_segment *segment, uint64_t offset,
                          struct mmb_shared_span *out_span, uint32_t *out_block)
{
    const struct mmb_shared_layout *layout = &segment->layout;
    if (offset < layout->data || offset >= layout->data_end || layout->n_granules == 0)
        return false;
    uint32_t granule = (uint32_t)((offset - layout->data) >> layout->granule_log2);
    if (!span_around(segment, granule, out_span))
        return false;
    uint64_t distance =
        offset - layout->data - ((uint64_t)out_span->granule << layout->granule_log2);
    uint64_t block = distance / out_span->block_bytes;
    *out_block = (uint32_t)block;
    return block < out_span->n_blocks;
}

bool mmb_shared_block_is_live(const struct mmb_shared_span *span, uint32_t block)
{
    const uint64_t *words = &span->words[block / 64 * 2];
    uint64_t allocated = __atomic_load_n(&words[0], __ATOMIC_ACQUIRE);
    uint64_t freed = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
    return allocated & ~freed & (uint64_t)1 << block % 64;
}

/* ---- generations ---- */

struct field {
    uint8_t *byte;
    uint32_t shift;
    uint8_t mask;
};

static struct field generation_field(const struct mmb_shared_span *span, uint32_t block)
{
    uint32_t bits = mmb_shared_generation_bits(span->block_bytes);
    uint32_t at = block * bits;
    return (struct field){&span->generations[at / 8], at % 8, (uint8_t)((1u << bits) - 1)};
}

uint8_t mmb_shared_generation(const struct mmb_shared_span *span, uint32_t block)
{
    struct field field = generation_field(span, block);
    return (uint8_t)(__atomic_load_n(field.byte, __ATOMIC_RELAXED) >> field.shift & field.mask);
}

void mmb_shared_generation_bump(const struct mmb_shared_span *span, uint32_t block)
{
    struct field field = generation_field(span, block);
    uint32_t byte = __atomic_load_n(field.byte, __ATOMIC_RELAXED);
    uint32_t next = ((byte >> field.shift) + 1) & field.mask;
    byte = (byte & ~((uint32_t)field.mask << field.shift)) | next << field.shift;
    __atomic_store_n(field.byte, (uint8_t)byte, __ATOMIC_RELAXED);
}

/* ---- taking and giving back ---- */

/* First granule of a run of free ones from `from` on, or n_granules; *out_length is its length, up
 * to `enough`. */
static uint32_t next_run(const struct mmb_shared_segment *segment, uint32_t from, uint32_t enough,
                         uint32_t *out_length)
{
    uint32_t n = segment->layout.n_granules;
    struct mmb_shared_span span;
    while (from < n && mmb_shared_span_at(segment, from, &span))
        from += span.n_granules;
    uint32_t length = 0;
    while (from + length < n && length < enough &&
           !mmb_shared_span_at(segment, from + length, &span))
        length++;
    *out_length = length;
    return from;
}

/* Granules to skip at the start of a run for the alignment. */
static uint32_t skip(const struct mmb_shared_segment *segment, uint32_t granule, size_t alignment)
{
    uint32_t log2 = segment->layout.granule_log2;
    uintptr_t address =
        (uintptr_t)segment->base + segment->layout.data + ((uintptr_t)granule << log2);
    size_t head = -address & (alignment - 1);
    return (uint32_t)(head >> log2) + ((head & (((size_t)1 << log2) - 1)) != 0);
}

/* The hint, where it may be within a span: a process may die between making one and moving the
 * hint, and the granules behind a head alone do not tell that they are taken. */
static uint32_t past_span(const struct mmb_shared_segment *segment, uint32_t granule)
{
    struct mmb_shared_span span;
    if (granule >= segment->layout.n_granules || !span_around(segment, granule, &span))
        return granule;
    return span.granule + span.n_granules;
}

/* UINT32_MAX: none from `from` on; it is no granule within a span. */
static uint32_t find_run(const struct mmb_shared_segment *segment, uint32_t from,
                         const struct mmb_shared_want *want, uint32_t *largest)
{
    uint32_t log2 = segment->layout.granule_log2;
    uint32_t slack = (uint32_t)((want->alignment - 1) >> log2);
    while (from < segment->layout.n_granules) {
        uint32_t length;
        uint32_t at = next_run(segment, from, want->n_granules + slack, &length);
        uint32_t skipped = skip(segment, at, want->alignment);
        if (length > *largest)
            *largest = length;
        if (length >= skipped && length - skipped >= want->n_granules)
            return at + skipped;
        from = at + length + (length == 0);
    }
    return UINT32_MAX;
}

/* Bits first, then the granules behind, then the word that makes it a span. */
static bool make(struct mmb_shared_segment *segment, uint32_t slot,
                 const struct mmb_shared_want *want, uint32_t granule, struct mmb_shared_span *out)
{
    const struct mmb_shared_layout *layout = &segment->layout;
    *out = (struct mmb_shared_span){.granule = granule,
                                    .n_granules = want->n_granules,
                                    .class_index = want->class_index,
                                    .owner = slot + 1};
    mmb_shared_span_fill(segment, out);
    uint64_t offset = layout->data + ((uint64_t)granule << layout->granule_log2);
    if (!mmb_shared_back(segment, (uint64_t)((unsigned char *)out->words - segment->base),
                         layout->control_bytes) ||
        !mmb_shared_back(segment, offset, (uint64_t)out->n_granules << layout->granule_log2))
        return false;
    for (uint32_t w = 0; w < 3 * WORDS_OF(segment); w++)
        __atomic_store_n(&out->words[w], 0, __ATOMIC_RELAXED);
    uint64_t rest =
        mmb_descriptor_pack((struct mmb_descriptor){.state = MMB_SPAN_REST, .n_granules = granule});
    for (uint32_t i = 1; i < out->n_granules; i++)
        __atomic_store_n(mmb_shared_descriptor(segment, granule + i), rest, __ATOMIC_RELAXED);
    uint64_t head = mmb_descriptor_pack((struct mmb_descriptor){.state = MMB_SPAN_HEAD,
                                                                .class_index = want->class_index,
                                                                .owner = slot + 1,
                                                                .n_granules = want->n_granules});
    __atomic_store_n(mmb_shared_descriptor(segment, granule), head, __ATOMIC_RELEASE);
    return true;
}

bool mmb_shared_span_take(struct mmb_shared_segment *segment, uint32_t slot,
                          const struct mmb_shared_want *want, struct mmb_shared_span *out,
                          uint32_t *out_largest)
{
    uint32_t *hint = &mmb_shared_dynamic(segment)->hint;
    *out_largest = 0;
    mmb_shared_lock(segment, slot);
    uint32_t from = past_span(segment, __atomic_load_n(hint, __ATOMIC_RELAXED));
    uint32_t granule = find_run(segment, from, want, out_largest);
    if (granule == UINT32_MAX)
        granule = find_run(segment, 0, want, out_largest);
    bool made = granule != UINT32_MAX && make(segment, slot, want, granule, out);
    if (made)
        __atomic_store_n(hint, granule + want->n_granules, __ATOMIC_RELAXED);
    mmb_shared_unlock(segment);
    return made;
}

void mmb_shared_span_free(struct mmb_shared_segment *segment, const struct mmb_shared_span *span)
{
    uint32_t *hint = &mmb_shared_dynamic(segment)->hint;
    __atomic_store_n(mmb_shared_descriptor(segment, span->granule), 0, __ATOMIC_RELEASE);
    if (span->granule < __atomic_load_n(hint, __ATOMIC_RELAXED))
        __atomic_store_n(hint, span->granule, __ATOMIC_RELAXED);
}

void mmb_shared_span_relabel(struct mmb_shared_segment *segment, const struct mmb_shared_span *span,
                             uint32_t owner, uint32_t adopter)
{
    uint64_t word = mmb_descriptor_pack((struct mmb_descriptor){.state = MMB_SPAN_HEAD,
                                                                .class_index = span->class_index,
                                                                .owner = owner,
                                                                .adopter = adopter,
                                                                .n_granules = span->n_granules});
    __atomic_store_n(mmb_shared_descriptor(segment, span->granule), word, __ATOMIC_RELEASE);
}

uint32_t mmb_shared_span_live(const struct mmb_shared_span *span)
{
    uint32_t live = 0;
    for (uint32_t w = 0; w < mmb_shared_span_words(span); w++) {
        uint64_t allocated = __atomic_load_n(&span->words[2 * w], __ATOMIC_ACQUIRE);
        uint64_t freed = __atomic_load_n(&span->words[2 * w + 1], __ATOMIC_ACQUIRE);
        live += (uint32_t)__builtin_popcountll(allocated & ~freed & mmb_shared_span_mask(span, w));
    }
    return live;
}

/* ---- all of them ---- */

bool mmb_shared_span_is_dead(struct mmb_shared_segment *segment, const struct mmb_shared_span *span)
{
    if (span->owner == MMB_SHARED_OWNER_DEAD)
        return true;
    if (span->owner == MMB_SHARED_OWNER_DETACHED)
        return false;
    return span->owner == 0 || span->owner > segment->layout.n_slots ||
           mmb_shared_slot_is_dead(segment, span->owner - 1);
}

void mmb_shared_sweep(struct mmb_shared_segment *segment, uint32_t slot)
{
    struct mmb_shared_span span;
    mmb_shared_lock(segment, slot);
    MMB_SHARED_FOR_EACH_SPAN(segment, granule, &span)
    {
        bool has_owner =
            span.owner != MMB_SHARED_OWNER_DETACHED && !mmb_shared_span_is_dead(segment, &span);
        if (!has_owner && mmb_shared_span_live(&span) == 0)
            mmb_shared_span_free(segment, &span);
    }
    mmb_shared_unlock(segment);
}

void mmb_shared_usage(struct mmb_shared_segment *segment, struct mmb_shared_usage *out)
{
    struct mmb_shared_span span;
    *out = (struct mmb_shared_usage){0};
    if (segment->layout.strategy == MMB_STRATEGY_STACK)
        mmb_shared_stack_usage(segment, out);
    MMB_SHARED_FOR_EACH_SPAN(segment, granule, &span)
    {
        uint32_t live = mmb_shared_span_live(&span);
        out->live_count += live;
        out->live_bytes += live * span.block_bytes;
        out->reserved_bytes += (uint64_t)span.n_granules << segment->layout.granule_log2;
        out->n_spans++;
    }
}
