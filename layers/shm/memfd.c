/* SPDX-License-Identifier: BSD-3-Clause */
/* memfd by name (memfd.h). The kernel keeps the names but gives no way to ask for one: the
 * descriptors of this user's processes are looked through in /proc. Owns nothing; takes no lock. */
#include "layers/shm/memfd.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX     "mmb-"
#define NAME_LIMIT 200u /* the kernel's is 249, with the prefix */
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

bool mmb_memfd_is_name(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= NAME_LIMIT && !strchr(name, '/');
}

int mmb_memfd_create(const char *name)
{
    char full[sizeof PREFIX + NAME_LIMIT + 1];
    snprintf(full, sizeof full, PREFIX "%s", name);
    return memfd_create(full, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

bool mmb_memfd_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, SEALS) == 0;
}

/* A sealed one of this user with that link text. */
static int try_open(const char *path, const char *target)
{
    char text[sizeof PREFIX + NAME_LIMIT + 32];
    ssize_t n = readlink(path, text, sizeof text - 1);
    if (n <= 0)
        return -1;
    text[n] = 0;
    if (strcmp(text, target) != 0)
        return -1;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals >= 0 && (seals & SEALS) == SEALS)
        return fd;
    close(fd);
    return -1;
}

static int find_in_process(const char *process, const char *target)
{
    char path[600];
    snprintf(path, sizeof path, "/proc/%.20s/fd", process);
    DIR *directory = opendir(path);
    int found = -1;
    if (!directory)
        return -1;
    for (struct dirent *entry; found < 0 && (entry = readdir(directory));) {
        snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", process, entry->d_name);
        found = try_open(path, target);
    }
    closedir(directory);
    return found;
}

int mmb_memfd_find(const char *name)
{
    char target[sizeof PREFIX + NAME_LIMIT + 32];
    snprintf(target, sizeof target, "/memfd:" PREFIX "%s (deleted)", name);
    DIR *processes = opendir("/proc");
    int found = -1;
    if (!processes)
        return -1;
    for (struct dirent *entry; found < 0 && (entry = readdir(processes));)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            found = find_in_process(entry->d_name, target);
    closedir(processes);
    return found;
}
