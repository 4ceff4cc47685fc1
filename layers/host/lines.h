/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HOST_LINES_H
#define MMB_LAYERS_HOST_LINES_H
/* The kernel's text files, line by line, without malloc. */
#include <stdbool.h>
#include <stddef.h>

/* A path with a test's root before it; also the longest line, longer ones come in pieces. */
#define MMB_LINE_BYTES 4096u

struct mmb_lines {
    int fd;
    size_t next, end; /* of the bytes in buffer not yet handed out */
    char buffer[MMB_LINE_BYTES];
};

/* False when the file cannot be opened; then there is nothing to close. */
bool mmb_lines_open(struct mmb_lines *lines, const char *path);
/* The next line without its newline, valid and writable until the next call; NULL at the end. */
char *mmb_lines_next(struct mmb_lines *lines);
void mmb_lines_close(struct mmb_lines *lines);

/* The number that a file begins with; "max" is SIZE_MAX. False: no such file, or no number. */
bool mmb_file_read_size(const char *path, size_t *out);

/* The number after the key at a line's start, times `unit`, SIZE_MAX when that does not fit. The
 * key contains its colon where the file has one: zoneinfo has "high" and "high:", which are two
 * things. False: another key, or no number. */
bool mmb_line_value(const char *line, const char *key, size_t unit, size_t *out);

#endif
