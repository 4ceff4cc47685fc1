/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's text files, line by line. stdio would allocate with malloc, which the library may be
 * serving. Owns the descriptor of an open reader; takes no lock. */
#include "layers/host/lines.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "src/base/checked.h"

bool mmb_lines_open(struct mmb_lines *lines, const char *path)
{
    lines->next = 0;
    lines->end = 0;
    lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    return lines->fd >= 0;
}

void mmb_lines_close(struct mmb_lines *lines)
{
    close(lines->fd);
}

/* Moves what is left to the front and reads behind it. False: nothing came. */
static bool refill(struct mmb_lines *lines)
{
    size_t left = lines->end - lines->next;
    memmove(lines->buffer, lines->buffer + lines->next, left);
    lines->next = 0;
    lines->end = left;
    ssize_t n;
    do {
        n = read(lines->fd, lines->buffer + left, sizeof lines->buffer - 1 - left);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    lines->end += (size_t)n;
    return true;
}

char *mmb_lines_next(struct mmb_lines *lines)
{
    for (;;) {
        char *line = lines->buffer + lines->next;
        char *newline = memchr(line, '\n', lines->end - lines->next);
        if (newline) {
            *newline = '\0';
            lines->next = (size_t)(newline - lines->buffer) + 1;
            return line;
        }
        if (refill(lines))
            continue;
        if (lines->next == lines->end)
            return NULL;
        /* The last line has no newline, or this one fills the buffer. */
        lines->buffer[lines->end] = '\0';
        lines->next = lines->end;
        return lines->buffer;
    }
}

/* A decimal number at text, blanks before it skipped. */
static bool parse_size(const char *text, size_t *out)
{
    while (*text == ' ' || *text == '\t')
        text++;
    if (!isdigit((unsigned char)*text))
        return false;
    size_t value = 0;
    for (; isdigit((unsigned char)*text); text++)
        if (!mmb_mul_size(value, 10, &value) ||
            !mmb_add_size(value, (size_t)(*text - '0'), &value)) {
            value = SIZE_MAX;
            break;
        }
    *out = value;
    return true;
}

bool mmb_file_read_size(const char *path, size_t *out)
{
    struct mmb_lines lines;
    if (!mmb_lines_open(&lines, path))
        return false;
    const char *line = mmb_lines_next(&lines);
    bool found = line != NULL;
    if (found && strcmp(line, "max") == 0)
        *out = SIZE_MAX;
    else if (found)
        found = parse_size(line, out);
    mmb_lines_close(&lines);
    return found;
}

bool mmb_line_value(const char *line, const char *key, size_t unit, size_t *out)
{
    while (*line == ' ')
        line++;
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0)
        return false;
    line += length;
    if (*line != ' ' && *line != '\t')
        return false;
    size_t value;
    if (!parse_size(line, &value))
        return false;
    if (!mmb_mul_size(value, unit, out))
        *out = SIZE_MAX;
    return true;
}
