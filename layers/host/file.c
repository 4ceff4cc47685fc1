/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over files that the user names, or that are made in a directory that he names.
 *
 * A range of a file that nobody will see again is a file of its own without a name: the kernel
 * takes its space back with the last mapping, however the process ends. A file with a name holds
 * all ranges one behind the other; space in its middle that is given back becomes a hole.
 *
 * All space is allocated before it is mapped. A hole that is written to when the disk is full is a
 * SIGBUS, for which nobody is prepared. This is also why pages are never discarded.
 *
 * Owns its instances and the descriptor of a named file. `mutex` guards where the next range begins
 * in it; a leaf. */
#include "layers/host/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layers/host/file_shared.h"
#include "layers/host/host.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/lock.h"
#include "src/base/mapping.h"
#include "src/base/meta.h"
#include "src/base/os.h"

#define TEMPLATE "/mmb-XXXXXX"

/* Invariant: used <= bounded. */
struct file {
    struct mmb_backend base;
    char *directory; /* owned; NULL: `fd` is the file */
    int fd;          /* -1 where each range has its own */
    struct mmb_mutex mutex;
    off_t end; /* of the last range that lives in fd */
    _Atomic size_t used;
};

/* ---- opening ---- */

static mmbError refuse(int errnum, const char *path)
{
    mmbError error = errnum == ENOENT || errnum == ENOTDIR                    ? MMB_NOT_FOUND
                     : errnum == EACCES || errnum == EPERM || errnum == EROFS ? MMB_PERMISSION
                     : errnum == EEXIST                                       ? MMB_EXISTS
                     : errnum == ENOSPC || errnum == EDQUOT                   ? MMB_OUT_OF_MEMORY
                                                                              : MMB_ERROR;
    return mmb_fail_errno(error, errnum, "file backend: %s", path);
}

static mmbError check_options(const mmbBackendOptions *options)
{
    if (!options->file.path || !*options->file.path)
        return mmb_fail(MMB_INVALID_ARG, "file backend: a path is required");
    if (options->file.mode == 0 && (options->file.header_bytes != 0 || options->file.id != 0))
        return mmb_fail(MMB_INVALID_ARG, "file backend: header and id belong to shared heaps");
    if (options->file.bytes != 0 && options->file.bytes < mmb_os_page_bytes())
        return mmb_fail(MMB_INVALID_ARG, "file backend: %zu B are less than a page",
                        options->file.bytes);
    return MMB_OK;
}

/* A new file in the directory; `keep` leaves its name. -1 with errno. */
static int make_in(const char *directory, bool keep)
{
    char path[4096];
    int fd = keep ? -1 : open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    /* Not every file system has files without a name; what else failed fails again. */
    if (fd >= 0)
        return fd;
    int length = snprintf(path, sizeof path, "%s" TEMPLATE, directory);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0 && !keep)
        unlink(path);
    return fd;
}

/* An existing file is somebody's: it is not written over. */
static int make_named(const char *path, bool keep)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && !keep)
        unlink(path);
    return fd;
}

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Sets directory or fd. That nothing can be made in a directory shows here, not at the first block.
 */
static mmbError open_path(struct file *file, const mmbBackendOptions *options)
{
    const char *path = options->file.path;
    bool in_directory = is_directory(path);
    int fd =
        in_directory ? make_in(path, options->file.keep) : make_named(path, options->file.keep);
    if (fd < 0)
        return refuse(errno, path);
    file->fd = fd;
    if (!in_directory || options->file.keep)
        return MMB_OK;
    close(fd);
    file->fd = -1;
    file->directory = mmb_meta_strdup(path);
    return file->directory ? MMB_OK
                           : mmb_fail(MMB_OUT_OF_MEMORY, "file backend: no memory for a path");
}

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    mmbError error = check_options(request->options);
    if (error != MMB_OK)
        return error;
    if (request->options->file.mode != 0)
        return mmb_file_shared_open(request, out);
    struct file *file = mmb_meta_alloc(sizeof *file);
    if (!file)
        return mmb_fail(MMB_OUT_OF_MEMORY, "file backend: no memory for its own data");
    error = open_path(file, request->options);
    if (error != MMB_OK) {
        mmb_meta_free(file, sizeof *file);
        return error;
    }
    size_t page = mmb_os_page_bytes(), bytes = request->options->file.bytes;
    mmb_mutex_init(&file->mutex);
    file->base = (struct mmb_backend){.ops = &mmb_file_backend,
                                      .bounded = bytes ? mmb_round_down(bytes, page) : SIZE_MAX,
                                      .min_alignment = page,
                                      .host_accessible = true};
    *out = &file->base;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    struct file *file = (struct file *)backend;
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    mmb_meta_strfree(file->directory);
    mmb_mutex_destroy(&file->mutex);
    mmb_meta_free(file, sizeof *file);
}

/* ---- ranges ---- */

/* Where a range lies. */
struct extent {
    int fd;
    off_t offset;
};

