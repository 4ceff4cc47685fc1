/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends that the user brings (mmb_backend_register). Each becomes a table of its own, so that
 * the rest of the library sees no difference. The caller orders all calls. */
#ifndef MMB_LAYERS_USER_H
#define MMB_LAYERS_USER_H
#include "src/spi/backend.h"

/* Checks and copies the user's table. MMB_INVALID_ARG: a mandatory member or one of a pair is
 * missing. MMB_UNSUPPORTED: of a newer release. MMB_EXISTS: the name. MMB_OUT_OF_MEMORY. */
mmbError mmb_user_backend_add(const mmbBackendOps *ops, void *user, mmbBackend *out_id);
/* NULL when there is none with this number. */
const struct mmb_backend_ops *mmb_user_backend_find(mmbBackend id);
/* The n-th, or NULL. */
const struct mmb_backend_ops *mmb_user_backend_at(size_t index);
/* Forgets all of them; no instance is left. */
void mmb_user_backends_close(void);

#endif
