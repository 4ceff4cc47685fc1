/* SPDX-License-Identifier: BSD-3-Clause */
/* The picture: a card per layer with its domains, its spaces as bars of what is used, and below
 * each space its interfaces. Backends come last. Everything is laid out from top to bottom, so the
 * height is counted by drawing once without a file. Owns nothing. */
#include <string.h>
#include "tools/info.h"
#include "tools/svg.h"

#define WIDTH       880.0
#define MARGIN      24.0
#define PAD         18.0
#define LEFT        (MARGIN + PAD)
#define RIGHT       (WIDTH - MARGIN - PAD)
#define BAR_LEFT    (LEFT + 84)
#define BAR_RIGHT   (RIGHT - 236)
#define BAR_HEIGHT  18.0
#define THIN_HEIGHT 8.0
#define MAX_DOMAINS 16u
#define CHIP_WIDTH  138.0
#define CHIP_HEIGHT 22.0
#define TEXT_BYTES  160
#define NAME_BYTES  49 /* with the final 0: what fits above a bar with strategy and backend */
#define TITLE_CHARS 90

/* Where the next thing goes. */
struct page {
    struct svg svg;
    double y;
    bool draws; /* else only y moves */
};

static void text(struct page *page, struct svg_point at, enum svg_anchor anchor, enum svg_font font,
                 const char *words)
{
    if (page->draws)
        svg_text(&page->svg, at, anchor, font, words);
}

/* A place on the page, `down` below where the next thing goes. */
static struct svg_point at(const struct page *page, double x, double down)
{
    return (struct svg_point){x, page->y + down};
}

static void rect(struct page *page, struct svg_box box, const char *fill)
{
    if (page->draws)
        svg_rect(&page->svg, box, fill, box.height < 10 ? 3 : 5);
}

static void frame(struct page *page, struct svg_box box, double corner)
{
    const struct svg_stroke stroke = {SVG_FAINT, 1.2, false};
    if (page->draws)
        svg_frame(&page->svg, box, stroke, corner);
}

/* ---- bars ---- */

static double share(size_t part, size_t whole)
{
    if (part == 0 || whole == 0)
        return 0;
    return part >= whole ? 1 : (double)part / (double)whole;
}

/* A little use is seen too: at least 3 px. The peak is a tick in front of what is used. */
static void bar(struct page *page, double height, const char *colour, double used, double peak)
{
    const double width = BAR_RIGHT - BAR_LEFT;
    const struct svg_box all = {BAR_LEFT, page->y, width, height};
    struct svg_box box = all;
    rect(page, all, SVG_FAINT);
    if (peak > used) {
        const struct svg_stroke tick = {colour, 2, false};
        const double x = BAR_LEFT + peak * width;
        const struct svg_point from = {x, page->y - 2}, to = {x, page->y + height + 2};
        if (page->draws)
            svg_line(&page->svg, from, to, tick);
    }
    box.width = used * width;
    if (used > 0)
        box.width = box.width < 3 ? 3 : box.width;
    if (used > 0)
        rect(page, box, colour);
}

/* ---- what a layer has ---- */

static void draw_interface(struct page *page, const struct info_interface *interface,
                           const struct info_space *space, const char *colour)
{
    char live[INFO_BYTES_TEXT], taken[INFO_BYTES_TEXT], words[TEXT_BYTES];
    char name[NAME_BYTES];
    const size_t limit = space->info.limit;
    const size_t whole = limit == MMB_NO_LIMIT ? interface->reserved_bytes : limit;
    info_fit(name, sizeof name, interface->name ? interface->name : "(no name)");
    snprintf(words, sizeof words, "%s: %s over %s", name, interface->strategy, interface->backend);
    text(page, at(page, BAR_LEFT, 9), SVG_START, SVG_SMALL, words);
    snprintf(words, sizeof words, "%s in %zu block%s, %s taken",
             info_format_bytes(live, interface->live_bytes), interface->live_count,
             interface->live_count == 1 ? "" : "s",
             info_format_bytes(taken, interface->reserved_bytes));
    page->y += 15;
    text(page, at(page, RIGHT, 8), SVG_END, SVG_SMALL, words);
    bar(page, THIN_HEIGHT, colour, share(interface->live_bytes, whole),
        share(interface->peak_bytes, whole));
    page->y += THIN_HEIGHT + 10;
}

static void draw_space(struct page *page, const struct info_space *space, const char *colour)
{
    char used[INFO_BYTES_TEXT], limit[INFO_BYTES_TEXT], peak[INFO_BYTES_TEXT], words[TEXT_BYTES];
    const mmbSpaceInfo *info = &space->info;
    const bool has_limit = info->limit != MMB_NO_LIMIT;
    const size_t whole = has_limit ? info->limit : info->reserved;
    text(page, at(page, LEFT, 13), SVG_START, SVG_LABEL, space->context);
    info_format_bytes(used, info->used);
    info_format_bytes(peak, info->peak);
    if (has_limit)
        snprintf(words, sizeof words, "%s of %s, peak %s", used,
                 info_format_bytes(limit, info->limit), peak);
    else
        snprintf(words, sizeof words, "%s, no limit, peak %s", used, peak);
    text(page, at(page, RIGHT, 13), SVG_END, SVG_LABEL, words);
    bar(page, BAR_HEIGHT, colour, share(info->used, whole), share(info->peak, whole));
    page->y += BAR_HEIGHT + 12;
    for (size_t i = 0; i < space->n_interfaces; i++)
        draw_interface(page, &space->interfaces[i], space, colour);
    page->y += 4;
}

