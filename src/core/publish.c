/* SPDX-License-Identifier: BSD-3-Clause */
/* The published statistics (publish.h): one thread takes a snapshot every quarter of a second and
 * writes it to a file beside the one that is to be replaced, then renames it. So a reader always
 * sees a whole snapshot, and needs neither a lock nor trust in a counter, as it would with memory
 * that both had mapped. The file has one line per object, in words separated by tabs:
 *
 *     mmb-stats 1
 *     process    PID NAME MILLISECONDS
 *     layer      NAME BYTES DOMAINS MIB_PER_S NS DISCOVERED
 *     space      LAYER CONTEXT LIMIT USED PEAK RESERVED ALLOCATIONS DOMAINS
 *     interface  NAME BACKEND STRATEGY LIVE_BYTES LIVE PEAK ALLOCATED FREED REFUSED CHUNKS RESERVED
 *     end        LINES_LEFT_OUT
 *
 * An interface belongs to the space above it.
 *
 * Owns the thread, the file and the buffer. `mutex` guards is_closing and is a leaf. The thread
 * takes the registry mutex only when it is free: who ends the library holds it while he waits for
 * the thread. */
#include "src/core/publish.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "src/base/lock.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/base/text.h"
#include "src/core/backend_table.h"
#include "src/core/context.h"
#include "src/core/interface.h"
#include "src/core/registry.h"
#include "src/core/space.h"
#include "src/core/space_limits.h"
#include "src/core/subheap.h"

#define DEFAULT_FOLDER "/dev/shm"
#define PERIOD_MS      250
#define RETRY_MS       10
#define BUFFER_BYTES   ((size_t)256 << 10)
#define LINE_BYTES     ((size_t)512) /* more than any line has */
#define NAME_CHARS     48
#define PATH_BYTES     256

static struct {
    struct mmb_mutex mutex;
    pthread_cond_t closing;
    pthread_t thread;
    pid_t pid; /* whose the thread is; 0: nobody's */
    bool is_closing;
    char path[PATH_BYTES], next[PATH_BYTES];
    char *buffer;
} publisher;

/* ---- a snapshot ---- */

/* Names are the user's: a tab or a line's end in one would be read as another field. */
static const char *clean(char out[NAME_CHARS + 1], const char *name)
{
    size_t n = 0;
    for (; name && name[n] && n < NAME_CHARS; n++)
        out[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
    if (n == 0)
        out[n++] = '-';
    out[n] = 0;
    return out;
}

static unsigned long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000u + (unsigned long long)now.tv_nsec / 1000000u;
}

/* Whether there is room for one more line and the last; counts what there is not. */
static bool has_room(const struct mmb_text *text, size_t *left_out)
{
    if (text->capacity - text->length > 2 * LINE_BYTES)
        return true;
    ++*left_out;
    return false;
}

static void add_layers(struct mmb_text *text, size_t *left_out)
{
    char name[NAME_CHARS + 1];
    const struct mmb_layer *layer;
    for (size_t i = 0; (layer = mmb_layer_known_at(i)) != NULL; i++)
        if (has_room(text, left_out))
            mmb_text_append(text, "layer\t%s\t%zu\t%zu\t%zu\t%zu\t%d\n", clean(name, layer->name),
                            layer->total_bytes, layer->n_domains, layer->bandwidth_mib_s,
                            layer->latency_ns, layer->discovered);
}

static void add_interface(struct mmb_text *text, const mmbMemInterface *interface)
{
    char name[NAME_CHARS + 1], backend[NAME_CHARS + 1];
    struct mmb_allocator_stats stats;
    mmb_subheaps_get_stats(interface, &stats);
    mmb_text_append(text, "interface\t%s\t%s\t%s\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\n",
                    clean(name, interface->name),
                    clean(backend, mmb_backend_text(interface->backend_id)),
                    mmb_strategy_text(interface->strategy), stats.live_bytes, stats.live_count,
                    stats.peak_bytes, stats.total_allocations, stats.total_frees,
                    atomic_load_explicit(&interface->refused, memory_order_relaxed),
                    mmb_subheaps_chunks(interface), mmb_subheaps_reserved(interface));
}

