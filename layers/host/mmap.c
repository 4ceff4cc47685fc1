/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over private anonymous mmap. Owns its instances only; takes no lock (the kernel has
 * its own). */
#include "layers/host/mmap.h"
#include <errno.h>
#include "layers/host/host.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/mapping.h"
#include "src/base/meta.h"
#include "src/base/os.h"

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    mmbError error = mmb_host_options_unused(request->options, "mmap");
    if (error != MMB_OK)
        return error;
    struct mmb_backend *backend = mmb_meta_alloc(sizeof *backend);
    if (!backend)
        return mmb_fail(MMB_OUT_OF_MEMORY, "mmap backend: no memory for its own data");
    backend->ops = &mmb_mmap_backend;
    backend->bounded = SIZE_MAX;
    backend->min_alignment = mmb_os_page_bytes();
    backend->host_accessible = true;
    *out = backend;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    mmb_meta_free(backend, sizeof *backend);
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    (void)backend;
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    size_t n_bytes = want_bytes;
    void *host = mmb_mapping_take(&n_bytes, alignment);
    if (!host && mmb_mapping_is_exhausted(errno) && min_bytes < want_bytes) {
        n_bytes = min_bytes;
        host = mmb_mapping_take(&n_bytes, alignment);
    }
    if (!host)
        return mmb_fail_errno(mmb_mapping_is_exhausted(errno) ? MMB_OUT_OF_MEMORY : MMB_ERROR,
                              errno, "mmap backend: mmap of %zu B aligned to %zu", min_bytes,
                              alignment > mmb_os_page_bytes() ? alignment : mmb_os_page_bytes());
    mmb_host_memory_fill(out, host, n_bytes);
    return MMB_OK;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    (void)backend;
    return mmb_mapping_drop("mmap", memory->host, memory->n_bytes);
}

static void discard(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                    size_t n_bytes)
{
    (void)backend;
    mmb_os_discard((char *)memory->host + offset, n_bytes);
}

static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    return mmb_mapping_advise("mmap", memory->address + offset, n_bytes, advice);
}

const struct mmb_backend_ops mmb_mmap_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "mmap",
    .id = MMB_BACKEND_MMAP,
    .takes_host_memory = true,
    .aligns_freely = true,
    .gives_zeros = true,
    .serves = mmb_host_serves,
    .available = mmb_host_available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .discard = discard,
    .advise = advise,
};
