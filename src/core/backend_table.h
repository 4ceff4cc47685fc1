/* SPDX-License-Identifier: BSD-3-Clause */
/* Which backend and which strategy serve a request: those compiled in (src/builtin.c) and the
 * user's. The registry mutex is held, except where it says otherwise. */
#ifndef MMB_CORE_BACKEND_TABLE_H
#define MMB_CORE_BACKEND_TABLE_H
#include "src/core/layer.h"
#include "src/spi/allocator.h"
#include "src/spi/backend.h"

/* Static names of enumerators, also of what this build lacks; "?" where there is none. No lock. */
const char *mmb_backend_text(mmbBackend id);
const char *mmb_strategy_text(mmbStrategy strategy);

/* MMB_INVALID_ARG: no such value. */
mmbError mmb_backend_check(mmbBackend id, const char *function);
mmbError mmb_strategy_check(mmbStrategy strategy, const char *function);

/* The table that serves a layer in a context: the named one, or for DEFAULT the one that matches.
 * MMB_UNSUPPORTED with the reason: not built in, the wrong pair, no runtime, no device. */
mmbError mmb_backend_select(mmbBackend id, const struct mmb_layer *layer,
                            mmbExecutionContext context, const struct mmb_backend_ops **out_ops);
/* MMB_UNSUPPORTED when nothing that is built in could ever serve the pair here. */
mmbError mmb_backend_any_serves(const struct mmb_layer *layer, mmbExecutionContext context);
/* The named strategy, or for DEFAULT the thread-local one where it is built in, else the page one.
 */
mmbError mmb_strategy_select(mmbStrategy strategy, const struct mmb_allocator_ops **out_ops);

#endif
