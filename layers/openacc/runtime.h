/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_OPENACC_RUNTIME_H
#define MMB_LAYERS_OPENACC_RUNTIME_H
/* The functions of OpenACC's runtime that are used, found at run time. They are declared here: the
 * header comes with a compiler, the runtime with any program that was built for it. The kinds of
 * devices (acc_device_t) have values of the implementation's own, so they are only carried. */
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>

struct mmb_openacc_runtime {
    int (*get_device_type)(void);
    int (*get_num_devices)(int type);
    int (*get_device_num)(int type);
    void (*set_device_num)(int number, int type);
    void *(*allocate)(size_t n_bytes);
    void (*free)(void *start);
    void (*copy_in)(void *to, void *from_host, size_t n_bytes);
    void (*copy_out)(void *to_host, void *from, size_t n_bytes);

    /* What not every runtime has; NULL there. */
    void (*copy_in_async)(void *to, void *from_host, size_t n_bytes, int queue);
    void (*copy_out_async)(void *to_host, void *from, size_t n_bytes, int queue);
    void (*copy_inside_async)(void *to, void *from, size_t n_bytes, int queue);
    int (*test)(int queue); /* it is empty */
    void (*wait)(int queue);
    void (*order)(int queue, int later); /* what comes in the later one waits for the first */
};

/* Valid after mmb_openacc_load has given MMB_OK once. */
extern struct mmb_openacc_runtime mmb_openacc;

/* Loads libgomp.so.1, or what MMB_OPENACC_LIBRARY names; the first call decides. How many devices
 * there are of the kind that is current, which without an accelerator is the host.
 * MMB_UNSUPPORTED. */
mmbError mmb_openacc_load(size_t *out_n_devices);
/* It has queues, and all that belongs to them but copies inside a device. */
bool mmb_openacc_has_queues(void);

#endif
