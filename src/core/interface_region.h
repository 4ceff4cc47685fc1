/* SPDX-License-Identifier: BSD-3-Clause */
/* What a region provider means for an interface, whose member region_provider says which it is. The
 * registry mutex is held but for the last one. */
#ifndef MMB_CORE_INTERFACE_REGION_H
#define MMB_CORE_INTERFACE_REGION_H
#include "src/core/interface.h"
#include "src/core/region.h"

/* With MMB_INTERFACE_OWN_REGION every allocation is a chunk, whatever the strategy: the one in the
 * config becomes passthrough. *out_named is what the interface is called. */
mmbError mmb_interface_isolate(mmbMemInterfaceConfig *config, mmbStrategy *out_named);
/* Lets a source of the interface register its chunks; -1: no domain names a device.
 * MMB_UNSUPPORTED: they have no addresses. */
mmbError mmb_interface_register_chunks(const mmbMemInterface *interface,
                                       const struct mmb_backend *backend, struct mmb_source *source,
                                       int device);
/* Registers memory of the user's for as long as its wrapped object lives; *out is NULL without a
 * provider. Errors of mmb_registration_make. No lock is held. */
mmbError mmb_interface_register_wrapped(const mmbMemInterface *interface, void *base,
                                        size_t n_bytes, struct mmb_registration **out);

#endif
