/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_FAKE_DEVICE_H
#define MMB_TESTS_SUPPORT_FAKE_DEVICE_H
/* Memory that the host cannot touch: its addresses are real and PROT_NONE, so a stray access by the
 * library kills the test. The device itself reaches the bytes through a second mapping of the same
 * memory file. Several devices can exist; their functions can be called by any thread. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/backend.h>

#define FAKE_DEVICE_RANGES_MAX 64

struct fake_range {
    uintptr_t address; /* PROT_NONE; 0: not in use */
    char *bytes;       /* where the device reads and writes them */
    size_t n_bytes;    /* as asked for */
    size_t n_mapped;
};

struct fake_device {
    pthread_mutex_t lock; /* over ranges */
    struct fake_range ranges[FAKE_DEVICE_RANGES_MAX];
    atomic_uint n_in, n_out, n_copy, n_set; /* calls so far */
    /* Transfers fail with `error` from the moment that n_good more have gone well. */
    atomic_int n_good;
    _Atomic mmbError error;
    /* While gated, a transfer posts `arrived` and goes on when `gate` is posted. */
    atomic_bool is_gated;
    sem_t arrived, gate;
};

void fake_device_open(struct fake_device *device);
/* Ends all mappings, and closes the gate's semaphores. */
void fake_device_close(struct fake_device *device);

/* The device's functions, for mmb_backend_register with the device as `user`. */
mmbBackendOps fake_device_ops(const char *name);

void fake_device_fail_after(struct fake_device *device, int n_good, mmbError error);
void fake_device_shut_gate(struct fake_device *device);
/* Waits until `count` transfers stand at the gate. */
void fake_device_await(struct fake_device *device, unsigned int count);
/* Lets `count` transfers through and, with leave_open, all that come later. */
void fake_device_open_gate(struct fake_device *device, unsigned int count);

/* Where the device sees the byte at an address of its own; NULL: not its address. */
char *fake_device_bytes(struct fake_device *device, const void *address);
/* Ranges that are mapped now. */
size_t fake_device_live(struct fake_device *device);
unsigned int fake_device_transfers(struct fake_device *device);

#endif
