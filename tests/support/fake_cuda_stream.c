/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams, events and copies of the fake CUDA driver. Work that can run is run at once, by whoever
 * queues it; a stream can be held, and a stream can wait for an event of another. Owns the work
 * that is queued; everything under the driver's mutex. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/fake_cuda_parts.h"

/* Freed when neither the program nor queued work has it, and with its context. */
struct CUevent_st {
    struct CUevent_st *next;
    CUcontext context;
    unsigned int n_pending; /* records that are queued */
    unsigned int n_users;
};

struct work {
    struct work *next;
    CUcontext context; /* that was current */
    enum { COPY, FILL, RECORD, WAIT } what;
    CUDA_MEMCPY3D copy;
    char *to;
    int value;
    size_t n_bytes;
    CUevent event;
};

struct CUstream_st {
    struct CUstream_st *next;
    CUcontext context; /* NULL: the default stream, which is any context's */
    struct work *first, **last;
    bool is_held;
};

static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;
static struct CUstream_st default_stream = {.last = &default_stream.first};
static struct CUevent_st *events; /* of the program */

size_t fake_cuda_events(void)
{
    size_t n = 0;
    for (const struct CUevent_st *event = events; event; event = event->next)
        n++;
    return n;
}

static CUstream stream_of(CUstream stream)
{
    return stream ? stream : &default_stream;
}

static void leave_event(CUevent event)
{
    if (--event->n_users == 0)
        free(event);
}

static void end_event(CUevent event)
{
    for (struct CUevent_st **at = &events; *at; at = &(*at)->next)
        if (*at == event) {
            *at = event->next;
            break;
        }
    leave_event(event);
}

static CUcontext context_of(CUstream stream)
{
    return stream && stream->context ? stream->context : fake_cuda_current();
}

static void run(struct work *work)
{
    const CUDA_MEMCPY3D *copy = &work->copy;
    if (work->what == FILL)
        memset(work->to, work->value, work->n_bytes);
    if (work->what == RECORD)
        work->event->n_pending--;
    for (size_t z = 0; work->what == COPY && z < copy->Depth; z++)
        for (size_t y = 0; y < copy->Height; y++)
            memmove((char *)copy->dstHost + (z * copy->dstHeight + y) * copy->dstPitch,
                    (const char *)copy->srcHost + (z * copy->srcHeight + y) * copy->srcPitch,
                    copy->WidthInBytes);
}

/* Mutex held. Runs what can run. */
static void drain(void)
{
    for (bool went_on = true; went_on;) {
        went_on = false;
        for (CUstream stream = &default_stream; stream; stream = stream->next) {
            struct work *work = stream->first;
            if (stream->is_held || !work || (work->what == WAIT && work->event->n_pending > 0))
                continue;
            stream->first = work->next;
            if (!stream->first)
                stream->last = &stream->first;
            run(work);
            if (work->event)
                leave_event(work->event);
            free(work);
            went_on = true;
        }
    }
    pthread_cond_broadcast(&progress);
}

static void enqueue(CUstream stream, const struct work *work)
{
    struct work *queued = malloc(sizeof *queued);
    *queued = *work;
    queued->next = NULL;
    queued->context = fake_cuda_current();
    if (queued->event)
        queued->event->n_users++;
    stream = stream_of(stream);
    *stream->last = queued;
    stream->last = &queued->next;
    drain();
}

static void drop_work(CUstream stream, CUcontext context)
{
    struct work **at = &stream->first;
    while (*at) {
        struct work *work = *at;
        if (work->context != context) {
            at = &work->next;
            continue;
        }
        *at = work->next;
        if (work->what == RECORD)
            work->event->n_pending--;
        if (work->event)
            leave_event(work->event);
        free(work);
    }
    stream->last = at;
}

void fake_cuda_drop_context(CUcontext context)
{
    for (CUstream stream = &default_stream; stream; stream = stream->next)
        drop_work(stream, context);
    for (struct CUevent_st *event = events, *next; event; event = next) {
        next = event->next;
        if (event->context == context)
            end_event(event);
    }
    drain();
}

