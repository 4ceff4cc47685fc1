/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Interfaces: how the memory of a space is handed out.
 *
 * An interface joins a space, a backend that supplies memory and a strategy that divides it; every
 * allocation is made through one. A space may have many, and all draw on its limit. Read
 * examples/strategies.c, which makes one of each strategy in one space.
 */
#ifndef MMB_INTERFACE_H
#define MMB_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include <mmb/interface_config.h>
#include <mmb/layer.h>
#include <mmb/stack.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an interface is. */
typedef struct mmbMemInterfaceInfo {
    size_t size;      /**< sizeof(mmbMemInterfaceInfo) */
    const char *name; /**< NULL: none; valid until the interface is destroyed */
    mmbMemSpace *space;
    mmbBackend backend;   /**< never DEFAULT: the one it has */
    mmbStrategy strategy; /**< never DEFAULT: the one it has */
    size_t min_alignment; /**< of every block, bytes */
    bool host_accessible; /**< the CPU may read and write its blocks */
} mmbMemInterfaceInfo;
/** Initialises an mmbMemInterfaceInfo. */
#define MMB_MEMINTERFACE_INFO_INIT                                                                 \
    {                                                                                              \
        sizeof(mmbMemInterfaceInfo), 0, 0, MMB_BACKEND_DEFAULT, MMB_STRATEGY_DEFAULT, 0, false     \
    }

/** What an interface has done. Bytes are requested bytes unless named otherwise. */
typedef struct mmbMemInterfaceStats {
    size_t size;              /**< sizeof(mmbMemInterfaceStats) */
    size_t live_bytes;        /**< now; of a shared heap bytes of blocks, over all processes */
    size_t live_count;        /**< blocks now */
    size_t peak_bytes;        /**< the highest live_bytes */
    size_t total_allocations; /**< that succeeded */
    size_t total_frees;
    size_t refused;        /**< allocations that failed */
    size_t chunks;         /**< held from the backend now */
    size_t reserved_bytes; /**< bytes of these chunks */
} mmbMemInterfaceStats;
/** Initialises an mmbMemInterfaceStats. */
#define MMB_MEMINTERFACE_STATS_INIT                                                                \
    {                                                                                              \
        sizeof(mmbMemInterfaceStats), 0, 0, 0, 0, 0, 0, 0, 0                                       \
    }

/**
 * Creates an interface in a space.
 * @param space  required
 * @param config_opts  read during the call; NULL: the space's defaults
 * @param[out] out_interface  required; destroyed with mmb_destroy_interface(), its space or the
 *         library
 * @retval MMB_INVALID_SPACE space is not a live space
 * @retval MMB_INVALID_ARG unknown backend, strategy or flag, a reserved word that is not 0,
 *         backend options that its backend cannot take (an array without base, a bad URL), a
 *         region provider that is not live, or out_interface is NULL
 * @retval MMB_INVALID_SIZE an array, file or segment is too small for the strategy or its
 *         stack_bytes
 * @retval MMB_INVALID_INTERFACE fallback is not a live interface
 * @retval MMB_UNSUPPORTED the backend does not serve the space's layer and context or does not go
 *         with the strategy, its runtime or device is missing, backend or strategy is not part of
 *         this build, or a region provider is to register memory that has no addresses (cl_mem)
 * @retval MMB_OUT_OF_MEMORY a stack's capacity or a segment cannot be had, all owner slots of a
 *         segment are in use, or no room for the interface
 * @retval MMB_BUSY a process that lives holds the segment's lock for seconds: it is stopped, or the
 *         segment is damaged
 * @retval MMB_EXISTS the segment or file exists already (CREATE, or a private file), is attached
 *         already, or its id is in use
 * @retval MMB_NOT_FOUND the segment or file does not exist (ATTACH), nor a file's directory, or a
 *         node to bind to has vanished
 * @retval MMB_PERMISSION the segment belongs to another user, or the file, the directory or a node
 *         to bind to may not be used
 * @retval MMB_CORRUPT the segment or file is damaged, too short or not the library's
 * @retval MMB_ERROR the system or the backend's runtime failed otherwise; its text is in the
 *         detail
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_create_interface(mmbMemSpace *space, const mmbMemInterfaceConfig *config_opts,
                                      mmbMemInterface **out_interface);

/**
 * Finds an interface whose name, backend and strategy satisfy the config. What the config leaves
 * NULL or DEFAULT is satisfied by any.
 * @param space  required
 * @param config_opts  read during the call; NULL: the space's default interface, made on first
 *         request
 * @param[out] out_interface  required; shared with all who request it
 * @retval MMB_INVALID_SPACE space is not a live space
 * @retval MMB_INVALID_ARG unknown backend, strategy or flag, a reserved word that is not 0, or
 *         out_interface is NULL
 * @retval MMB_NOT_FOUND no interface satisfies the config
 * @retval MMB_UNSUPPORTED the default interface cannot be made, as for mmb_create_interface()
 * @retval MMB_OUT_OF_MEMORY the default interface cannot be made, as for mmb_create_interface()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_request_interface(mmbMemSpace *space, const mmbMemInterfaceConfig *config_opts,
                                       mmbMemInterface **out_interface);

/**
 * Ends an interface and gives its memory back. A shared one is detached: its blocks stay. Handles
 * of its allocations are dead afterwards.
 * @param interface  dead afterwards; NULL: nothing to do
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_BUSY it has live allocations or wrapped objects (a shared one: slices, holds or
 *         copies of this process), or another interface names it as its fallback; nothing changed
 * @note Caller orders: no other thread uses the interface.
 * @since 0.1
 */
