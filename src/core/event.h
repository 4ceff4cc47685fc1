/* SPDX-License-Identifier: BSD-3-Clause */
/* A copy that somebody else runs: the worker, or a device's stream. Made by the asynchronous calls,
 * completed by whoever runs it, released by mmb_event_wait. */
#ifndef MMB_CORE_EVENT_H
#define MMB_CORE_EVENT_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <mmb/copy_async.h>
#include "src/base/list.h"
#include "src/core/copy.h"

#define MMB_EVENT_MAGIC      0x6d6d626576656e74ull /* cleared by release */
#define MMB_EVENT_SLOT_BYTES 1024u

/* Invariants, for an event that was submitted: it is in the worker's list of all events until it is
 * released; in the queue until the worker takes it. holds_objects from the submission until the
 * copy has left flight. What stands below `transfer` is the worker mutex's. */
struct mmbEvent {
    _Atomic uint64_t magic;
    mmbAllocation *dst;
    const mmbAllocation *src; /* NULL for a fill */
    bool is_detached;         /* nobody waits: the worker releases it */
    struct mmb_transfer transfer;
    struct mmb_backend *streamer; /* that the copy was queued with; NULL: the worker runs it */
    struct mmb_list all_link;
    struct mmb_list queue_link;
    void *mark; /* behind the copy in the streamer's stream; NULL: none, or it was reached */
    bool holds_objects; /* dst and src are busy */
    bool is_done;
    bool is_orphan; /* the process was forked before it was done */
    mmbError error; /* of the copy */
    char *detail;   /* owned; NULL: there was no metadata for it */
};
_Static_assert(sizeof(struct mmbEvent) <= MMB_EVENT_SLOT_BYTES - sizeof(void *),
               "an event fits its slot");

/* Makes both objects busy. Undone when it fails. */
mmbError mmb_event_take_objects(mmbEvent *event);
void mmb_event_drop_objects(mmbEvent *event);

#endif
