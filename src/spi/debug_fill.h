/* SPDX-License-Identifier: BSD-3-Clause */
/* Debug builds write a pattern into new blocks and another into freed ones, so that what was never
 * written, or is used after its free, shows. Release builds do nothing here. */
#ifndef MMB_SPI_DEBUG_FILL_H
#define MMB_SPI_DEBUG_FILL_H
#include <string.h>
#include "src/spi/record.h"

#define MMB_FILL_NEW   0xcb
#define MMB_FILL_FREED 0xdb

/* More than this would make large untouched blocks slow; misuse mostly shows at the start. */
#define MMB_FILL_BYTES ((size_t)64 << 10)

/* Bytes at the start of a new block of n_bytes that have the pattern. */
static inline size_t mmb_debug_filled(size_t n_bytes)
{
#ifdef MMB_DEBUG
    return n_bytes < MMB_FILL_BYTES ? n_bytes : MMB_FILL_BYTES;
#else
    (void)n_bytes;
    return 0;
#endif
}

static inline void mmb_debug_fill(const mmbAllocation *record, int pattern)
{
#ifdef MMB_DEBUG
    if (record->host)
        memset(record->host, pattern, mmb_debug_filled(mmb_record_bytes(record)));
#else
    (void)record;
    (void)pattern;
#endif
}

/* The short ways of free take only plain live records, and refuse none of them. */
static inline void mmb_debug_fill_plain(const mmbAllocation *record)
{
#ifdef MMB_DEBUG
    uint32_t word = mmb_record_word(record);
    if (word != 0 && mmb_record_state(word) <= MMB_RECORD_LOCKED)
        mmb_debug_fill(record, MMB_FILL_FREED);
#else
    (void)record;
#endif
}

#endif
