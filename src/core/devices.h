/* SPDX-License-Identifier: BSD-3-Clause */
/* One list of memory out of what a probe saw of the machine and what the devices' runtimes say. */
#ifndef MMB_CORE_DEVICES_H
#define MMB_CORE_DEVICES_H
#include <stddef.h>
#include <mmb/error.h>
#include "src/spi/probe.h"

/* In order of layer, and of os_index within a layer. */
struct mmb_machine {
    struct mmb_probe_domain *domains;
    size_t n_domains;
    size_t capacity;
};

/* The report's domains; where it is of this system, every runtime whose device is seen is asked as
 * well. A device is one domain, whoever saw it: what has the same PCI id is the same, and where one
 * side does not know it, what the same runtime gave the same number. A runtime's word on sizes
 * counts. A runtime that does not answer is logged, no error. MMB_OUT_OF_MEMORY. */
mmbError mmb_machine_make(const struct mmb_probe_report *report, struct mmb_machine *out_machine);
void mmb_machine_free(struct mmb_machine *machine);

#endif
