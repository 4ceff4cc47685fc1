/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages from the operating system: mmap and its kin behind names that say what for. Owns the cached
 * page size; takes no lock. Everything else in the library that needs pages comes through here, so
 * that one interposed mmap in a test reaches all of it. */
#include "src/base/os.h"
#include "src/base/checked.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

size_t mmb_os_page_bytes(void)
{
    static atomic_size_t cached; /* every thread would write the same, so the race is harmless */
    size_t page = atomic_load_explicit(&cached, memory_order_relaxed);

    if (page == 0) {
        page = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&cached, page, memory_order_relaxed);
    }
    return page;
}

static void *map(size_t n_bytes, int protection, int more_flags)
{
    void *start = mmap(NULL, n_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | more_flags, -1, 0);

    return start == MAP_FAILED ? NULL : start;
}

void *mmb_os_reserve(size_t n_bytes)
{
    return map(n_bytes, PROT_NONE, MAP_NORESERVE);
}

void *mmb_os_reserve_aligned(size_t n_bytes)
{
    char *twice = n_bytes <= SIZE_MAX / 2 ? mmb_os_reserve(2 * n_bytes) : NULL;
    if (!twice)
        return NULL;
    size_t before = -(size_t)twice & (n_bytes - 1);
    if (before)
        munmap(twice, before);
    munmap(twice + before + n_bytes, n_bytes - before);
    return twice + before;
}

void *mmb_os_map(size_t n_bytes)
{
    return map(n_bytes, PROT_READ | PROT_WRITE, 0);
}

bool mmb_os_commit(void *start, size_t n_bytes)
{
    return mprotect(start, n_bytes, PROT_READ | PROT_WRITE) == 0;
}

bool mmb_os_show(void *start, size_t n_bytes)
{
    return mprotect(start, n_bytes, PROT_READ) == 0;
}

bool mmb_os_unmap(void *start, size_t n_bytes)
{
    return munmap(start, n_bytes) == 0;
}

void mmb_os_discard(void *start, size_t n_bytes)
{
    size_t page = mmb_os_page_bytes();
    size_t before = -(size_t)start & (page - 1); /* bytes up to the first page boundary */
    int saved_errno = errno;

    if (n_bytes < before)
        return;
    n_bytes = mmb_round_down(n_bytes - before, page);
    if (n_bytes > 0)
        (void)madvise((char *)start + before, n_bytes, MADV_DONTNEED);
    errno = saved_errno; /* a refusal costs memory, and nobody can do better about it */
}
