/* SPDX-License-Identifier: BSD-3-Clause */
/* What debug builds hand out instead of a record. Records are used again, so a release build
 * refuses a stale handle only until then. A debug build gives every object a ticket: 16 bytes at an
 * address that no other object ever has, which lead to the record while the object lives. Only the
 * public functions know of tickets: they ask for the record of what they are given, and for the
 * ticket of what they give. Behind them all is as in a release build, and there these functions do
 * nothing.
 *
 * A record without a ticket, which is all there is when no addresses are left, is its own handle;
 * inside the library public functions may be called with records. */
#ifndef MMB_CORE_TICKET_H
#define MMB_CORE_TICKET_H
#include <stdbool.h>
#include <mmb/allocation.h>
#include <mmb/error.h>

#ifdef MMB_DEBUG

/* The record that a handle stands for; anything that is no live ticket as it is, so that a dead one
 * is refused as a foreign pointer. */
mmbAllocation *mmb_ticket_record(const mmbAllocation *handle);
/* The handle of a live record: its ticket, made now if it has none. */
mmbAllocation *mmb_ticket_of(mmbAllocation *record);
/* A record that was just taken becomes a handle of its own. */
void mmb_ticket_issue(mmbAllocation **record);
/* The handle's address was moved. */
void mmb_ticket_follow(const mmbAllocation *record);
/* Passes on what a free came to; after MMB_OK the handle's ticket is dead. */
mmbError mmb_ticket_freed(const mmbAllocation *handle, mmbError error);
/* Was it handed out once? */
bool mmb_ticket_is_ours(const void *handle);

#else

static inline mmbAllocation *mmb_ticket_record(const mmbAllocation *handle)
{
    return (mmbAllocation *)handle;
}

static inline mmbAllocation *mmb_ticket_of(mmbAllocation *record)
{
    return record;
}

static inline void mmb_ticket_issue(mmbAllocation **record)
{
    (void)record;
}

static inline void mmb_ticket_follow(const mmbAllocation *record)
{
    (void)record;
}

static inline mmbError mmb_ticket_freed(const mmbAllocation *handle, mmbError error)
{
    (void)handle;
    return error;
}

static inline bool mmb_ticket_is_ours(const void *handle)
{
    (void)handle;
    return false;
}

#endif

#endif
