/* SPDX-License-Identifier: BSD-3-Clause */
/* What mmb-replay's parts share: the calls of a trace, read and numbered. */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb.h>

#define REPLAY_NONE UINT32_MAX

enum replay_kind { REPLAY_OPEN, REPLAY_CLOSE, REPLAY_ALLOCATE, REPLAY_FREE, REPLAY_RESIZE };

/* Blocks are numbered by their life: a number is allocated once. */
struct replay_call {
    enum replay_kind kind;
    uint32_t interface; /* position in interfaces */
    uint32_t block;
    uint32_t alignment;
    size_t n_bytes;
};

struct replay_interface {
    uint64_t id;
    char layer[64];
    mmbExecutionContext context;
    mmbStrategy strategy;
    size_t limit; /* 0: none */
};

struct replay_trace {
    struct replay_call *calls;
    size_t n_calls;
    struct replay_interface *interfaces;
    uint32_t n_interfaces, n_blocks;
    bool is_cut; /* the end is missing: the process was killed, or the disk was full */
};

/* NULL, or why the file cannot be read; then there is nothing to free. */
const char *replay_read(const char *path, struct replay_trace *out);
void replay_free(struct replay_trace *trace);

struct replay_wish {
    const char *layer;    /* NULL: as traced */
    mmbStrategy strategy; /* DEFAULT: as traced */
    bool touch;           /* write to each page of a block */
};

struct replay_result {
    double seconds;
    size_t peak_bytes, peak_reserved, live_at_peak; /* live bytes when the most was reserved */
    size_t calls, refused;
};

/* NULL, or why it could not be run. */
const char *replay_run(const struct replay_trace *trace, const struct replay_wish *wish,
                       struct replay_result *out);

#endif
