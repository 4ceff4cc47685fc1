/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Strategies, and the config of an interface.
 *
 * A strategy is the way in which memory is handed out; a backend says where it comes from. Both
 * are named in a config, which also stands in a space's config as the default of its interfaces:
 * a member left DEFAULT, NULL or 0 takes the space's value, flags are or-ed. Read
 * examples/strategies.c.
 */
#ifndef MMB_INTERFACE_CONFIG_H
#define MMB_INTERFACE_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <mmb/backend.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How memory is handed out. */
typedef enum mmbStrategy {
    MMB_STRATEGY_DEFAULT = 0,       /**< thread-local where memory is pooled */
    MMB_STRATEGY_PASSTHROUGH = 1,   /**< each block straight from the backend */
    MMB_STRATEGY_STACK = 2,         /**< one block after the other; marks (stack.h) */
    MMB_STRATEGY_SCALABLE_PAGE = 3, /**< size classes behind one lock */
    MMB_STRATEGY_THREAD_LOCAL = 4   /**< size classes with a cache per thread */
} mmbStrategy;
#define MMB_STRATEGY_NONE MMB_STRATEGY_PASSTHROUGH /**< Mamba's name of it */

/** Sizes of a strategy, in bytes. 0: the strategy's own choice. */
typedef struct mmbStrategyOptions {
    size_t chunk_bytes; /**< what is taken from the backend at a time; a hint */
    size_t stack_bytes; /**< a stack's capacity; 0: grows by chunks up to the space's limit */
} mmbStrategyOptions;

#define MMB_INTERFACE_FINDABLE   1u       /**< flag: mmb_allocation_find() finds its blocks */
#define MMB_INTERFACE_OWN_REGION 2u       /**< flag: one DMA region per allocation, for isolation */
#define MMB_NO_LIMIT             SIZE_MAX /**< the limit of a space that has none */

/**
 * How to make or find an interface. Members keep Mamba's order, so that positional initialisers
 * work. Read during the call.
 */
typedef struct mmbMemInterfaceConfig {
    mmbBackend backend;
    mmbBackendOptions backend_opts; /**< for the named backend; ignored for the default one */
    mmbStrategy strategy;
    const char *name; /**< copied; NULL: none */
    mmbStrategyOptions strategy_opts;
    mmbRegionProvider *region_provider; /**< registers its chunks; outlives it; NULL: none */
    mmbMemInterface *fallback;          /**< serves what this one cannot; outlives it; NULL: none */
    uint64_t flags;                     /**< MMB_INTERFACE_... */
    uint64_t reserved[4];               /**< zero */
} mmbMemInterfaceConfig;
/** Initialises an mmbMemInterfaceConfig: everything as the space says. */
#define MMB_MEMINTERFACE_CONFIG_DEFAULT                                                            \
    {                                                                                              \
        MMB_BACKEND_DEFAULT, {{0}}, MMB_STRATEGY_DEFAULT, 0, {0, 0}, 0, 0, 0,                      \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/**
 * A strategy's name: "DEFAULT", "PASSTHROUGH", "STACK", "SCALABLE_PAGE", "THREAD_LOCAL".
 * @param strategy  any value
 * @return a static string; NULL with a detail when there is no such strategy
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API const char *mmb_strategy_name(mmbStrategy strategy);

#ifdef __cplusplus
}
#endif

#endif
