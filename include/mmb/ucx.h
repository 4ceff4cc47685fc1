/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A region provider over UCX. Link with mmb-ucx.
 *
 * It maps chunks with ucp_mem_map() and packs their remote keys once. The local descriptor is the
 * ucp_mem_h for UCP_OP_ATTR_FIELD_MEMH; the remote key is what the peer gives to
 * ucp_ep_rkey_unpack(), and remote addresses are virtual ones.
 */
#ifndef MMB_UCX_H
#define MMB_UCX_H

#include <mmb/region.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ucp_context;

/**
 * Makes a provider for a context.
 * @param context  a ucp_context_h with UCP_FEATURE_RMA; must outlive the provider; required
 * @param[out] out_provider  required; destroyed with mmb_region_provider_destroy()
 * @retval MMB_INVALID_ARG context or out_provider is NULL
 * @retval MMB_OUT_OF_MEMORY no room for the provider
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_provider_create_ucx(struct ucp_context *context,
                                                mmbRegionProvider **out_provider);

#ifdef __cplusplus
}
#endif

#endif
