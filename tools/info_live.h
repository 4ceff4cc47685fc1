/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TOOLS_INFO_LIVE_H
#define MMB_TOOLS_INFO_LIVE_H
/* The statistics that a process published (MMB_PUBLISH): found, read, and shown while they change.
 */
#include "tools/info.h"

/* What a process said of itself at one moment. The names are in `text`. */
struct live {
    char *text;
    int pid;
    const char *program;
    unsigned long long at_ms; /* of a clock of its own */
    size_t n_left_out;        /* objects that there was no room for */
    struct info info;         /* no backends */
};

/* Takes over text, n bytes and a final 0, and changes it. False: it is no whole snapshot; live is
 * empty then. Whatever the bytes are, nothing outside them is read. */
bool live_parse(char *text, size_t n_bytes, struct live *out);
void live_drop(struct live *live);

/* The file of a process, by its number or its program's name. False with a message in why. */
#define LIVE_PATH_BYTES 512
#define LIVE_WHY_BYTES  256
bool live_find(const char *target, char path[LIVE_PATH_BYTES], char why[LIVE_WHY_BYTES]);
/* False with a message in why; the message is empty when there is no file any more. */
bool live_read(const char *path, struct live *out, char why[LIVE_WHY_BYTES]);

/* Writes text over what the terminal shows, cut to its size. */
void info_put_screen(FILE *out, const char *text, size_t columns, size_t rows);

/* One screen: what there is now, and rates since `before` (NULL: none). */
void live_print(FILE *out, const struct live *before, const struct live *now,
                const struct info_style *style);

#endif
