/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Objects that live in a shared heap: rings, vectors, lists, maps, and locks.
 *
 * An object is a block or two of a shared heap (shared.h), found by a shared pointer. A process
 * creates it, hands `object.pointer` to others, and these open it; what both get is a view: a
 * plain struct that may be copied, is used by any number of threads, and is simply forgotten in
 * the end. In a forked child the parent's views are good. Destroying an object frees it for all.
 * The blocks belong to nobody: mmb_shm_reclaim() leaves them alone, whoever of their makers died.
 * Read examples/shared_queue.c.
 *
 * Any process may be killed inside any call. Nobody else waits for it longer than it takes to see
 * that it is dead, and what it was doing is done wholly or not at all; each header says more. A
 * process that is killed while it creates, destroys or enlarges an object may leave one block that
 * nobody frees.
 *
 * @section object_errors Common errors of objects
 * These are not repeated at each function:
 * - #MMB_INVALID_ARG: a required pointer is NULL, or the view was never filled or is of another
 *   kind of object.
 * - #MMB_INVALID_INTERFACE: the view's interface was destroyed. Open the object again.
 * - #MMB_CORRUPT: the object was destroyed by somebody, or what lies in the segment contradicts
 *   itself. Nothing outside the object was touched.
 * - #MMB_OUT_OF_MEMORY, #MMB_BUSY: in a forked child that has no slot in the heap yet, as for
 *   mmb_create_interface().
 *
 * A function that creates gives #MMB_INVALID_INTERFACE, #MMB_UNSUPPORTED when the interface is not
 * over a shared heap, and #MMB_OUT_OF_MEMORY when heap or space are full. A function that opens
 * gives #MMB_INVALID_INTERFACE, #MMB_UNSUPPORTED, #MMB_INVALID_ARG when the pointer is null or
 * names another heap, #MMB_INVALID_ALLOCATION when no live block starts there, and #MMB_CORRUPT
 * when the block is no such object.
 */
#ifndef MMB_SHARED_OBJECT_H
#define MMB_SHARED_OBJECT_H

#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include <mmb/shared_pointer.h>
#include <mmb/types.h>

/** What every view begins with. All but `pointer` is the library's. */
typedef struct mmbSharedObject {
    mmbMemInterface *interface; /**< that it was opened through */
    void *address;              /**< of the object in this process */
    mmbSharedPtr pointer;       /**< of the object, for every process */
    uint64_t identity;          /**< tells it from others that may come to lie there */
    uint64_t sizes[2];          /**< of what it holds: bounds that nobody else can change */
} mmbSharedObject;

#endif
