/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared segment as this process has it: where it is mapped, a private copy of its layout, and
 * which owner slots are this process's. What lies in the segment itself can be changed by others at
 * any time, so everything read from it is bounded by the private copy. */
#ifndef MMB_SHARED_SEGMENT_H
#define MMB_SHARED_SEGMENT_H
#include <sys/types.h>
#include "src/base/lock.h"
#include "src/shared/layout.h"

#define MMB_SHARED_NO_SLOT UINT32_MAX

struct mmb_shared_segment {
    unsigned char *base;
    struct mmb_shared_layout layout;
    uint32_t id;
    uint32_t generation;
    bool created; /* by this interface */
    /* A descriptor of a file description that nobody else has, for locks that tell who lives; -1:
     * the segment is in memory without a file, and process ids tell. */
    int fd;
    uint64_t fd_offset;   /* of the segment in the file */
    bool is_sparse;       /* pages are asked for before they are touched */
    pid_t pid;            /* that this is valid for */
    bool is_inherited;    /* the descriptor is still the one that the parent of a fork has */
    uint32_t slot;        /* the process's own; NO_SLOT after a fork that found none */
    uint32_t incarnation; /* drawn when the process attached or was forked; its two lowest bits are
                             0, the rest never */
    struct mmb_lock slots_lock;
    struct mmb_mutex
        central; /* before the lock in the segment: one thread per process waits there */
    uint64_t own[MMB_SHARED_SLOTS_MAX / 64]; /* bits: slots of this process; under slots_lock */
};

static inline struct mmb_shared_dynamic *
mmb_shared_dynamic(const struct mmb_shared_segment *segment)
{
    return (struct mmb_shared_dynamic *)(segment->base + MMB_SHARED_DYNAMIC_OFFSET);
}

static inline struct mmb_shared_slot *mmb_shared_slot(const struct mmb_shared_segment *segment,
                                                      uint32_t slot)
{
    return (struct mmb_shared_slot *)(segment->base + MMB_SHARED_SLOTS_OFFSET) + slot;
}

static inline uint64_t *mmb_shared_descriptor(const struct mmb_shared_segment *segment,
                                              uint32_t granule)
{
    return (uint64_t *)(segment->base + segment->layout.descriptors) + granule;
}

/* ---- life (segment.c) ---- */

struct mmb_shared_identity {
    uint32_t id;
    uint32_t generation;
    uint32_t creator;
    bool other_users;
};

/* Writes a segment into zeroed memory; the head comes last. */
void mmb_shared_format(void *base, const struct mmb_shared_layout *layout,
                       const struct mmb_shared_identity *identity);
/* A number that no earlier segment of the name had; never 0. */
uint32_t mmb_shared_new_generation(void);
/* Joins a segment that is mapped at base and whose head `copy` was checked: takes a slot. fd is the
 * segment's afterwards, and closed when this fails. MMB_OUT_OF_MEMORY: all slots are in use;
 * MMB_BUSY: the central lock cannot be had. */
mmbError mmb_shared_join(struct mmb_shared_segment *segment, void *base,
                         const struct mmb_shared_head *copy, int fd, uint64_t fd_offset);
/* Gives the slots back; blocks stay. The memory is the caller's to unmap. */
void mmb_shared_leave(struct mmb_shared_segment *segment);
/* In the child of a fork: the parent's slots are not ours; a new one is taken if there is one. */
void mmb_shared_refork(struct mmb_shared_segment *segment);
mmbError mmb_shared_find_slot(struct mmb_shared_segment *segment);
/* Before anything that is done in the name of the process's slot: takes one where a fork found
 * none. MMB_OUT_OF_MEMORY, MMB_BUSY: as when joining. */
static inline mmbError mmb_shared_ensure_slot(struct mmb_shared_segment *segment)
{
    uint32_t slot = __atomic_load_n(&segment->slot, __ATOMIC_ACQUIRE);
    return __builtin_expect(slot != MMB_SHARED_NO_SLOT, 1) ? MMB_OK : mmb_shared_find_slot(segment);
}
/* Pages for a part of the segment; false: there are none. */
bool mmb_shared_back(const struct mmb_shared_segment *segment, uint64_t offset, uint64_t n_bytes);

/* ---- owners (owner.c) ---- */

/* Takes a slot that nobody has, or one of the dead, whose spans become nobody's.
 * MMB_OUT_OF_MEMORY: there is none; MMB_BUSY: the central lock cannot be had. */
mmbError mmb_shared_slot_take(struct mmb_shared_segment *segment, uint32_t *out_slot);
/* What it owns becomes DETACHED. */
void mmb_shared_slot_give(struct mmb_shared_segment *segment, uint32_t slot);
bool mmb_shared_slot_is_own(struct mmb_shared_segment *segment, uint32_t slot);
/* Taken by a process that is gone. */
bool mmb_shared_slot_is_dead(struct mmb_shared_segment *segment, uint32_t slot);

/* ---- the central lock (lock.c) ---- */

/* `slot` is one that this process has. Returns with the lock, whoever died with it: nothing that it
 * guards needs repair. */
void mmb_shared_lock(struct mmb_shared_segment *segment, uint32_t slot);
void mmb_shared_unlock(struct mmb_shared_segment *segment);
/* The same for who just came. False: a living process seems to hold it, and for longer than
 * mmb_shared_patience_ns: it is stopped, or the word is damaged. */
