/* SPDX-License-Identifier: BSD-3-Clause */
/* mmap, munmap and madvise that can be told to fail. Owns its orders and counters; they are set
 * while one thread runs, and the system calls are made through the next definition, which may be a
 * sanitizer's. */
#include "tests/support/failing_mmap.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

struct order {
    int errnum;
    unsigned int n_good;
};

static struct order map_order, unmap_order;
static int advise_errnum, beyond_errnum;
static size_t beyond_bytes;
static atomic_int last_advice = -1;
static atomic_long balance;

static bool is_due(struct order *order)
{
    if (order->errnum == 0)
        return false;
    if (order->n_good > 0) {
        order->n_good--;
        return false;
    }
    errno = order->errnum;
    return true;
}

/* POSIX lets a function's address pass through void *, ISO C does not. */
static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        __builtin_trap();
    return found;
}

void *mmap(void *address, size_t n_bytes, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);
    bool counts = (flags & MAP_ANONYMOUS) && (protection & PROT_WRITE);
    if (!real)
        *(void **)&real = next("mmap");
    if (counts && is_due(&map_order))
        return MAP_FAILED;
    if (counts && beyond_errnum && n_bytes > beyond_bytes) {
        errno = beyond_errnum;
        return MAP_FAILED;
    }
    void *start = real(address, n_bytes, protection, flags, fd, offset);
    if (start != MAP_FAILED)
        balance += (long)n_bytes;
    return start;
}

int munmap(void *address, size_t n_bytes)
{
    static int (*real)(void *, size_t);
    if (!real)
        *(void **)&real = next("munmap");
    if (is_due(&unmap_order)) {
        unmap_order.errnum = 0;
        return -1;
    }
    int result = real(address, n_bytes);
    if (result == 0)
        balance -= (long)n_bytes;
    return result;
}

int madvise(void *address, size_t n_bytes, int advice)
{
    static int (*real)(void *, size_t, int);
    if (!real)
        *(void **)&real = next("madvise");
    if (advise_errnum) {
        errno = advise_errnum;
        return -1;
    }
    last_advice = advice;
    return real(address, n_bytes, advice);
}

void failing_mmap_after(unsigned int n_good, int errnum)
{
    map_order = (struct order){errnum, n_good};
}

void failing_mmap_beyond(size_t n_bytes, int errnum)
{
    beyond_bytes = n_bytes;
    beyond_errnum = errnum;
}

void failing_munmap_once(unsigned int n_good, int errnum)
{
    unmap_order = (struct order){errnum, n_good};
}

void failing_madvise(int errnum)
{
    advise_errnum = errnum;
}

void failing_mmap_none(void)
{
    failing_mmap_after(0, 0);
    failing_mmap_beyond(0, 0);
    failing_munmap_once(0, 0);
    failing_madvise(0);
    last_advice = -1;
}

int failing_mmap_last_advice(void)
{
    return last_advice;
}

long failing_mmap_balance(void)
{
    return balance;
}
