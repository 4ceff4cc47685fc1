/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a trace (src/core/trace.h has the format) into a list of calls. Addresses of records, which
 * are used again and again, become numbers that are used once; frees and moves that were refused
 * vanish. Owns the tables of what lives during the reading. */
#include "tools/replay.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum event { INTERFACE = 1, END, RESET, ALLOCATE, LEAVE, FREED, MOVED, STAYED, THREAD };

#define MAX_THREADS 4096

/* From a record's address to the number of the block that it is now; linear probing. */
struct live {
    uint64_t address;
    uint32_t block; /* REPLAY_NONE: the place was used and is free */
    uint32_t interface;
};

struct reader {
    const unsigned char *at, *end;
    bool is_short;
    uint64_t last_address;
    struct live *table;
    size_t n_places, n_used;
    size_t room_calls, room_interfaces;
    uint64_t threads[MAX_THREADS];
    struct live leaving[MAX_THREADS]; /* by thread: what it is about to free or move */
    size_t n_threads, thread;
    struct replay_trace *out;
};

static void *grown(void *items, size_t *room, size_t used, size_t item_bytes)
{
    if (used < *room)
        return items;
    *room = *room ? 2 * *room : 1024;
    items = realloc(items, *room * item_bytes);
    if (!items) {
        fputs("mmb-replay: no memory for the trace\n", stderr);
        exit(1);
    }
    return items;
}

static uint64_t number(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->end) {
            reader->is_short = true;
            return 0;
        }
        unsigned char byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader->is_short = true;
    return 0;
}

static uint64_t address(struct reader *reader)
{
    uint64_t coded = number(reader);
    reader->last_address += coded >> 1 ^ (0 - (coded & 1));
    return reader->last_address;
}

static void text(struct reader *reader, char *out, size_t room)
{
    uint64_t length = number(reader);
    if (length >= room || length > (uint64_t)(reader->end - reader->at)) {
        reader->is_short = true;
        return;
    }
    memcpy(out, reader->at, length);
    out[length] = 0;
    reader->at += length;
}

/* ---- what lives ---- */

static struct live *place_of(struct live *table, size_t n_places, uint64_t wanted)
{
    size_t i = (size_t)(wanted * 0x9e3779b97f4a7c15u >> 20) & (n_places - 1);
    while (table[i].address && table[i].address != wanted)
        i = (i + 1) & (n_places - 1);
    return &table[i];
}

static void widen(struct reader *reader)
{
    size_t n_places = reader->n_places ? 2 * reader->n_places : 4096;
    struct live *table = calloc(n_places, sizeof *table);
    if (!table) {
        fputs("mmb-replay: no memory for the trace\n", stderr);
        exit(1);
    }
    reader->n_used = 0;
    for (size_t i = 0; i < reader->n_places; i++)
        if (reader->table[i].address && reader->table[i].block != REPLAY_NONE) {
            *place_of(table, n_places, reader->table[i].address) = reader->table[i];
            reader->n_used++;
        }
    free(reader->table);
    reader->table = table;
    reader->n_places = n_places;
}

static struct replay_call *add(struct reader *reader, enum replay_kind kind, uint32_t interface,
                               uint32_t block)
{
    struct replay_trace *out = reader->out;
    out->calls = grown(out->calls, &reader->room_calls, out->n_calls, sizeof *out->calls);
    struct replay_call *call = &out->calls[out->n_calls++];
    *call = (struct replay_call){kind, interface, block, 0, 0};
    return call;
}

static void set_live(struct reader *reader, uint64_t name, uint32_t block, uint32_t interface)
{
    if (2 * reader->n_used >= reader->n_places)
        widen(reader);
    struct live *place = place_of(reader->table, reader->n_places, name);
    if (!place->address)
        reader->n_used++;
    else if (place->block != REPLAY_NONE) /* a stack's release took it, or the process's part */
        add(reader, REPLAY_FREE, place->interface, place->block);
    *place = (struct live){name, block, interface};
}

/* Takes it out of the table; block REPLAY_NONE when there was none. */
static struct live take_live(struct reader *reader, uint64_t name)
{
    struct live none = {0, REPLAY_NONE, 0};
    if (!reader->n_places)
        return none;
    struct live *place = place_of(reader->table, reader->n_places, name);
    if (!place->address)
        return none;
    struct live found = *place;
    place->block = REPLAY_NONE;
    return found;
}

static void free_all_of(struct reader *reader, uint32_t interface)
{
    for (size_t i = 0; i < reader->n_places; i++) {
        struct live *place = &reader->table[i];
        if (!place->address || place->block == REPLAY_NONE || place->interface != interface)
            continue;
        add(reader, REPLAY_FREE, interface, place->block);
        place->block = REPLAY_NONE;
    }
}

/* ---- events ---- */

