/* SPDX-License-Identifier: BSD-3-Clause */
/* A size-limited part of a layer for one execution context. Spaces are type-stable: the memory of a
 * destroyed one is only ever reused for a space, so a stale handle is refused by its magic. Lists
 * and configuration are guarded by the registry mutex; the quota is its own. */
#ifndef MMB_CORE_SPACE_H
#define MMB_CORE_SPACE_H
#include <stdbool.h>
#include <stdint.h>
#include <mmb/space.h>
#include "src/base/list.h"
#include "src/core/layer.h"
#include "src/spi/quota.h"

#define MMB_SPACE_MAGIC 0x6d6d62737061636eull /* cleared by destroy */

/* How a space came to be: only the first two kinds are anybody's default. */
enum mmb_space_origin { MMB_SPACE_DISCOVERED, MMB_SPACE_REGISTERED, MMB_SPACE_CREATED };

struct mmbMemSpace {
    uint64_t magic;
    struct mmb_list link; /* registry order */
    struct mmb_layer *layer;
    mmbExecutionContext context;
    enum mmb_space_origin origin;
    struct mmb_quota quota;
    /* Domains with a limit of their own: 1 when there is one domain and it was given one. */
    size_t n_domains;
    struct mmb_quota *domain_quotas;    /* owned; NULL: `quota` is for all (space_limits.h) */
    mmbMemInterfaceConfig defaults;     /* name is owned; fallback counts as a dependent */
    struct mmb_list interfaces;         /* in the order in which they were made */
    mmbMemInterface *default_interface; /* created on first request */
};

/* All below: the registry mutex is held. */

/* MMB_INVALID_SPACE with a detail unless `space` is a live handle. */
mmbError mmb_space_check(const mmbMemSpace *space, const char *function);
/* Once per process; MMB_OUT_OF_MEMORY. */
mmbError mmb_spaces_open(void);
/* Destroys every space with all that lives in it, and logs what did (mmb_finalize). */
void mmb_spaces_close(void);
/* One space per discovered layer and context that a backend serves, limited to what the layer can
 * give; for the known layers from the n-th on. */
mmbError mmb_spaces_add_discovered(size_t first);
/* For mmb_register_memory, also where it is called for; `config` may be NULL. */
struct mmb_space_registration {
    mmbMemSpace *space;
    bool made_known; /* the layer, by this registration */
};
mmbError mmb_space_register(mmbMemLayer layer, mmbExecutionContext context,
                            const mmbMemSpaceConfig *config,
                            struct mmb_space_registration *out_registration);
/* Takes it back: nobody has seen it yet. */
void mmb_space_unregister(const struct mmb_space_registration *registration);
/* The default space of a pair, or NULL. */
mmbMemSpace *mmb_space_default(mmbMemLayer layer, mmbExecutionContext context);
/* Bytes that could still be had: of the limit, and of what the layer has or the space holds unused.
 */
size_t mmb_space_room(const mmbMemSpace *space);

#endif
