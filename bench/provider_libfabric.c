/* SPDX-License-Identifier: BSD-3-Clause */
/* A module of mmb-bench: regions of libfabric's domain over sockets, which needs no network card.
 * What it opens lasts as long as the process; takes no lock. */
#include "bench/providers.h"
#include <mmb/libfabric.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_errno.h>
#include <string.h>

static int open_domain(struct fi_info **info, struct fid_domain **domain)
{
    struct fid_fabric *fabric;
    struct fi_info *hints = fi_allocinfo();
    if (!hints)
        return -FI_ENOMEM;
    hints->caps = FI_MSG | FI_RMA;
    hints->mode = FI_CONTEXT;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    hints->fabric_attr->prov_name = strdup("tcp;ofi_rxm");
    int error = fi_getinfo(FI_VERSION(1, 10), NULL, NULL, 0, hints, info);
    fi_freeinfo(hints);
    if (!error)
        error = fi_fabric((*info)->fabric_attr, &fabric, NULL);
    return error ? error : fi_domain(fabric, *info, domain, NULL);
}

bool bench_provider(mmbRegionProvider **out_provider, const char **out_why)
{
    struct fi_info *info;
    struct fid_domain *domain;
    int error = open_domain(&info, &domain);
    if (error) {
        *out_why = fi_strerror(-error);
        return false;
    }
    return mmb_region_provider_create_libfabric(domain, info, NULL, out_provider) == MMB_OK;
}
