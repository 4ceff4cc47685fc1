/* SPDX-License-Identifier: BSD-3-Clause */
/* See refusals.h. mmap and mprotect stand in for the system's, mmb_meta_alloc and mmb_meta_strdup
 * are wrapped (tests/Makefile.inc). */
#include "tests/fault/refusals.h"
#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#include "src/base/meta.h"

struct order order;

bool is_refused(enum kind kind)
{
    if (order.kind != kind)
        return false;
    size_t call = atomic_fetch_add(&order.n_calls, 1) + 1;
    bool refused = call == order.at || (order.lasts && call > order.at);
    if (refused)
        atomic_fetch_add(&order.n_refused, 1);
    return refused;
}

void refuse(enum kind kind, size_t at, bool lasts)
{
    order.kind = kind;
    order.at = at;
    order.lasts = lasts;
    atomic_store(&order.n_calls, 0);
    atomic_store(&order.n_refused, 0);
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
    if (!real)
        *(void **)&real = next("mmap");
    if ((flags & MAP_ANONYMOUS) && is_refused(SYSTEM)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(address, n_bytes, protection, flags, fd, offset);
}

int mprotect(void *address, size_t n_bytes, int protection)
{
    static int (*real)(void *, size_t, int);
    if (!real)
        *(void **)&real = next("mprotect");
    if (is_refused(SYSTEM)) {
        errno = ENOMEM;
        return -1;
    }
    return real(address, n_bytes, protection);
}

void *__real_mmb_meta_alloc(size_t n_bytes);
void *__wrap_mmb_meta_alloc(size_t n_bytes);
char *__real_mmb_meta_strdup(const char *text);
char *__wrap_mmb_meta_strdup(const char *text);

void *__wrap_mmb_meta_alloc(size_t n_bytes)
{
    return is_refused(METADATA) ? NULL : __real_mmb_meta_alloc(n_bytes);
}

char *__wrap_mmb_meta_strdup(const char *text)
{
    return text && is_refused(METADATA) ? NULL : __real_mmb_meta_strdup(text);
}
