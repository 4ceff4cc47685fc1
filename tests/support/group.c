/* SPDX-License-Identifier: BSD-3-Clause */
/* Control groups, version 2 (group.h). Owns nothing; groups stay until the machine ends. */
#include "tests/support/group.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0)
        return false;
    bool is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return is_written;
}

bool enter_group(const char *name, const char *file, const char *value)
{
    char path[128];
    write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory +cpuset");
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", name);
    if (mkdir(path, 0700) != 0)
        return false;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", name, file);
    if (!write_text(path, value))
        return false;
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/cgroup.procs", name);
    return write_text(path, "0");
}