static bool take_extent(struct file *file, size_t n_bytes, struct extent *out)
{
    if (file->fd < 0) {
        *out = (struct extent){make_in(file->directory, false), 0};
        return out->fd >= 0;
    }
    mmb_mutex_lock(&file->mutex);
    bool fits = n_bytes <= (size_t)(INT64_MAX - file->end);
    *out = (struct extent){file->fd, file->end};
    if (fits)
        file->end += (off_t)n_bytes;
    mmb_mutex_unlock(&file->mutex);
    errno = EFBIG;
    return fits;
}

/* The space goes back: with the file, by shortening it, or as a hole. */
static void give_extent(struct file *file, const struct extent *extent, size_t n_bytes)
{
    if (file->fd < 0) {
        if (extent->fd >= 0)
            close(extent->fd);
        return;
    }
    mmb_mutex_lock(&file->mutex);
    bool is_last = extent->offset + (off_t)n_bytes == file->end;
    if (is_last && ftruncate(file->fd, extent->offset) == 0)
        file->end = extent->offset;
    else
        (void)fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, extent->offset,
                        (off_t)n_bytes);
    mmb_mutex_unlock(&file->mutex);
}

/* False with errno. Where the file system cannot, the C library writes to every block. */
static bool allocate_space(const struct extent *extent, size_t n_bytes)
{
    int errnum;
    if (n_bytes > PTRDIFF_MAX) {
        errno = EFBIG;
        return false;
    }
    do {
        errnum = posix_fallocate(extent->fd, extent->offset, (off_t)n_bytes);
    } while (errnum == EINTR);
    errno = errnum;
    return errnum == 0;
}

/* NULL with errno. The addresses are reserved first: aligned, and with all that goes with them. */
static void *map_extent(const struct extent *extent, size_t n_bytes, size_t alignment)
{
    void *at = mmb_mapping_make(n_bytes, alignment);
    if (!at)
        return NULL;
    if (mmap(at, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, extent->fd,
             extent->offset) != MAP_FAILED)
        return at;
    int cause = errno;
    mmb_mapping_drop("file", at, n_bytes);
    errno = cause;
    return NULL;
}

static bool charge(struct file *file, size_t n_bytes)
{
    size_t used = atomic_load_explicit(&file->used, memory_order_relaxed);
    do {
        if (n_bytes > file->base.bounded - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&file->used, &used, used + n_bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* n_bytes is whole pages. NULL with errno. */
static void *take(struct file *file, size_t n_bytes, size_t alignment, struct extent *extent)
{
    if (!charge(file, n_bytes)) {
        errno = ENOSPC;
        return NULL;
    }
    void *host = NULL;
    bool has_extent = take_extent(file, n_bytes, extent);
    if (has_extent && allocate_space(extent, n_bytes))
        host = map_extent(extent, n_bytes, alignment);
    if (host)
        return host;
    int cause = errno;
    if (has_extent)
        give_extent(file, extent, n_bytes);
    atomic_fetch_sub_explicit(&file->used, n_bytes, memory_order_relaxed);
    errno = cause;
    return NULL;
}

static bool means_exhausted(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG || errnum == EMFILE ||
           errnum == ENFILE || mmb_mapping_is_exhausted(errnum);
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    struct file *file = (struct file *)backend;
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    struct extent extent;
    size_t n_bytes = want_bytes;
    void *host = NULL;
    errno = ENOMEM;
    if (mmb_round_up_size(n_bytes, mmb_os_page_bytes(), &n_bytes))
        host = take(file, n_bytes, alignment, &extent);
    if (!host && means_exhausted(errno) && min_bytes < want_bytes) {
        n_bytes = mmb_round_up(min_bytes, mmb_os_page_bytes());
        host = take(file, n_bytes, alignment, &extent);
    }
    if (!host)
        return mmb_fail_errno(means_exhausted(errno) ? MMB_OUT_OF_MEMORY : MMB_ERROR, errno,
                              "file backend: %zu B in %s", min_bytes,
                              file->directory ? file->directory : "its file");
    if (file->fd < 0)
        close(extent.fd); /* the mapping keeps the file */
    mmb_host_memory_fill(out, host, n_bytes);
    out->cookie = (uint64_t)extent.offset;
    return MMB_OK;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    struct file *file = (struct file *)backend;
    mmbError error = mmb_mapping_drop("file", memory->host, memory->n_bytes);
    if (error != MMB_OK)
        return error;
    const struct extent extent = {file->fd, (off_t)memory->cookie};
    give_extent(file, &extent, memory->n_bytes);
    atomic_fetch_sub_explicit(&file->used, memory->n_bytes, memory_order_relaxed);
    return MMB_OK;
}

static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    return mmb_mapping_advise("file", memory->address + offset, n_bytes, advice);
}

static void fork_lock(struct mmb_backend *backend)
{
    mmb_mutex_lock(&((struct file *)backend)->mutex);
}

static void fork_unlock(struct mmb_backend *backend)
{
    mmb_mutex_unlock(&((struct file *)backend)->mutex);
}

const struct mmb_backend_ops mmb_file_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "file",
    .id = MMB_BACKEND_FILE,
    .aligns_freely = true,
    .needs_options = true,
    .serves = mmb_host_serves,
    .available = mmb_host_available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .advise = advise,
    .fork_lock = fork_lock,
    .fork_unlock = fork_unlock,
};
