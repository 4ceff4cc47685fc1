/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Spaces: size-limited parts of a layer for one execution context.
 *
 * A layer gets its first space when it is discovered or registered, and more may be created, each
 * with a limit of its own. The limit is exact: the requested bytes of all live allocations in a
 * space never exceed it, under any number of threads, and where the backend can grow no request
 * that fits is refused. Read examples/placement.c, and examples/register.c for a program that
 * describes its memory itself.
 */
#ifndef MMB_SPACE_H
#define MMB_SPACE_H

#include <stddef.h>
#include <mmb/error.h>
#include <mmb/layer.h>
#include <mmb/space_config.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What ranks first in mmb_request_best_space(). */
typedef enum mmbRank {
    MMB_BEST_BANDWIDTH = 0, /**< the highest bandwidth */
    MMB_BEST_LATENCY = 1,   /**< the lowest latency */
    MMB_MOST_FREE = 2       /**< the most bytes left */
} mmbRank;

/** What a space, or a domain of one, has and uses. */
typedef struct mmbSpaceInfo {
    size_t size; /**< sizeof(mmbSpaceInfo) */
    mmbMemLayer layer;
    mmbExecutionContext context;
    size_t limit;       /**< bytes; #MMB_NO_LIMIT: none */
    size_t used;        /**< requested bytes of all live allocations; at most limit */
    size_t peak;        /**< the highest used: exact with one thread, else never too low */
    size_t reserved;    /**< bytes taken from backends */
    size_t allocations; /**< live ones */
    size_t domains; /**< with a limit of their own; 0 unless NUMA-aware, and in a domain's info */
} mmbSpaceInfo;
/** Initialises an mmbSpaceInfo. */
#define MMB_SPACE_INFO_INIT                                                                        \
    {                                                                                              \
        sizeof(mmbSpaceInfo), MMB_DRAM, MMB_CPU, 0, 0, 0, 0, 0, 0                                  \
    }

/**
 * Makes a layer known and creates a space in it. Registering a layer again is legal and adds a
 * space. The user's word counts: a layer that this machine lacks may be registered for a backend
 * that does not bind, such as #MMB_BACKEND_MALLOC.
 * @param layer  standard or defined by mmb_layer_define()
 * @param ex_context  DEFAULT: what suits the layer
 * @param config_opts  read during the call; NULL: no limit, all defaults
 * @param[out] new_space  destroyed with mmb_destroy_space() or the library; NULL: not wanted
 * @retval MMB_INVALID_LAYER no such layer
 * @retval MMB_INVALID_EXECUTION_CONTEXT no such context
 * @retval MMB_INVALID_ARG the config has an unknown action, backend, strategy or flag, a reserved
 *         word that is not 0, a region provider that is not live, or numa_sizes that do not match
 *         the layer's domains
 * @retval MMB_INVALID_SIZE the limits of the domains together are more than a size_t can count
 * @retval MMB_INVALID_INTERFACE the config's fallback is not a live interface
 * @retval MMB_UNSUPPORTED no backend of this build serves the pair, the named one does not, its
 *         runtime or device is missing, it binds and this machine has no such memory, or this
 *         build has no limits per domain
 * @retval MMB_OUT_OF_MEMORY no room for the space itself; its memory is taken later
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_register_memory(const mmbMemLayer layer, const mmbExecutionContext ex_context,
                                     const mmbMemSpaceConfig *config_opts, mmbMemSpace **new_space);

/**
 * Creates another space in a known layer.
 * @param layer  discovered or registered before
 * @param ex_con  DEFAULT: what suits the layer
 * @param config_opts  read during the call; NULL: no limit, all defaults
 * @param[out] out_space  required; destroyed with mmb_destroy_space() or the library
 * @retval MMB_INVALID_LAYER no such layer, or not known to be here
 * @retval MMB_INVALID_EXECUTION_CONTEXT no such context
 * @retval MMB_INVALID_ARG the config has an unknown action, backend, strategy or flag, a reserved
 *         word that is not 0, or numa_sizes that do not match the layer's domains; or out_space is
 *         NULL
 * @retval MMB_INVALID_SIZE the limits of the domains together are more than a size_t can count
 * @retval MMB_INVALID_INTERFACE the config's fallback is not a live interface
 * @retval MMB_UNSUPPORTED as for mmb_register_memory()
 * @retval MMB_OUT_OF_MEMORY no room for the space itself; its memory is taken later
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_create_space(const mmbMemLayer layer, const mmbExecutionContext ex_con,
                                  const mmbMemSpaceConfig *config_opts, mmbMemSpace **out_space);

/**
 * Finds a space of this layer and context. With #MMB_SIZE_SET: the first whose limit is at least
 * the given one, one with that much left before one without. Else the default space: the
 * discovered one, or the first that was registered.
 * @param layer  standard or defined
 * @param ex_con  DEFAULT: what suits the layer
 * @param config_opts  only size_opts are looked at; NULL: the default space
 * @param[out] out_space  required; shared with all who request it
 * @retval MMB_INVALID_LAYER no such layer
 * @retval MMB_INVALID_EXECUTION_CONTEXT no such context
 * @retval MMB_INVALID_ARG unknown action, a reserved word that is not 0, or out_space is NULL
 * @retval MMB_NOT_FOUND no space of this layer and context has such a limit
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_request_space(const mmbMemLayer layer, const mmbExecutionContext ex_con,
                                   const mmbMemSpaceConfig *config_opts, mmbMemSpace **out_space);

/**
 * Changes a space's limit, sub-domains and interface defaults. Interfaces that exist keep what
 * they were made with. After an error nothing has changed.
 * @param config_opts  read during the call; #MMB_SIZE_NONE leaves the limit, the interface
 *         defaults are replaced as a whole; NULL: like #MMB_MEMSPACE_CONFIG_DEFAULT
 * @param space  required
 * @retval MMB_INVALID_SPACE space is not a live space
 * @retval MMB_INVALID_ARG as for mmb_create_space()
 * @retval MMB_INVALID_SIZE the limits of the domains together are more than a size_t can count
 * @retval MMB_INVALID_INTERFACE the config's fallback is not a live interface
 * @retval MMB_UNSUPPORTED the interface defaults name a backend that does not serve the space, or
 *         a part that this build lacks
 * @retval MMB_BUSY more than the new limit is in use, or sub-domains would change under live
 *         allocations
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_memspace_configure(const mmbMemSpaceConfig *config_opts, mmbMemSpace *space);

/**
 * Ends a space and its interfaces, which must be empty. The layer stays known.
 * @param space  dead afterwards; NULL: nothing to do
 * @retval MMB_INVALID_SPACE space is not a live space
 * @retval MMB_BUSY an interface has live allocations, or one of another space names it as its
 *         fallback; nothing changed
 * @note Caller orders: no other thread uses the space or its interfaces.
 * @since 0.1
 */
