/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the configs of interfaces, which also stand in spaces as defaults. The registry mutex is
 * held. */
#ifndef MMB_CORE_INTERFACE_CONFIG_H
#define MMB_CORE_INTERFACE_CONFIG_H
#include <stdbool.h>
#include <mmb/interface_config.h>
#include "src/core/interface.h"

/* Everything as the space says. */
extern const mmbMemInterfaceConfig mmb_interface_config_default;

/* MMB_INVALID_ARG: reserved fields, unknown values or flags. */
mmbError mmb_interface_config_check_values(const mmbMemInterfaceConfig *config,
                                           const char *function);
/* That and, for what is to be made: MMB_INVALID_INTERFACE: the fallback; MMB_INVALID_ARG: the
 * region provider. */
mmbError mmb_interface_config_check(const mmbMemInterfaceConfig *config, const char *function);
/* What `config` leaves open takes the value in `defaults`. */
void mmb_interface_config_merge(mmbMemInterfaceConfig *config,
                                const mmbMemInterfaceConfig *defaults);
/* True when it asks for no name, no backend and no strategy. */
bool mmb_interface_config_asks_nothing(const mmbMemInterfaceConfig *config);
/* Is the interface what the config asks for? What it leaves open does not matter. */
bool mmb_interface_satisfies(const mmbMemInterface *interface, const mmbMemInterfaceConfig *config);

/* Makes the config's own name, fallback, region provider and what its backend's options point to
 * the keeper's: the provider and the fallback cannot be destroyed, the others are copied; objects
 * of a runtime that the options name stay their owner's. False: no memory; nothing is kept. */
bool mmb_interface_config_keep(mmbMemInterfaceConfig *config);
void mmb_interface_config_drop(mmbMemInterfaceConfig *config);

#endif
