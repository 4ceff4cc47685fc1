/* SPDX-License-Identifier: BSD-3-Clause */
/* The copy thread, its queue and all events. One mutex guards both lists, the slots of events, the
 * thread's state and every event's outcome; it is a leaf but for metadata, and is never held while
 * a copy runs or while objects are released. It is held while the thread is created, which calls
 * malloc: nothing on the way of malloc may come here.
 *
 * An event that the user gets is a slot that is only ever reused for events, so that a stale or
 * foreign handle is refused, not followed. Detached ones come and go by the million and are no
 * handles; they live in common metadata. */
#include "src/core/worker.h"
#include <pthread.h>
#include <signal.h>
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/base/thread_model.h"
#include "src/core/event.h"
#include "src/core/handles.h"
#include "src/spi/backend.h"
#include "src/spi/stream.h"

/* How a user-level thread waits: a copy of some KiB is over after a few switches, and looking again
 * at a longer one should cost nothing against it. */
#define YIELDS_FIRST  100u
#define LOOK_AGAIN_US 50u

static struct {
    struct mmb_mutex mutex;
    pthread_cond_t work; /* the queue is not empty, or closing */
    pthread_cond_t done; /* some event is done */
    struct mmb_list queue;
    struct mmb_list all;
    struct mmb_handles slots;
    pthread_t thread;
    bool is_running; /* `thread` exists */
    bool is_closing;
    bool is_watching_forks;
} worker = {.mutex = MMB_MUTEX_INIT,
            .work = PTHREAD_COND_INITIALIZER,
            .done = PTHREAD_COND_INITIALIZER,
            .queue = MMB_LIST_INIT(worker.queue),
            .all = MMB_LIST_INIT(worker.all),
            .slots = MMB_HANDLES_INIT(MMB_EVENT_SLOT_BYTES)};

/* ---- fork ---- */

static void prepare_fork(void)
{
    mmb_mutex_lock(&worker.mutex);
}

static void go_on_in_parent(void)
{
    mmb_mutex_unlock(&worker.mutex);
}

/* The thread does not exist here, and its half-done copy will never be completed. Objects of
 * detached copies stay busy until the library is finalized: nobody in the child could tell what is
 * in them. */
static void go_on_in_child(void)
{
    MMB_LIST_FOR_EACH (node, &worker.all) {
        mmbEvent *event = MMB_CONTAINER_OF(node, mmbEvent, all_link);
        mmb_list_remove(&event->queue_link);
        if (event->is_done)
            continue;
        event->is_done = true;
        event->error = MMB_ERROR;
        event->is_orphan = true;
        event->mark = NULL; /* the runtime that made it did not come along */
    }
    mmb_list_init(&worker.queue);
    worker.work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    worker.done = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    worker.is_running = false;
    worker.is_closing = false;
    mmb_mutex_unlock(&worker.mutex);
}

/* Mutex held. Handlers cannot be taken back, so they are installed once, and only in programs that
 * copy asynchronously. What other parts of the library installed before runs after prepare_fork, so
 * the worker's mutex comes before their locks. */
static int watch_forks(void)
{
    if (worker.is_watching_forks)
        return 0;
    int result = pthread_atfork(prepare_fork, go_on_in_parent, go_on_in_child);
    worker.is_watching_forks = result == 0;
    return result;
}

/* ---- events ---- */

/* Mutex held. */
static mmbEvent *take_slot(void)
{
    if (watch_forks() != 0 || mmb_handles_open(&worker.slots, "events") != MMB_OK)
        return NULL;
    return mmb_handles_take(&worker.slots);
}

mmbEvent *mmb_worker_create_event(const char *function, bool is_detached)
{
    mmbEvent *event;
    if (is_detached) {
        event = mmb_meta_alloc(sizeof(*event));
    } else {
        mmb_mutex_lock(&worker.mutex);
        event = take_slot();
        mmb_mutex_unlock(&worker.mutex);
    }
    if (event == NULL) {
        mmb_fail(MMB_OUT_OF_MEMORY, "%s: no metadata left for an event", function);
        return NULL;
    }
    event->is_detached = is_detached;
    mmb_list_init(&event->all_link);
    mmb_list_init(&event->queue_link);
    atomic_store_explicit(&event->magic, MMB_EVENT_MAGIC, memory_order_relaxed);
    return event;
}

void mmb_worker_destroy_event(mmbEvent *event)
{
    mmb_meta_strfree(event->detail);
    if (event->is_detached) {
        mmb_meta_free(event, sizeof(*event));
        return;
    }
    atomic_store_explicit(&event->magic, 0, memory_order_relaxed);
    mmb_mutex_lock(&worker.mutex);
    mmb_handles_give(&worker.slots, event);
    mmb_mutex_unlock(&worker.mutex);
}

bool mmb_worker_owns_event(const mmbEvent *event)
{
    return mmb_handles_own(&worker.slots, event) &&
           atomic_load_explicit(&event->magic, memory_order_relaxed) == MMB_EVENT_MAGIC;
}

/* ---- leaving flight ---- */

/* Mutex held. True for the one caller that has to drop the objects. */
static bool end_flight(mmbEvent *event)
{
    bool was_holding = event->holds_objects;
    event->holds_objects = false;
    return was_holding;
}

/* ---- events of a stream ---- */

