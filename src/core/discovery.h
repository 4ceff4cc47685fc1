/* SPDX-License-Identifier: BSD-3-Clause */
/* Fills the table of layers with what a probe finds. */
#ifndef MMB_CORE_DISCOVERY_H
#define MMB_CORE_DISCOVERY_H
#include <stdbool.h>
#include <mmb/error.h>

/* topology_xml NULL: the file that MMB_TOPOLOGY_XML names, else this system. Without a probe built
 * in this system has no discovered layers, which is no error, and a file gives MMB_UNSUPPORTED.
 * Otherwise the probe's errors. After an error some layers may have been added: the caller closes
 * them. The registry mutex is held. */
mmbError mmb_discovery_run(const char *topology_xml);

/* False after the layers were read from a file: nothing may be bound to what they say. */
bool mmb_discovery_is_this_system(void);

#endif
