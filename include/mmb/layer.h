/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Memory layers and execution contexts.
 *
 * A layer is one kind of memory with its own size and speed, made of one or more domains: NUMA
 * nodes or devices. It becomes known by discovery or by mmb_register_memory(), and only a known
 * layer has spaces. An execution context says through which programming model the memory will be
 * used; read examples/placement.c for discovered layers and examples/register.c for registered
 * ones.
 */
#ifndef MMB_LAYER_H
#define MMB_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A kind of memory. Values from #MMB_LAYER_USER on come from mmb_layer_define(). */
typedef enum mmbMemLayer {
    MMB_DRAM = 0,   /**< "DRAM": the node's main memory */
    MMB_GDRAM = 1,  /**< "GDRAM": device memory */
    MMB_HBM = 2,    /**< "HBM": high-bandwidth memory */
    MMB_NVDIMM = 3, /**< "NVDIMM": persistent memory */
    MMB_CXL = 4,    /**< "CXL": memory behind a CXL link */
    MMB_NADRAM = 5, /**< "NADRAM": network-attached memory */
    MMB_SSD = 6,    /**< "SSD": files, mapped */
    MMB_LAYER_USER = 64,
    MMB_LAYER_MAX = 0x7fffffff
} mmbMemLayer;

/** The programming model through which memory is used. */
typedef enum mmbExecutionContext {
    /** CPU for host layers, for GDRAM the first available of CUDA, HIP and OpenCL. */
    MMB_EXECUTION_CONTEXT_DEFAULT = 0,
    MMB_CPU = 1,
    MMB_GPU_CUDA = 2,
    MMB_GPU_HIP = 3,
    MMB_OPENCL = 4,
    MMB_OPENACC = 5
} mmbExecutionContext;

/** What is known of a layer. */
typedef struct mmbLayerInfo {
    size_t size;            /**< sizeof(mmbLayerInfo) */
    const char *name;       /**< owned by the library, valid until the last mmb_finalize() */
    size_t total_bytes;     /**< over all domains; 0: unknown */
    size_t domains;         /**< NUMA nodes (by OS index) or devices; 0: none known */
    size_t bandwidth_mib_s; /**< MiB per second; 0: unknown */
    size_t latency_ns;      /**< nanoseconds; 0: unknown */
    bool discovered;        /**< found on this machine, not only registered */
} mmbLayerInfo;
/** Initialises an mmbLayerInfo. */
#define MMB_LAYER_INFO_INIT                                                                        \
    {                                                                                              \
        sizeof(mmbLayerInfo), 0, 0, 0, 0, 0, false                                                 \
    }

/**
 * Names a layer of the user's own. It becomes known when it is registered (mmb_register_memory()).
 * @param name            copied; required, not empty, unlike every other layer's name
 * @param info            total_bytes, bandwidth and latency are taken from it, the rest is ignored;
 *                        NULL: nothing is known
 * @param[out] out_layer  the new value; required
 * @retval MMB_INVALID_ARG name is NULL or empty
 * @retval MMB_EXISTS another layer has this name
 * @retval MMB_OUT_OF_MEMORY no room for another layer
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_layer_define(const char *name, const mmbLayerInfo *info,
                                  mmbMemLayer *out_layer);

/**
 * Tells what the user knows of a layer, a standard one too: bandwidth and latency. They order the
 * answers of mmb_request_best_space(). Other members are ignored.
 * @param layer  known or not
 * @param info   bandwidth_mib_s and latency_ns are taken, 0 makes one unknown; required
 * @retval MMB_INVALID_LAYER no such layer
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_layer_set_info(mmbMemLayer layer, const mmbLayerInfo *info);

/**
 * What is known of a layer.
 * @param layer          known or not
 * @param[out] out_info  filled by MMB_LAYER_INFO_INIT before; required
 * @retval MMB_INVALID_LAYER no such layer
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_layer_get_info(mmbMemLayer layer, mmbLayerInfo *out_info);

/**
 * How many layers are known.
 * @return 0 with a detail before mmb_init()
 * @note Thread-safe; the number grows when another thread registers a layer.
 * @since 0.1
 */
MMB_API size_t mmb_layer_count(void);

/**
 * A known layer by its position, in the order in which they became known.
 * @param index           below mmb_layer_count()
 * @param[out] out_layer  required
 * @retval MMB_NOT_FOUND index is not below the count
 * @note Thread-safe; a position never changes.
 * @since 0.1
 */
MMB_API mmbError mmb_layer_at(size_t index, mmbMemLayer *out_layer);

/**
 * A layer's name.
 * @param layer  known or not
 * @return owned by the library, a user layer's until the last mmb_finalize(); NULL with a detail
 *         when there is no such layer
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API const char *mmb_layer_name(mmbMemLayer layer);

/**
 * A layer by its name, upper and lower case alike.
 * @param name            required
 * @param[out] out_layer  required; the layer may be unknown to this machine
 * @retval MMB_NOT_FOUND no layer has this name
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_layer_from_name(const char *name, mmbMemLayer *out_layer);

/**
 * A context's name: "DEFAULT", "CPU", "CUDA", "HIP", "OPENCL", "OPENACC".
 * @param context  any value
 * @return a static string; NULL with a detail when there is no such context
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API const char *mmb_execution_context_name(mmbExecutionContext context);

#ifdef __cplusplus
}
#endif

#endif
