/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of memory cgroups. Where the hierarchies are mounted is in mountinfo, where this
 * process is in them in /proc/self/cgroup; each level up to the mount's root may have a limit. Owns
 * nothing, takes no lock, calls no malloc. */
#include "layers/host/cgroup.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "layers/host/lines.h"
#include "src/base/checked.h"

/* The two versions differ in names only. */
struct hierarchy {
    const char *filesystem;
    const char *limit, *usage;
    const char *inactive_file; /* in memory.stat, with what is below the group */
};

static const struct hierarchy version_1 = {"cgroup", "memory.limit_in_bytes",
                                           "memory.usage_in_bytes", "total_inactive_file"};
static const struct hierarchy version_2 = {"cgroup2", "memory.max", "memory.current",
                                           "inactive_file"};

/* The part of a line of mountinfo that is needed; the pointers go into the line. */
struct mount {
    char *root, *point, *filesystem, *options;
};

/* Does a list with commas contain the word? */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* Spaces, tabs, newlines and backslashes in mountinfo's paths are \ and three octal digits. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool is_octal = from[0] == '\\' && from[1] && from[2] && from[3];
        *to =
            is_octal ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0')) : *from;
        from += is_octal ? 4 : 1;
    }
    *to = '\0';
}

/* id parent device ROOT POINT options [optional...] - FILESYSTEM source OPTIONS */
static bool parse_mount(char *line, struct mount *out)
{
    char *rest = NULL, *separator = strstr(line, " - ");
    if (!separator)
        return false;
    *separator = '\0';
    strtok_r(line, " ", &rest);
    strtok_r(NULL, " ", &rest);
    strtok_r(NULL, " ", &rest);
    out->root = strtok_r(NULL, " ", &rest);
    out->point = strtok_r(NULL, " ", &rest);
    out->filesystem = strtok_r(separator + 3, " ", &rest);
    strtok_r(NULL, " ", &rest);
    out->options = strtok_r(NULL, " ", &rest);
    if (!out->root || !out->point || !out->filesystem || !out->options)
        return false;
    unescape(out->root);
    unescape(out->point);
    return true;
}

/* hierarchy:controllers:PATH, where version 2 is "0::PATH". */
static bool find_group(const char *root, const struct hierarchy *hierarchy,
                       char out_path[MMB_LINE_BYTES])
{
    struct mmb_lines lines;
    char path[MMB_LINE_BYTES];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (!mmb_lines_open(&lines, path))
        return false;
    bool found = false;
    char *line;
    while (!found && (line = mmb_lines_next(&lines)) != NULL) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = '\0';
        *group++ = '\0';
        found = hierarchy == &version_2 ? strcmp(line, "0") == 0 && *controllers == '\0'
                                        : list_has(controllers, "memory");
        if (found)
            snprintf(out_path, MMB_LINE_BYTES, "%s", group);
    }
    mmb_lines_close(&lines);
    return found;
}

/* The kernel reclaims unused pages of files before it refuses anything, so they are not in use. */
static size_t read_inactive_file(const char *directory, const struct hierarchy *hierarchy)
{
    struct mmb_lines lines;
    char path[MMB_LINE_BYTES + 32];
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    if (!mmb_lines_open(&lines, path))
        return 0;
    size_t n_bytes = 0;
    const char *line;
    while ((line = mmb_lines_next(&lines)) != NULL)
        if (mmb_line_value(line, hierarchy->inactive_file, 1, &n_bytes))
            break;
    mmb_lines_close(&lines);
    return n_bytes;
}

static size_t group_available(const char *directory, const struct hierarchy *hierarchy)
{
    char path[MMB_LINE_BYTES + 32];
    size_t limit, usage;
    snprintf(path, sizeof path, "%s/%s", directory, hierarchy->limit);
    if (!mmb_file_read_size(path, &limit) || limit == SIZE_MAX)
        return SIZE_MAX;
    snprintf(path, sizeof path, "%s/%s", directory, hierarchy->usage);
    if (!mmb_file_read_size(path, &usage))
        return limit;
    size_t reclaimable = read_inactive_file(directory, hierarchy);
    usage -= reclaimable < usage ? reclaimable : usage;
    return usage < limit ? limit - usage : 0;
}

/* The group's directory below the mount point: its path without the part that the mount leaves out.
 * A group outside the mount's root ("/.." in a namespace, or another container's) leaves the root.
 */
static const char *path_below(const char *group, const char *mount_root)
{
    if (strstr(group, "/.."))
        return "";
    if (strcmp(mount_root, "/") == 0)
        return strcmp(group, "/") == 0 ? "" : group;
    size_t length = strlen(mount_root);
    bool is_below =
        strncmp(group, mount_root, length) == 0 && (group[length] == '/' || group[length] == '\0');
    return is_below ? group + length : "";
}

/* The least of the group and all above it up to the mount point. */
static size_t mount_available(const char *root, const struct mount *mount,
                              const struct hierarchy *hierarchy)
{
    char group[MMB_LINE_BYTES], directory[MMB_LINE_BYTES];
    if (!find_group(root, hierarchy, group))
        return SIZE_MAX;
    int n = snprintf(directory, sizeof directory, "%s%s%s", root, mount->point,
                     path_below(group, mount->root));
    if (n < 0 || (size_t)n >= sizeof directory)
        return SIZE_MAX;
    size_t top = strlen(root) + strlen(mount->point), least = SIZE_MAX;
    for (;;) {
        size_t available = group_available(directory, hierarchy);
        least = available < least ? available : least;
        if (strlen(directory) <= top)
            return least;
        *strrchr(directory, '/') = '\0';
    }
}

size_t mmb_cgroup_available(const char *root)
{
    struct mmb_lines lines;
    char path[MMB_LINE_BYTES];
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    if (!mmb_lines_open(&lines, path))
        return SIZE_MAX;
    size_t least = SIZE_MAX;
    char *line;
    while ((line = mmb_lines_next(&lines)) != NULL) {
        struct mount mount;
        size_t available = SIZE_MAX;
        if (!parse_mount(line, &mount))
            continue;
        if (strcmp(mount.filesystem, version_2.filesystem) == 0)
            available = mount_available(root, &mount, &version_2);
        else if (strcmp(mount.filesystem, version_1.filesystem) == 0 &&
                 list_has(mount.options, "memory"))
            available = mount_available(root, &mount, &version_1);
        least = available < least ? available : least;
    }
    mmb_lines_close(&lines);
    return least;
}
