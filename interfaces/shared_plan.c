/* SPDX-License-Identifier: BSD-3-Clause */
/* Which class, or how many granules, a request takes in a shared heap (shared.h). Pure: owns
 * nothing, takes no lock. */
#include "interfaces/shared.h"
#include "src/base/error.h"

/* Segments are mapped at multiples of this in every process. */
#define ALIGNMENT_MAX ((size_t)2 << 20)

/* A span has room for this many blocks, unless that would be a large part of the segment. */
#define BLOCKS_PER_SPAN 8u

uint32_t mmb_shared_granules(const struct mmb_shared_heap *heap, size_t n_bytes)
{
    uint32_t log2 = heap->segment->layout.granule_log2;
    size_t n = (n_bytes >> log2) + ((n_bytes & (((size_t)1 << log2) - 1)) != 0);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* Granules per span: 8 blocks, but at most a 32nd of the segment, and at least one block. */
static uint32_t span_granules(const struct mmb_shared_heap *heap, uint32_t class_index)
{
    size_t block_bytes = mmb_shared_class_bytes(class_index);
    uint32_t wanted = mmb_shared_granules(heap, BLOCKS_PER_SPAN * block_bytes);
    uint32_t most = heap->segment->layout.n_granules / 32;
    uint32_t least = mmb_shared_granules(heap, block_bytes);
    wanted = wanted < most ? wanted : most;
    return wanted > least ? wanted : least;
}

/* Blocks lie at multiples of their size from a granule's start. UINT32_MAX: no class does. */
static uint32_t class_for(const struct mmb_shared_heap *heap, size_t n_bytes, size_t alignment)
{
    uint32_t log2 = heap->segment->layout.granule_log2;
    size_t need = n_bytes > alignment || alignment <= MMB_SHARED_UNIT ? n_bytes : alignment;
    if (need > (size_t)1 << log2)
        return UINT32_MAX;
    uint32_t class_index = mmb_shared_class_of(need), n_classes = mmb_shared_n_classes(log2);
    while (alignment > MMB_SHARED_UNIT && class_index < n_classes &&
           mmb_shared_class_bytes(class_index) % alignment != 0)
        class_index++;
    return class_index < n_classes ? class_index : UINT32_MAX;
}

mmbError mmb_shared_plan(const struct mmb_shared_heap *heap, const struct mmb_request *request,
                         struct mmb_shared_want *out)
{
    size_t granule = (size_t)1 << heap->segment->layout.granule_log2;
    uintptr_t first = (uintptr_t)heap->segment->base + heap->segment->layout.data;
    size_t within = request->alignment < granule ? request->alignment : granule;
    if (request->alignment > ALIGNMENT_MAX || first % within != 0)
        return mmb_fail(MMB_UNSUPPORTED,
                        "allocate: a shared heap mapped at %p aligns to %zu at "
                        "most, not to %zu",
                        (void *)heap->segment->base,
                        first % within != 0 ? first & -first : ALIGNMENT_MAX, request->alignment);
    uint32_t class_index = class_for(heap, request->n_bytes, request->alignment);
    if (class_index == UINT32_MAX)
        *out = (struct mmb_shared_want){MMB_SHARED_CLASS_LARGE,
                                        mmb_shared_granules(heap, request->n_bytes),
                                        request->alignment};
    else
        *out = (struct mmb_shared_want){class_index, span_granules(heap, class_index), granule};
    if (out->class_index == MMB_SHARED_CLASS_LARGE && out->alignment < granule)
        out->alignment = granule;
    return MMB_OK;
}
