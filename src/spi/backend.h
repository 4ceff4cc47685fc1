/* SPDX-License-Identifier: BSD-3-Clause */
/* What a supplier of raw memory promises. One static const table per backend; one instance per
 * (interface, domain). A backend knows nothing of allocators, spaces or limits. */
#ifndef MMB_SPI_BACKEND_H
#define MMB_SPI_BACKEND_H
#include <stdbool.h>
#include <stdint.h>
#include <mmb/backend.h>
#include <mmb/error.h>
#include <mmb/interface.h>
#include <mmb/layer.h>
#include "src/spi/memory.h"

struct mmb_backend_ops;
struct mmb_shared_segment;
struct mmb_stream_ops;

/* First member of every backend's instance. `bounded`: total bytes that all live ranges together
 * can have, SIZE_MAX when the backend can grow. */
struct mmb_backend {
    const struct mmb_backend_ops *ops;
    size_t bounded;
    size_t min_alignment; /* of every range's address, a power of two >= 16 unless bounded by the
                             user */
    bool host_accessible; /* memory.host is never NULL */
    bool has_no_pointers; /* memory.address is only a key (cl_mem) */
    bool is_file; /* its ranges lie in files: not this system's memory, whatever its table is for */
    bool has_device;                   /* its memory is that of one device */
    int device;                        /* that one's number, as its runtime counts */
    struct mmb_shared_segment *shared; /* its one range, which carries its own heap; or NULL */
};

/* Read during open only. */
struct mmb_backend_request {
    mmbBackend id; /* as the user named it: a user backend's own number */
    mmbMemLayer layer;
    mmbExecutionContext context;
    const mmbBackendOptions *options; /* never NULL */
    int domain;                       /* position in the layer's list of domains, or -1 */
    int domain_os_index;              /* NUMA node or device of `domain`, or -1 */
    const int *os_indexes;            /* of all of the layer's domains, in its order */
    size_t n_domains;                 /* 0: none is known */
    mmbStrategy strategy; /* as asked for: memory that carries its heap is made for one */
    bool (*id_is_taken)(uint32_t id); /* a shared heap of that id is attached in this process */
};

/* What another process needs to open a range: plain bytes, that cross between processes. */
#define MMB_IPC_HANDLE_BYTES 64
#define MMB_IPC_DEVICE_BYTES 24
struct mmb_ipc_range {
    unsigned char handle[MMB_IPC_HANDLE_BYTES]; /* the runtime's */
    char device[MMB_IPC_DEVICE_BYTES];          /* that has it, the same text in every process */
    uint64_t n_bytes;                           /* of what is opened */
    uint64_t start;                             /* of the range in what is opened */
};

struct mmb_backend_ops {
    size_t size;
    const char *name;
    mmbBackend id;
    /* Its ranges are this system's memory: they count against what this process may use of it. */
    bool takes_host_memory;
    /* It binds to what discovery says of this system, and cannot where that is another machine. */
    bool binds;
    /* It places by `domain`: without this it cannot serve a space with limits per domain. */
    bool places_by_domain;
    /* A larger alignment than min_alignment costs addresses at the most. */
    bool aligns_freely;
    /* What map gives reads as zero. */
    bool gives_zeros;
    /* Nothing can be had of it without options, so it is nobody's default of its own accord. */
    bool needs_options;

    /* Mandatory. */

    /* Is (layer, context) a pair that this backend can stand behind? Pure; no side effect. */
    bool (*serves)(mmbMemLayer layer, mmbExecutionContext context);
    /* The runtime it needs is present and has a device. MMB_UNSUPPORTED with the native cause. */
    mmbError (*available)(void);
    /* Checks every option. The strategy is not its business. Called under the registry lock. */
    mmbError (*open)(const struct mmb_backend_request *request, struct mmb_backend **out_backend);
    /* All ranges are unmapped before. NULL is allowed. */
    void (*close)(struct mmb_backend *backend);
    /* Gives one range of at least min_bytes and at most want_bytes rounded up to the backend's own
     * granularity, aligned to `alignment` (a power of two; 0: the backend's own). MMB_OUT_OF_MEMORY
     * with the native cause when it is exhausted; then nothing has changed. Thread-safe; the caller
     * holds no lock that `unmap` would need. */
    mmbError (*map)(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out_memory);
    /* Pair of map. Thread-safe. */
    mmbError (*unmap)(struct mmb_backend *backend, const struct mmb_memory *memory);

    /* Optional (NULL = unsupported; host-accessible memory is copied by the CPU). */

    /* Gives the physical pages of a part back; the contents become undefined. Never fails visibly.
     */
    void (*discard)(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                    size_t n_bytes);
    /* Blocking copies; ranges were checked. copy_in/copy_out and set come together. */
    mmbError (*copy_in)(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                        const void *from_host, size_t n_bytes);
    mmbError (*copy_out)(struct mmb_backend *backend, void *to_host, const struct mmb_memory *from,
                         size_t from_offset, size_t n_bytes);
    mmbError (*set)(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                    int value, size_t n_bytes);
    /* Both ranges belong to this backend's table (the instances may differ). */
    mmbError (*copy)(struct mmb_backend *backend, const struct mmb_memory *to, size_t to_offset,
                     const struct mmb_memory *from, size_t from_offset, size_t n_bytes);
    mmbError (*advise)(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice);

    /* Take and release the instance's own locks around fork. They come together. */
    void (*fork_lock)(struct mmb_backend *backend);
    void (*fork_unlock)(struct mmb_backend *backend);

    /* What its runtime can queue (spi/stream.h). */
    const struct mmb_stream_ops *stream;

    /* Ranges for other processes. All three come together. */

    /* MMB_UNSUPPORTED with the reason where this kind of memory, or the system, has no handles;
     * MMB_ERROR with the native text. The whole of *out is written. */
    mmbError (*ipc_export)(struct mmb_backend *backend, const struct mmb_memory *memory,
                           struct mmb_ipc_range *out);
    /* Where a range of another process begins here. Opened twice it is the same, and is closed
     * twice. MMB_INVALID_ARG: it is another device's; MMB_NOT_FOUND: it is gone; MMB_CORRUPT: it is
     * shorter than it says; MMB_OUT_OF_MEMORY; MMB_ERROR with the native text. Both thread-safe. */
    mmbError (*ipc_open)(struct mmb_backend *backend, const struct mmb_ipc_range *range,
                         uintptr_t *out_address);
    /* `address`: anywhere in the opened range. What is still open is closed with the backend. */
    void (*ipc_close)(struct mmb_backend *backend, uintptr_t address);
};

/* Every table that is compiled in (src/builtin.c), NULL-terminated. */
extern const struct mmb_backend_ops *const mmb_builtin_backends[];

#endif
