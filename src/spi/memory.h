/* SPDX-License-Identifier: BSD-3-Clause */
/* A range of memory as a backend hands it out. */
#ifndef MMB_SPI_MEMORY_H
#define MMB_SPI_MEMORY_H
#include <stddef.h>
#include <stdint.h>

/* `address` is the range's key in this process: the host address, the device pointer, or, for
 * memory that has neither (cl_mem), a PROT_NONE reservation of the same length. It is unique while
 * mapped. Invariant: host == NULL or (uintptr_t)host == address. */
struct mmb_memory {
    void *host;
    uintptr_t address;
    size_t n_bytes;
    void *native;         /* pointer-like: the address; cl_mem: the handle */
    size_t native_offset; /* of the range in the native handle; pointer-like: 0 */
    uint64_t cookie;      /* the backend's own */
};

#endif
