/* SPDX-License-Identifier: BSD-3-Clause */
/* See align.h. Takes only the extensions' lock. */
#include "interfaces/align.h"

mmbError mmb_record_align(mmbAllocation *record, uintptr_t address, size_t alignment)
{
    size_t head = (size_t)(-address & (alignment - 1));
    if (alignment <= 16 || head == 0)
        return MMB_OK;
    struct mmb_extension *extension;
    mmbError error = mmb_record_extend(record, &extension);
    if (error)
        return error;
    extension->head = head;
    extension->alignment_log2 = (uint8_t)__builtin_ctzll(alignment);
    if (record->host)
        record->host = (char *)record->host + head;
    return MMB_OK;
}

void mmb_record_unalign(mmbAllocation *record)
{
    struct mmb_extension *extension = mmb_record_extension(record);
    if (extension && extension->head && record->host)
        record->host = (char *)record->host - extension->head;
}