static CUresult submit(CUstream stream, const struct work *work)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS)
        enqueue(stream, work);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

/* Mutex held. Turns addresses into bytes; false: out of range. */
static bool resolve(CUDA_MEMCPY3D *copy)
{
    size_t to = (copy->Depth - 1) * copy->dstHeight * copy->dstPitch +
                (copy->Height - 1) * copy->dstPitch + copy->WidthInBytes;
    size_t from = (copy->Depth - 1) * copy->srcHeight * copy->srcPitch +
                  (copy->Height - 1) * copy->srcPitch + copy->WidthInBytes;
    bool to_host = copy->dstMemoryType == CU_MEMORYTYPE_HOST;
    bool from_host = copy->srcMemoryType == CU_MEMORYTYPE_HOST;
    copy->dstHost = fake_cuda_reach(copy->dstHost, to, !to_host);
    copy->srcHost = fake_cuda_reach(copy->srcHost, from, !from_host);
    return copy->dstHost && copy->srcHost;
}

/* The addresses are in dstHost and srcHost, whatever they are. */
static CUresult copy_box(CUDA_MEMCPY3D *copy, CUstream stream)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS && !resolve(copy))
        code = CUDA_ERROR_INVALID_VALUE;
    if (code == CUDA_SUCCESS)
        enqueue(stream, &(struct work){.what = COPY, .copy = *copy});
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n_bytes, CUstream stream)
{
    CUDA_MEMCPY3D copy = {.dstHost = (void *)(uintptr_t)to,
                          .srcHost = (const void *)(uintptr_t)from,
                          .dstMemoryType = CU_MEMORYTYPE_HOST,
                          .srcMemoryType = CU_MEMORYTYPE_HOST,
                          .WidthInBytes = n_bytes,
                          .Height = 1,
                          .Depth = 1};
    return copy_box(&copy, stream);
}

/* -1: no device's. */
static int device_of(const void *address)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    const struct fake_cuda_range *range = *fake_cuda_find(address);
    int device = range && range->kind == FAKE_CUDA_DEVICE ? range->device : -1;
    pthread_mutex_unlock(&fake_cuda_mutex);
    return device;
}

/* The driver takes addresses of two devices at once in the call below only. */
EXPORT CUresult cuMemcpy3DAsync(const CUDA_MEMCPY3D *asked, CUstream stream)
{
    CUDA_MEMCPY3D copy = *asked;
    if (copy.WidthInBytes == 0 || copy.Height == 0 || copy.Depth == 0 ||
        (copy.Height > 1 &&
         (copy.srcPitch < copy.WidthInBytes || copy.dstPitch < copy.WidthInBytes)) ||
        (copy.Depth > 1 && (copy.srcHeight < copy.Height || copy.dstHeight < copy.Height)))
        return CUDA_ERROR_INVALID_VALUE;
    if (copy.dstMemoryType != CU_MEMORYTYPE_HOST)
        copy.dstHost = (void *)(uintptr_t)copy.dstDevice;
    if (copy.srcMemoryType != CU_MEMORYTYPE_HOST)
        copy.srcHost = (const void *)(uintptr_t)copy.srcDevice;
    if (copy.dstMemoryType == CU_MEMORYTYPE_DEVICE && copy.srcMemoryType == CU_MEMORYTYPE_DEVICE &&
        device_of(copy.dstHost) != device_of(copy.srcHost))
        return CUDA_ERROR_INVALID_VALUE;
    return copy_box(&copy, stream);
}

