/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_BASE_OS_CALLS_H
#define MMB_TESTS_BASE_OS_CALLS_H
/* For one source file of a test program: its mmap and munmap, which the library's inside in the
 * same program calls too, refuse when told so and else pass the call on. The test orders its
 * threads around the switches. */

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

static atomic_bool refuse_mmap, refuse_munmap;

/* memcpy, because ISO C has no conversion from an object's pointer to a function's. */
#define REAL(function, pointer)                                                                    \
    do {                                                                                           \
        void *symbol = dlsym(RTLD_NEXT, function);                                                 \
        memcpy(&(pointer), &symbol, sizeof(pointer));                                              \
    } while (0)

void *mmap(void *start, size_t n_bytes, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);

    if (!real)
        REAL("mmap", real);
    if (atomic_load(&refuse_mmap)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(start, n_bytes, protection, flags, fd, offset);
}

int munmap(void *start, size_t n_bytes)
{
    static int (*real)(void *, size_t);

    if (!real)
        REAL("munmap", real);
    if (atomic_load(&refuse_munmap)) {
        errno = ENOMEM;
        return -1;
    }
    return real(start, n_bytes);
}

#endif
