/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAKE_CUDA_PARTS_H
#define MMB_TESTS_SUPPORT_FAKE_CUDA_PARTS_H
/* What the two halves of the fake driver share: contexts and memory, and streams. */
#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

/* Guards everything there is. */
extern pthread_mutex_t fake_cuda_mutex;

/* All: mutex held. What every call about memory begins with. */
CUresult fake_cuda_begin(void);
/* Where the bytes at an address are; NULL: they leave their range. What is in no range is the
 * host's, unless the caller says that it is a device's. */
char *fake_cuda_reach(const void *address, size_t n_bytes, bool is_device);
size_t fake_cuda_events(void);

/* Takes the mutex. */
void fake_cuda_set_held(CUstream stream, bool is_held);

#endif
