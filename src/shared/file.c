/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments in files: made unnamed and published whole, or attached to after a careful look.
 *
 * A file is written while it has no name (O_TMPFILE) and gets it by linkat, which fails when the
 * name exists: nobody ever sees half a segment, and a creator that dies leaves nothing. Its pages
 * up to the data are allocated before that, later ones with each span, so that a full file system
 * is an error and not a signal. Owns nothing beyond a call; takes no lock. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "src/base/error.h"
#include "src/base/os.h"
#include "src/shared/backend.h"

/* A name can come and go between two looks; nobody does that for long. */
#define TRIES 64

static mmbError from_errno(int cause)
{
    switch (cause) {
    case ENOENT:
    case ENOTDIR:
        return MMB_NOT_FOUND;
    case EEXIST:
        return MMB_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return MMB_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EFBIG:
        return MMB_OUT_OF_MEMORY;
    case ELOOP:
    case EISDIR:
        return MMB_CORRUPT;
    case ENAMETOOLONG:
        return MMB_INVALID_ARG;
    case EOPNOTSUPP:
        return MMB_UNSUPPORTED;
    default:
        return MMB_ERROR;
    }
}

/* ---- what is there ---- */

int mmb_shared_file_find(const char *path, mmbError *out_error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        *out_error = mmb_fail_errno(from_errno(errno), errno, "shared heap: open %s", path);
    return fd;
}

static mmbError check_user(const struct stat *status, const struct mmb_shared_head *head,
                           const char *what)
{
    if (status->st_uid == geteuid())
        return MMB_OK;
    if (head && head->other_users && head->creator == status->st_uid)
        return MMB_OK;
    return mmb_fail(MMB_PERMISSION, "%s: it belongs to user %lu, who does not share it", what,
                    (unsigned long)status->st_uid);
}

mmbError mmb_shared_fd_head(int fd, const char *what, struct mmb_shared_head *out_head)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return mmb_fail_errno(MMB_ERROR, errno, "%s: fstat", what);
    if (!S_ISREG(status.st_mode))
        return mmb_fail(MMB_CORRUPT, "%s: it is no file", what);
    ssize_t n = pread(fd, out_head, sizeof *out_head, 0);
    bool whole = n == (ssize_t)sizeof *out_head;
    mmbError error = check_user(&status, whole ? out_head : NULL, what);
    if (error != MMB_OK)
        return error;
    if (!whole)
        return mmb_fail(MMB_CORRUPT, "%s: %lld bytes are no segment", what,
                        (long long)status.st_size);
    return mmb_shared_head_check(out_head, (uint64_t)status.st_size);
}

static mmbError finish(struct mmb_shared_backend *self, void *mapping, size_t n_bytes, bool created)
{
    self->mapping = mapping;
    self->mapping_bytes = n_bytes;
    self->segment.is_sparse = true;
    self->segment.created = created;
    return MMB_OK;
}

mmbError mmb_shared_fd_attach(const struct mmb_backend_ops *ops, int fd,
                              const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    struct mmb_shared_head head;
    mmbError error = mmb_shared_fd_head(fd, plan->what, &head);
    if (error == MMB_OK)
        error = mmb_shared_plan_matches(plan, &head);
    void *mapping = NULL;
    if (error == MMB_OK) {
        mapping = mmb_shared_map(fd, head.layout.n_bytes, true);
        if (!mapping)
            error = mmb_fail_errno(MMB_OUT_OF_MEMORY, errno, "%s: mmap", plan->what);
    }
    if (error != MMB_OK) {
        close(fd);
        return error;
    }
    error = mmb_shared_backend_make(ops, mapping, &head, (struct mmb_shared_place){fd, 0}, out);
    if (error != MMB_OK) {
        munmap(mapping, head.layout.n_bytes);
        return error;
    }
    return finish(*out, mapping, head.layout.n_bytes, false);
}

/* ---- what is made ---- */

/* Gives the unnamed file its length and the pages up to the control of granules, whose pages come
 * with their spans. */
static mmbError allocate(int fd, const struct mmb_shared_layout *layout, const char *what)
{
    int result;
    uint64_t n_first = layout->control < layout->data ? layout->control : layout->data;
    if (ftruncate(fd, (off_t)layout->n_bytes) != 0)
        return mmb_fail_errno(from_errno(errno), errno, "%s: %llu bytes", what,
                              (unsigned long long)layout->n_bytes);
    do {
        result = fallocate(fd, 0, 0, (off_t)n_first);
    } while (result != 0 && errno == EINTR);
    if (result == 0)
        return MMB_OK;
    return mmb_fail_errno(from_errno(errno), errno, "%s: its first %llu bytes", what,
                          (unsigned long long)n_first);
}

