/* SPDX-License-Identifier: BSD-3-Clause */
/* What a probe promises: to say which memory a machine has, and nothing else. It binds nothing,
 * loads no device runtime of its own, and keeps nothing open. */
#ifndef MMB_SPI_PROBE_H
#define MMB_SPI_PROBE_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include <mmb/layer.h>

/* One part of a layer with memory of its own. */
struct mmb_probe_domain {
    mmbMemLayer layer;
    int os_index;           /* the NUMA node's; the device's number, from 0, for GDRAM and SSD */
    size_t total_bytes;     /* never 0 */
    size_t bandwidth_mib_s; /* from its best initiator; 0: unknown */
    size_t latency_ns;      /* from its best initiator; 0: unknown */
};

/* In order of layer, and of os_index within a layer. */
struct mmb_probe_report {
    struct mmb_probe_domain *domains;
    size_t n_domains;
    size_t capacity;     /* of the array: the probe's own */
    bool is_this_system; /* else nothing may be bound to what it reports */
};

struct mmb_probe_ops {
    size_t size;
    const char *name;
    /* topology_xml NULL: this system. MMB_NOT_FOUND, MMB_PERMISSION or MMB_CORRUPT for a file,
     * MMB_ERROR with the native text when this system cannot be read, MMB_OUT_OF_MEMORY. On success
     * the report is released with `release`. Called once per mmb_init, under the registry mutex. */
    mmbError (*run)(const char *topology_xml, struct mmb_probe_report *out_report);
    /* Pair of run. */
    void (*release)(struct mmb_probe_report *report);
};

/* Every probe that is compiled in (src/builtin.c), the best one first, NULL-terminated. */
extern const struct mmb_probe_ops *const mmb_builtin_probes[];

#endif
