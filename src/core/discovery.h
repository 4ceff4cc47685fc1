/* SPDX-License-Identifier: BSD-3-Clause */
/* Fills the table of layers with what a probe finds. */
#ifndef MMB_CORE_DISCOVERY_H
#define MMB_CORE_DISCOVERY_H
#include <stdbool.h>
#include <mmb/error.h>

/* topology_xml NULL: the file that MMB_TOPOLOGY_XML names, else this system, of which only the
 * host's memory is looked for where is_host_only says so. Without a probe built
 * in this system has no discovered layers, which is no error, and a file gives MMB_UNSUPPORTED.
 * Otherwise the probe's errors. After an error some layers may have been added: the caller closes
 * them. The registry mutex is held. */
mmbError mmb_discovery_run(const char *topology_xml, bool is_host_only);

/* After a run for the host's memory alone: adds what it left out, except to layers that are known
 * already. Else nothing. After an error it can be tried again. */
mmbError mmb_discovery_add_devices(void);

/* False after the layers were read from a file: nothing may be bound to what they say. */
bool mmb_discovery_is_this_system(void);

#endif