MMB_API mmbError mmb_destroy_interface(mmbMemInterface *interface);

/**
 * The short way: the default interface of the default space of a layer and context, which is
 * registered if need be.
 * @param layer  standard or defined
 * @param context  DEFAULT: what suits the layer
 * @param[out] out_interface  required; shared with all who ask
 * @retval MMB_INVALID_LAYER no such layer
 * @retval MMB_INVALID_EXECUTION_CONTEXT no such context
 * @retval MMB_INVALID_ARG out_interface is NULL
 * @retval MMB_UNSUPPORTED as for mmb_register_memory() and mmb_create_interface()
 * @retval MMB_OUT_OF_MEMORY no room for the space or the interface
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_get_interface(mmbMemLayer layer, mmbExecutionContext context,
                                   mmbMemInterface **out_interface);

/**
 * How many interfaces a space has.
 * @param space  required
 * @return 0 with a detail when it is not a live space
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API size_t mmb_interface_count(const mmbMemSpace *space);

/**
 * An interface of a space by its position.
 * @param space  required
 * @param index  below mmb_interface_count()
 * @param[out] out_interface  required
 * @retval MMB_INVALID_SPACE space is not a live space
 * @retval MMB_NOT_FOUND index is not below the count
 * @note Thread-safe; destroying an interface moves those behind it.
 * @since 0.1
 */
MMB_API mmbError mmb_interface_at(const mmbMemSpace *space, size_t index,
                                  mmbMemInterface **out_interface);

/**
 * The interface over a shared heap, by the heap's id (the low half of mmbSharedPtr::allocator).
 * @param id  as given at creation, or derived
 * @param[out] out_interface  required
 * @retval MMB_NOT_FOUND no heap with this id is attached
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_interface_from_id(uint64_t id, mmbMemInterface **out_interface);

/**
 * What an interface is.
 * @param interface  required
 * @param[out] out_info  filled by MMB_MEMINTERFACE_INFO_INIT before; required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_interface_get_info(const mmbMemInterface *interface,
                                        mmbMemInterfaceInfo *out_info);

/**
 * What an interface has done and holds now.
 * @param interface  required
 * @param[out] out_stats  filled by MMB_MEMINTERFACE_STATS_INIT before; required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @note Thread-safe. Exact when no thread is inside a call.
 * @since 0.1
 */
MMB_API mmbError mmb_interface_get_stats(const mmbMemInterface *interface,
                                         mmbMemInterfaceStats *out_stats);

/**
 * Gives empty memory back to the system or device.
 * @param interface  required
 * @param min_bytes_to_keep  empty bytes that stay for later allocations, at least; 0: none
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_interface_trim(mmbMemInterface *interface, size_t min_bytes_to_keep);

#ifdef __cplusplus
}
#endif

#endif
