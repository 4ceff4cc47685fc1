/* SPDX-License-Identifier: BSD-3-Clause */
/* Pockets of free blocks (shared_pocket.h). Owns nothing; a pocket is its cache's, and its runner's
 * in an operation, or who has the lock when the runner is stopped. */
#include "interfaces/shared_hot.h"

/* A word's blocks are taken a few at a time. */
#define AT_ONCE 8u

static mmbAllocation *no_record;
static uint8_t no_generation;

static const struct mmb_shared_spot nothing = {&no_record, &mmb_shared_no_word, 1, &no_generation};

void mmb_shared_pocket_init(struct mmb_shared_pocket *pocket)
{
    for (uint32_t i = 0; i < sizeof pocket->spots / sizeof pocket->spots[0]; i++)
        pocket->spots[i] = nothing;
    pocket->top = &pocket->spots[0];
}

uint64_t mmb_shared_pocket_fill(struct mmb_shared_pocket *pocket, struct mmb_shared_word *word,
                                uint64_t mask)
{
    uint32_t n = (uint32_t)__builtin_popcountll(mask);
    n = n < AT_ONCE ? n : AT_ONCE;
    pocket->top = &pocket->spots[n];
    for (; n > 0; n--, mask &= mask - 1)
        mmb_shared_spot_set(&pocket->spots[n], word, (uint32_t)__builtin_ctzll(mask));
    return mask;
}

/* Those below the top keep their order. */
void mmb_shared_pocket_purge(struct mmb_shared_pocket *pocket, const struct mmb_shadow *shadow)
{
    struct mmb_shared_spot *left = &pocket->spots[0];
    for (struct mmb_shared_spot *spot = left + 1; spot <= pocket->top; spot++)
        if (spot->word->shadow != shadow)
            *++left = *spot;
    pocket->top = left;
    while (++left <= &pocket->spots[MMB_SHARED_POCKET + 1])
        *left = nothing;
}

void mmb_shared_pocket_forget(struct mmb_shared_pocket *pocket, const struct mmb_shared_word *word,
                              uint64_t bit)
{
    for (struct mmb_shared_spot *spot = pocket->top + 1;
         spot <= &pocket->spots[MMB_SHARED_POCKET + 1]; spot++)
        if (spot->word == word && spot->bit == bit)
            *spot = nothing;
}