EXPORT CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *asked, CUstream stream)
{
    const CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_UNIFIED,
                                .srcDevice = asked->srcDevice,
                                .srcPitch = asked->srcPitch,
                                .srcHeight = asked->srcHeight,
                                .dstMemoryType = CU_MEMORYTYPE_UNIFIED,
                                .dstDevice = asked->dstDevice,
                                .dstPitch = asked->dstPitch,
                                .dstHeight = asked->dstHeight,
                                .WidthInBytes = asked->WidthInBytes,
                                .Height = asked->Height,
                                .Depth = asked->Depth};
    if (fake_cuda_number(asked->srcContext) !=
            device_of((const void *)(uintptr_t)asked->srcDevice) ||
        fake_cuda_number(asked->dstContext) != device_of((const void *)(uintptr_t)asked->dstDevice))
        return CUDA_ERROR_INVALID_CONTEXT;
    return cuMemcpy3DAsync(&copy, stream);
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n_bytes,
                                CUstream stream)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    char *bytes = fake_cuda_reach((const void *)(uintptr_t)to, n_bytes, true);
    if (code == CUDA_SUCCESS && !bytes)
        code = CUDA_ERROR_INVALID_VALUE;
    if (code == CUDA_SUCCESS)
        enqueue(stream,
                &(struct work){.what = FILL, .to = bytes, .value = value, .n_bytes = n_bytes});
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuStreamCreate(CUstream *out, unsigned int flags)
{
    (void)flags;
    CUstream stream = calloc(1, sizeof *stream);
    stream->context = fake_cuda_current();
    stream->last = &stream->first;
    pthread_mutex_lock(&fake_cuda_mutex);
    stream->next = default_stream.next;
    default_stream.next = stream;
    pthread_mutex_unlock(&fake_cuda_mutex);
    *out = stream;
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamDestroy(CUstream stream)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    stream->is_held = false;
    drain();
    for (CUstream *at = &default_stream.next; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    pthread_mutex_unlock(&fake_cuda_mutex);
    free(stream);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamGetCtx(CUstream stream, CUcontext *out)
{
    *out = context_of(stream);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamSynchronize(CUstream stream)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    while (code == CUDA_SUCCESS && stream_of(stream)->first)
        pthread_cond_wait(&progress, &fake_cuda_mutex);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags)
{
    (void)flags;
    return submit(stream, &(struct work){.what = WAIT, .event = event});
}

EXPORT CUresult cuEventCreate(CUevent *out, unsigned int flags)
{
    (void)flags;
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS) {
        *out = calloc(1, sizeof **out);
        (*out)->n_users = 1;
        (*out)->context = fake_cuda_current();
        (*out)->next = events;
        events = *out;
    }
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuEventDestroy(CUevent event)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    end_event(event);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return CUDA_SUCCESS;
}

EXPORT CUresult cuEventRecord(CUevent event, CUstream stream)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    CUresult code = fake_cuda_begin();
    if (code == CUDA_SUCCESS && event->context != context_of(stream))
        code = CUDA_ERROR_INVALID_HANDLE;
    if (code == CUDA_SUCCESS) {
        event->n_pending++;
        enqueue(stream, &(struct work){.what = RECORD, .event = event});
    }
    pthread_mutex_unlock(&fake_cuda_mutex);
    return code;
}

EXPORT CUresult cuEventQuery(CUevent event)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    bool is_done = event->n_pending == 0;
    pthread_mutex_unlock(&fake_cuda_mutex);
    return is_done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuEventSynchronize(CUevent event)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    while (event->n_pending > 0)
        pthread_cond_wait(&progress, &fake_cuda_mutex);
    pthread_mutex_unlock(&fake_cuda_mutex);
    return CUDA_SUCCESS;
}

void fake_cuda_set_held(CUstream stream, bool is_held)
{
    pthread_mutex_lock(&fake_cuda_mutex);
    stream_of(stream)->is_held = is_held;
    drain();
    pthread_mutex_unlock(&fake_cuda_mutex);
}

/* ---- what only the benchmark calls ---- */

EXPORT CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t n_bytes)
{
    CUresult code = cuMemcpyAsync(to, from, n_bytes, NULL);
    return code == CUDA_SUCCESS ? cuStreamSynchronize(NULL) : code;
}

EXPORT CUresult cuMemcpy3D(const CUDA_MEMCPY3D *box)
{
    CUresult code = cuMemcpy3DAsync(box, NULL);
    return code == CUDA_SUCCESS ? cuStreamSynchronize(NULL) : code;
}

EXPORT CUresult cuMemAllocAsync(CUdeviceptr *out, size_t n_bytes, CUstream stream)
{
    (void)stream;
    return cuMemAlloc(out, n_bytes);
}

EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
    (void)stream;
    return cuMemFree(address);
}
