/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing the trace (trace.h): a buffer that goes to the file when it is full, when the library
 * ends and when the process does.
 *
 * Owns the file and the buffer, both under `mutex`, which is a leaf: nothing is called under it but
 * write. A file that another process is tracing into is left alone, and the process's number is
 * added to the name: the environment is inherited over exec. A forked child does not trace. */
#include "src/core/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "src/base/lock.h"
#include "src/core/allocation.h"
#include "src/core/interface.h"
#include "src/core/layer.h"
#include "src/core/space.h"
#include "src/core/space_limits.h"

#define BUFFER_BYTES ((size_t)64 << 10)
#define EVENT_BYTES  ((size_t)128) /* more than any event has */
#define TEXT_BYTES   ((size_t)48)
#define PATH_BYTES   1024

enum event { INTERFACE = 1, END, RESET, ALLOCATE, LEAVE, FREED, MOVED, STAYED, THREAD };

bool mmb_trace_is_on;

static struct {
    struct mmb_mutex mutex;
    int file;
    size_t used;
    uint64_t last_block, last_thread;
    unsigned char buffer[BUFFER_BYTES];
} trace = {.mutex = MMB_MUTEX_INIT, .file = -1};

/* ---- bytes ---- */

static void flush(void)
{
    size_t done = 0;
    while (done < trace.used && trace.file >= 0) {
        ssize_t n = write(trace.file, trace.buffer + done, trace.used - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            close(trace.file);
            trace.file = -1; /* what is there stays readable, up to an event's middle */
        }
    }
    trace.used = 0;
}

static void put(uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        trace.buffer[trace.used++] = (unsigned char)(number | 0x80);
    trace.buffer[trace.used++] = (unsigned char)number;
}

static void put_text(const char *text)
{
    size_t length = strnlen(text, TEXT_BYTES);
    put(length);
    memcpy(trace.buffer + trace.used, text, length);
    trace.used += length;
}

static void put_block(const mmbAllocation *record)
{
    uint64_t block = (uintptr_t)record / 16;
    bool is_down = block < trace.last_block;
    uint64_t distance = is_down ? trace.last_block - block : block - trace.last_block;
    put(is_down ? (distance - 1) << 1 | 1 : distance << 1);
    trace.last_block = block;
}

static void begin(enum event event)
{
    uint64_t thread = (uint64_t)gettid();
    mmb_mutex_lock(&trace.mutex);
    if (trace.used + EVENT_BYTES > BUFFER_BYTES)
        flush();
    if (thread != trace.last_thread) {
        put(THREAD);
        put(thread);
        trace.last_thread = thread;
    }
    put(event);
}

static void end(void)
{
    mmb_mutex_unlock(&trace.mutex);
}

/* ---- the file ---- */

/* -1: it cannot be written, or another process has it. */
static int open_file(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return -1;
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && ftruncate(file, 0) == 0)
        return file;
    close(file);
    return -1;
}

static void before_fork(void)
{
    mmb_mutex_lock(&trace.mutex);
}

static void after_fork(void)
{
    mmb_mutex_unlock(&trace.mutex);
}

/* Interfaces keep their long way; the events are thrown away. */
static void in_child(void)
{
    if (trace.file >= 0)
        close(trace.file);
    trace.file = -1;
    trace.used = 0;
    mmb_mutex_unlock(&trace.mutex);
}

bool mmb_trace_open(void)
{
    static const char head[] = "MMBTRACE\1";
    const char *path = secure_getenv("MMB_TRACE");
    char numbered[PATH_BYTES];
    if (mmb_trace_is_on || !path || !*path)
        return true;
    trace.file = open_file(path);
    if (trace.file < 0) {
        int n = snprintf(numbered, sizeof numbered, "%s.%d", path, (int)getpid());
        if (n > 0 && (size_t)n < sizeof numbered)
            trace.file = open_file(numbered);
    }
    if (trace.file < 0 || pthread_atfork(before_fork, after_fork, in_child))
        return false;
    memcpy(trace.buffer, head, sizeof head - 1);
    trace.used = sizeof head - 1;
    mmb_trace_is_on = true;
    return true;
}

void mmb_trace_flush(void)
{
    mmb_mutex_lock(&trace.mutex);
    flush();
    mmb_mutex_unlock(&trace.mutex);
}

__attribute__((destructor)) static void flush_at_exit(void)
{
    if (mmb_trace_is_on)
        mmb_trace_flush();
}

/* ---- events ---- */

void mmb_trace_interface(const mmbMemInterface *interface)
{
    const mmbMemSpace *space = interface->space;
    size_t limit = mmb_space_limit(space);
    begin(INTERFACE);
    put(interface->id);
    put_text(space->layer->name);
    put((uint64_t)space->context);
    put((uint64_t)interface->strategy);
    put((uint64_t)interface->backend_id);
    put(limit == MMB_NO_LIMIT ? 0 : limit);
    end();
}

void mmb_trace_interface_end(const mmbMemInterface *interface)
{
    begin(END);
    put(interface->id);
    end();
}

void mmb_trace_reset(const mmbMemInterface *interface)
{
    begin(RESET);
    put(interface->id);
    end();
}

void mmb_trace_allocate(const mmbMemInterface *interface, const mmbAllocation *record,
                        size_t n_bytes, size_t alignment)
{
    begin(ALLOCATE);
    put(interface->id);
    put_block(record);
    put(n_bytes);
    put((uint64_t)__builtin_ctzl(alignment));
    end();
}

void mmb_trace_leave(const mmbAllocation *record)
{
    begin(LEAVE);
    put_block(record);
    end();
}

void mmb_trace_freed(bool was_freed)
{
    begin(was_freed ? FREED : STAYED);
    end();
}

void mmb_trace_moved(const mmbAllocation *record)
{
    if (!record) {
        mmb_trace_freed(false);
        return;
    }
    mmbAllocation *block = mmb_allocation_block((mmbAllocation *)record);
    begin(MOVED);
    put(mmb_record_allocator(block)->interface->id);
    put_block(record);
    put(mmb_record_bytes(record));
    end();
}
