/* SPDX-License-Identifier: BSD-3-Clause */
/* What the first instructions of mmb_allocate read of an interface: which magazine of the thread's
 * area serves a size. Where none does, the entry is 0, the start of slot 0, which no allocator has
 * and which looks like an empty magazine; so every exception takes the same branch: another
 * strategy, 0 bytes, a handle that is dead. All zero is an interface without magazines. */
#ifndef MMB_SPI_HOT_H
#define MMB_SPI_HOT_H
#include <stddef.h>
#include <stdint.h>
#include "src/spi/record.h"

#define MMB_HOT_BYTES   1024u /* sizes up to here are looked up, larger ones computed */
#define MMB_HOT_ENTRIES (MMB_HOT_BYTES / 16u + 1u)

struct mmb_stack;

struct mmb_hot {
    uint32_t magazine[MMB_HOT_ENTRIES]; /* offset in a thread area, by (n_bytes + 15) / 16 */
    uint32_t slot_base;                 /* offset of the allocator's slot; 0: none */
    uint32_t cached_bytes;              /* the largest size that magazines hold; 0: none */
    size_t lookup_bytes;                /* MMB_HOT_BYTES; 0: no magazine serves any size */
    size_t pointer_bytes;               /* the same where each block has a host pointer, else 0 */
    struct mmb_stack *stack;            /* interfaces/stack_hot.h; NULL: another strategy */
    /* Of a shared heap, for whose thread caches the above is (interfaces/shared_hot.h); 0: none. */
    uint64_t serial;
    /* A strategy without magazines: its own short way, of the allocator it is given; NULL: none. */
    bool (*quick)(struct mmb_allocator *allocator, size_t n_bytes, mmbAllocation **out_record);
    struct mmb_allocator *allocator;
};

/* Leads everything to slot 0. */
static inline void mmb_hot_clear(struct mmb_hot *hot)
{
    for (uint32_t i = 0; i < MMB_HOT_ENTRIES; i++)
        __atomic_store_n(&hot->magazine[i], 0, __ATOMIC_RELAXED);
    hot->lookup_bytes = 0;
    hot->pointer_bytes = 0;
    hot->slot_base = 0;
    hot->cached_bytes = 0;
    hot->stack = NULL;
    hot->serial = 0;
    hot->quick = NULL;
}

#endif