static void add_space(struct mmb_text *text, const mmbMemSpace *space, size_t *left_out)
{
    char name[NAME_CHARS + 1];
    size_t reserved = 0, live = 0;
    MMB_LIST_FOR_EACH (node, &space->interfaces) {
        const mmbMemInterface *interface = MMB_CONTAINER_OF(node, mmbMemInterface, link);
        struct mmb_allocator_stats stats;
        mmb_subheaps_get_stats(interface, &stats);
        live += stats.live_count;
        reserved += mmb_subheaps_reserved(interface);
    }
    mmb_text_append(text, "space\t%s\t%s\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\n",
                    clean(name, space->layer->name), mmb_context_text(space->context),
                    mmb_space_limit(space), mmb_space_used(space), mmb_space_peak(space), reserved,
                    live, space->n_domains);
    MMB_LIST_FOR_EACH (node, &space->interfaces)
        if (has_room(text, left_out))
            add_interface(text, MMB_CONTAINER_OF(node, mmbMemInterface, link));
}

/* The registry mutex is held. */
static void take(struct mmb_text *text)
{
    char name[NAME_CHARS + 1];
    size_t left_out = 0;
    mmb_text_append(text, "mmb-stats 1\nprocess\t%d\t%s\t%llu\n", (int)publisher.pid,
                    clean(name, program_invocation_short_name), now_ms());
    add_layers(text, &left_out);
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces)
        if (has_room(text, &left_out))
            add_space(text, MMB_CONTAINER_OF(node, mmbMemSpace, link), &left_out);
    mmb_text_append(text, "end\t%zu\n", left_out);
}

/* ---- the file ---- */

static bool write_all(int fd, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n < 0 && errno != EINTR)
            return false;
        bytes += n > 0 ? n : 0;
        n_bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Never through a link or into a file that somebody else put there: the folder is everybody's. */
static bool write_file(const struct mmb_text *text)
{
    unlink(publisher.next);
    int fd = open(publisher.next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool done = write_all(fd, text->buffer, text->length);
    done = close(fd) == 0 && done && rename(publisher.next, publisher.path) == 0;
    if (!done)
        unlink(publisher.next);
    return done;
}

/* False: the library was busy. */
static bool publish(void)
{
    struct mmb_text text;
    if (!mmb_registry_try_enter())
        return false;
    mmb_text_init(&text, publisher.buffer, BUFFER_BYTES);
    take(&text);
    mmb_registry_unlock();
    if (!write_file(&text))
        mmb_log(MMB_LOG_DEBUG, "publish: cannot write %s: errno %d", publisher.path, errno);
    return true;
}

/* ---- the thread ---- */

static void wait_ms(long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (!publisher.is_closing)
        pthread_cond_timedwait(&publisher.closing, &publisher.mutex.native, &until);
}

static void *work(void *argument)
{
    mmb_mutex_lock(&publisher.mutex);
    while (!publisher.is_closing) {
        mmb_mutex_unlock(&publisher.mutex);
        bool done = publish();
        mmb_mutex_lock(&publisher.mutex);
        wait_ms(done ? PERIOD_MS : RETRY_MS);
    }
    mmb_mutex_unlock(&publisher.mutex);
    return argument;
}

/* The program's signals are for the program's threads. */
static int start_thread(void)
{
    sigset_t all, before;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&publisher.closing, &attributes);
    pthread_condattr_destroy(&attributes);
    mmb_mutex_init(&publisher.mutex);
    publisher.is_closing = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&publisher.thread, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        pthread_setname_np(publisher.thread, "mmb-publish");
    return result;
}

/* NULL: not asked for. */
static const char *asked_folder(void)
{
    const char *value = getenv("MMB_PUBLISH");
    if (!value || !*value || strcmp(value, "0") == 0)
        return NULL;
    return *value == '/' ? value : DEFAULT_FOLDER;
}

bool mmb_publish_open(void)
{
    const char *folder = asked_folder();
    if (!folder)
        return true;
    int n = snprintf(publisher.path, PATH_BYTES, "%s/mmb-stats.%d", folder, (int)getpid());
    if (n < 0 || n + (int)sizeof ".new" > PATH_BYTES)
        return false;
    snprintf(publisher.next, PATH_BYTES, "%.*s.new", PATH_BYTES - 5, publisher.path);
    if (!publisher.buffer)
        publisher.buffer = mmb_meta_alloc(BUFFER_BYTES);
    publisher.pid = getpid();
    if (publisher.buffer && start_thread() == 0)
        return true;
    publisher.pid = 0;
    return false;
}

void mmb_publish_close(void)
{
    if (publisher.pid == getpid()) {
        mmb_mutex_lock(&publisher.mutex);
        publisher.is_closing = true;
        pthread_cond_signal(&publisher.closing);
        mmb_mutex_unlock(&publisher.mutex);
        pthread_join(publisher.thread, NULL);
        pthread_cond_destroy(&publisher.closing);
        mmb_mutex_destroy(&publisher.mutex);
        unlink(publisher.path);
    }
    publisher.pid = 0;
}
