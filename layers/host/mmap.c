/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over private anonymous mmap. Owns its instances only; takes no lock (the kernel has
 * its own).
 *
 * Alignment beyond the OS page is made by mapping more and unmapping what is too much at both ends.
 * Keeping the surplus mapped would be one system call cheaper, but it would stand in the process's
 * address space limit and commit charge for as long as the range lives. */
#include "layers/host/mmap.h"
#include <errno.h>
#include <sys/mman.h>
#include "layers/host/host.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    mmbError error = mmb_host_options_unused(request->options, 0, "mmap");
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

/* Unmaps what lies before and after the n_bytes at start + head. NULL with errno, and nothing left
 * that can be unmapped: the kernel had merged the mapping with its neighbours, would have to split
 * it, and the process has too many mappings already. */
static void *trim(char *start, size_t reserved, size_t head, size_t n_bytes)
{
    char *keep = start + head, *end = start + reserved;
    size_t tail = reserved - head - n_bytes;
    /* From here on it is still ours: what was unmapped may be another thread's a moment later. */
    char *ours = start;
    bool done = head == 0 || mmb_os_unmap(start, head);
    if (done) {
        ours = keep;
        done = tail == 0 || mmb_os_unmap(keep + n_bytes, tail);
    }
    if (done)
        return keep;
    int cause = errno;
    mmb_os_unmap(ours, (size_t)(end - ours));
    errno = cause;
    return NULL;
}

/* n_bytes is a multiple of the OS page. NULL with errno. */
static void *map_aligned(size_t n_bytes, size_t alignment)
{
    size_t page = mmb_os_page_bytes();
    if (alignment <= page)
        return mmb_os_map(n_bytes);
    size_t reserve;
    if (!mmb_add_size(n_bytes, alignment - page, &reserve)) {
        errno = ENOMEM;
        return NULL;
    }
    char *start = mmb_os_map(reserve);
    if (!start)
        return NULL;
    size_t head = mmb_round_up((uintptr_t)start, alignment) - (uintptr_t)start;
    return trim(start, reserve, head, n_bytes);
}

/* The mapping and, in *n_bytes, its length; NULL with errno. */
static void *take(size_t *n_bytes, size_t alignment)
{
    if (!mmb_round_up_size(*n_bytes, mmb_os_page_bytes(), n_bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return map_aligned(*n_bytes, alignment);
}

/* EAGAIN: over the limit on locked memory, after mlockall(MCL_FUTURE). */
static bool means_exhausted(int errnum)
{
    return errnum == ENOMEM || errnum == EAGAIN;
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    (void)backend;
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    size_t n_bytes = want_bytes;
    void *host = take(&n_bytes, alignment);
    if (!host && means_exhausted(errno) && min_bytes < want_bytes) {
        n_bytes = min_bytes;
        host = take(&n_bytes, alignment);
    }
    if (!host)
        return mmb_fail_errno(means_exhausted(errno) ? MMB_OUT_OF_MEMORY : MMB_ERROR, errno,
                              "mmap backend: mmap of %zu B aligned to %zu", min_bytes,
                              alignment > mmb_os_page_bytes() ? alignment : mmb_os_page_bytes());
    mmb_host_memory_fill(out, host, n_bytes);
    return MMB_OK;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    (void)backend;
    if (mmb_os_unmap(memory->host, memory->n_bytes))
        return MMB_OK;
    int cause = errno;
    /* The addresses stay taken, but at least the memory goes back. */
    mmb_os_discard(memory->host, memory->n_bytes);
    return mmb_fail_errno(means_exhausted(cause) ? MMB_OUT_OF_MEMORY : MMB_ERROR, cause,
                          "mmap backend: munmap of %zu B", memory->n_bytes);
}

static void discard(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                    size_t n_bytes)
{
    (void)backend;
    mmb_os_discard((char *)memory->host + offset, n_bytes);
}

static int native_advice(mmbAdvice advice)
{
    switch (advice) {
    case MMB_ADVISE_NORMAL:
        return MADV_NORMAL;
    case MMB_ADVISE_SEQUENTIAL:
        return MADV_SEQUENTIAL;
    case MMB_ADVISE_RANDOM:
        return MADV_RANDOM;
    case MMB_ADVISE_WILL_NEED:
        return MADV_WILLNEED;
    case MMB_ADVISE_DONT_NEED:
        return MADV_DONTNEED;
    case MMB_ADVISE_HUGE_PAGES:
        return MADV_HUGEPAGE;
    }
    return -1;
}

static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    int native = native_advice(advice);
    if (native < 0)
        return mmb_fail(MMB_INVALID_ARG, "mmap backend: %d is no advice", (int)advice);
    /* Only pages wholly inside: those at the edges hold other blocks too. */
    uintptr_t start = mmb_round_up(memory->address + offset, mmb_os_page_bytes());
    uintptr_t end = mmb_round_down(memory->address + offset + n_bytes, mmb_os_page_bytes());
    if (start >= end)
        return MMB_OK;
    if (madvise((void *)start, end - start, native) == 0)
        return MMB_OK;
    /* EINVAL: this kernel was built without it, as it may be without huge pages. */
    mmbError error = errno == EINVAL ? MMB_UNSUPPORTED : MMB_ERROR;
    return mmb_fail_errno(error, errno, "mmap backend: madvise(%d) of %zu B", native,
                          (size_t)(end - start));
}

const struct mmb_backend_ops mmb_mmap_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "mmap",
    .id = MMB_BACKEND_MMAP,
    .serves = mmb_host_serves,
    .available = mmb_host_available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .discard = discard,
    .advise = advise,
};
