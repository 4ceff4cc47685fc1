/* SPDX-License-Identifier: BSD-3-Clause */
/* libmmb-preload: the malloc family of a program that was never changed. Blocks of at least
 * MMB_RUN_MIN_SIZE bytes come from an interface of layer MMB_RUN_LAYER, smaller ones from the C
 * library, as does everything when the layer cannot serve. mmb-run sets the variables and
 * LD_PRELOAD.
 *
 * Owns the interface, made at the first large block, or when the program initialises the library
 * for itself: a process that does neither pays nothing. Whose a pointer is, the library's map of
 * chunks tells; two bounds spare most lookups.
 *
 * Takes no lock. What the library and hwloc allocate while they work for us (`inside`) goes to the
 * C library, and so does what other threads want while one of them starts the library: waiting
 * there could deadlock with locks that the program holds. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <mmb.h>
#include "tools/preload.h"

#define EXPORT __attribute__((visibility("default")))

/* ---- the interface ---- */

enum state { UNUSED, STARTING, READY, OFF };

static atomic_int state;
static atomic_size_t min_bytes = SIZE_MAX; /* until the constructor has read it */
static _Atomic(mmbMemInterface *) interface;
static mmbMemInterface *fallback;
static bool libc_serves_rest; /* no fallback was named, not even "none" */
static atomic_uintptr_t lowest = UINTPTR_MAX, highest;
static int report_file =
    -1; /* where counts are printed, for programs that close their error stream */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static void say(int file, const char *format, const char *what, const char *why)
{
    char text[512];
    int length = snprintf(text, sizeof text, format, what, why);
    size_t bytes = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    if (write(file, text, bytes) < 0)
        return; /* nobody reads it */
}

static mmbError interface_of(const char *name, mmbMemInterface **out)
{
    mmbMemLayer layer;
    mmbError error = mmb_layer_from_name(name, &layer);
    return error ? error : mmb_get_interface(layer, MMB_CPU, out);
}

static mmbStrategy strategy_of(const char *name)
{
    for (int s = MMB_STRATEGY_PASSTHROUGH; s <= MMB_STRATEGY_THREAD_LOCAL; s++)
        if (strcmp(name, mmb_strategy_name((mmbStrategy)s)) == 0)
            return (mmbStrategy)s;
    return MMB_STRATEGY_DEFAULT;
}

/* The library's own, which ours stand in front of. */
static mmbError init_library(const char *name, const mmbOptions *options)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    mmbError (*function)(const mmbOptions *) = NULL;
    memcpy(&function, &symbol, sizeof function);
    return function ? function(options) : MMB_UNSUPPORTED;
}

/* The layer's default space, with an interface of our own in it. */
static mmbError make_interface(mmbMemInterface **out)
{
    mmbMemInterface *standard;
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    const char *second = setting("MMB_RUN_FALLBACK", NULL);
    libc_serves_rest = !second;
    mmbError error = init_library("mmb_init_host", MMB_INIT_DEFAULT);
    if (error)
        return error;
    if (second && strcmp(second, "none") != 0)
        error = interface_of(second, &fallback);
    if (!error)
        error = interface_of(setting("MMB_RUN_LAYER", "HBM"), &standard);
    if (!error)
        error = mmb_interface_get_info(standard, &info);
    config.strategy = strategy_of(setting("MMB_RUN_STRATEGY", "DEFAULT"));
    config.name = "mmb-run";
    config.fallback = fallback;
    return error ? error : mmb_create_interface(info.space, &config, out);
}

/* The fork handlers of the library hold its locks while those run that were installed before it. */
static void enter(void)
{
    inside = true;
}

static void leave(void)
{
    inside = false;
}

static bool may_start(void)
{
    int unused = UNUSED;
    return atomic_compare_exchange_strong(&state, &unused, STARTING);
}

static void start(void)
{
    mmbMemInterface *made = NULL;
    inside = true;
    mmbError error = make_interface(&made);
    if (error == MMB_BUSY) { /* asked for within a call of the library */
        inside = false;
        atomic_store_explicit(&state, UNUSED, memory_order_release);
        return;
    }
    if (!error && pthread_atfork(enter, leave, leave))
        error = MMB_OUT_OF_MEMORY;
    if (error)
        say(STDERR_FILENO, "mmb-run: layer %s cannot serve: %s\n", setting("MMB_RUN_LAYER", "HBM"),
            mmb_error_detail());
    if (setting("MMB_RUN_STATS", NULL))
        report_file = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
    atomic_store(&interface, made);
    atomic_store_explicit(&min_bytes, error ? SIZE_MAX : atomic_load(&min_bytes),
                          memory_order_relaxed);
    atomic_store_explicit(&state, error ? OFF : READY, memory_order_release);
    inside = false;
}

/* A program that uses the library itself: what it and its plugins allocate meanwhile, in whatever
 * thread, must not wait for the library. */
