/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a slab whose allocator closes: a handle that moved to another interface must outlive
 * it. */
#ifndef MMB_INTERFACES_ORPHAN_H
#define MMB_INTERFACES_ORPHAN_H
#include "src/spi/record.h"

/* Frees the slab; its first n_used records may be live and are dead afterwards. Where some are the
 * handles of blocks that moved away, those stay, owned by an ORPHAN. */
void mmb_slab_close(struct mmb_record_owner *owner, uint32_t n_used);
/* Such a handle is freed (its owner is an ORPHAN, its extension is dropped). */
void mmb_orphan_release(mmbAllocation *record);

#endif
