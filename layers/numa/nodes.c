/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's files on nodes (nodes.h). Owns nothing, takes no lock, calls no malloc.
 *
 * nodeN/distance has one number per online node, without saying which: the list of online nodes
 * gives the names. */
#include "layers/numa/nodes.h"
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define TEXT_BYTES 8192 /* 1,024 numbers of three digits with spaces between are half of it */

static bool read_text(const char *path, char text[TEXT_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t n;
    while (length < TEXT_BYTES - 1 && (n = read(fd, text + length, TEXT_BYTES - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    return length > 0;
}

/* The next number of a text, or -1. */
static long next_number(const char **text)
{
    while (**text && !isdigit((unsigned char)**text))
        (*text)++;
    if (!**text)
        return -1;
    char *end;
    long value = strtol(*text, &end, 10);
    *text = end;
    return value;
}

static void set(struct mmb_node_distances *out, long node, long distance)
{
    if (node >= 0 && node < (long)MMB_NODES_NEAR && distance >= 0 && distance < 255)
        out->from[node] = (uint8_t)distance;
}

void mmb_node_distances_read(const char *root, int node, struct mmb_node_distances *out)
{
    char path[PATH_BYTES], online[TEXT_BYTES], table[TEXT_BYTES];
    memset(out->from, MMB_NODES_UNKNOWN, sizeof out->from);
    snprintf(path, sizeof path, "%s/sys/devices/system/node/online", root);
    if (!read_text(path, online))
        return;
    snprintf(path, sizeof path, "%s/sys/devices/system/node/node%d/distance", root, node);
    if (!read_text(path, table))
        return;
    const char *names = online, *numbers = table;
    long first;
    while ((first = next_number(&names)) >= 0) {
        long last = *names == '-' ? next_number(&names) : first;
        for (long other = first; other <= last && *numbers; other++)
            set(out, other, next_number(&numbers));
    }
}

/* A line of nodeN/meminfo, in bytes; 0 where there is none. */
static size_t meminfo_bytes(const char *text, const char *key)
{
    const char *line = strstr(text, key);
    if (!line)
        return 0;
    line += strlen(key);
    long kib = next_number(&line);
    return kib > 0 ? (size_t)kib * 1024 : 0;
}

static bool read_node(const char *root, int node, char text[TEXT_BYTES])
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/sys/devices/system/node/node%d/meminfo", root, node);
    return read_text(path, text);
}

/* Of the page cache the kernel gives the half without a fight. */
size_t mmb_node_free_bytes(const char *root, int node)
{
    char text[TEXT_BYTES];
    if (!read_node(root, node, text))
        return SIZE_MAX;
    size_t files = meminfo_bytes(text, "Active(file):") + meminfo_bytes(text, "Inactive(file):");
    return meminfo_bytes(text, "MemFree:") + files / 2;
}

/* min_free_kbytes is spread over the nodes by their size, the high watermark is half as much again
 * and two thousandths of the node; a quarter more is for what other threads take meanwhile. */
size_t mmb_node_kept_bytes(const char *root, int node)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof path, "%s/proc/sys/vm/min_free_kbytes", root);
    const char *at = text;
    long least = read_text(path, text) ? next_number(&at) : -1;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    size_t all = read_text(path, text) ? meminfo_bytes(text, "MemTotal:") : 0;
    size_t here = read_node(root, node, text) ? meminfo_bytes(text, "MemTotal:") : 0;
    if (least < 0 || all == 0 || here > all)
        return here / 16;
    double share = (double)least * 1024 * (double)here / (double)all;
    return (size_t)(2 * share) + here / 500;
}

int mmb_node_here(void)
{
    unsigned int cpu, node;
    return getcpu(&cpu, &node) == 0 ? (int)node : -1;
}
