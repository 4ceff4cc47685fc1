/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over POSIX shared memory by URL: "/name" is the file of that name where shm_open
 * keeps them, "memfd:name" a sealed file without a name in any directory. Owns its instances; takes
 * no lock.
 *
 * A memfd cannot be shortened by anybody, so no process that attached can be made to fault by
 * another. It is found by its name among the descriptors of the same user's processes, and lives as
 * long as one of them has it. */
#include "layers/shm/shm.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layers/shm/memfd.h"
#include "src/base/error.h"
#include "src/shared/backend.h"

#define DIRECTORY "/dev/shm"
#define MEMFD     "memfd:"
#define PATH_ROOM (sizeof DIRECTORY + NAME_MAX + 2)

static bool is_memfd(const char *url)
{
    return strncmp(url, MEMFD, sizeof MEMFD - 1) == 0;
}

/* As shm_open has it: one slash, at the start, and a name of a file. */
static bool is_name(const char *url)
{
    size_t length = strlen(url);
    return url[0] == '/' && length >= 2 && length <= NAME_MAX && !strchr(url + 1, '/') &&
           strcmp(url, "/.") != 0 && strcmp(url, "/..") != 0;
}

static mmbError check_url(const char *url)
{
    if (!url)
        return mmb_fail(MMB_INVALID_ARG, "shm: the URL is NULL");
    bool good = is_memfd(url) ? mmb_memfd_is_name(url + sizeof MEMFD - 1) : is_name(url);
    if (good)
        return MMB_OK;
    return mmb_fail(MMB_INVALID_ARG, "shm: \"%.100s\" is no URL: \"/name\" or \"memfd:name\"", url);
}

static void path_of(const char *url, char path[PATH_ROOM])
{
    snprintf(path, PATH_ROOM, DIRECTORY "%s", url);
}

/* ---- memfd ---- */

static mmbError memfd_create_segment(const char *name, const struct mmb_shared_plan *plan,
                                     struct mmb_shared_backend **out)
{
    int fd = mmb_memfd_create(name);
    if (fd < 0)
        return mmb_fail_errno(MMB_ERROR, errno, "%s: memfd_create", plan->what);
    mmbError error = mmb_shared_fd_create(&mmb_shm_backend, fd, plan, out);
    if (error == MMB_OK && !mmb_memfd_seal((*out)->segment.fd)) {
        error = mmb_fail_errno(MMB_ERROR, errno, "%s: sealing it", plan->what);
        mmb_shared_backend_close(&(*out)->base);
    }
    return error;
}

static mmbError memfd_open(const struct mmb_shared_plan *plan, struct mmb_shared_backend **out)
{
    const char *name = plan->what + sizeof MEMFD - 1;
    int fd = mmb_memfd_find(name);
    if (fd >= 0 && plan->mode == MMB_SHM_CREATE) {
        close(fd);
        return mmb_fail(MMB_EXISTS, "%s: a process has one of this name", plan->what);
    }
    if (fd >= 0)
        return mmb_shared_fd_attach(&mmb_shm_backend, fd, plan, out);
    if (plan->mode == MMB_SHM_ATTACH)
        return mmb_fail(MMB_NOT_FOUND, "%s: no process of this user has it", plan->what);
    if (plan->n_bytes == 0)
        return mmb_fail(MMB_INVALID_ARG, "%s: to create it takes its bytes", plan->what);
    return memfd_create_segment(name, plan, out);
}

/* ---- the table ---- */

static bool serves(mmbMemLayer layer, mmbExecutionContext context)
{
    return layer != MMB_GDRAM && (context == MMB_CPU || context == MMB_EXECUTION_CONTEXT_DEFAULT);
}

static mmbError available(void)
{
    return MMB_OK;
}

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    const mmbBackendOptions *options = request->options;
    mmbError error = check_url(options->shm.url);
    if (error != MMB_OK)
        return error;
    const struct mmb_shared_plan plan = {
        .n_bytes = options->shm.bytes,
        .header_bytes = options->shm.header_bytes,
        .strategy = request->strategy,
        .id = options->shm.id,
        .derived_id = mmb_shared_id_of(options->shm.url),
        .permissions = options->shm.permissions,
        .other_users = options->shm.other_users,
        .mode = options->shm.mode,
        .id_is_taken = request->id_is_taken,
        .what = options->shm.url,
    };
    error = mmb_shared_plan_check(&plan);
    if (error != MMB_OK)
        return error;
    struct mmb_shared_backend *self;
    char path[PATH_ROOM];
    path_of(plan.what, path);
    error = is_memfd(plan.what) ? memfd_open(&plan, &self)
                                : mmb_shared_file_open(&mmb_shm_backend, path, &plan, &self);
    if (error == MMB_OK)
        *out = &self->base;
    return error;
}

const struct mmb_backend_ops mmb_shm_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "shm",
    .id = MMB_BACKEND_SHM,
    .needs_options = true,
    .serves = serves,
    .available = available,
    .open = open_backend,
    .close = mmb_shared_backend_close,
    .map = mmb_shared_backend_map,
    .unmap = mmb_shared_backend_unmap,
};

/* ---- without attaching ---- */

int mmb_shm_url_open(const char *url, mmbError *out_error)
{
    char path[PATH_ROOM];
    *out_error = check_url(url);
    if (*out_error != MMB_OK)
        return -1;
    if (!is_memfd(url)) {
        path_of(url, path);
        return mmb_shared_file_find(path, out_error);
    }
    int fd = mmb_memfd_find(url + sizeof MEMFD - 1);
    if (fd < 0)
        *out_error = mmb_fail(MMB_NOT_FOUND, "%s: no process of this user has it", url);
    return fd;
}

mmbError mmb_shm_url_unlink(const char *url)
{
    char path[PATH_ROOM];
    struct stat status;
    mmbError error = check_url(url);
    if (error != MMB_OK)
        return error;
    if (is_memfd(url))
        return mmb_fail(MMB_INVALID_ARG, "%s: it has no name that could be removed", url);
    path_of(url, path);
    bool found = lstat(path, &status) == 0;
    if (found && status.st_uid != geteuid())
        return mmb_fail(MMB_PERMISSION, "%s: it belongs to user %lu", url,
                        (unsigned long)status.st_uid);
    if (found && unlink(path) == 0)
        return MMB_OK;
    error = errno == ENOENT                     ? MMB_NOT_FOUND
            : errno == EACCES || errno == EPERM ? MMB_PERMISSION
                                                : MMB_ERROR;
    return mmb_fail_errno(error, errno, "shm_unlink: %s", url);
}
