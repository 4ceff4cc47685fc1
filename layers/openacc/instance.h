/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_OPENACC_INSTANCE_H
#define MMB_LAYERS_OPENACC_INSTANCE_H
/* One open backend of OpenACC, for the files that make one. */
#include "layers/openacc/runtime.h"
#include "src/base/list.h"
#include "src/base/lock.h"
#include "src/spi/backend.h"
#include "src/spi/stream.h"

struct mmb_openacc {
    struct mmb_backend base;
    int type, number;        /* of the device */
    int queue;               /* for what names none */
    struct mmb_mutex mutex;  /* guards what follows */
    struct mmb_list buffers; /* that queued work still reads (layers/openacc/stream.c) */
};

static inline struct mmb_openacc *mmb_openacc_of(struct mmb_backend *backend)
{
    return (struct mmb_openacc *)backend;
}

/* What the cookie of a range leads to. */
struct mmb_openacc_range {
    const struct mmb_openacc *owner;
    char *start; /* as it was given; a range begins at an alignment */
};

/* The caller's device. */
struct mmb_openacc_entered {
    int type, number;
};

static inline struct mmb_openacc_entered mmb_openacc_enter(const struct mmb_openacc *openacc)
{
    int type = mmb_openacc.get_device_type();
    struct mmb_openacc_entered entered = {type, mmb_openacc.get_device_num(type)};
    mmb_openacc.set_device_num(openacc->number, openacc->type);
    return entered;
}

static inline void mmb_openacc_leave(const struct mmb_openacc *openacc,
                                     const struct mmb_openacc_entered *entered)
{
    if (entered->type != openacc->type || entered->number != openacc->number)
        mmb_openacc.set_device_num(entered->number, entered->type);
}

/* ---- layers/openacc/queue.c ---- */

/* A number of a queue that nobody here has, or one that others have too when all are taken. */
int mmb_openacc_queue_take(void);
void mmb_openacc_queue_give(int queue);
/* Entered. A mark behind all that is queued so far; and the queue whose end is the mark's. */
void *mmb_openacc_mark(int queue);
int mmb_openacc_mark_queue(const void *mark);
void mmb_openacc_forget(void *mark);

/* ---- layers/openacc/stream.c: only where the runtime has queues ---- */

extern const struct mmb_stream_ops mmb_openacc_stream;
/* Queued and waited for. */
mmbError mmb_openacc_run(struct mmb_openacc *openacc, const struct mmb_stream_box *box);
mmbError mmb_openacc_run_set(struct mmb_openacc *openacc, const struct mmb_stream_side *to,
                             int value, size_t n_bytes);
/* Ends the instance's buffers. Nothing reads them: no object of a copy in flight can be freed. */
void mmb_openacc_stream_close(struct mmb_openacc *openacc);

#endif
