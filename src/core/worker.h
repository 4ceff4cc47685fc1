/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that runs asynchronous copies which no device queue can take. It starts with the first
 * of them and ends with the last mmb_finalize. */
#ifndef MMB_CORE_WORKER_H
#define MMB_CORE_WORKER_H
#include <stdbool.h>
#include <mmb/error.h>
#include <mmb/types.h>

/* A zeroed event for the caller to fill, or NULL and the detail. A detached one is nobody's handle
 * and there can be as many as memory holds; of the others 65,536 can wait to be waited for. */
mmbEvent *mmb_worker_create_event(const char *function, bool is_detached);
/* Of one that was not submitted. */
void mmb_worker_destroy_event(mmbEvent *event);
/* Lock-free; any pointer, NULL too. */
bool mmb_worker_owns_event(const mmbEvent *event);

/* Hands over an event whose transfer is prepared and whose objects are busy: to be run, or with a
 * mark to be waited for. One with nothing to copy is done at once. MMB_OUT_OF_MEMORY: the thread
 * cannot be started; MMB_NOT_INITIALIZED: the library is being finalized; then the event is still
 * the caller's. A detached event is never the caller's after success. */
mmbError mmb_worker_submit(mmbEvent *event, const char *function);

/* True when the copy is done; it has left flight then. The streamer's error when it cannot tell. */
mmbError mmb_worker_query(mmbEvent *event, bool *out_done);

/* Makes a stream of the event's streamer wait for it. */
mmbError mmb_worker_order(mmbEvent *event, void *native_stream);

/* Waits until the copy is done, ends its flight and releases the event. The copy's own error. */
mmbError mmb_worker_wait(mmbEvent *event);

/* Completes what was handed over, ends the thread and releases every event, waited for or not. No
 * other thread is inside a call. The worker can be used again afterwards. */
void mmb_worker_close(void);

/* Around fork it looks after itself. In the child, copies that were not done have failed; the next
 * one starts a thread of the child's own. */

#endif
