/* SPDX-License-Identifier: BSD-3-Clause */
/* The region provider over UCX, a library of its own so that libmmb needs none. Owns nothing but
 * its own state; takes no lock: libmmb calls it from one thread at a time unless the context is
 * made for several. */
#include <mmb/ucx.h>
#include <stdlib.h>
#include <string.h>
#include <ucp/api/ucp.h>

struct ucx {
    ucp_context_h context;
};

static mmbError code_of(ucs_status_t status)
{
    switch (status) {
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
    case UCS_ERR_EXCEEDS_LIMIT:
        return MMB_OUT_OF_MEMORY;
    case UCS_ERR_BUSY:
        return MMB_BUSY;
    case UCS_ERR_UNSUPPORTED:
    case UCS_ERR_NOT_IMPLEMENTED:
        return MMB_UNSUPPORTED;
    case UCS_ERR_INVALID_PARAM:
        return MMB_INVALID_ARG;
    case UCS_ERR_ALREADY_EXISTS:
        return MMB_EXISTS;
    default:
        return MMB_ERROR;
    }
}

static const char *error_text(void *user, int native_error)
{
    (void)user;
    return ucs_status_string((ucs_status_t)native_error);
}

static mmbError open_provider(void *user, mmbRegionCaps *out_caps)
{
    const struct ucx *self = user;
    ucp_context_attr_t attr = {.field_mask = UCP_ATTR_FIELD_THREAD_MODE};
    ucs_status_t status = ucp_context_query(self->context, &attr);
    if (status != UCS_OK)
        return code_of(status);
    out_caps->virtual_address = true;
    out_caps->provider_keys = true;
    out_caps->concurrent = attr.thread_mode == UCS_THREAD_MODE_MULTI;
    out_caps->remote_key_bytes = sizeof((mmbRegion *)NULL)->remote_key;
    return MMB_OK;
}

static void close_provider(void *user)
{
    free(user);
}

static ucs_memory_type_t memory_type(const mmbRegionAttr *attr)
{
    if (attr->device < 0)
        return UCS_MEMORY_TYPE_HOST;
    return attr->context == MMB_GPU_HIP ? UCS_MEMORY_TYPE_ROCM : UCS_MEMORY_TYPE_CUDA;
}

/* The key is copied once, so that a view of it needs no call. */
static ucs_status_t pack_key(const struct ucx *self, ucp_mem_h memory, mmbRegion *region)
{
    void *packed;
    size_t n_bytes;
    ucs_status_t status = ucp_rkey_pack(self->context, memory, &packed, &n_bytes);
    if (status != UCS_OK)
        return status;
    if (n_bytes <= sizeof region->remote_key) {
        memcpy(region->remote_key, packed, n_bytes);
        region->remote_key_bytes = (uint16_t)n_bytes;
    } else {
        status = UCS_ERR_BUFFER_TOO_SMALL;
    }
    ucp_rkey_buffer_release(packed);
    return status;
}

static mmbError register_region(void *user, void *base, size_t n_bytes, const mmbRegionAttr *attr,
                                mmbRegion *out_region)
{
    const struct ucx *self = user;
    const ucp_mem_map_params_t params = {
        .field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH |
                      UCP_MEM_MAP_PARAM_FIELD_MEMORY_TYPE,
        .address = base,
        .length = n_bytes,
        .memory_type = memory_type(attr),
    };
    ucp_mem_h memory;
    ucs_status_t status = ucp_mem_map(self->context, &params, &memory);
    if (status == UCS_OK) {
        status = pack_key(self, memory, out_region);
        if (status != UCS_OK)
            ucp_mem_unmap(self->context, memory);
    }
    out_region->native_error = status;
    if (status != UCS_OK)
        return code_of(status);
    out_region->native = memory;
    out_region->local_desc = memory;
    out_region->remote_base = (uintptr_t)base;
    return MMB_OK;
}

static mmbError deregister_region(void *user, mmbRegion *region)
{
    const struct ucx *self = user;
    ucs_status_t status = ucp_mem_unmap(self->context, region->native);
    region->native_error = status;
    return status == UCS_OK ? MMB_OK : code_of(status);
}

static const mmbRegionProviderOps ops = {
    .size = sizeof ops,
    .name = "ucx",
    .open = open_provider,
    .register_region = register_region,
    .deregister_region = deregister_region,
    .error_text = error_text,
    .close = close_provider,
};

mmbError mmb_region_provider_create_ucx(struct ucp_context *context,
                                        mmbRegionProvider **out_provider)
{
    /* What is missing is refused with words by libmmb, which keeps them. */
    if (!context || !out_provider)
        return mmb_region_provider_create(NULL, NULL, out_provider);
    struct ucx *self = calloc(1, sizeof *self);
    if (!self)
        return MMB_OUT_OF_MEMORY;
    self->context = context;
    mmbError error = mmb_region_provider_create(&ops, self, out_provider);
    if (error != MMB_OK)
        free(self);
    return error;
}
