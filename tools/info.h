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
};

/* False with the library's detail, or without when memory ran out; info_drop is due either way. */
bool info_take(struct info *info);
void info_drop(struct info *info);

void info_print_text(FILE *out, const struct info *info, const struct info_style *style);
void info_print_json(FILE *out, const struct info *info);

#endif
