/* SPDX-License-Identifier: BSD-3-Clause */
/* The free blocks that the runner of a cache takes next, of one class: those that it freed last,
 * whose bytes and records are still in the processor's cache, and then some of the CURRENT word.
 *
 * They are free for everybody else, but in no mask; nobody but the runner, or who has stopped it
 * and has the lock, looks at a pocket. Above the top lie blocks that were taken, as long as nothing
 * was put over them: where the record of the next one is freed, it need not be found. */
#ifndef MMB_INTERFACES_SHARED_POCKET_H
#define MMB_INTERFACES_SHARED_POCKET_H
#include <stdbool.h>
#include <stdint.h>
#include "src/spi/record.h"

struct mmb_shared_word;
struct mmb_shadow;

#define MMB_SHARED_POCKET 16u

/* Of a live or free block: where its record is noted, which bit of its word it is, and the byte of
 * its generation, if that has 8 bits. */
struct mmb_shared_spot {
    mmbAllocation **place;
    struct mmb_shared_word *word;
    uint64_t bit;
    uint8_t *generation;
};

/* spots[0], and all that were never filled, are of a block that is always marked as freed by
 * somebody else, and has no record. */
struct mmb_shared_pocket {
    struct mmb_shared_spot *top; /* what is taken next */
    struct mmb_shared_spot spots[1 + MMB_SHARED_POCKET + 1];
};

void mmb_shared_pocket_init(struct mmb_shared_pocket *pocket);
/* Moves blocks from a mask to an empty pocket, the lowest on top. What is left of the mask. */
uint64_t mmb_shared_pocket_fill(struct mmb_shared_pocket *pocket, struct mmb_shared_word *word,
                                uint64_t mask);
/* Nothing of a span, or of a word's block, is in it any more, above its top neither. */
void mmb_shared_pocket_purge(struct mmb_shared_pocket *pocket, const struct mmb_shadow *shadow);
void mmb_shared_pocket_forget(struct mmb_shared_pocket *pocket, const struct mmb_shared_word *word,
                              uint64_t bit);

#endif
