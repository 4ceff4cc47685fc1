/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TOOLS_SVG_H
#define MMB_TOOLS_SVG_H
/* Writes pictures: shapes and words as SVG 1.1, readable on a light page and on a dark one. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The picture being written. Coordinates are pixels from the upper left corner. */
struct svg {
    FILE *out; /* stays the caller's */
};

struct svg_point {
    double x, y;
};

struct svg_box {
    double x, y, width, height;
};

/* How a line or an outline looks. */
struct svg_stroke {
    const char *colour;
    double width;
    bool dashed;
};

/* Where the text's point lies in it. */
enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

enum svg_font { SVG_LABEL, SVG_SMALL, SVG_HEADING };

/* Heights of the fonts' lines. A character is about 0.55 of a line wide. */
#define SVG_LABEL_PX   12.0
#define SVG_SMALL_PX   10.5
#define SVG_HEADING_PX 15.0

/* Grey of 4.5:1 against white and against black, and a veil of it for lines that words may cross.
 */
#define SVG_INK   "#757575"
#define SVG_FAINT "rgba(128,128,128,0.35)"

/* Colours of series, each of 3:1 or more against white and black; they go round after
 * SVG_N_COLOURS. */
#define SVG_N_COLOURS ((size_t)8)
const char *svg_colour(size_t index);

/* title is what a reader without eyes for the picture gets. */
void svg_begin(struct svg *svg, FILE *out, double width, double height, const char *title);
/* False: something could not be written. */
bool svg_end(struct svg *svg);

void svg_rect(struct svg *svg, struct svg_box box, const char *fill, double corner);
void svg_frame(struct svg *svg, struct svg_box box, struct svg_stroke stroke, double corner);
void svg_line(struct svg *svg, struct svg_point from, struct svg_point to,
              struct svg_stroke stroke);
void svg_polyline(struct svg *svg, const struct svg_point *points, size_t n_points,
                  struct svg_stroke stroke);
void svg_circle(struct svg *svg, struct svg_point centre, double radius, const char *fill);
/* Any bytes: what XML cannot carry becomes '?'. y is the base line. */
void svg_text(struct svg *svg, struct svg_point at, enum svg_anchor anchor, enum svg_font font,
              const char *text);

#endif
