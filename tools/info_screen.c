/* SPDX-License-Identifier: BSD-3-Clause */
/* What `mmb-info --live` shows of one moment: the spaces with a bar, their interfaces with what
 * they hold and how fast they work. Owns nothing. */
#include <string.h>
#include "tools/info_live.h"

#define RATE_TEXT 16

/* "-": not known. Rates of a thousand and more lose their digits first. */
static const char *format_rate(char text[RATE_TEXT], bool is_known, double rate)
{
    static const char units[] = " kMGT";
    size_t unit = 0;
    while (rate >= 1000 && unit + 1 < sizeof units - 1) {
        rate /= 1000;
        unit++;
    }
    if (!is_known)
        snprintf(text, RATE_TEXT, "-");
    else if (unit == 0)
        snprintf(text, RATE_TEXT, "%.0f", rate);
    else
        snprintf(text, RATE_TEXT, "%.1f%c", rate, units[unit]);
    return text;
}

/* The same interface a moment ago: at the same place, by the same name, with counts that only grew.
 */
static const struct info_interface *same(const struct live *before, size_t space, size_t interface,
                                         const struct info_interface *now)
{
    if (!before || space >= before->info.n_spaces ||
        interface >= before->info.spaces[space].n_interfaces)
        return NULL;
    const struct info_interface *then = &before->info.spaces[space].interfaces[interface];
    bool fits =
        (then->name && now->name) ? strcmp(then->name, now->name) == 0 : then->name == now->name;
    bool grew = then->n_allocated <= now->n_allocated && then->n_freed <= now->n_freed;
    return fits && grew && strcmp(then->strategy, now->strategy) == 0 ? then : NULL;
}

/* Columns of the whole table; a narrower terminal gets what changes. */
#define WIDE       117u
#define NAME_BYTES 19 /* with the final 0 */
#define SHORT_NAME 15

static bool is_narrow(const struct info_style *style)
{
    return style->columns != 0 && style->columns < WIDE;
}

static void print_head(FILE *out, const struct info_style *style)
{
    if (is_narrow(style))
        fprintf(out, "    %-14s %10s %9s %8s %8s %8s %10s\n", "interface", "used", "blocks",
                "alloc/s", "free/s", "refused", "taken");
    else
        fprintf(out, "    %-18s %-13s %-9s %10s %10s %9s %8s %8s %8s %10s\n", "interface",
                "strategy", "backend", "used", "peak", "blocks", "alloc/s", "free/s", "refused",
                "taken");
}

static void print_interface(FILE *out, const struct info_interface *now,
                            const struct info_interface *then, double seconds,
                            const struct info_style *style)
{
    char name[NAME_BYTES];
    char live[INFO_BYTES_TEXT], peak[INFO_BYTES_TEXT], taken[INFO_BYTES_TEXT];
    char allocated[RATE_TEXT], freed[RATE_TEXT];
    bool is_known = then && seconds > 0;
    format_rate(allocated, is_known,
                is_known ? (double)(now->n_allocated - then->n_allocated) / seconds : 0);
    format_rate(freed, is_known, is_known ? (double)(now->n_freed - then->n_freed) / seconds : 0);
    info_fit(name, is_narrow(style) ? SHORT_NAME : NAME_BYTES, now->name ? now->name : "(no name)");
    info_format_bytes(live, now->live_bytes);
    info_format_bytes(peak, now->peak_bytes);
    info_format_bytes(taken, now->reserved_bytes);
    if (is_narrow(style))
        fprintf(out, "    %-14s %10s %9zu %8s %8s %8zu %10s\n", name, live, now->live_count,
                allocated, freed, now->n_refused, taken);
    else
        fprintf(out, "    %-18s %-13s %-9.9s %10s %10s %9zu %8s %8s %8zu %10s\n", name,
                now->strategy, now->backend, live, peak, now->live_count, allocated, freed,
                now->n_refused, taken);
}

static void print_space(FILE *out, const struct info_space *space, const struct info_style *style)
{
    char used[INFO_BYTES_TEXT], limit[INFO_BYTES_TEXT], peak[INFO_BYTES_TEXT], bar[INFO_BAR_TEXT];
    const mmbSpaceInfo *info = &space->info;
    info_format_bytes(used, info->used);
    info_format_bytes(peak, info->peak);
    if (info->limit == MMB_NO_LIMIT)
        fprintf(out, "  %-8s %-7s %s used, peak %s, no limit\n", space->layer, space->context, used,
                peak);
    else
        fprintf(out, "  %-8s %-7s [%s] %s of %s%s, peak %s\n", space->layer, space->context,
                info_format_bar(bar, info->used, info->limit, style), used,
                info_format_bytes(limit, info->limit), is_narrow(style) ? "" : " used", peak);
}

void live_print(FILE *out, const struct live *before, const struct live *now,
                const struct info_style *style)
{
    double seconds =
        before && now->at_ms > before->at_ms ? (double)(now->at_ms - before->at_ms) / 1000 : 0;
    fprintf(out, "%s, process %d\n", now->program, now->pid);
    for (size_t i = 0; i < now->info.n_spaces; i++) {
        const struct info_space *space = &now->info.spaces[i];
        print_space(out, space, style);
        if (space->n_interfaces)
            print_head(out, style);
        for (size_t k = 0; k < space->n_interfaces; k++)
            print_interface(out, &space->interfaces[k], same(before, i, k, &space->interfaces[k]),
                            seconds, style);
    }
    if (now->n_left_out)
        fprintf(out, "  and %zu more that were not published\n", now->n_left_out);
}
