/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the C library's malloc family behind the one of libmmb-preload (preload.h). Owns the
 * pointers to it, and the arena that serves dlsym meanwhile. Takes no lock: the first call comes
 * while the program is loaded, before it can have threads. */
#include "tools/preload.h"
#include <dlfcn.h>
#include <stdint.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)16384)

static void *first_malloc(size_t n_bytes);
static void *first_calloc(size_t count, size_t n_bytes);
static void *first_realloc(void *ptr, size_t n_bytes);
static void *first_memalign(size_t alignment, size_t n_bytes);
static size_t first_usable(void *ptr);
static void first_free(void *ptr);

struct preload_libc preload_libc = {first_malloc,   first_calloc, first_realloc,
                                    first_memalign, first_usable, first_free};
static atomic_bool is_known;

/* Serves what dlsym itself allocates while it looks for malloc. Never given back. */
static struct {
    _Alignas(16) char bytes[ARENA_BYTES];
    atomic_size_t used;
} arena;

size_t preload_arena_bytes(const void *ptr)
{
    uintptr_t at = (uintptr_t)ptr - (uintptr_t)arena.bytes;
    return at < ARENA_BYTES ? ARENA_BYTES - at : 0;
}

static void *arena_malloc(size_t n_bytes)
{
    size_t rounded = (n_bytes + 15) & ~(size_t)15;
    if (rounded < n_bytes || rounded > ARENA_BYTES)
        return NULL;
    size_t start = atomic_fetch_add(&arena.used, rounded);
    return start > ARENA_BYTES - rounded ? NULL : preload_note(arena.bytes + start);
}

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    static const char message[] = "libmmb-preload: the C library has no malloc family\n";
    if (!found) {
        if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
            _exit(126);
        _exit(127);
    }
    return found;
}

#define LOOK_UP(name, text)                                                                        \
    do {                                                                                           \
        __typeof__(LIBC(name)) found;                                                              \
        *(void **)&found = symbol(text);                                                           \
        atomic_store_explicit(&preload_libc.name, found, memory_order_relaxed);                    \
    } while (0)

/* False while the calling thread, or another before there can be two, looks them up. */
static bool has_libc(void)
{
    static __thread bool is_looking __attribute__((tls_model("initial-exec")));
    if (atomic_load_explicit(&is_known, memory_order_acquire))
        return true;
    if (is_looking)
        return false;
    is_looking = true;
    LOOK_UP(calloc, "calloc");
    LOOK_UP(realloc, "realloc");
    LOOK_UP(memalign, "memalign");
    LOOK_UP(usable, "malloc_usable_size");
    LOOK_UP(free, "free");
    LOOK_UP(malloc, "malloc");
    is_looking = false;
    atomic_store_explicit(&is_known, true, memory_order_release);
    return true;
}

/* While they are looked up, dlsym may want memory: it is used once, so it is zero. */
static void *first_malloc(size_t n_bytes)
{
    return has_libc() ? LIBC(malloc)(n_bytes) : arena_malloc(n_bytes);
}

static void *first_calloc(size_t count, size_t n_bytes)
{
    size_t total;
    if (has_libc())
        return LIBC(calloc)(count, n_bytes);
    return __builtin_mul_overflow(count, n_bytes, &total) ? NULL : arena_malloc(total);
}

static void *first_realloc(void *ptr, size_t n_bytes)
{
    return has_libc() ? LIBC(realloc)(ptr, n_bytes) : NULL;
}

static void *first_memalign(size_t alignment, size_t n_bytes)
{
    return has_libc() ? LIBC(memalign)(alignment, n_bytes) : NULL;
}

static size_t first_usable(void *ptr)
{
    return has_libc() ? LIBC(usable)(ptr) : 0;
}

static void first_free(void *ptr)
{
    if (has_libc())
        LIBC(free)(ptr);
}
