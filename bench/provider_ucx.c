/* SPDX-License-Identifier: BSD-3-Clause */
/* A module of mmb-bench: regions of a UCX context. What it opens lasts as long as the process;
 * takes no lock. */
#include "bench/providers.h"
#include <mmb/ucx.h>
#include <ucp/api/ucp.h>

bool bench_provider(mmbRegionProvider **out_provider, const char **out_why)
{
    const ucp_params_t params = {
        .field_mask = UCP_PARAM_FIELD_FEATURES,
        .features = UCP_FEATURE_RMA,
    };
    ucp_context_h context;
    ucs_status_t status = ucp_init(&params, NULL, &context);
    if (status != UCS_OK) {
        *out_why = ucs_status_string(status);
        return false;
    }
    return mmb_region_provider_create_ucx(context, out_provider) == MMB_OK;
}
