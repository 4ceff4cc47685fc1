/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the configs of spaces. The registry mutex is held. */
#ifndef MMB_CORE_SPACE_CONFIG_H
#define MMB_CORE_SPACE_CONFIG_H
#include <mmb/space_config.h>
#include "src/core/layer.h"

/* No limit, every interface default. */
extern const mmbMemSpaceConfig mmb_space_config_default;

/* MMB_INVALID_ARG and the rest of interface_config.h: everything that is wrong by itself. */
mmbError mmb_space_config_check(const mmbMemSpaceConfig *config, const char *function);
/* The same without what only matters to the interfaces of a new space: for requests. */
mmbError mmb_space_config_check_values(const mmbMemSpaceConfig *config, const char *function);

/* A limit, and how many domains have one of their own. Where those are several, `limits` is the
 * caller's array of them and `limit` their sum. */
struct mmb_space_size {
    size_t limit, n_domains;
    const size_t *limits;
    bool is_unchanged; /* for configure: the limits stay as they are */
};
#define MMB_SPACE_DOMAINS_MAX 64u /* with a limit each */
/* *size becomes what the config sets: as it was for NONE. MMB_INVALID_ARG, MMB_INVALID_SIZE: a
 * wrong list of sizes; MMB_UNSUPPORTED: limits for more domains than can have one. */
mmbError mmb_space_config_size(const mmbMemSpaceConfig *config, const struct mmb_layer *layer,
                               const char *function, struct mmb_space_size *size);
/* Can interfaces with these defaults be made on the layer in the context? MMB_UNSUPPORTED. */
mmbError mmb_space_config_serves(const mmbMemSpaceConfig *config, const struct mmb_layer *layer,
                                 mmbExecutionContext context);

#endif