static mmbError init_for_program(const char *name, const mmbOptions *options)
{
    bool starts = !inside && may_start();
    mmbError error = init_library(name, options);
    if (starts && error)
        atomic_store_explicit(&state, UNUSED, memory_order_release);
    else if (starts)
        start();
    return error;
}

EXPORT mmbError mmb_init(const mmbOptions *options)
{
    return init_for_program("mmb_init", options);
}

EXPORT mmbError mmb_init_host(const mmbOptions *options)
{
    return init_for_program("mmb_init_host", options);
}

/* Most blocks are too small, and that is all that is asked for them. */
static inline bool is_small(size_t n_bytes)
{
    return __builtin_expect(n_bytes < atomic_load_explicit(&min_bytes, memory_order_relaxed), 1);
}

/* Whether a block that is large enough is ours to serve. */
static bool may_serve(void)
{
    if (inside)
        return false;
    if (atomic_load_explicit(&state, memory_order_acquire) == UNUSED && may_start())
        start();
    return atomic_load_explicit(&state, memory_order_acquire) == READY;
}

/* Surely of the C library: outside all that was given from here, as NULL is. */
static inline bool is_outside(const void *ptr)
{
    uintptr_t address = (uintptr_t)ptr;
    return __builtin_expect(address < atomic_load_explicit(&lowest, memory_order_relaxed) ||
                                address > atomic_load_explicit(&highest, memory_order_relaxed),
                            1);
}

/* Of what is not outside. The arena may be in use before there is an interface. */
static bool is_ours(const void *ptr)
{
    mmbMemInterface *serving = atomic_load(&interface);
    return serving && mmb_contains_ptr(serving, ptr);
}

/* The bounds only widen. A thread that gets the pointer got it through some ordering of its own. */
void *preload_note(void *ptr)
{
    uintptr_t address = (uintptr_t)ptr;
    uintptr_t seen = atomic_load_explicit(&lowest, memory_order_relaxed);
    while (ptr && address < seen && !atomic_compare_exchange_weak(&lowest, &seen, address))
        ;
    seen = atomic_load_explicit(&highest, memory_order_relaxed);
    while (ptr && address > seen && !atomic_compare_exchange_weak(&highest, &seen, address))
        ;
    return ptr;
}

/* NULL: the layer and its fallback are full. */
static void *place(size_t n_bytes, size_t alignment, bool zero)
{
    int saved = errno;
    inside = true;
    void *ptr = zero             ? mmb_calloc(interface, 1, n_bytes)
                : alignment > 16 ? mmb_aligned_alloc(interface, alignment, n_bytes)
                                 : mmb_malloc(interface, n_bytes);
    inside = false;
    errno = saved;
    return preload_note(ptr);
}

static void *refuse(void)
{
    errno = ENOMEM;
    return NULL;
}

static void release(void *ptr)
{
    int saved = errno;
    if (inside)
        return; /* in a fork handler, below the library's locks: better lost than dead */
    inside = true;
    if (mmb_free_ptr(interface, ptr))
        say(STDERR_FILENO, "mmb-run: free: %s%s\n", mmb_error_detail(), "");
    inside = false;
    errno = saved;
}

/* ---- the family ---- */

static __attribute__((noinline)) void *malloc_large(size_t n_bytes)
{
    if (!may_serve())
        return LIBC(malloc)(n_bytes);
    void *ptr = place(n_bytes, 16, false);
    return ptr ? ptr : libc_serves_rest ? LIBC(malloc)(n_bytes) : refuse();
}

EXPORT void *malloc(size_t n_bytes)
{
    return is_small(n_bytes) ? LIBC(malloc)(n_bytes) : malloc_large(n_bytes);
}

static __attribute__((noinline)) void *calloc_large(size_t count, size_t n_bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, n_bytes, &total))
        return refuse();
    if (!may_serve())
        return LIBC(calloc)(count, n_bytes);
    void *ptr = place(total, 16, true);
    return ptr ? ptr : libc_serves_rest ? LIBC(calloc)(count, n_bytes) : refuse();
}

EXPORT void *calloc(size_t count, size_t n_bytes)
{
    size_t total;
    if (!__builtin_mul_overflow(count, n_bytes, &total) && is_small(total))
        return LIBC(calloc)(count, n_bytes);
    return calloc_large(count, n_bytes);
}

static void *aligned(size_t alignment, size_t n_bytes)
{
    if (is_small(n_bytes) || !may_serve())
        return LIBC(memalign)(alignment, n_bytes);
    void *ptr = place(n_bytes, alignment, false);
    return ptr ? ptr : libc_serves_rest ? LIBC(memalign)(alignment, n_bytes) : refuse();
}

static bool is_power_of_two(size_t n)
{
    return n && !(n & (n - 1));
}

