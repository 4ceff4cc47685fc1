/* SPDX-License-Identifier: BSD-3-Clause */
/* Over-aligned blocks: the block is larger by the slack, and the record's extension remembers how
 * many bytes at its start are skipped. */
#ifndef MMB_INTERFACES_ALIGN_H
#define MMB_INTERFACES_ALIGN_H
#include "src/spi/record.h"

/* Moves a live record's host pointer up to the alignment; `address` is its block's. Does nothing
 * where the block is aligned. MMB_OUT_OF_MEMORY: no extension; the record is unchanged. */
mmbError mmb_record_align(mmbAllocation *record, uintptr_t address, size_t alignment);
/* Undoes it; the extension stays for the caller to drop. */
void mmb_record_unalign(mmbAllocation *record);

#endif
