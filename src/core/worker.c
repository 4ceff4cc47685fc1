/* SPDX-License-Identifier: BSD-3-Clause */
/* The copy thread, its queue and the list of all events. One mutex guards both lists, the thread's
 * state and every event's outcome; it is a leaf but for metadata, and is never held while a copy
 * runs, while objects are released or while something is logged. It is held while the thread is
 * created, which calls malloc: nothing on the way of malloc may come here. */
#include "src/core/worker.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/core/event.h"

static struct {
    struct mmb_mutex mutex;
    pthread_cond_t work; /* the queue is not empty, or closing */
    pthread_cond_t done; /* some event is done */
    struct mmb_list queue;
    struct mmb_list all;
    pthread_t thread;
    bool is_running; /* `thread` exists */
    bool is_closing;
} worker = {.mutex = MMB_MUTEX_INIT,
            .work = PTHREAD_COND_INITIALIZER,
            .done = PTHREAD_COND_INITIALIZER,
            .queue = MMB_LIST_INIT(worker.queue),
            .all = MMB_LIST_INIT(worker.all)};

/* ---- leaving flight ---- */

/* Mutex held. True for the one caller that has to drop the objects. */
static bool end_flight(mmbEvent *event)
{
    bool was_holding = event->holds_objects;
    event->holds_objects = false;
    return was_holding;
}

static void release(mmbEvent *event)
{
    mmb_mutex_lock(&worker.mutex);
    mmb_list_remove(&event->all_link);
    bool is_last = end_flight(event);
    mmb_mutex_unlock(&worker.mutex);
    if (is_last)
        mmb_event_drop_objects(event);
    mmb_event_destroy(event);
}

/* ---- the thread ---- */

/* The next event, or NULL when the library closes and nothing is left. */
static mmbEvent *take(void)
{
    mmbEvent *event = NULL;
    mmb_mutex_lock(&worker.mutex);
    while (mmb_list_is_empty(&worker.queue) && !worker.is_closing)
        pthread_cond_wait(&worker.work, &worker.mutex.native);
    if (!mmb_list_is_empty(&worker.queue)) {
        event = MMB_CONTAINER_OF(worker.queue.next, mmbEvent, queue_link);
        mmb_list_remove(&event->queue_link);
    }
    mmb_mutex_unlock(&worker.mutex);
    return event;
}

/* The reason goes with the event, since the detail belongs to the thread that failed. */
static void run(mmbEvent *event)
{
    mmbError error = mmb_transfer_run(&event->transfer);
    if (error != MMB_OK)
        strncpy(event->detail, mmb_error_detail(), sizeof(event->detail) - 1);
    if (event->is_detached) {
        if (error != MMB_OK)
            mmb_log(MMB_LOG_ERROR, "a copy that nobody waits for failed: %s: %s",
                    mmb_error_name(error), event->detail);
        release(event);
        return;
    }
    mmb_mutex_lock(&worker.mutex);
    event->error = error;
    event->is_done = true;
    pthread_cond_broadcast(&worker.done);
    mmb_mutex_unlock(&worker.mutex);
}

static void *work(void *unused)
{
    for (mmbEvent *event = take(); event != NULL; event = take())
        run(event);
    return unused;
}

/* Mutex held. The program's signals are for the program's threads. */
static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&worker.thread, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        pthread_setname_np(worker.thread, "mmb-copy");
    return result;
}

/* ---- for the callers ---- */

/* Mutex held. */
static int hand_over(mmbEvent *event)
{
    if (!worker.is_running) {
        int result = start_thread();
        if (result != 0)
            return result;
        worker.is_running = true;
    }
    mmb_list_push_back(&worker.queue, &event->queue_link);
    pthread_cond_signal(&worker.work);
    return 0;
}

mmbError mmb_worker_submit(mmbEvent *event, const char *function)
{
    int result = 0;
    bool has_work = event->transfer.shape.n_bytes != 0;
    bool is_detached = event->is_detached;
    mmb_mutex_lock(&worker.mutex);
    bool is_closing = worker.is_closing;
    if (!is_closing && has_work)
        result = hand_over(event);
    else
        event->is_done = true;
    if (!is_closing && result == 0)
        mmb_list_push_back(&worker.all, &event->all_link);
    mmb_mutex_unlock(&worker.mutex);
    if (is_closing)
        return mmb_fail(MMB_NOT_INITIALIZED, "%s: the library is being finalized", function);
    if (result != 0)
        return mmb_fail_errno(MMB_OUT_OF_MEMORY, result, "%s: cannot start the copy thread",
                              function);
    if (is_detached && !has_work)
        release(event);
    return MMB_OK;
}

bool mmb_worker_query(mmbEvent *event)
{
    mmb_mutex_lock(&worker.mutex);
    bool is_done = event->is_done;
    bool is_last = is_done && end_flight(event);
    mmb_mutex_unlock(&worker.mutex);
    if (is_last)
        mmb_event_drop_objects(event);
    return is_done;
}

mmbError mmb_worker_wait(mmbEvent *event)
{
    mmb_mutex_lock(&worker.mutex);
    while (!event->is_done)
        pthread_cond_wait(&worker.done, &worker.mutex.native);
    mmb_mutex_unlock(&worker.mutex);
    mmbError error = event->error;
    if (error != MMB_OK)
        mmb_fail(error, "%s", event->detail);
    release(event);
    return error;
}

void mmb_worker_close(void)
{
    mmb_mutex_lock(&worker.mutex);
    bool was_running = worker.is_running;
    worker.is_closing = true;
    pthread_cond_signal(&worker.work);
    mmb_mutex_unlock(&worker.mutex);
    if (was_running)
        pthread_join(worker.thread, NULL);
    MMB_LIST_FOR_EACH_SAFE (node, following, &worker.all)
        release(MMB_CONTAINER_OF(node, mmbEvent, all_link));
    mmb_mutex_lock(&worker.mutex);
    worker.is_running = false;
    worker.is_closing = false;
    mmb_mutex_unlock(&worker.mutex);
}

/* ---- fork ---- */

void mmb_worker_fork_prepare(void)
{
    mmb_mutex_lock(&worker.mutex);
}

void mmb_worker_fork_parent(void)
{
    mmb_mutex_unlock(&worker.mutex);
}

/* The thread does not exist here, and its half-done copy will never be completed. Objects of
 * detached copies stay busy until the library is finalized: nobody in the child could tell what is
 * in them. */
void mmb_worker_fork_child(void)
{
    static const char reason[] = "the process was forked before the copy was done";
    MMB_LIST_FOR_EACH (node, &worker.all) {
        mmbEvent *event = MMB_CONTAINER_OF(node, mmbEvent, all_link);
        mmb_list_remove(&event->queue_link);
        if (event->is_done)
            continue;
        event->is_done = true;
        event->error = MMB_ERROR;
        memcpy(event->detail, reason, sizeof(reason));
    }
    mmb_list_init(&worker.queue);
    worker.work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    worker.done = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    worker.is_running = false;
    worker.is_closing = false;
    mmb_mutex_unlock(&worker.mutex);
}