EXPORT void *memalign(size_t alignment, size_t n_bytes)
{
    if (is_power_of_two(alignment))
        return aligned(alignment, n_bytes);
    errno = EINVAL;
    return NULL;
}

EXPORT void *aligned_alloc(size_t alignment, size_t n_bytes)
{
    return memalign(alignment, n_bytes);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t n_bytes)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *))
        return EINVAL;
    int saved = errno;
    void *ptr = aligned(alignment, n_bytes);
    errno = saved;
    if (!ptr)
        return ENOMEM;
    *out = ptr;
    return 0;
}

EXPORT void *valloc(size_t n_bytes)
{
    return aligned((size_t)sysconf(_SC_PAGESIZE), n_bytes);
}

EXPORT void *pvalloc(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (n_bytes > SIZE_MAX - page)
        return refuse();
    return aligned(page, n_bytes ? (n_bytes + page - 1) / page * page : page);
}

static __attribute__((noinline)) void free_inside(void *ptr)
{
    if (preload_arena_bytes(ptr))
        return;
    if (is_ours(ptr))
        release(ptr);
    else
        LIBC(free)(ptr);
}

EXPORT void free(void *ptr)
{
    if (is_outside(ptr))
        LIBC(free)(ptr);
    else
        free_inside(ptr);
}

EXPORT size_t malloc_usable_size(void *ptr)
{
    if (is_outside(ptr))
        return LIBC(usable)(ptr);
    if (preload_arena_bytes(ptr))
        return 0;
    return is_ours(ptr) ? mmb_usable_size(interface, ptr) : LIBC(usable)(ptr);
}

/* From one owner to the other, or out of the arena. */
static void *move(void *ptr, size_t old_bytes, void *fresh, size_t n_bytes)
{
    if (!fresh)
        return NULL;
    memcpy(fresh, ptr, old_bytes < n_bytes ? old_bytes : n_bytes);
    free(ptr);
    return fresh;
}

/* A block that has grown large comes over, if there is room; else it stays and grows. */
static void *realloc_of_libc(void *ptr, size_t n_bytes)
{
    if (is_small(n_bytes) || !may_serve())
        return LIBC(realloc)(ptr, n_bytes);
    void *fresh = place(n_bytes, 16, false);
    if (!fresh)
        return libc_serves_rest ? LIBC(realloc)(ptr, n_bytes) : refuse();
    return move(ptr, LIBC(usable)(ptr), fresh, n_bytes);
}

static void *realloc_of_ours(void *ptr, size_t n_bytes)
{
    void *fresh = NULL;
    if (!is_small(n_bytes) && may_serve()) {
        int saved = errno;
        inside = true;
        fresh = preload_note(mmb_realloc(interface, ptr, n_bytes));
        inside = false;
        errno = saved;
    }
    return fresh ? fresh : move(ptr, mmb_usable_size(interface, ptr), malloc(n_bytes), n_bytes);
}

static __attribute__((noinline)) void *realloc_inside(void *ptr, size_t n_bytes)
{
    if (preload_arena_bytes(ptr))
        return move(ptr, preload_arena_bytes(ptr), malloc(n_bytes), n_bytes);
    if (!is_ours(ptr))
        return realloc_of_libc(ptr, n_bytes);
    if (n_bytes)
        return realloc_of_ours(ptr, n_bytes);
    free(ptr);
    return NULL;
}

EXPORT void *realloc(void *ptr, size_t n_bytes)
{
    if (!ptr)
        return malloc(n_bytes);
    return is_outside(ptr) ? realloc_of_libc(ptr, n_bytes) : realloc_inside(ptr, n_bytes);
}

EXPORT void *reallocarray(void *ptr, size_t count, size_t n_bytes)
{
    size_t total;
    return __builtin_mul_overflow(count, n_bytes, &total) ? refuse() : realloc(ptr, total);
}

/* ---- begin and end of the process ---- */

__attribute__((constructor)) static void read_min_bytes(void)
{
    const char *wish = setting("MMB_RUN_MIN_SIZE", "65536");
    atomic_store_explicit(&min_bytes, (size_t)strtoull(wish, NULL, 10), memory_order_relaxed);
}

static void report(const char *name, mmbMemInterface *of)
{
    char counts[256];
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    if (mmb_interface_get_stats(of, &stats))
        return;
    snprintf(counts, sizeof counts, "%zu allocations, %zu frees, %zu refused, peak %zu bytes",
             stats.total_allocations, stats.total_frees, stats.refused, stats.peak_bytes);
    say(report_file, "mmb-run: %s: %s\n", name, counts);
}

__attribute__((destructor)) static void report_all(void)
{
    if (atomic_load(&state) != READY || report_file < 0)
        return;
    inside = true;
    report(setting("MMB_RUN_LAYER", "HBM"), interface);
    if (fallback)
        report(setting("MMB_RUN_FALLBACK", ""), fallback);
    inside = false;
}