MMB_API mmbError mmb_destroy_space(mmbMemSpace *space);

/**
 * Finds, among the spaces of a context that have n_bytes left, the one that ranks first. Layers
 * whose bandwidth or latency is unknown come in the order HBM, DRAM, CXL, NVDIMM, SSD.
 * @param rank  what counts
 * @param context  DEFAULT: host memory
 * @param n_bytes  bytes below the limit that must be left now; 0: any space
 * @param[out] out_space  required
 * @retval MMB_INVALID_ARG unknown rank, or out_space is NULL
 * @retval MMB_INVALID_EXECUTION_CONTEXT no such context
 * @retval MMB_NOT_FOUND no space of this context has so much left
 * @note Thread-safe; another thread may take what was left.
 * @since 0.1
 */
MMB_API mmbError mmb_request_best_space(mmbRank rank, mmbExecutionContext context, size_t n_bytes,
                                        mmbMemSpace **out_space);

/**
 * How many spaces there are.
 * @return 0 with a detail before mmb_init()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API size_t mmb_space_count(void);

/**
 * A space by its position.
 * @param index  below mmb_space_count()
 * @param[out] out_space  required
 * @retval MMB_NOT_FOUND index is not below the count
 * @note Thread-safe; destroying a space moves those behind it.
 * @since 0.1
 */
MMB_API mmbError mmb_space_at(size_t index, mmbMemSpace **out_space);

/**
 * What a space has and uses now.
 * @param space  required
 * @param[out] out_info  filled by MMB_SPACE_INFO_INIT before; required
 * @retval MMB_INVALID_SPACE space is not a live space
 * @note Thread-safe. Exact when no thread is inside a call; used never exceeds limit.
 * @since 0.1
 */
MMB_API mmbError mmb_space_get_info(const mmbMemSpace *space, mmbSpaceInfo *out_info);

/**
 * What one domain of a NUMA-aware space has and uses now.
 * @param space  required
 * @param domain  position in the layer's list, below mmbSpaceInfo::domains
 * @param[out] out_info  filled by MMB_SPACE_INFO_INIT before; required
 * @retval MMB_INVALID_SPACE space is not a live space
 * @retval MMB_NOT_FOUND the space has no such domain
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_space_get_domain_info(const mmbMemSpace *space, size_t domain,
                                           mmbSpaceInfo *out_info);

#ifdef __cplusplus
}
#endif

#endif