/* The mark, for the one caller that gets it and has to finish the event. */
static void *claim_mark(mmbEvent *event)
{
    mmb_mutex_lock(&worker.mutex);
    void *mark = event->mark;
    event->mark = NULL;
    mmb_mutex_unlock(&worker.mutex);
    return mark;
}

/* Waits for a claimed mark, and lets go of it while the objects still keep the streamer alive. */
static mmbError reach(const mmbEvent *event, void *mark)
{
    struct mmb_backend *streamer = event->streamer;
    mmbError error = streamer->ops->stream->wait(streamer, mark);
    streamer->ops->stream->forget(streamer, mark);
    return error;
}

/* The reason goes with the event, since the detail belongs to the thread that failed. */
static void complete(mmbEvent *event, mmbError error)
{
    char *detail = error != MMB_OK ? mmb_meta_strdup(mmb_error_detail()) : NULL;
    mmb_mutex_lock(&worker.mutex);
    event->error = error;
    event->detail = detail;
    event->is_done = true;
    pthread_cond_broadcast(&worker.done);
    mmb_mutex_unlock(&worker.mutex);
}

static void await_mark(mmbEvent *event)
{
    void *mark = event->streamer ? claim_mark(event) : NULL;
    if (mark)
        complete(event, reach(event, mark));
}

static void release(mmbEvent *event)
{
    await_mark(event);
    mmb_mutex_lock(&worker.mutex);
    mmb_list_remove(&event->all_link);
    bool is_last = end_flight(event);
    mmb_mutex_unlock(&worker.mutex);
    if (is_last)
        mmb_event_drop_objects(event);
    mmb_worker_destroy_event(event);
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

static void run(mmbEvent *event)
{
    void *mark = event->streamer ? claim_mark(event) : NULL;
    mmbError error = mark ? reach(event, mark) : mmb_transfer_run(&event->transfer);
    if (!event->is_detached) {
        complete(event, error);
        return;
    }
    if (error != MMB_OK)
        mmb_log(MMB_LOG_ERROR, "a copy that nobody waits for failed: %s: %s", mmb_error_name(error),
                mmb_error_detail());
    release(event);
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
    int result = watch_forks();
    if (result != 0)
        return result;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&worker.thread, NULL, work, NULL);
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
    /* A device completes what nobody here needs to see; of a detached one the end must be seen. */
    bool runs_itself = event->mark != NULL && !is_detached;
    if (!is_closing && has_work && !runs_itself)
        result = hand_over(event);
    else
        event->is_done = !runs_itself;
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

/* Completes the event if its stream has come that far. */
static mmbError look_at_mark(mmbEvent *event)
{
    mmb_mutex_lock(&worker.mutex);
    void *mark = event->mark;
    bool is_reached = false;
    mmbError error = MMB_OK;
    if (mark)
        error = event->streamer->ops->stream->query(event->streamer, mark, &is_reached);
    mmb_mutex_unlock(&worker.mutex);
    if (is_reached)
        await_mark(event);
    return error;
}

mmbError mmb_worker_query(mmbEvent *event, bool *out_done)
{
    mmbError error = event->streamer ? look_at_mark(event) : MMB_OK;
    if (error != MMB_OK)
        return error;
    mmb_mutex_lock(&worker.mutex);
    bool is_done = event->is_done;
    bool is_last = is_done && end_flight(event);
    mmb_mutex_unlock(&worker.mutex);
    if (is_last)
        mmb_event_drop_objects(event);
    *out_done = is_done;
    return MMB_OK;
}

/* The mutex keeps the mark; whoever has reached it has nothing to wait for. */
mmbError mmb_worker_order(mmbEvent *event, void *native_stream)
{
    mmbError error = MMB_OK;
    mmb_mutex_lock(&worker.mutex);
    if (event->mark)
        error = event->streamer->ops->stream->order(event->streamer, event->mark, native_stream);
    mmb_mutex_unlock(&worker.mutex);
    return error;
}

static const char *reason_of(const mmbEvent *event)
{
    if (event->is_orphan)
        return "event_wait: the process was forked before the copy was done";
    return event->detail != NULL ? event->detail : "event_wait: the copy failed";
}

static bool is_over(mmbEvent *event)
{
    if (event->streamer && look_at_mark(event) != MMB_OK)
        return true;
    mmb_mutex_lock(&worker.mutex);
    bool is_done = event->is_done;
    mmb_mutex_unlock(&worker.mutex);
    return is_done;
}

/* A user-level thread that slept here would stop all that share its system thread. */
static void let_others_run(mmbEvent *event)
{
    for (unsigned int round = 0; !is_over(event); round++) {
        if (round < YIELDS_FIRST)
            mmb_thread_yield();
        else
            mmb_thread_sleep_us(LOOK_AGAIN_US);
    }
}

mmbError mmb_worker_wait(mmbEvent *event)
{
    if (mmb_thread_is_users())
        let_others_run(event);
    await_mark(event);
    mmb_mutex_lock(&worker.mutex);
    while (!event->is_done)
        pthread_cond_wait(&worker.done, &worker.mutex.native);
    mmb_mutex_unlock(&worker.mutex);
    mmbError error = event->error;
    if (error != MMB_OK)
        mmb_fail(error, "%s", reason_of(event));
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