static uint32_t interface_at(struct reader *reader)
{
    uint64_t id = number(reader);
    for (uint32_t i = reader->out->n_interfaces; i > 0; i--)
        if (reader->out->interfaces[i - 1].id == id)
            return i - 1;
    reader->is_short = true;
    return 0;
}

static void read_interface(struct reader *reader)
{
    struct replay_trace *out = reader->out;
    struct replay_interface made = {.id = number(reader)};
    text(reader, made.layer, sizeof made.layer);
    made.context = (mmbExecutionContext)number(reader);
    made.strategy = (mmbStrategy)number(reader);
    number(reader); /* the backend: its options are not in the trace, so the default one serves */
    made.limit = number(reader);
    if (reader->is_short)
        return;
    out->interfaces = grown(out->interfaces, &reader->room_interfaces, out->n_interfaces,
                            sizeof *out->interfaces);
    out->interfaces[out->n_interfaces] = made;
    add(reader, REPLAY_OPEN, out->n_interfaces++, 0);
}

static void read_allocate(struct reader *reader)
{
    uint32_t interface = interface_at(reader);
    uint64_t name = address(reader);
    size_t n_bytes = number(reader);
    uint32_t alignment = (uint32_t)1 << (number(reader) & 31);
    if (reader->is_short)
        return;
    set_live(reader, name, reader->out->n_blocks, interface);
    struct replay_call *call = add(reader, REPLAY_ALLOCATE, interface, reader->out->n_blocks++);
    call->n_bytes = n_bytes;
    call->alignment = alignment;
}

static void read_moved(struct reader *reader)
{
    struct live *was = &reader->leaving[reader->thread];
    uint32_t interface = interface_at(reader);
    uint64_t name = address(reader);
    size_t n_bytes = number(reader);
    if (reader->is_short || was->block == REPLAY_NONE)
        return;
    set_live(reader, name, was->block, interface);
    add(reader, REPLAY_RESIZE, interface, was->block)->n_bytes = n_bytes;
    was->block = REPLAY_NONE;
}

static void read_thread(struct reader *reader)
{
    uint64_t id = number(reader);
    for (reader->thread = 0; reader->thread < reader->n_threads; reader->thread++)
        if (reader->threads[reader->thread] == id)
            return;
    if (reader->n_threads == MAX_THREADS) {
        reader->is_short = true;
        return;
    }
    reader->threads[reader->n_threads] = id;
    reader->leaving[reader->n_threads++].block = REPLAY_NONE;
}

static void read_end(struct reader *reader)
{
    uint32_t interface = interface_at(reader);
    if (reader->is_short)
        return;
    free_all_of(reader, interface);
    add(reader, REPLAY_CLOSE, interface, 0);
}

static void finish_leaving(struct reader *reader, bool was_freed)
{
    struct live *was = &reader->leaving[reader->thread];
    if (was->block != REPLAY_NONE && was_freed)
        add(reader, REPLAY_FREE, was->interface, was->block);
    else if (was->block != REPLAY_NONE)
        set_live(reader, was->address, was->block, was->interface);
    was->block = REPLAY_NONE;
}

static void read_event(struct reader *reader)
{
    unsigned char event = *reader->at++;
    switch (event) {
    case INTERFACE:
        read_interface(reader);
        break;
    case END:
        read_end(reader);
        break;
    case RESET:
        free_all_of(reader, interface_at(reader));
        break;
    case ALLOCATE:
        read_allocate(reader);
        break;
    case LEAVE:
        reader->leaving[reader->thread] = take_live(reader, address(reader));
        break;
    case FREED:
    case STAYED:
        finish_leaving(reader, event == FREED);
        break;
    case MOVED:
        read_moved(reader);
        break;
    case THREAD:
        read_thread(reader);
        break;
    default:
        reader->is_short = true;
    }
}

const char *replay_read(const char *path, struct replay_trace *out)
{
    static const char head[] = "MMBTRACE\1";
    static struct reader reader;
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status))
        return strerror(errno);
    size_t n_bytes = (size_t)status.st_size;
    void *bytes =
        n_bytes < sizeof head ? MAP_FAILED : mmap(NULL, n_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (bytes == MAP_FAILED || memcmp(bytes, head, sizeof head - 1) != 0)
        return "not a trace of this version";
    *out = (struct replay_trace){.n_calls = 0};
    reader = (struct reader){.at = (unsigned char *)bytes + sizeof head - 1, .out = out};
    reader.end = (unsigned char *)bytes + n_bytes;
    reader.leaving[0].block = REPLAY_NONE;
    while (reader.at < reader.end && !reader.is_short)
        read_event(&reader);
    out->is_cut = reader.is_short;
    free(reader.table);
    munmap(bytes, n_bytes);
    return NULL;
}

void replay_free(struct replay_trace *trace)
{
    free(trace->calls);
    free(trace->interfaces);
    *trace = (struct replay_trace){.n_calls = 0};
}
