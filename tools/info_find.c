/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding and fetching the file of a process that published its statistics. The folder is
 * everybody's: only what belongs to the asking user (or, for root, to anybody) is read, as a plain
 * file and never through a link. Owns nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/info_live.h"

#define DEFAULT_FOLDER "/dev/shm"
#define PREFIX         "mmb-stats."
#define MAX_BYTES      ((size_t)1 << 20)

/* Where the library of a program with the same environment writes. */
static const char *folder(void)
{
    const char *value = getenv("MMB_PUBLISH");
    return value && *value == '/' ? value : DEFAULT_FOLDER;
}

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == 0;
}

/* ---- reading ---- */

static bool is_readable(int fd, char why[LIVE_WHY_BYTES])
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        snprintf(why, LIVE_WHY_BYTES, "is no plain file");
        return false;
    }
    if (geteuid() != 0 && status.st_uid != geteuid()) {
        snprintf(why, LIVE_WHY_BYTES, "belongs to another user");
        return false;
    }
    return true;
}

static char *read_all(int fd, size_t *out_n_bytes)
{
    char *text = malloc(MAX_BYTES + 1);
    size_t n_bytes = 0;
    while (text && n_bytes < MAX_BYTES) {
        ssize_t n = read(fd, text + n_bytes, MAX_BYTES - n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        n_bytes += (size_t)n;
    }
    if (text)
        text[n_bytes] = 0;
    *out_n_bytes = n_bytes;
    return text;
}

bool live_read(const char *path, struct live *out, char why[LIVE_WHY_BYTES])
{
    size_t n_bytes;
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, LIVE_WHY_BYTES, "%s", errno == ENOENT ? "" : strerror(errno));
        return false;
    }
    char *text = is_readable(fd, why) ? read_all(fd, &n_bytes) : NULL;
    close(fd);
    if (!text)
        return false;
    if (live_parse(text, n_bytes, out))
        return true;
    snprintf(why, LIVE_WHY_BYTES, "has no statistics that this version can read");
    return false;
}

/* ---- finding ---- */

static bool is_running(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", pid);
    return access(path, F_OK) == 0;
}

/* Does this entry of the folder publish for a running program of that name? */
static bool has_name(const char *path, const char *name, int *out_pid)
{
    struct live live;
    char why[LIVE_WHY_BYTES];
    if (!live_read(path, &live, why))
        return false;
    bool fits = strcmp(live.program, name) == 0 && is_running(live.pid);
    *out_pid = live.pid;
    live_drop(&live);
    return fits;
}

/* More than one is told, for the user to choose. */
static bool find_name(DIR *entries, const char *name, char path[LIVE_PATH_BYTES],
                      char why[LIVE_WHY_BYTES])
{
    const struct dirent *entry;
    char candidate[LIVE_PATH_BYTES];
    size_t at = 0, n = 0;
    why[0] = 0;
    while ((entry = readdir(entries)) != NULL) {
        int pid;
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0 ||
            !is_number(entry->d_name + sizeof PREFIX - 1))
            continue;
        snprintf(candidate, sizeof candidate, "%s/%s", folder(), entry->d_name);
        if (!has_name(candidate, name, &pid))
            continue;
        if (n++ == 0)
            memcpy(path, candidate, sizeof candidate);
        if (at + 16 < LIVE_WHY_BYTES)
            at += (size_t)snprintf(why + at, LIVE_WHY_BYTES - at, " %d", pid);
    }
    if (n == 1)
        return true;
    char pids[LIVE_WHY_BYTES];
    memcpy(pids, why, sizeof pids);
    if (n == 0)
        snprintf(why, LIVE_WHY_BYTES,
                 "no such program publishes in %s: start it with MMB_PUBLISH=1", folder());
    else
        snprintf(why, LIVE_WHY_BYTES, "more than one process:%.200s", pids);
    return false;
}

bool live_find(const char *target, char path[LIVE_PATH_BYTES], char why[LIVE_WHY_BYTES])
{
    if (!is_number(target)) {
        DIR *entries = opendir(folder());
        if (!entries) {
            snprintf(why, LIVE_WHY_BYTES, "%s: %s", folder(), strerror(errno));
            return false;
        }
        bool found = find_name(entries, target, path, why);
        closedir(entries);
        return found;
    }
    int n = snprintf(path, LIVE_PATH_BYTES, "%s/" PREFIX "%s", folder(), target);
    if (n < 0 || n >= LIVE_PATH_BYTES || access(path, F_OK) != 0) {
        snprintf(why, LIVE_WHY_BYTES, "it publishes nothing in %s: start it with MMB_PUBLISH=1",
                 folder());
        return false;
    }
    if (strlen(target) < 10 && !is_running(atoi(target))) {
        snprintf(why, LIVE_WHY_BYTES, "it has ended without removing %s", path);
        return false;
    }
    return true;
}
