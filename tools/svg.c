/* SPDX-License-Identifier: BSD-3-Clause */
/* A small SVG writer for reports. One style sheet at the start, then a line per shape. The page
 * behind the picture is not painted and every colour is of middle lightness, so one file serves
 * light and dark pages; a media query would ask the system, not the page that shows the picture.
 * Owns nothing, takes no lock. */
#include "tools/svg.h"

const char *svg_colour(size_t index)
{
    static const char *const colours[SVG_N_COLOURS] = {
        "#2f7ed8", "#c4641a", "#2e8b57", "#b5549f", "#98801f", "#d0504a", "#1a8a9a", "#8567c4",
    };
    return colours[index % SVG_N_COLOURS];
}

/* How many bytes the UTF-8 character at `text` has; 0: it is none, or one that XML forbids. */
static size_t character_bytes(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead;
        unsigned int least;
    } forms[] = {
        {0x80, 0x00, 0x20}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t n = 0; n < sizeof forms / sizeof forms[0]; n++) {
        if ((text[0] & forms[n].mask) != forms[n].lead)
            continue;
        unsigned int code = text[0] & (unsigned int)(unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text[i] & 0x3fu);
        }
        bool forbidden = code < forms[n].least || (code >= 0xd800 && code < 0xe000) ||
                         code == 0xfffe || code == 0xffff || code > 0x10ffff;
        return forbidden ? 0 : n + 1;
    }
    return 0;
}

static void write_character(FILE *out, const unsigned char *text, size_t n_bytes)
{
    switch (n_bytes == 1 ? text[0] : 0) {
    case '&':
        fputs("&amp;", out);
        break;
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    default:
        fwrite(text, 1, n_bytes, out);
    }
}

static void write_escaped(FILE *out, const char *text)
{
    const unsigned char *next = (const unsigned char *)text;

    while (*next) {
        size_t n_bytes = character_bytes(next);
        if (n_bytes == 0)
            fputc('?', out);
        else
            write_character(out, next, n_bytes);
        next += n_bytes ? n_bytes : 1;
    }
}

void svg_begin(struct svg *svg, FILE *out, double width, double height, const char *title)
{
    svg->out = out;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>",
            width, height, width, height);
    write_escaped(out, title);
    fprintf(out,
            "</title>\n<style>text{font-family:system-ui,'DejaVu Sans',sans-serif;fill:%s}"
            ".l{font-size:%.1fpx}.s{font-size:%.1fpx}.h{font-size:%.1fpx;font-weight:bold}"
            "</style>\n",
            SVG_INK, SVG_LABEL_PX, SVG_SMALL_PX, SVG_HEADING_PX);
}

bool svg_end(struct svg *svg)
{
    fputs("</svg>\n", svg->out);
    return fflush(svg->out) == 0 && !ferror(svg->out);
}

static void write_stroke(FILE *out, struct svg_stroke stroke)
{
    fprintf(out, " fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\"%s/>\n", stroke.colour,
            stroke.width, stroke.dashed ? " stroke-dasharray=\"4 3\"" : "");
}

static void write_rect(FILE *out, struct svg_box box, double corner)
{
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.1f\"", box.x,
            box.y, box.width, box.height, corner);
}

void svg_rect(struct svg *svg, struct svg_box box, const char *fill, double corner)
{
    write_rect(svg->out, box, corner);
    fprintf(svg->out, " fill=\"%s\"/>\n", fill);
}

void svg_frame(struct svg *svg, struct svg_box box, struct svg_stroke stroke, double corner)
{
    write_rect(svg->out, box, corner);
    write_stroke(svg->out, stroke);
}

void svg_line(struct svg *svg, struct svg_point from, struct svg_point to, struct svg_stroke stroke)
{
    fprintf(svg->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"", from.x, from.y, to.x,
            to.y);
    write_stroke(svg->out, stroke);
}

void svg_polyline(struct svg *svg, const struct svg_point *points, size_t n_points,
                  struct svg_stroke stroke)
{
    fputs("<polyline points=\"", svg->out);
    for (size_t i = 0; i < n_points; i++)
        fprintf(svg->out, "%s%.1f,%.1f", i ? " " : "", points[i].x, points[i].y);
    fputc('"', svg->out);
    write_stroke(svg->out, stroke);
}

void svg_circle(struct svg *svg, struct svg_point centre, double radius, const char *fill)
{
    fprintf(svg->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>\n", centre.x,
            centre.y, radius, fill);
}

void svg_text(struct svg *svg, struct svg_point at, enum svg_anchor anchor, enum svg_font font,
              const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    static const char fonts[] = "lsh";

    fprintf(svg->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%c\">", at.x, at.y,
            anchors[anchor], fonts[font]);
    write_escaped(svg->out, text);
    fputs("</text>\n", svg->out);
}
