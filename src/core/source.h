/* SPDX-License-Identifier: BSD-3-Clause */
/* The making of sources (spi/source.h), for core. */
#ifndef MMB_CORE_SOURCE_H
#define MMB_CORE_SOURCE_H
#include "src/core/layer.h"
#include "src/core/region.h"
#include "src/spi/backend.h"
#include "src/spi/quota.h"
#include "src/spi/source.h"

/* `backend` stays the caller's and must outlive the source. NULL: no metadata. */
struct mmb_source *mmb_source_open(struct mmb_backend *backend, struct mmb_budget *layer_budget);
/* Every chunk was returned. NULL does nothing. */
void mmb_source_close(struct mmb_source *source);
/* Before the first chunk: every chunk is registered from now on. `quota` says what all chunks
 * together may come to. provider NULL does nothing. */
void mmb_source_register_chunks(struct mmb_source *source, mmbRegionProvider *provider,
                                const struct mmb_quota *quota, const mmbRegionAttr *attr);
mmbRegionProvider *mmb_source_provider(const struct mmb_source *source);
/* Of the layer, that its memory is charged to; -1: to no one's. */
int mmb_source_domain(const struct mmb_source *source);
bool mmb_source_draws_on(const struct mmb_source *source, const struct mmb_budget *budget);

#endif
