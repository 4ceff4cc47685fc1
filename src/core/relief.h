/* SPDX-License-Identifier: BSD-3-Clause */
/* What core does when a layer has nothing more to give. */
#ifndef MMB_CORE_RELIEF_H
#define MMB_CORE_RELIEF_H
#include <stdbool.h>
#include "src/core/budget.h"

struct mmb_source;

/* Trims every interface that draws on the exhausted budget; with NULL, when the backend itself
 * refused, every one with the source's kind of backend. False when nothing was given back: another
 * try would be in vain. The caller holds no allocator's lock; the registry mutex may be his. */
bool mmb_relieve(const struct mmb_budget *exhausted, const struct mmb_source *source);

#endif