bool mmb_shared_lock_first(struct mmb_shared_segment *segment, uint32_t slot);
extern long mmb_shared_patience_ns; /* less in tests */

/* ---- spans (span.c) ---- */

/* A span whose descriptor was read and found possible. */
struct mmb_shared_span {
    uint32_t granule;
    uint32_t n_granules;
    uint32_t class_index;
    uint32_t owner;
    uint32_t adopter;
    uint32_t n_blocks;
    size_t block_bytes;
    uint64_t *words;      /* A and F of block 64 w are words[2 w], words[2 w + 1] */
    uint64_t *spared;     /* K */
    uint8_t *generations; /* packed; see mmb_shared_generation */
};

static inline uint32_t mmb_shared_span_words(const struct mmb_shared_span *span)
{
    return (span->n_blocks + 63) / 64;
}

/* Bits of word w that belong to blocks. */
static inline uint64_t mmb_shared_span_mask(const struct mmb_shared_span *span, uint32_t w)
{
    uint32_t left = span->n_blocks - w * 64;
    return left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
}

/* Fills what follows from a first granule, a length and a class. */
void mmb_shared_span_fill(const struct mmb_shared_segment *segment, struct mmb_shared_span *span);
/* False: no span starts at the granule, or the descriptor cannot be. */
bool mmb_shared_span_at(const struct mmb_shared_segment *segment, uint32_t granule,
                        struct mmb_shared_span *out);
/* The span and block that an offset lies in; false: none. */
bool mmb_shared_span_find(const struct mmb_shared_segment *segment, uint64_t offset,
                          struct mmb_shared_span *out_span, uint32_t *out_block);
static inline uint64_t mmb_shared_block_offset(const struct mmb_shared_segment *segment,
                                               const struct mmb_shared_span *span, uint32_t block)
{
    return segment->layout.data + ((uint64_t)span->granule << segment->layout.granule_log2) +
           (uint64_t)block * span->block_bytes;
}
bool mmb_shared_block_is_live(const struct mmb_shared_span *span, uint32_t block);
uint8_t mmb_shared_generation(const struct mmb_shared_span *span, uint32_t block);
/* For the span's owner, or with the central lock where it has none. */
void mmb_shared_generation_bump(const struct mmb_shared_span *span, uint32_t block);

struct mmb_shared_want {
    uint32_t class_index;
    uint32_t n_granules;
    size_t alignment; /* of the address; at most a granule's: any */
};
/* Makes a span of a slot's. False: no run is long enough; *out_largest is the longest, in granules.
 */
bool mmb_shared_span_take(struct mmb_shared_segment *segment, uint32_t slot,
                          const struct mmb_shared_want *want, struct mmb_shared_span *out,
                          uint32_t *out_largest);
/* Central lock held. The whole span is free afterwards: one store. */
void mmb_shared_span_free(struct mmb_shared_segment *segment, const struct mmb_shared_span *span);
/* Central lock held, or the caller owns it: another owner, adopter. */
void mmb_shared_span_relabel(struct mmb_shared_segment *segment, const struct mmb_shared_span *span,
                             uint32_t owner, uint32_t adopter);
uint32_t mmb_shared_span_live(const struct mmb_shared_span *span);

/* Calls for every span; the granules of a wrong descriptor count as free. */
#define MMB_SHARED_FOR_EACH_SPAN(segment, granule, span)                                           \
    for (uint32_t granule = 0; granule < (segment)->layout.n_granules;                             \
         granule += mmb_shared_span_at(segment, granule, span) ? (span)->n_granules : 1)           \
        if (mmb_shared_span_at(segment, granule, span))

/* Is a span's owner a dead process? Central lock held. */
bool mmb_shared_span_is_dead(struct mmb_shared_segment *segment,
                             const struct mmb_shared_span *span);
/* Gives back the empty spans that no living process owns. */
void mmb_shared_sweep(struct mmb_shared_segment *segment, uint32_t slot);

struct mmb_shared_usage {
    uint64_t live_bytes, live_count, reserved_bytes, n_spans;
};
void mmb_shared_usage(struct mmb_shared_segment *segment, struct mmb_shared_usage *out);

/* ---- blocks of the dead (reclaim.c) ---- */

/* True spares the block. Called with the central lock. */
typedef bool (*mmb_shared_keep)(void *user, uint64_t offset, size_t n_bytes);
/* Frees what dead processes allocated and nobody adopted. The bytes of it. */
uint64_t mmb_shared_reclaim(struct mmb_shared_segment *segment, mmb_shared_keep keep, void *user);
/* Spares a live block of a dead process's for this one. MMB_INVALID_ALLOCATION: no live block
 * starts there; MMB_BUSY: its owner lives. *out_is_own: it is this process's already. */
mmbError mmb_shared_adopt(struct mmb_shared_segment *segment, uint64_t offset, bool *out_is_own);
/* A live block is nobody's from now on: it outlives whoever allocated it and is never reclaimed. */
void mmb_shared_keep_block(struct mmb_shared_segment *segment, uint64_t offset);

/* ---- a look at it (check.c) ---- */

struct mmb_shared_census {
    uint64_t n_bytes, live_bytes, live_count, owners, dead_owners;
};
/* MMB_CORRUPT with a detail that says where. The segment need not be joined. */
mmbError mmb_shared_check(struct mmb_shared_segment *segment, struct mmb_shared_census *out);

#endif
