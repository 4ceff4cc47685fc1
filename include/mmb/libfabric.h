/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A region provider over libfabric. Link with mmb-libfabric.
 *
 * It registers chunks with fi_mr_regattr(): the local descriptor is what fi_write() and fi_read()
 * want, the remote key and address are what the peer gives them. Keys that the domain does not
 * choose by itself are chosen here and never clash. Read examples/rma_put.c first.
 */
#ifndef MMB_LIBFABRIC_H
#define MMB_LIBFABRIC_H

#include <mmb/region.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fid_domain;
struct fid_ep;
struct fi_info;

/**
 * Makes a provider for a domain, in any of its memory registration modes.
 * @param domain  must outlive the provider; required
 * @param info  what the domain was opened with; read during the call; required
 * @param endpoint  with FI_MR_ENDPOINT regions are bound to it and it must outlive the provider;
 *         else NULL is allowed
 * @param[out] out_provider  required; destroyed with mmb_region_provider_destroy()
 * @retval MMB_INVALID_ARG domain, info or out_provider is NULL, or endpoint is and the domain's
 * mode wants it
 * @retval MMB_OUT_OF_MEMORY no room for the provider
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_provider_create_libfabric(struct fid_domain *domain,
                                                      const struct fi_info *info,
                                                      struct fid_ep *endpoint,
                                                      mmbRegionProvider **out_provider);

#ifdef __cplusplus
}
#endif

#endif
