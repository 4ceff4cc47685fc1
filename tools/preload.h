/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TOOLS_PRELOAD_H
#define MMB_TOOLS_PRELOAD_H
/* The C library's own malloc family, for the one that stands before it (preload.c). */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Until the first of them is called each is a function that looks all of them up: what is left to
 * the C library then costs one jump. */
extern struct preload_libc {
    void *(*_Atomic malloc)(size_t);
    void *(*_Atomic calloc)(size_t, size_t);
    void *(*_Atomic realloc)(void *, size_t);
    void *(*_Atomic memalign)(size_t, size_t);
    size_t (*_Atomic usable)(void *);
    void (*_Atomic free)(void *);
} preload_libc;

/* They are written once, and lead to code that was loaded before. */
#define LIBC(name) atomic_load_explicit(&preload_libc.name, memory_order_relaxed)

/* What dlsym wanted meanwhile: 0 when ptr is none of it, else the bytes from ptr on that may be
 * read. It is never given back. */
size_t preload_arena_bytes(const void *ptr);

/* In preload.c: what is given from here is not the C library's. Returns ptr, which may be NULL. */
void *preload_note(void *ptr);

#endif
