/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings for backends (mapping.h). Owns nothing; takes no lock (the kernel has its own).
 *
 * Alignment beyond the OS page is made by mapping more and unmapping what is too much at both ends.
 * Keeping the surplus mapped would be one system call cheaper, but it would stand in the process's
 * address space limit and commit charge for as long as the range lives. */
#include "src/base/mapping.h"
#include <errno.h>
#include <sys/mman.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/os.h"

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

/* Debug builds keep an inaccessible page behind every mapping: what runs over its end faults. */
#ifdef MMB_DEBUG
static size_t guard_bytes(void)
{
    return mmb_os_page_bytes();
}
#else
static size_t guard_bytes(void)
{
    return 0;
}
#endif

/* Mappings of aligned sizes one beside the other are aligned too; and the kernel joins them, while
 * it counts those with gaps between them against the number that a process may have. So for small
 * alignments it is worth a look. False with errno: there is nothing to be had. */
#define OFTEN_PAGES 16u
static bool take_as_it_comes(size_t n_bytes, size_t alignment, char **out_start)
{
    char *start = mmb_os_map(n_bytes);
    if (!start)
        return false;
    if ((uintptr_t)start % alignment != 0)
        return mmb_os_unmap(start, n_bytes);
    *out_start = start;
    return true;
}

static void *make(size_t n_bytes, size_t alignment)
{
    size_t page = mmb_os_page_bytes();
    if (alignment <= page)
        return mmb_os_map(n_bytes);
    char *start = NULL;
    if (alignment <= OFTEN_PAGES * page && !take_as_it_comes(n_bytes, alignment, &start))
        return NULL;
    if (start)
        return start;
    size_t reserve;
    if (!mmb_add_size(n_bytes, alignment - page, &reserve)) {
        errno = ENOMEM;
        return NULL;
    }
    start = mmb_os_map(reserve);
    if (!start)
        return NULL;
    size_t head = mmb_round_up((uintptr_t)start, alignment) - (uintptr_t)start;
    return trim(start, reserve, head, n_bytes);
}

void *mmb_mapping_make(size_t n_bytes, size_t alignment)
{
    size_t with_guard;
    if (!mmb_add_size(n_bytes, guard_bytes(), &with_guard)) {
        errno = ENOMEM;
        return NULL;
    }
    char *start = make(with_guard, alignment);
    /* A kernel that refuses the split leaves the guard writable: nothing is lost but the check. */
    if (start && guard_bytes())
        mprotect(start + n_bytes, guard_bytes(), PROT_NONE);
    return start;
}

void *mmb_mapping_take(size_t *n_bytes, size_t alignment)
{
    if (!mmb_round_up_size(*n_bytes, mmb_os_page_bytes(), n_bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return mmb_mapping_make(*n_bytes, alignment);
}

/* EAGAIN: over the limit on locked memory, after mlockall(MCL_FUTURE). */
bool mmb_mapping_is_exhausted(int errnum)
{
    return errnum == ENOMEM || errnum == EAGAIN;
}

mmbError mmb_mapping_drop(const char *backend, void *start, size_t n_bytes)
{
    if (mmb_os_unmap(start, n_bytes + guard_bytes()))
        return MMB_OK;
    int cause = errno;
    /* The addresses stay taken, but at least the memory goes back. */
    mmb_os_discard(start, n_bytes);
    return mmb_fail_errno(mmb_mapping_is_exhausted(cause) ? MMB_OUT_OF_MEMORY : MMB_ERROR, cause,
                          "%s backend: munmap of %zu B", backend, n_bytes);
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

mmbError mmb_mapping_advise(const char *backend, uintptr_t address, size_t n_bytes,
                            mmbAdvice advice)
{
    int native = native_advice(advice);
    if (native < 0)
        return mmb_fail(MMB_INVALID_ARG, "%s backend: %d is no advice", backend, (int)advice);
    uintptr_t start = mmb_round_up(address, mmb_os_page_bytes());
    uintptr_t end = mmb_round_down(address + n_bytes, mmb_os_page_bytes());
    if (start >= end)
        return MMB_OK;
    if (madvise((void *)start, end - start, native) == 0)
        return MMB_OK;
    /* EINVAL: this kernel was built without it, as it may be without huge pages. */
    mmbError error = errno == EINVAL ? MMB_UNSUPPORTED : MMB_ERROR;
    return mmb_fail_errno(error, errno, "%s backend: madvise(%d) of %zu B", backend, native,
                          (size_t)(end - start));
}
