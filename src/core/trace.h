/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace of calls that MMB_TRACE=FILE asks for; mmb-replay reads it.
 *
 * The file starts with "MMBTRACE" and a byte 1. Then come events: a byte that says which, and its
 * numbers, each in groups of 7 bits, lowest first, the high bit set in all but the last. A block is
 * named by the address of its record / 16, written as the difference d to the one named before:
 * 2 d, or -2 d - 1 where it is negative. A text is its length and its bytes.
 *
 *     1 interface    id, layer name, context, strategy, backend, limit (0: none)
 *     2 end          id of an interface
 *     3 reset        id of an interface: all blocks of this stack are gone
 *     4 allocate     id of the interface, block, bytes, log2 of the alignment
 *     5 leave        block: it is about to be freed, moved or resized by the event's thread
 *     6 freed        it was
 *     7 moved        id of the interface, block, bytes: what it is now
 *     8 stayed       the call was refused
 *     9 thread       id: whose the next events are
 *
 * Leave is written before a call and the rest after it, so that no other thread's block of the same
 * name comes between. What a stack's release took away shows when its name is given out again. */
#ifndef MMB_CORE_TRACE_H
#define MMB_CORE_TRACE_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/types.h>

/* Never changes while there are interfaces. All but open are called only when it is set; then
 * thread-local interfaces have a scalable page's heap and no interface has a short way, so that
 * each call comes by the places where these functions are called. */
extern bool mmb_trace_is_on;

/* At the library's first start. False: asked for, but the file cannot be written. */
bool mmb_trace_open(void);
/* What is in the buffer goes to the file. */
void mmb_trace_flush(void);

void mmb_trace_interface(const mmbMemInterface *interface);
void mmb_trace_interface_end(const mmbMemInterface *interface);
void mmb_trace_reset(const mmbMemInterface *interface);
void mmb_trace_allocate(const mmbMemInterface *interface, const mmbAllocation *record,
                        size_t n_bytes, size_t alignment);
void mmb_trace_leave(const mmbAllocation *record);
void mmb_trace_freed(bool was_freed);
/* NULL: it stayed. */
void mmb_trace_moved(const mmbAllocation *record);

#endif
