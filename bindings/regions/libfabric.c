/* SPDX-License-Identifier: BSD-3-Clause */
/* The region provider over libfabric, a library of its own so that libmmb needs none. Owns what was
 * told of the domain; takes no lock: libmmb calls it from one thread at a time unless the domain is
 * safe for threads. */
#include <mmb/libfabric.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What FI_MR_BASIC stood for before the modes had bits of their own. */
#define BASIC_MODE (FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY)

/* Keys that others in the domain have are stepped over; more in a row than this are no accident. */
#define KEY_TRIES 4096

struct fabric {
    struct fid_domain *domain;
    struct fid_ep *endpoint;
    uint64_t mode;
    size_t key_bytes;
    bool is_thread_safe;
    const char *reason; /* why open failed */
};

/* Shared by all providers of the process, of which several may use one domain. */
static _Atomic uint64_t keys_given;

/* ---- errors ---- */

static mmbError code_of(int native)
{
    switch (-native) {
    case FI_ENOMEM:
    case FI_ENOSPC:
    case FI_EAGAIN:
        return MMB_OUT_OF_MEMORY;
    case FI_EACCES:
    case FI_EPERM:
        return MMB_PERMISSION;
    case FI_EBUSY:
        return MMB_BUSY;
    case FI_ENOKEY:
        return MMB_EXISTS;
    case FI_ENOSYS:
    case FI_EOPNOTSUPP:
        return MMB_UNSUPPORTED;
    case FI_EINVAL:
        return MMB_INVALID_ARG;
    default:
        return MMB_ERROR;
    }
}

static const char *error_text(void *user, int native_error)
{
    const struct fabric *self = user;
    return native_error ? fi_strerror(-native_error) : self->reason;
}

/* ---- life ---- */

static mmbError open_provider(void *user, mmbRegionCaps *out_caps)
{
    struct fabric *self = user;
    self->reason = "the domain registers for an endpoint (FI_MR_ENDPOINT), and there is none";
    if (self->mode & FI_MR_ENDPOINT && !self->endpoint)
        return MMB_INVALID_ARG;
    self->reason = "the domain's raw keys are longer than 256 B";
    if (self->mode & FI_MR_RAW && self->key_bytes > sizeof((mmbRegion *)NULL)->remote_key)
        return MMB_UNSUPPORTED;
    out_caps->virtual_address = self->mode & FI_MR_VIRT_ADDR;
    out_caps->provider_keys = self->mode & FI_MR_PROV_KEY;
    out_caps->concurrent = self->is_thread_safe;
    out_caps->remote_key_bytes = self->mode & FI_MR_RAW ? self->key_bytes : sizeof(uint64_t);
    return MMB_OK;
}

static void close_provider(void *user)
{
    free(user);
}

/* ---- registering ---- */

static uint64_t native_access(uint64_t access)
{
    uint64_t native = 0;
    if (access & MMB_ACCESS_LOCAL)
        native |= FI_SEND | FI_RECV | FI_READ | FI_WRITE;
    if (access & (MMB_ACCESS_REMOTE_READ | MMB_ACCESS_REMOTE_ATOMIC))
        native |= FI_REMOTE_READ;
    if (access & (MMB_ACCESS_REMOTE_WRITE | MMB_ACCESS_REMOTE_ATOMIC))
        native |= FI_REMOTE_WRITE;
    return native;
}

/* From the upper half of what fits, since programs count from 0. */
static uint64_t next_key(const struct fabric *self)
{
    unsigned bits = self->key_bytes >= sizeof(uint64_t) ? 63 : (unsigned)self->key_bytes * 8 - 1;
    uint64_t half = (uint64_t)1 << bits;
    return half | (atomic_fetch_add(&keys_given, 1) & (half - 1));
}

static void describe(const mmbRegionAttr *attr, struct fi_mr_attr *native)
{
    native->iface = FI_HMEM_SYSTEM;
    if (attr->device < 0)
        return;
    if (attr->context == MMB_GPU_HIP) {
        native->iface = FI_HMEM_ROCR;
    } else {
        native->iface = FI_HMEM_CUDA;
        native->device.cuda = attr->device;
    }
}

static int call_register(const struct fabric *self, struct fi_mr_attr *attr, struct fid_mr **out)
{
    int native = -FI_ENOKEY;
    for (int i = 0; native == -FI_ENOKEY && i < KEY_TRIES; i++) {
        if (!(self->mode & FI_MR_PROV_KEY))
            attr->requested_key = next_key(self);
        native = fi_mr_regattr(self->domain, attr, 0, out);
        if (self->mode & FI_MR_PROV_KEY)
            break;
    }
    return native;
}

