/* SPDX-License-Identifier: BSD-3-Clause */
/* Transfers on the streams of backends (spi/stream.h). */
#ifndef MMB_CORE_COPY_STREAM_H
#define MMB_CORE_COPY_STREAM_H
#include "src/core/copy.h"
#include "src/spi/stream.h"

/* The backend that can queue a transfer as a whole: the destination's, else the source's. NULL:
 * none can; the bytes go through the host, or the host itself moves them. */
struct mmb_backend *mmb_transfer_streamer(const struct mmb_transfer *transfer);

/* Queues a transfer of more than 0 bytes on a stream of its streamer; NULL: the streamer's own.
 * After a failure part of it may be queued. */
mmbError mmb_transfer_enqueue(const struct mmb_transfer *transfer, struct mmb_backend *streamer,
                              void *stream);

/* Queues it and waits; nothing is in flight afterwards. */
mmbError mmb_transfer_stream(const struct mmb_transfer *transfer, struct mmb_backend *streamer);

/* Moves one run from one device to another through two host buffers, so that the second device
 * takes one part while the first gives the next. The places are no host memory; `stage` holds
 * 2 * part_bytes. */
mmbError mmb_transfer_stage(const struct mmb_transfer *transfer, const struct mmb_run *run,
                            char *stage, size_t part_bytes);

#endif
