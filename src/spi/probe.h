/* SPDX-License-Identifier: BSD-3-Clause */
/* What a probe promises: to say which memory a machine has, and nothing else. It binds nothing,
 * loads no device runtime of its own, and keeps nothing open. Devices are told once more by their
 * runtimes, whose word on sizes and numbers counts (src/core/devices.c puts both together). */
#ifndef MMB_SPI_PROBE_H
#define MMB_SPI_PROBE_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include <mmb/layer.h>

/* "0000:81:00.0" and the final 0; PCI domains of virtual machines have up to eight digits. */
#define MMB_PCI_ID_BYTES 20

/* By which number the backends of a context open a device. */
#define MMB_PROBE_CONTEXTS ((size_t)MMB_OPENACC + 1)
struct mmb_device_numbers {
    unsigned int asked;         /* bit 1 << context: its runtime was asked, so by[context] counts */
    int by[MMB_PROBE_CONTEXTS]; /* -1: it does not have that device */
};

/* One part of a layer with memory of its own. */
struct mmb_probe_domain {
    mmbMemLayer layer;
    int os_index;           /* the NUMA node's; the device's number, from 0, for GDRAM and SSD */
    size_t total_bytes;     /* never 0 */
    size_t bandwidth_mib_s; /* from its best initiator; 0: unknown */
    size_t latency_ns;      /* from its best initiator; 0: unknown */
    /* GDRAM only */
    char pci_id[MMB_PCI_ID_BYTES];   /* empty: unknown */
    mmbExecutionContext numbered_by; /* whose number os_index is; DEFAULT: nobody's */
    struct mmb_device_numbers numbers;
};

/* In order of layer, and of os_index within a layer. */
struct mmb_probe_report {
    struct mmb_probe_domain *domains;
    size_t n_domains;
    size_t capacity;     /* of the array: the probe's own */
    bool is_this_system; /* else nothing may be bound to what it reports */
    bool is_host_only;   /* devices were not looked for */
};

struct mmb_probe_ops {
    size_t size;
    const char *name;
    /* topology_xml NULL: this system; is_host_only: of it only memory that is not a device's, and
     * nothing is loaded that knows devices. MMB_NOT_FOUND, MMB_PERMISSION or MMB_CORRUPT for a
     * file, MMB_ERROR with the native text when this system cannot be read, MMB_OUT_OF_MEMORY. On
     * success the report is released with `release`. Called once per mmb_init, under the registry
     * mutex. */
    mmbError (*run)(const char *topology_xml, bool is_host_only,
                    struct mmb_probe_report *out_report);
    /* Pair of run. */
    void (*release)(struct mmb_probe_report *report);
};

/* Every probe that is compiled in (src/builtin.c), the best one first, NULL-terminated. */
extern const struct mmb_probe_ops *const mmb_builtin_probes[];

/* A device with memory of its own, as its runtime tells. */
struct mmb_probe_device {
    char pci_id[MMB_PCI_ID_BYTES]; /* empty: the runtime does not say */
    int number;
    size_t total_bytes; /* never 0 */
};

/* A runtime that can be asked which devices it has. */
struct mmb_device_probe_ops {
    size_t size;
    const char *name;
    mmbExecutionContext context;
    /* The system shows a device that may be the runtime's, or its user named the runtime. Loads
     * nothing. */
    bool (*is_seen)(void);
    /* Loads the runtime and writes at most `capacity` of its devices; creates no context on any of
     * them. MMB_UNSUPPORTED with the native cause. */
    mmbError (*list)(struct mmb_probe_device *devices, size_t capacity, size_t *out_n_devices);
};

/* Every runtime that is compiled in (src/builtin.c), the one that is believed first in front,
 * NULL-terminated. */
extern const struct mmb_device_probe_ops *const mmb_builtin_device_probes[];

#endif
