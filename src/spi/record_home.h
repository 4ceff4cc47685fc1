/* SPDX-License-Identifier: BSD-3-Clause */
/* From a free-standing record to its home object without a call, for those who do it in every free:
 * two loads, of the granule's owner and of the object beside it (src/core/record_pool.c). */
#ifndef MMB_SPI_RECORD_HOME_H
#define MMB_SPI_RECORD_HOME_H
#include "src/spi/record.h"

/* What owns a granule of free-standing records. */
struct mmb_record_pool_owner {
    struct mmb_record_owner base;
    struct mmb_record_pool_owner *next;
    void *homes[MMB_RECORDS_PER_GRANULE];
};

/* As mmb_record_home_object. */
static inline void *mmb_record_home_here(const mmbAllocation *record)
{
    size_t index = mmb_record_number(record);
    struct mmb_record_owner *owner =
        __atomic_load_n(&mmb_records.owners[index / MMB_RECORDS_PER_GRANULE], __ATOMIC_RELAXED);
    return __atomic_load_n(
        &((struct mmb_record_pool_owner *)owner)->homes[index % MMB_RECORDS_PER_GRANULE],
        __ATOMIC_ACQUIRE);
}

#endif
