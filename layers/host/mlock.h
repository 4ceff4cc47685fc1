/* SPDX-License-Identifier: BSD-3-Clause */
/* The region provider that locks memory in RAM and needs no library. */
#ifndef MMB_LAYERS_HOST_MLOCK_H
#define MMB_LAYERS_HOST_MLOCK_H
#include <mmb/region.h>

struct mmb_mlock;

/* What the table's functions get as `user`; its close deletes it. NULL: no metadata. */
struct mmb_mlock *mmb_mlock_new(void);
void mmb_mlock_delete(struct mmb_mlock *locked);

extern const mmbRegionProviderOps mmb_mlock_provider;

#endif
