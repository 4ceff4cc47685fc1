/* SPDX-License-Identifier: BSD-3-Clause */
/* How much host memory this process can really get: the library promises never to leave anything to
 * the kernel's out-of-memory killer, so what it hands out must be there. Owns nothing, takes no
 * lock, calls no malloc. */
#include "layers/host/host_memory.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "layers/host/cgroup.h"
#include "layers/host/lines.h"
#include "src/base/checked.h"
#include "src/base/os.h"

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t minus(size_t from, size_t n)
{
    return from > n ? from - n : 0;
}

/* A line of /proc/meminfo or /proc/self/status, in bytes. */
static bool read_kib(const char *path, const char *key, size_t *out_bytes)
{
    struct mmb_lines lines;
    if (!mmb_lines_open(&lines, path))
        return false;
    bool found = false;
    const char *line;
    while (!found && (line = mmb_lines_next(&lines)) != NULL)
        found = mmb_line_value(line, key, 1024, out_bytes);
    mmb_lines_close(&lines);
    return found;
}

/* What a limit of the process leaves beyond what `key` says it has. */
static size_t limit_available(int resource, const char *key)
{
    struct rlimit limit;
    size_t used = 0;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    read_kib("/proc/self/status", key, &used);
    return minus((size_t)limit.rlim_cur, used);
}

size_t mmb_host_memory_available_at(const char *root)
{
    char path[MMB_LINE_BYTES];
    size_t available = SIZE_MAX;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    read_kib(path, "MemAvailable:", &available);
    return smaller(available, mmb_cgroup_available(root));
}

size_t mmb_host_memory_available(void)
{
    size_t available = mmb_host_memory_available_at("");
    available = smaller(available, limit_available(RLIMIT_AS, "VmSize:"));
    return smaller(available, limit_available(RLIMIT_DATA, "VmData:"));
}

/* Pages of one node, added over its zones. */
struct node_pages {
    size_t free, low, high; /* the zones' free pages and watermarks */
    size_t files, slab;     /* page cache, reclaimable kernel objects */
};

static void count_line(struct node_pages *pages, const char *line)
{
    static const struct {
        const char *key;
        size_t offset;
    } counted[] = {
        {"pages free", offsetof(struct node_pages, free)},
        {"low", offsetof(struct node_pages, low)},
        {"high", offsetof(struct node_pages, high)},
        {"nr_inactive_file", offsetof(struct node_pages, files)},
        {"nr_active_file", offsetof(struct node_pages, files)},
        {"nr_slab_reclaimable", offsetof(struct node_pages, slab)},
    };
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        size_t value;
        if (mmb_line_value(line, counted[i].key, 1, &value))
            *(size_t *)(void *)((char *)pages + counted[i].offset) += value;
    }
}

/* The kernel's own estimate of MemAvailable, for one node: free pages down to the high watermarks
 * (below them it reclaims in the background), and of the page cache and the reclaimable slab all
 * but the half, or the low watermarks, that it will not part with. */
static size_t available_bytes(const struct node_pages *pages)
{
    size_t n_bytes = 0, n_pages = minus(pages->free, pages->high);
    n_pages += pages->files - smaller(pages->files / 2, pages->low);
    n_pages += pages->slab - smaller(pages->slab / 2, pages->low);
    return mmb_mul_size(n_pages, mmb_os_page_bytes(), &n_bytes) ? n_bytes : SIZE_MAX;
}

/* "Node 0, zone   Normal". */
static bool is_zone_head(const char *line, int *out_node)
{
    return strncmp(line, "Node ", 5) == 0 && sscanf(line, "Node %d, zone", out_node) == 1;
}

/* The zones of a node follow each other, so a node is complete when another one begins. All nodes
 * in one pass: on a large machine the kernel needs milliseconds to write this file. */
void mmb_node_memory_each(const char *root, mmb_node_memory_visitor visit, void *user)
{
    struct mmb_lines lines;
    char path[MMB_LINE_BYTES];
    snprintf(path, sizeof path, "%s/proc/zoneinfo", root);
    if (!mmb_lines_open(&lines, path))
        return;
    struct node_pages pages = {0};
    int current = -1;
    const char *line;
    while ((line = mmb_lines_next(&lines)) != NULL) {
        int node;
        if (is_zone_head(line, &node) && node != current) {
            if (current >= 0)
                visit(user, current, available_bytes(&pages));
            pages = (struct node_pages){0};
            current = node;
        }
        count_line(&pages, line);
    }
    if (current >= 0)
        visit(user, current, available_bytes(&pages));
    mmb_lines_close(&lines);
}
