/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over libmemkind. The library is opened when it is first asked for and stays: it
 * brings an allocator, topology readers and their start-up with it, which a program that never
 * names this backend shall not pay for. Its own headers say what is in it.
 *
 * Owns its instances, the kinds that it made of directories, and the handle of the library; `mutex`
 * guards the opening and is held around nothing but the loader. */
#include "layers/memkind/memkind.h"
#include <dlfcn.h>
#include <errno.h>
#include <memkind.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/mapping.h"
#include "src/base/meta.h"

#define LIBRARY     "libmemkind.so.0"
#define PREFIX      "MEMKIND_"
#define GRANULARITY 16u
/* Beyond what anybody can want memkind's sums wrap around, and it gives what is not aligned. */
#define ALIGNMENT_MAX ((size_t)1 << 30)

/* What is used of it. Everything is there or `handle` is NULL. */
static struct {
    struct mmb_mutex mutex;
    void *handle;
    int (*check_available)(memkind_t kind);
    void (*error_message)(int error, char *text, size_t size);
    int (*posix_memalign)(memkind_t kind, void **out, size_t alignment, size_t n_bytes);
    void (*free)(memkind_t kind, void *block);
    int (*create_pmem)(const char *directory, size_t max_bytes, memkind_t *out);
    int (*destroy_kind)(memkind_t kind);
} library = {.mutex = MMB_MUTEX_INIT};

struct instance {
    struct mmb_backend base;
    memkind_t kind;
    bool is_mine;
};

/* Static kinds; a kind of another name is not looked for, since any symbol would be found. */
static const char *const kinds[] = {
    "DEFAULT",
    "REGULAR",
    "HUGETLB",
    "INTERLEAVE",
    "HBW",
    "HBW_ALL",
    "HBW_PREFERRED",
    "HBW_HUGETLB",
    "HBW_ALL_HUGETLB",
    "HBW_PREFERRED_HUGETLB",
    "HBW_INTERLEAVE",
    "DAX_KMEM",
    "DAX_KMEM_ALL",
    "DAX_KMEM_PREFERRED",
    "DAX_KMEM_INTERLEAVE",
    "HIGHEST_CAPACITY",
    "HIGHEST_CAPACITY_PREFERRED",
    "HIGHEST_CAPACITY_LOCAL",
    "HIGHEST_CAPACITY_LOCAL_PREFERRED",
    "LOWEST_LATENCY_LOCAL",
    "LOWEST_LATENCY_LOCAL_PREFERRED",
    "HIGHEST_BANDWIDTH_LOCAL",
    "HIGHEST_BANDWIDTH_LOCAL_PREFERRED",
};

static bool serves(mmbMemLayer layer, mmbExecutionContext context)
{
    return layer != MMB_GDRAM && context == MMB_CPU;
}

/* ---- the library ---- */

static bool find(void *handle, const char *name, void *out)
{
    void *found = dlsym(handle, name);
    /* POSIX lets a function's address pass through void *, ISO C does not. */
    memcpy(out, &found, sizeof found);
    return found != NULL;
}

static bool find_all(void *handle)
{
    return find(handle, "memkind_check_available", &library.check_available) &&
           find(handle, "memkind_error_message", &library.error_message) &&
           find(handle, "memkind_posix_memalign", &library.posix_memalign) &&
           find(handle, "memkind_free", &library.free) &&
           find(handle, "memkind_create_pmem", &library.create_pmem) &&
           find(handle, "memkind_destroy_kind", &library.destroy_kind);
}

static mmbError available(void)
{
    mmbError error = MMB_OK;
    mmb_mutex_lock(&library.mutex);
    void *handle = library.handle ? library.handle : dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        error = mmb_fail(MMB_UNSUPPORTED, "memkind backend: %s", dlerror());
    } else if (!library.handle && !find_all(handle)) {
        error = mmb_fail(MMB_UNSUPPORTED, "memkind backend: %s", dlerror());
        dlclose(handle);
    } else {
        library.handle = handle;
    }
    mmb_mutex_unlock(&library.mutex);
    return error;
}

static mmbError fail_native(mmbError error, int native, const char *what)
{
    char text[MEMKIND_ERROR_MESSAGE_SIZE] = "";
    library.error_message(native, text, sizeof text);
    return mmb_fail(error, "memkind backend: %s: %s", what, text);
}

/* ---- kinds ---- */

static const char *kind_of_layer(mmbMemLayer layer)
{
    switch (layer) {
    case MMB_DRAM:
        return "REGULAR";
    case MMB_HBM:
        return "HBW_ALL";
    case MMB_NVDIMM:
    case MMB_CXL:
        return "DAX_KMEM_ALL";
    default:
        return NULL;
    }
}

