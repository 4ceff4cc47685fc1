/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAKE_CUDA_H
#define MMB_TESTS_SUPPORT_FAKE_CUDA_H
/* What the fake driver shows to tests beside the driver's own functions. A test finds it with dlsym
 * in the library that MMB_CUDA_LIBRARY names. */
#include <stddef.h>

struct fake_cuda_control {
    /* Of all devices together, now. */
    size_t (*live_ranges)(void);
    size_t (*live_events)(void);
    size_t (*retained)(void);        /* holds on primary contexts */
    size_t (*pageable_copies)(void); /* of at least 4 KiB, from or to host memory that is not
                                        pinned, so far */
    size_t (*depth)(void);           /* of the calling thread's stack of contexts */
    /* Where the host reads and writes n_bytes at a device address, or NULL. */
    void *(*bytes)(const void *address, size_t n_bytes);
    /* A call that has to do with memory returns the code, after n_good more have gone well. */
    void (*fail)(int code, int n_good);
    /* What is queued on a stream waits until it is let go; NULL: the default stream. */
    void (*hold)(void *stream);
    void (*let_go)(void *stream);
};

#define FAKE_CUDA_CONTROL "fake_cuda_control"

#endif
