/* SPDX-License-Identifier: BSD-3-Clause */
/* Free blocks on their way from one thread to another: a store of records per size class, each
 * behind a lock of its own, in front of the heap. */
#ifndef MMB_INTERFACES_CENTRAL_H
#define MMB_INTERFACES_CENTRAL_H
#include "interfaces/heap.h"

/* n <= capacity; records is NULL until the first put. */
struct mmb_central {
    struct mmb_lock lock;
    uint32_t n, capacity;
    mmbAllocation **records;
};

/* Up to `want` records. */
uint32_t mmb_central_get(struct mmb_central *central, mmbAllocation **out, uint32_t want);
/* Takes what it has room for from the end of the array; returns how many are left. */
uint32_t mmb_central_put(struct mmb_central *central, mmbAllocation *const *records, uint32_t n);
/* Gives everything to the heap and the store's own memory back. */
void mmb_central_flush(struct mmb_central *central, struct mmb_heap *heap);

#endif