/* Maps a file of the right length and writes the segment into it. */
static mmbError write_segment(int fd, const struct mmb_shared_plan *plan,
                              const struct mmb_shared_layout *layout, void **out_mapping)
{
    const struct mmb_shared_identity identity = {
        .id = plan->id ? plan->id : plan->derived_id,
        .generation = mmb_shared_new_generation(),
        .creator = (uint32_t)geteuid(),
        .other_users = plan->other_users,
    };
    mmbError error = allocate(fd, layout, plan->what);
    if (error != MMB_OK)
        return error;
    void *mapping = mmb_shared_map(fd, layout->n_bytes, true);
    if (!mapping)
        return mmb_fail_errno(MMB_OUT_OF_MEMORY, errno, "%s: mmap of %llu bytes", plan->what,
                              (unsigned long long)layout->n_bytes);
    mmb_shared_format(mapping, layout, &identity);
    *out_mapping = mapping;
    return MMB_OK;
}

static mmbError publish(int fd, const char *path)
{
    char unnamed[40];
    if (!path)
        return MMB_OK;
    snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return MMB_OK;
    return mmb_fail_errno(from_errno(errno), errno, "shared heap: naming it %s", path);
}

/* path NULL: it has a name already, or needs none. */
static mmbError create(const struct mmb_backend_ops *ops, int fd, const char *path,
                       const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    struct mmb_shared_layout layout;
    void *mapping = NULL;
    size_t page = mmb_os_page_bytes();
    uint64_t n_bytes = (plan->n_bytes + page - 1) & ~(uint64_t)(page - 1);
    mmbError error = mmb_shared_layout_make(n_bytes, plan->header_bytes, 0,
                                            mmb_shared_plan_strategy(plan), &layout);
    if (error == MMB_OK)
        error = mmb_shared_plan_check_id(plan, plan->id ? plan->id : plan->derived_id);
    if (error == MMB_OK)
        error = write_segment(fd, plan, &layout, &mapping);
    if (error != MMB_OK) {
        close(fd);
        return error;
    }
    int second = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (second < 0)
        error = mmb_fail_errno(MMB_ERROR, errno, "%s: dup", plan->what);
    else
        error = mmb_shared_backend_make(ops, mapping, mapping, (struct mmb_shared_place){second, 0},
                                        out);
    if (error != MMB_OK) {
        munmap(mapping, n_bytes);
        close(fd);
        return error;
    }
    finish(*out, mapping, n_bytes, true);
    error = publish(fd, path);
    close(fd);
    if (error != MMB_OK)
        mmb_shared_backend_close(&(*out)->base);
    return error;
}

mmbError mmb_shared_fd_create(const struct mmb_backend_ops *ops, int fd,
                              const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    return create(ops, fd, NULL, plan, out);
}

/* An unnamed file where `path` will be; -1 with *out_error. */
static int open_unnamed(const char *path, const struct mmb_shared_plan *plan, mmbError *out_error)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof directory) {
        *out_error = mmb_fail(MMB_INVALID_ARG, "%s: its path is too long", plan->what);
        return -1;
    }
    snprintf(directory, sizeof directory, "%.*s", (int)length, path);
    mode_t permissions = plan->permissions ? plan->permissions : 0600;
    int fd = open(slash ? directory : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, permissions);
    if (fd >= 0 && fchmod(fd, permissions) == 0) /* whatever the umask says */
        return fd;
    *out_error = mmb_fail_errno(from_errno(errno), errno, "%s: an unnamed file in %s", plan->what,
                                slash ? directory : ".");
    if (fd >= 0)
        close(fd);
    return -1;
}

static mmbError create_named(const struct mmb_backend_ops *ops, const char *path,
                             const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    mmbError error = MMB_OK;
    struct stat status;
    if (lstat(path, &status) == 0)
        return mmb_fail(MMB_EXISTS, "%s: it exists", plan->what);
    int fd = open_unnamed(path, plan, &error);
    return fd < 0 ? error : create(ops, fd, path, plan, out);
}

static mmbError attach_named(const struct mmb_backend_ops *ops, const char *path,
                             const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    mmbError error = MMB_OK;
    int fd = mmb_shared_file_find(path, &error);
    return fd < 0 ? error : mmb_shared_fd_attach(ops, fd, plan, out);
}

mmbError mmb_shared_file_open(const struct mmb_backend_ops *ops, const char *path,
                              const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    if (plan->mode == MMB_SHM_CREATE)
        return create_named(ops, path, plan, out);
    if (plan->mode == MMB_SHM_ATTACH)
        return attach_named(ops, path, plan, out);
    mmbError error = MMB_NOT_FOUND;
    for (int i = 0; i < TRIES && (error == MMB_NOT_FOUND || error == MMB_EXISTS); i++) {
        error = attach_named(ops, path, plan, out);
        if (error == MMB_NOT_FOUND && plan->n_bytes != 0)
            error = create_named(ops, path, plan, out);
        else if (error == MMB_NOT_FOUND)
            return mmb_fail(MMB_INVALID_ARG, "%s: to create it takes its bytes", plan->what);
    }
    return error;
}
