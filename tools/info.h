/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TOOLS_INFO_H
#define MMB_TOOLS_INFO_H
/* mmb-info: what the library says of this machine's memory, taken once and printed as text or JSON.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <mmb.h>

struct info_interface {
    const char *name; /* NULL: it has none */
    const char *backend, *strategy;
    size_t live_bytes, live_count, reserved_bytes;
    size_t peak_bytes, n_allocated, n_freed, n_refused, n_chunks;
};

struct info_space {
    const char *layer, *context;
    mmbSpaceInfo info;
    struct info_interface *interfaces;
    size_t n_interfaces;
};

struct info_backend {
    const char *name;
    char *detail; /* owned */
    bool built, available;
};

/* The names are the library's: valid until mmb_finalize. */
struct info {
    mmbLayerInfo *layers;
    size_t n_layers;
    struct info_space *spaces;
    size_t n_spaces;
    struct info_backend *backends;
    size_t n_backends;
};

/* How text looks. */
struct info_style {
    bool is_utf8;
    size_t columns; /* of the terminal; 0: as many as it takes */
};

/* False with the library's detail, or without when memory ran out; info_drop is due either way. */
bool info_take(struct info *info);
void info_drop(struct info *info);

/* "512 B", "1.5 GiB": rounded down. Returns text. */
#define INFO_BYTES_TEXT 16 /* "1023.9 EiB" and the final 0 */
const char *info_format_bytes(char text[INFO_BYTES_TEXT], size_t n_bytes);
/* A name that fits: one that is longer ends in "...". n_bytes with the final 0. Returns text. */
const char *info_fit(char *text, size_t n_bytes, const char *name);
/* What is used of a limit. Returns text. */
#define INFO_BAR_CELLS 24u
#define INFO_BAR_TEXT  (INFO_BAR_CELLS * 4 + 1)
const char *info_format_bar(char text[INFO_BAR_TEXT], size_t used, size_t limit,
                            const struct info_style *style);

void info_print_text(FILE *out, const struct info *info, const struct info_style *style);
void info_print_json(FILE *out, const struct info *info);
/* A picture; false when it could not be written. */
bool info_print_svg(FILE *out, const struct info *info, const char *title);

#endif
