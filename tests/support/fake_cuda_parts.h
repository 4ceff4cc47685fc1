/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAKE_CUDA_PARTS_H
#define MMB_TESTS_SUPPORT_FAKE_CUDA_PARTS_H
/* What the parts of the fake driver share: contexts and memory, memory of other processes, streams.
 */
#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))

enum fake_cuda_kind {
    FAKE_CUDA_DEVICE,
    FAKE_CUDA_MANAGED,
    FAKE_CUDA_HOST,
    FAKE_CUDA_PINNED,
    FAKE_CUDA_IMPORTED /* another process's */
};

struct fake_cuda_range {
    struct fake_cuda_range *next;
    enum fake_cuda_kind kind;
    int device;
    char *address, *bytes;
    size_t n_bytes, n_mapped;
    off_t place; /* of the bytes in the device's file */
    uint64_t id; /* stands in front of them there */
    size_t n_opens;
};
extern struct fake_cuda_range *fake_cuda_ranges;

/* Guards everything there is. */
extern pthread_mutex_t fake_cuda_mutex;

/* All: mutex held. What every call about memory begins with. */
CUresult fake_cuda_begin(void);
/* Where the bytes at an address are; NULL: they leave their range. What is in no range is the
 * host's, unless the caller says that it is a device's. */
char *fake_cuda_reach(const void *address, size_t n_bytes, bool is_device);
size_t fake_cuda_events(void);
/* The link to the range that holds an address, or to NULL. */
struct fake_cuda_range **fake_cuda_find(const void *address);
void fake_cuda_end(struct fake_cuda_range **at);
/* Gives a range its bytes out of a file, and its address. */
bool fake_cuda_map(struct fake_cuda_range *range, int file, off_t offset);
/* The same out of its device's file, and the end of it there. */
bool fake_cuda_file_map(struct fake_cuda_range *range);
void fake_cuda_file_end(const struct fake_cuda_range *range);
/* The context that is current, device 0's where none is; and its device. */
CUcontext fake_cuda_current(void);
int fake_cuda_device(void);
int fake_cuda_number(CUcontext context);
/* Mutex held. What a context has of work and events goes with it. */
void fake_cuda_drop_context(CUcontext context);

/* Takes the mutex. */
void fake_cuda_set_held(CUstream stream, bool is_held);

#endif