static int enable(const struct fabric *self, struct fid_mr *mr)
{
    if (!(self->mode & FI_MR_ENDPOINT))
        return 0;
    int native = fi_mr_bind(mr, &self->endpoint->fid, 0);
    return native ? native : fi_mr_enable(mr);
}

static int read_key(const struct fabric *self, struct fid_mr *mr, mmbRegion *region)
{
    if (self->mode & FI_MR_RAW) {
        size_t n_bytes = sizeof region->remote_key;
        int native = fi_mr_raw_attr(mr, &region->remote_base, region->remote_key, &n_bytes, 0);
        region->remote_key_bytes = (uint16_t)n_bytes;
        return native;
    }
    uint64_t key = fi_mr_key(mr);
    memcpy(region->remote_key, &key, sizeof key);
    region->remote_key_bytes = sizeof key;
    return key == FI_KEY_NOTAVAIL ? -FI_ENOKEY : 0;
}

/* FI_MR_ALLOCATED: there must be pages before the domain looks for them. A kernel that cannot do it
 * so leaves it to the driver's pinning. */
static void populate(const struct fabric *self, const struct fi_mr_attr *attr)
{
#ifdef MADV_POPULATE_WRITE
    const uintptr_t page = 4096;
    uintptr_t start = (uintptr_t)attr->mr_iov->iov_base & ~(page - 1);
    size_t n_bytes = (uintptr_t)attr->mr_iov->iov_base - start + attr->mr_iov->iov_len;
    if (self->mode & FI_MR_ALLOCATED && attr->iface == FI_HMEM_SYSTEM)
        madvise((void *)start, n_bytes, MADV_POPULATE_WRITE);
#else
    (void)self;
    (void)attr;
#endif
}

static mmbError register_region(void *user, void *base, size_t n_bytes, const mmbRegionAttr *attr,
                                mmbRegion *out_region)
{
    const struct fabric *self = user;
    struct fid_mr *mr = NULL;
    const struct iovec range = {base, n_bytes};
    struct fi_mr_attr wanted = {
        .mr_iov = &range,
        .iov_count = 1,
        .access = native_access(attr->access),
    };
    describe(attr, &wanted);
    populate(self, &wanted);
    out_region->remote_base = self->mode & FI_MR_VIRT_ADDR ? (uintptr_t)base : 0;
    int native = call_register(self, &wanted, &mr);
    if (native == 0)
        native = enable(self, mr);
    if (native == 0)
        native = read_key(self, mr, out_region);
    if (native != 0) {
        if (mr)
            fi_close(&mr->fid);
        out_region->native_error = native;
        return code_of(native);
    }
    out_region->native = mr;
    out_region->local_desc = fi_mr_desc(mr);
    return MMB_OK;
}

static mmbError deregister_region(void *user, mmbRegion *region)
{
    struct fid_mr *mr = region->native;
    (void)user;
    region->native_error = fi_close(&mr->fid);
    return region->native_error ? code_of(region->native_error) : MMB_OK;
}

static const mmbRegionProviderOps ops = {
    .size = sizeof ops,
    .name = "libfabric",
    .open = open_provider,
    .register_region = register_region,
    .deregister_region = deregister_region,
    .error_text = error_text,
    .close = close_provider,
};

static uint64_t mode_of(const struct fi_info *info)
{
    uint64_t mode = (uint64_t)info->domain_attr->mr_mode;
    return mode == FI_MR_BASIC ? BASIC_MODE : mode & ~(uint64_t)(FI_MR_BASIC | FI_MR_SCALABLE);
}

mmbError mmb_region_provider_create_libfabric(struct fid_domain *domain, const struct fi_info *info,
                                              struct fid_ep *endpoint,
                                              mmbRegionProvider **out_provider)
{
    /* What is missing is refused with words by libmmb, which keeps them. */
    if (!domain || !info || !info->domain_attr || !out_provider)
        return mmb_region_provider_create(NULL, NULL, out_provider);
    struct fabric *self = calloc(1, sizeof *self);
    if (!self)
        return MMB_OUT_OF_MEMORY;
    self->domain = domain;
    self->endpoint = endpoint;
    self->mode = mode_of(info);
    self->key_bytes = info->domain_attr->mr_key_size ? info->domain_attr->mr_key_size : 8;
    self->is_thread_safe = info->domain_attr->threading == FI_THREAD_SAFE;
    mmbError error = mmb_region_provider_create(&ops, self, out_provider);
    if (error != MMB_OK)
        free(self);
    return error;
}
