/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a slab whose allocator closes: a handle that moved to another interface must outlive
 * it. */
#ifndef MMB_INTERFACES_ORPHAN_H
#define MMB_INTERFACES_ORPHAN_H
#include "src/spi/record.h"

/* An allocator closes between these two; nobody is inside enter and leave then. */
void mmb_homes_close_begin(void);
void mmb_homes_close_end(void);
/* Between these two a record's owner stays what it is: a moved handle may be freed by one thread
 * while another destroys the interface it was made in, which it has left. */
void mmb_homes_enter(void);
void mmb_homes_leave(void);

/* Within close_begin and close_end. Frees the slab; its first n_used records may be live and are
 * dead afterwards. Where some are the handles of blocks that moved away, those stay, owned by an
 * ORPHAN. */
void mmb_slab_close(struct mmb_record_owner *owner, uint32_t n_used);
/* Such a handle is freed (its owner is an ORPHAN, which nothing else can become). */
void mmb_orphan_release(mmbAllocation *record);
/* All of them are dead: the library ends. */
void mmb_orphans_close(void);

#endif
