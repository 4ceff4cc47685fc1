/* SPDX-License-Identifier: BSD-3-Clause */
/* The log. Owns the level, the callback, and sink_mutex, which is held while the callback runs: so
 * one call runs at a time, and whoever replaces a callback knows that the old one has ended. It is
 * the first lock in every order: no lock of the library may be held by who logs, since the callback
 * is foreign code.
 *
 * A callback that logs, fails a call or replaces itself would wait for its own mutex; the owner's
 * identity tells, and its messages are dropped, since passing them on would not end.
 *
 * stdio is avoided: it allocates its buffers with malloc, and a message in parts mixes with those
 * of other threads. */
#include "src/base/log.h"
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/text.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MESSAGE_BYTES 1024
#define LEVEL_UNREAD  (MMB_LOG_DEBUG + 1)
#define LEVEL_DEFAULT MMB_LOG_WARNING

static const char level_names[][8] = {"none", "error", "warning", "info", "debug"};

/* Relaxed throughout: a level orders nothing, and a message more or less around its change is as
 * good as another schedule. */
atomic_int mmb_log_threshold = LEVEL_UNREAD;

static struct mmb_mutex sink_mutex = MMB_MUTEX_INIT;
/* NULL: standard error, which needs no mutex. Written under it. */
static _Atomic(mmbLogCallback) sink;
static void *sink_user; /* under sink_mutex */
/* The thread that holds sink_mutex, else 0. Relaxed: a thread can only find itself here if it wrote
 * that. */
static atomic_uintptr_t sink_owner;
static bool is_fork_nested; /* under sink_mutex: a callback has called fork */

static bool owns_sink(void)
{
    return atomic_load_explicit(&sink_owner, memory_order_relaxed) == (uintptr_t)pthread_self();
}

static void lock_sink(void)
{
    mmb_mutex_lock(&sink_mutex);
    atomic_store_explicit(&sink_owner, (uintptr_t)pthread_self(), memory_order_relaxed);
}

static void unlock_sink(void)
{
    atomic_store_explicit(&sink_owner, 0, memory_order_relaxed);
    mmb_mutex_unlock(&sink_mutex);
}

static void write_to_stderr(const char *text, size_t length)
{
    ssize_t written;

    do
        written = write(STDERR_FILENO, text, length);
    while (written < 0 && errno == EINTR);
}

/* False: there is no callback any more. */
static bool pass_to_callback(mmbLogLevel level, const char *message)
{
    mmbLogCallback callback;

    if (owns_sink())
        return true;
    lock_sink();
    callback = atomic_load_explicit(&sink, memory_order_relaxed);
    if (callback)
        callback(level, message, sink_user);
    unlock_sink();
    return callback != NULL;
}

/* The message stands behind its prefix in one buffer: standard error gets both in one write, the
 * callback the message alone. */
__attribute__((format(printf, 2, 0))) static void emit(mmbLogLevel level, const char *format,
                                                       va_list args)
{
    char buffer[MESSAGE_BYTES + 1]; /* and the newline */
    struct mmb_text text;
    size_t prefix;

    mmb_text_init(&text, buffer, MESSAGE_BYTES);
    mmb_text_append(&text, "libmmb: %s: ", level_names[level]);
    prefix = text.length;
    mmb_text_append_args(&text, format, args);
    mmb_text_mark_cut(&text);
    if (atomic_load_explicit(&sink, memory_order_relaxed) &&
        pass_to_callback(level, buffer + prefix))
        return;
    buffer[text.length] = '\n';
    write_to_stderr(buffer, text.length + 1);
}

/* -1: not a level */
static int parse_level(const char *text)
{
    for (int level = MMB_LOG_NONE; level <= MMB_LOG_DEBUG; level++) {
        if (strcasecmp(text, level_names[level]) == 0 ||
            (text[0] == '0' + level && text[1] == '\0'))
            return level;
    }
    return -1;
}

/* A level that the program sets meanwhile wins over the environment: hence the exchange. */
static void read_environment(void)
{
    const char *wish = getenv("MMB_LOG_LEVEL");
    int level = wish && *wish ? parse_level(wish) : LEVEL_DEFAULT;
    int expected = LEVEL_UNREAD;
    bool is_mine = atomic_compare_exchange_strong_explicit(
        &mmb_log_threshold, &expected, level < 0 ? LEVEL_DEFAULT : level, memory_order_relaxed,
        memory_order_relaxed);

    if (level < 0 && is_mine)
        mmb_log(MMB_LOG_WARNING, "MMB_LOG_LEVEL=%s: not one of none, error, warning, info, debug",
                wish);
}

void mmb_log(mmbLogLevel level, const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    if (!mmb_log_wants(level) || level <= MMB_LOG_NONE || level > MMB_LOG_DEBUG)
        return;
    if (atomic_load_explicit(&mmb_log_threshold, memory_order_relaxed) == LEVEL_UNREAD) {
        read_environment();
        if (!mmb_log_wants(level)) {
            errno = saved_errno;
            return;
        }
    }
    va_start(args, format);
    emit(level, format, args);
    va_end(args);
    errno = saved_errno;
}

mmbError mmb_logging_set_level(mmbLogLevel level)
{
    if ((int)level < MMB_LOG_NONE || (int)level > MMB_LOG_DEBUG)
        return mmb_fail(MMB_INVALID_ARG, "logging_set_level: %d is not a level", (int)level);
    atomic_store_explicit(&mmb_log_threshold, (int)level, memory_order_relaxed);
    return MMB_OK;
}

mmbError mmb_logging_set_callback(mmbLogCallback callback, void *user)
{
    bool is_nested = owns_sink();

    if (!is_nested)
        lock_sink();
    sink_user = user;
    atomic_store_explicit(&sink, callback, memory_order_relaxed);
    if (!is_nested)
        unlock_sink();
    return MMB_OK;
}

void mmb_log_fork_prepare(void)
{
    bool is_nested = owns_sink();

    if (!is_nested)
        lock_sink();
    is_fork_nested = is_nested;
}

void mmb_log_fork_parent(void)
{
    if (!is_fork_nested)
        unlock_sink();
}

/* The child's only thread has the identity of the one that forked, so a nested one still owns the
 * mutex. */
void mmb_log_fork_child(void)
{
    mmb_log_fork_parent();
}
