/* SPDX-License-Identifier: BSD-3-Clause */
/* What a backend promises whose runtime orders work in streams or queues: copies that are queued
 * rather than done, and marks in a stream that can be waited for. A backend that has this table
 * takes whole boxes of bytes; core uses it for copies of rows and for all that does not block. */
#ifndef MMB_SPI_STREAM_H
#define MMB_SPI_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include "src/spi/memory.h"

struct mmb_backend;

/* One side of a box. memory == NULL: host memory at `host`; else `offset` in a range that a backend
 * of the same table gave. A row starts row_pitch after the one before, a slice slice_pitch. */
struct mmb_stream_side {
    const struct mmb_memory *memory;
    char *host;
    size_t offset;
    size_t row_pitch, slice_pitch;
};

/* At least one side has `memory`. No count is 0; the rows of each side do not overlap, and neither
 * do the sides. With one row or one slice the pitch means nothing. */
struct mmb_stream_box {
    struct mmb_stream_side to, from;
    size_t row_bytes, n_rows, n_slices;
};

/* A stream of NULL is the instance's own. Everything is thread-safe. What is queued on one stream
 * happens in its order. Errors: MMB_ERROR or MMB_OUT_OF_MEMORY with the native cause. */
struct mmb_stream_ops {
    /* Queues the copy of a box. Host memory stays valid until a later mark is reached. */
    mmbError (*copy)(struct mmb_backend *backend, void *stream, const struct mmb_stream_box *box);
    mmbError (*set)(struct mmb_backend *backend, void *stream, const struct mmb_stream_side *to,
                    int value, size_t n_bytes);
    /* Waits until everything queued so far has happened. */
    mmbError (*finish)(struct mmb_backend *backend, void *stream);
    /* A mark behind everything queued so far; released with forget, reached or not. */
    mmbError (*mark)(struct mmb_backend *backend, void *stream, void **out_mark);
    mmbError (*query)(struct mmb_backend *backend, void *mark, bool *out_reached);
    /* The error of the work before the mark, if it had one. */
    mmbError (*wait)(struct mmb_backend *backend, void *mark);
    /* What is queued on the stream later waits for the mark, on the device. */
    mmbError (*order)(struct mmb_backend *backend, void *mark, void *stream);
    void (*forget)(struct mmb_backend *backend, void *mark);
    /* Host memory for staging that the runtime has pinned, of at least n_bytes; NULL: none, or
     * another copy has it. Kept with the instance, so that it is not pinned for every copy. */
    void *(*stage_take)(struct mmb_backend *backend, size_t n_bytes);
    /* Pair of stage_take. */
    void (*stage_give)(struct mmb_backend *backend, void *stage);
    /* Can a box go from that memory of the same table to this instance's directly? */
    bool (*reaches)(struct mmb_backend *backend, const struct mmb_memory *from);
};

#endif