static mmbError find_kind(const char *name, struct instance *instance)
{
    char symbol[64];
    memkind_t *kind = NULL;
    if (strncasecmp(name, PREFIX, strlen(PREFIX)) == 0)
        name += strlen(PREFIX);
    for (size_t i = 0; !kind && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcasecmp(name, kinds[i]) != 0)
            continue;
        snprintf(symbol, sizeof symbol, PREFIX "%s", kinds[i]);
        kind = dlsym(library.handle, symbol);
    }
    if (!kind)
        return mmb_fail(MMB_INVALID_ARG, "memkind backend: there is no kind \"%s\"", name);
    int native = library.check_available(*kind);
    if (native != 0)
        return fail_native(MMB_UNSUPPORTED, native, name);
    instance->kind = *kind;
    return MMB_OK;
}

/* memkind tells a directory that is not there and one that may not be written to by one code. */
static mmbError make_kind(const char *directory, struct instance *instance)
{
    if (access(directory, R_OK | W_OK | X_OK) != 0) {
        mmbError error = errno == ENOENT || errno == ENOTDIR ? MMB_NOT_FOUND : MMB_PERMISSION;
        return mmb_fail_errno(error, errno, "memkind backend: %s", directory);
    }
    int native = library.create_pmem(directory, 0, &instance->kind);
    if (native != 0)
        return fail_native(MMB_UNSUPPORTED, native, directory);
    instance->is_mine = true;
    instance->base.is_file = true;
    return MMB_OK;
}

static mmbError check_options(const struct mmb_backend_request *request, const char **out_kind)
{
    const mmbBackendOptions *options = request->options;
    *out_kind = options->memkind.kind ? options->memkind.kind : kind_of_layer(request->layer);
    if (*out_kind && **out_kind)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ARG, "memkind backend: name a kind, or a directory; no kind is "
                                     "known for the layer");
}

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    const char *kind = NULL;
    mmbError error = check_options(request, &kind);
    if (error == MMB_OK)
        error = available();
    if (error != MMB_OK)
        return error;
    struct instance *instance = mmb_meta_alloc(sizeof *instance);
    if (!instance)
        return mmb_fail(MMB_OUT_OF_MEMORY, "memkind backend: no memory for its own data");
    instance->base.ops = &mmb_memkind_backend;
    instance->base.bounded = SIZE_MAX;
    instance->base.min_alignment = GRANULARITY;
    instance->base.host_accessible = true;
    error = strchr(kind, '/') ? make_kind(kind, instance) : find_kind(kind, instance);
    if (error != MMB_OK) {
        mmb_meta_free(instance, sizeof *instance);
        return error;
    }
    *out = &instance->base;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    struct instance *instance = (struct instance *)backend;
    if (instance && instance->is_mine)
        library.destroy_kind(instance->kind);
    mmb_meta_free(instance, sizeof *instance);
}

/* ---- ranges ---- */

/* NULL: *out_native says why. */
static void *take(const struct instance *instance, size_t *n_bytes, size_t alignment,
                  int *out_native)
{
    void *block = NULL;
    *out_native = MEMKIND_ERROR_MALLOC;
    /* memkind's own rounding of what is beyond PTRDIFF_MAX wraps around. */
    if (!mmb_round_up_size(*n_bytes, GRANULARITY, n_bytes) || *n_bytes > PTRDIFF_MAX ||
        alignment > ALIGNMENT_MAX)
        return NULL;
    *out_native = library.posix_memalign(
        instance->kind, &block, alignment > GRANULARITY ? alignment : GRANULARITY, *n_bytes);
    return *out_native == 0 ? block : NULL;
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    const struct instance *instance = (const struct instance *)backend;
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    int native;
    size_t n_bytes = want_bytes;
    void *host = take(instance, &n_bytes, alignment, &native);
    if (!host && min_bytes < want_bytes) {
        n_bytes = min_bytes;
        host = take(instance, &n_bytes, alignment, &native);
    }
    if (!host)
        return mmb_fail(MMB_OUT_OF_MEMORY, "memkind backend: %zu B aligned to %zu: error %d",
                        min_bytes, alignment, native);
    *out = (struct mmb_memory){
        .host = host, .address = (uintptr_t)host, .n_bytes = n_bytes, .native = host};
    return MMB_OK;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    library.free(((const struct instance *)backend)->kind, memory->host);
    return MMB_OK;
}

/* The pages that lie wholly inside; the rest of the heap keeps what it had. */
static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    return mmb_mapping_advise("memkind", memory->address + offset, n_bytes, advice);
}

const struct mmb_backend_ops mmb_memkind_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "memkind",
    .id = MMB_BACKEND_MEMKIND,
    .takes_host_memory = true,
    .binds = true,
    .serves = serves,
    .available = available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .advise = advise,
};
