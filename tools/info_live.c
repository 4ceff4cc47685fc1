/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what a process published: text that another program wrote, so every word is checked, and
 * nothing in it can make this one read or write elsewhere. Owns the text and the arrays of struct
 * live. */
#include "tools/info_live.h"
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS 16u
#define MAX_ROWS   4096u /* of each kind; a library writes far fewer */

/* Words of one line, in place. */
struct line {
    char *fields[MAX_FIELDS];
    size_t n_fields;
};

/* ---- lines and words ---- */

/* What a terminal must not get, and what is not ASCII, is not shown. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            *text = '?';
}

static void split(char *text, struct line *line)
{
    line->n_fields = 0;
    while (text && line->n_fields < MAX_FIELDS) {
        line->fields[line->n_fields++] = text;
        text = strchr(text, '\t');
        if (text)
            *text++ = 0;
    }
    for (size_t i = 0; i < line->n_fields; i++)
        make_printable(line->fields[i]);
}

/* The next line, without its end; NULL when no whole line is left. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = 0;
    *rest = end + 1;
    return line;
}

static bool number(const char *text, unsigned long long *out)
{
    unsigned long long value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned int digit = (unsigned int)(unsigned char)*text - '0';
        if (digit > 9 || value > (~0ull - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* Numbers from field `first` on, one for each of `out`. */
static bool numbers(const struct line *line, size_t first, size_t *const out[], size_t n_out)
{
    for (size_t i = 0; i < n_out; i++) {
        unsigned long long value;
        if (first + i >= line->n_fields || !number(line->fields[first + i], &value) ||
            value > SIZE_MAX)
            return false;
        *out[i] = (size_t)value;
    }
    return true;
}

/* Room for one more; arrays grow by doubling, from 8. NULL: none, or too many. */
static void *grow(void *array, size_t n, size_t n_bytes)
{
    bool is_full = n == 0 || (n >= 8 && (n & (n - 1)) == 0);
    if (n >= MAX_ROWS)
        return NULL;
    return is_full ? realloc(array, (n < 8 ? 8 : 2 * n) * n_bytes) : array;
}

/* ---- what a line says ---- */

static bool add_layer(struct live *live, const struct line *line)
{
    struct info *info = &live->info;
    mmbLayerInfo *layers = grow(info->layers, info->n_layers, sizeof *layers);
    size_t discovered = 0;
    if (!layers)
        return false;
    info->layers = layers;
    mmbLayerInfo *layer = &layers[info->n_layers];
    memset(layer, 0, sizeof *layer);
    size_t *const out[] = {&layer->total_bytes, &layer->domains, &layer->bandwidth_mib_s,
                           &layer->latency_ns, &discovered};
    if (!numbers(line, 2, out, 5))
        return false;
    layer->name = line->fields[1];
    layer->discovered = discovered != 0;
    info->n_layers++;
    return true;
}

static bool add_space(struct live *live, const struct line *line)
{
    struct info *info = &live->info;
    struct info_space *spaces = grow(info->spaces, info->n_spaces, sizeof *spaces);
    if (!spaces)
        return false;
    info->spaces = spaces;
    struct info_space *space = &spaces[info->n_spaces];
    memset(space, 0, sizeof *space);
    size_t *const out[] = {&space->info.limit,    &space->info.used,        &space->info.peak,
                           &space->info.reserved, &space->info.allocations, &space->info.domains};
    if (!numbers(line, 3, out, 6))
        return false;
    space->layer = line->fields[1];
    space->context = line->fields[2];
    info->n_spaces++;
    return true;
}

static bool add_interface(struct live *live, const struct line *line)
{
    if (live->info.n_spaces == 0)
        return false;
    struct info_space *space = &live->info.spaces[live->info.n_spaces - 1];
    struct info_interface *all = grow(space->interfaces, space->n_interfaces, sizeof *all);
    if (!all)
        return false;
    space->interfaces = all;
    struct info_interface *one = &all[space->n_interfaces];
    size_t *const out[] = {&one->live_bytes,  &one->live_count,    &one->peak_bytes,
                           &one->n_allocated, &one->n_freed,       &one->n_refused,
                           &one->n_chunks,    &one->reserved_bytes};
    if (!numbers(line, 4, out, 8))
        return false;
    one->name = strcmp(line->fields[1], "-") == 0 ? NULL : line->fields[1];
    one->backend = line->fields[2];
    one->strategy = line->fields[3];
    space->n_interfaces++;
    return true;
}

static bool set_process(struct live *live, const struct line *line)
{
    unsigned long long pid;
    if (line->n_fields < 4 || !number(line->fields[1], &pid) || pid > 0x7fffffff ||
        !number(line->fields[3], &live->at_ms))
        return false;
    live->pid = (int)pid;
    live->program = line->fields[2];
    return true;
}

/* Lines of kinds that a later version may add are passed over. */
static bool add(struct live *live, const struct line *line)
{
    if (strcmp(line->fields[0], "process") == 0)
        return set_process(live, line);
    if (strcmp(line->fields[0], "layer") == 0)
        return add_layer(live, line);
    if (strcmp(line->fields[0], "space") == 0)
        return add_space(live, line);
    if (strcmp(line->fields[0], "interface") == 0)
        return add_interface(live, line);
    return true;
}

static bool parse(struct live *live, size_t n_bytes)
{
    char *rest = live->text, *text;
    struct line line;
    bool is_whole = false;
    if (strlen(live->text) != n_bytes || !(text = next_line(&rest)) ||
        strcmp(text, "mmb-stats 1") != 0)
        return false;
    while (!is_whole && (text = next_line(&rest)) != NULL) {
        split(text, &line);
        size_t *const left_out[] = {&live->n_left_out};
        if (strcmp(line.fields[0], "end") == 0)
            is_whole = numbers(&line, 1, left_out, 1);
        else if (!add(live, &line))
            return false;
    }
    return is_whole && live->program != NULL;
}

bool live_parse(char *text, size_t n_bytes, struct live *out)
{
    memset(out, 0, sizeof *out);
    out->text = text;
    if (parse(out, n_bytes))
        return true;
    live_drop(out);
    return false;
}

void live_drop(struct live *live)
{
    info_drop(&live->info);
    free(live->text);
    memset(live, 0, sizeof *live);
}