/* Equal boxes: what each domain has is not known outside. */
static void draw_domains(struct page *page, size_t n_domains, const char *colour)
{
    char words[TEXT_BYTES];
    const size_t n = n_domains < MAX_DOMAINS ? n_domains : MAX_DOMAINS;
    if (n == 0)
        return;
    const double step = (RIGHT - LEFT + 6) / (double)n;
    for (size_t i = 0; i < n; i++) {
        const struct svg_box box = {LEFT + (double)i * step, page->y, step - 6, 24};
        const struct svg_box edge = {box.x, box.y, 4, box.height};
        frame(page, box, 4);
        rect(page, edge, colour);
        if (i + 1 == n && n < n_domains)
            snprintf(words, sizeof words, "+%zu", n_domains - n + 1);
        else
            snprintf(words, sizeof words, n > 8 ? "%zu" : "domain %zu", i);
        text(page, at(page, box.x + box.width / 2, 16), SVG_MIDDLE, SVG_SMALL, words);
    }
    page->y += 24 + 14;
}

static void format_facts(char words[TEXT_BYTES], const mmbLayerInfo *layer)
{
    char total[INFO_BYTES_TEXT];
    size_t at = 0;
    words[0] = 0;
    if (layer->total_bytes)
        at += (size_t)snprintf(words, TEXT_BYTES, "%s, ",
                               info_format_bytes(total, layer->total_bytes));
    if (layer->bandwidth_mib_s)
        at += (size_t)snprintf(words + at, TEXT_BYTES - at, "%zu MiB/s, ", layer->bandwidth_mib_s);
    if (layer->latency_ns)
        at += (size_t)snprintf(words + at, TEXT_BYTES - at, "%zu ns, ", layer->latency_ns);
    snprintf(words + at, TEXT_BYTES - at, "%s", layer->discovered ? "discovered" : "registered");
}

static void draw_layer(struct page *page, const struct info *info, size_t index)
{
    char words[TEXT_BYTES];
    const mmbLayerInfo *layer = &info->layers[index];
    const char *colour = svg_colour(index);
    const double top = page->y;
    size_t n_spaces = 0;
    page->y += PAD;
    const struct svg_box mark = {LEFT, page->y, 14, 14};
    rect(page, mark, colour);
    text(page, at(page, LEFT + 22, 12.5), SVG_START, SVG_HEADING, layer->name);
    format_facts(words, layer);
    text(page, at(page, RIGHT, 12), SVG_END, SVG_LABEL, words);
    page->y += 28;
    draw_domains(page, layer->domains, colour);
    for (size_t i = 0; i < info->n_spaces; i++) {
        if (strcmp(info->spaces[i].layer, layer->name) != 0)
            continue;
        draw_space(page, &info->spaces[i], colour);
        n_spaces++;
    }
    if (n_spaces == 0) {
        text(page, at(page, LEFT, 9), SVG_START, SVG_SMALL, "no space made of it");
        page->y += 16;
    }
    page->y += PAD - 8;
    const struct svg_box card = {MARGIN, top, WIDTH - 2 * MARGIN, page->y - top};
    frame(page, card, 9);
    page->y += 16;
}

/* ---- backends ---- */

static void draw_chip(struct page *page, const struct info_backend *backend,
                      struct svg_point corner)
{
    const struct svg_point centre = {corner.x + 6, corner.y + 8};
    const struct svg_point words = {corner.x + 17, corner.y + 12};
    const struct svg_box ring = {centre.x - 5, centre.y - 5, 10, 10};
    if (!backend->built)
        frame(page, ring, 5);
    else if (page->draws)
        svg_circle(&page->svg, centre, 5, backend->available ? svg_colour(2) : svg_colour(4));
    text(page, words, SVG_START, SVG_SMALL, backend->name);
}

static void draw_backends(struct page *page, const struct info *info)
{
    static const struct info_backend legend[] = {{"available", NULL, true, true},
                                                 {"built, not available", NULL, true, false},
                                                 {"not built", NULL, false, false}};
    static const double legend_at[] = {292, 212, 66};
    const size_t per_row = (size_t)((RIGHT - LEFT) / CHIP_WIDTH);
    if (info->n_backends == 0)
        return;
    text(page, at(page, MARGIN, 14), SVG_START, SVG_HEADING, "Backends");
    for (size_t i = 0; i < sizeof legend / sizeof legend[0]; i++) {
        draw_chip(page, &legend[i], at(page, RIGHT - legend_at[i], 2));
    }
    page->y += 32;
    for (size_t i = 0; i < info->n_backends; i++) {
        draw_chip(page, &info->backends[i], at(page, LEFT + CHIP_WIDTH * (double)(i % per_row), 0));
        if (i % per_row == per_row - 1 || i + 1 == info->n_backends)
            page->y += CHIP_HEIGHT;
    }
}

static void draw(struct page *page, const struct info *info, const char *title)
{
    char words[TEXT_BYTES];
    const size_t length = strlen(title);
    /* Of a long path the end tells more. */
    snprintf(words, sizeof words, "%s%s", length > TITLE_CHARS ? "..." : "",
             length > TITLE_CHARS ? title + length - TITLE_CHARS : title);
    page->y = MARGIN;
    text(page, at(page, MARGIN, 14), SVG_START, SVG_HEADING, words);
    page->y += 34;
    for (size_t i = 0; i < info->n_layers; i++)
        draw_layer(page, info, i);
    if (info->n_layers == 0) {
        text(page, at(page, MARGIN, 9), SVG_START, SVG_LABEL, "no memory layer is known");
        page->y += 30;
    }
    draw_backends(page, info);
    page->y += MARGIN - 8;
}

bool info_print_svg(FILE *out, const struct info *info, const char *title)
{
    struct page page = {.draws = false};
    draw(&page, info, title);
    svg_begin(&page.svg, out, WIDTH, page.y, title);
    page.draws = true;
    draw(&page, info, title);
    return svg_end(&page.svg);
}
