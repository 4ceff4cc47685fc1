/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_GPU_PINNED_H
#define MMB_LAYERS_GPU_PINNED_H
/* Pinned host memory for copies that are staged (spi/stream.h), kept with an instance: pinning
 * costs more than most copies. There is one piece, of two buffers; a second copy at the same time
 * does as well with memory that is not pinned. */
#include <stdbool.h>
#include <stddef.h>
#include "src/base/lock.h"
#include "src/spi/backend.h"

struct mmb_gpu_pinned {
    struct mmb_mutex mutex; /* guards what follows; the runtime's locks are taken inside it */
    void *start;            /* NULL: none was made yet, or it could not be had */
    size_t n_bytes;
    bool is_taken;
};
#define MMB_GPU_PINNED_INIT                                                                        \
    {                                                                                              \
        MMB_MUTEX_INIT, NULL, 0, false                                                             \
    }

/* How a runtime pins, for one instance. NULL: it cannot. */
struct mmb_gpu_pinner {
    void *(*pin)(struct mmb_backend *backend, size_t n_bytes);
    void (*unpin)(struct mmb_backend *backend, void *start);
};

/* stage_take and stage_give of a stream table. */
void *mmb_gpu_pinned_take(struct mmb_gpu_pinned *pinned, const struct mmb_gpu_pinner *pinner,
                          struct mmb_backend *backend, size_t n_bytes);
void mmb_gpu_pinned_give(struct mmb_gpu_pinned *pinned, const void *start);
/* When no copy is under way any more. Takes no lock: a child of fork ends its copy too. */
void mmb_gpu_pinned_close(struct mmb_gpu_pinned *pinned, const struct mmb_gpu_pinner *pinner,
                          struct mmb_backend *backend);

#endif
