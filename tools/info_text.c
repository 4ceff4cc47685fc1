/* SPDX-License-Identifier: BSD-3-Clause */
/* The report for people: layers, spaces with a bar of what is used, backends. Bars are drawn with
 * eighths of a block where the terminal can show them, so that a little use is seen too. */
#include "tools/info.h"

#define EIGHTHS 8u

const char *info_format_bytes(char text[INFO_BYTES_TEXT], size_t n_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0, scaled = n_bytes, rest = 0;
    while (scaled >= 1024) {
        rest = scaled % 1024;
        scaled /= 1024;
        unit++;
    }
    size_t tenths = rest * 10 / 1024;
    if (tenths != 0)
        snprintf(text, INFO_BYTES_TEXT, "%zu.%zu %s", scaled, tenths, units[unit]);
    else
        snprintf(text, INFO_BYTES_TEXT, "%zu %s", scaled, units[unit]);
    return text;
}

const char *info_fit(char *text, size_t n_bytes, const char *name)
{
    int length = snprintf(text, n_bytes, "%s", name);
    if (length >= 0 && (size_t)length >= n_bytes && n_bytes > 3)
        snprintf(text + n_bytes - 4, 4, "...");
    return text;
}

/* Used eighths of cells, at least one when anything is used, all only when nothing is left. */
static size_t bar_eighths(size_t used, size_t limit)
{
    const size_t whole = INFO_BAR_CELLS * EIGHTHS;
    if (used == 0 || limit == 0)
        return 0;
    if (used >= limit)
        return whole;
    size_t eighths = (size_t)((double)used / (double)limit * (double)whole);
    if (eighths == 0)
        return 1;
    return eighths < whole ? eighths : whole - 1;
}

const char *info_format_bar(char text[INFO_BAR_TEXT], size_t used, size_t limit,
                            const struct info_style *style)
{
    const size_t eighths = bar_eighths(used, limit);
    static const char *const parts[EIGHTHS] = {
        "",
        "\xe2\x96\x8f", /* U+258F, an eighth of a block, down to U+2589, seven of them */
        "\xe2\x96\x8e",
        "\xe2\x96\x8d",
        "\xe2\x96\x8c",
        "\xe2\x96\x8b",
        "\xe2\x96\x8a",
        "\xe2\x96\x89",
    };
    size_t at = 0;
    for (size_t cell = 0; cell < INFO_BAR_CELLS; cell++) {
        size_t filled = eighths > cell * EIGHTHS ? eighths - cell * EIGHTHS : 0;
        const char *sign;
        if (style->is_utf8)
            sign = filled >= EIGHTHS ? "\xe2\x96\x88" : filled ? parts[filled] : "\xc2\xb7";
        else
            sign = filled >= EIGHTHS ? "#" : filled ? "+" : ".";
        at += (size_t)snprintf(text + at, INFO_BAR_TEXT - at, "%s", sign);
    }
    return text;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void print_layer(FILE *out, const mmbLayerInfo *layer)
{
    char total[INFO_BYTES_TEXT];
    fprintf(out, "  %-8s", layer->name);
    if (layer->total_bytes != 0)
        fprintf(out, " %10s", info_format_bytes(total, layer->total_bytes));
    else
        fprintf(out, " %10s", "size ?");
    fprintf(out, "  %3zu domain%-1s", layer->domains, plural(layer->domains));
    if (layer->bandwidth_mib_s != 0)
        fprintf(out, "  %9zu MiB/s", layer->bandwidth_mib_s);
    else
        fprintf(out, "  %9s MiB/s", "?");
    if (layer->latency_ns != 0)
        fprintf(out, "  %6zu ns", layer->latency_ns);
    else
        fprintf(out, "  %6s ns", "?");
    fprintf(out, "  %s\n", layer->discovered ? "discovered" : "registered");
}

static void print_interface(FILE *out, const struct info_interface *interface)
{
    char live[INFO_BYTES_TEXT], reserved[INFO_BYTES_TEXT];
    fprintf(out, "      %s: %s over %s, %s in %zu block%s, %s taken\n",
            interface->name ? interface->name : "(no name)", interface->strategy,
            interface->backend, info_format_bytes(live, interface->live_bytes),
            interface->live_count, plural(interface->live_count),
            info_format_bytes(reserved, interface->reserved_bytes));
}

static void print_space(FILE *out, const struct info_space *space, const struct info_style *style)
{
    char used[INFO_BYTES_TEXT], limit[INFO_BYTES_TEXT], bar[INFO_BAR_TEXT];
    const mmbSpaceInfo *info = &space->info;
    fprintf(out, "  %-8s %-7s ", space->layer, space->context);
    if (info->limit == MMB_NO_LIMIT) {
        fprintf(out, "%s used, no limit\n", info_format_bytes(used, info->used));
    } else {
        info_format_bar(bar, info->used, info->limit, style);
        fprintf(out, "[%s] %s of %s used\n", bar, info_format_bytes(used, info->used),
                info_format_bytes(limit, info->limit));
    }
    for (size_t i = 0; i < space->n_interfaces; i++)
        print_interface(out, &space->interfaces[i]);
}

static void print_backend(FILE *out, const struct info_backend *backend)
{
    const char *state = backend->available ? "available"
                        : backend->built   ? "built, not available"
                                           : "not built";
    /* That it is not built is said; only a build can have a reason of its own. */
    const char *detail = backend->built ? backend->detail : "";
    fprintf(out, "  %-14s %s%s%s\n", backend->name, state, *detail ? ": " : "", detail);
}

void info_print_text(FILE *out, const struct info *info, const struct info_style *style)
{
    fprintf(out, "Memory layers%s\n", info->n_layers ? "" : ": none found");
    for (size_t i = 0; i < info->n_layers; i++)
        print_layer(out, &info->layers[i]);
    fprintf(out, "Spaces%s\n", info->n_spaces ? "" : ": none");
    for (size_t i = 0; i < info->n_spaces; i++)
        print_space(out, &info->spaces[i], style);
    fputs("Backends\n", out);
    for (size_t i = 0; i < info->n_backends; i++)
        print_backend(out, &info->backends[i]);
}
