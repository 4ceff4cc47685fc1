/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The config of a space: its limit, and the defaults of its interfaces.
 *
 * The limit counts the bytes that programs asked for and did not free, over all interfaces of the
 * space. A NUMA-aware space has one limit per domain, and its own is their sum. Read
 * examples/placement.c, which sets one and hits it.
 */
#ifndef MMB_SPACE_CONFIG_H
#define MMB_SPACE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/interface_config.h>

/** What to do with a space's limit. */
typedef enum mmbSizeConfigAction {
    MMB_SIZE_NONE = 0, /**< leave it as it is; at creation: no limit */
    MMB_SIZE_ANY = 1,  /**< no limit; in a request: any limit will do */
    MMB_SIZE_SET = 2   /**< the given one; in a request: at least that */
} mmbSizeConfigAction;

/** One limit per domain. */
typedef struct mmbNumaSizes {
    size_t d_size; /**< how many: the layer's number of domains */
    size_t *sizes; /**< bytes, in the layer's order of domains; read during the call */
} mmbNumaSizes;

/** A space's limit. The union is looked at for #MMB_SIZE_SET only. */
typedef struct mmbSizeConfig {
    mmbSizeConfigAction action;
    bool is_numa_aware; /**< numa_sizes counts, not mem_size */
    __extension__ union {
        size_t mem_size; /**< bytes */
        mmbNumaSizes numa_sizes;
    };
    uint64_t reserved[2]; /**< zero */
} mmbSizeConfig;

/** How to make, find or change a space. Members keep Mamba's order. Read during the call: names,
 * paths and option structs are copied. What they name must live as long as the space: a stream, an
 * OpenCL object, an array, a fallback interface, a region provider. */
typedef struct mmbMemSpaceConfig {
    mmbSizeConfig size_opts;
    mmbMemInterfaceConfig interface_opts; /**< the defaults of its interfaces */
} mmbMemSpaceConfig;
/** Initialises an mmbMemSpaceConfig: no limit, every interface default. */
#define MMB_MEMSPACE_CONFIG_DEFAULT                                                                \
    {                                                                                              \
        {MMB_SIZE_NONE, false, {0}, {0}}, MMB_MEMINTERFACE_CONFIG_DEFAULT                          \
    }

#endif
