/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over malloc, posix_memalign and free. Owns its instances only; takes no lock of its
 * own (the C library's heap has its own). */
#include "layers/host/malloc.h"
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include "layers/host/host.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/mapping.h"
#include "src/base/meta.h"

/* What malloc promises on every ABI we know, and at the same time the unit of its own sizes: a
 * smaller one would not save memory. */
#define GRANULARITY 16u
/* Of the 5-level page tables of the processors Linux runs on. */
#define ADDRESS_BYTES ((size_t)1 << 56)
_Static_assert(GRANULARITY % alignof(max_align_t) == 0, "malloc aligns to max_align_t");

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    mmbError error = mmb_host_options_unused(request->options, "malloc");
    if (error != MMB_OK)
        return error;
    struct mmb_backend *backend = mmb_meta_alloc(sizeof *backend);
    if (!backend)
        return mmb_fail(MMB_OUT_OF_MEMORY, "malloc backend: no memory for its own data");
    backend->ops = &mmb_malloc_backend;
    backend->bounded = SIZE_MAX;
    backend->min_alignment = GRANULARITY;
    backend->host_accessible = true;
    *out = backend;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    mmb_meta_free(backend, sizeof *backend);
}

/* The block and, in *n_bytes, the bytes it really has; NULL with errno. */
static void *take(size_t *n_bytes, size_t alignment)
{
    if (!mmb_round_up_size(*n_bytes, GRANULARITY, n_bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    if (alignment <= GRANULARITY)
        return malloc(*n_bytes);
    /* No block of a process is aligned to more than its addresses have bits; the sanitizers' own
     * posix_memalign ends the program there. */
    if (alignment > ADDRESS_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    /* Not aligned_alloc: ISO C wants a size that is a multiple of the alignment, which can double
     * a large block. */
    void *block = NULL;
    int errnum = posix_memalign(&block, alignment, *n_bytes);
    if (errnum == 0)
        return block;
    errno = errnum;
    return NULL;
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    (void)backend;
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    size_t n_bytes = want_bytes;
    void *host = take(&n_bytes, alignment);
    if (!host && min_bytes < want_bytes) {
        n_bytes = min_bytes;
        host = take(&n_bytes, alignment);
    }
    if (!host)
        return mmb_fail_errno(MMB_OUT_OF_MEMORY, errno,
                              "malloc backend: malloc of %zu B aligned to %zu", min_bytes,
                              alignment > GRANULARITY ? alignment : GRANULARITY);
    mmb_host_memory_fill(out, host, n_bytes);
    return MMB_OK;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    (void)backend;
    free(memory->host);
    return MMB_OK;
}

/* The pages that lie wholly inside; the rest of the heap keeps what it had. */
static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    return mmb_mapping_advise("malloc", memory->address + offset, n_bytes, advice);
}

const struct mmb_backend_ops mmb_malloc_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "malloc",
    .id = MMB_BACKEND_MALLOC,
    .takes_host_memory = true,
    .serves = mmb_host_serves,
    .available = mmb_host_available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .advise = advise,
};
