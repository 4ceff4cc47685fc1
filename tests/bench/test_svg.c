/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: what the writer writes is well-formed XML whatever text it is given, shapes land where
 * they were put, and a picture that could not be written is reported. */
#include "tools/svg.h"
#include "tests/support/suite.h"
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *text; /* the picture */
static size_t n_text, n_seen;
static FILE *out;
static struct svg svg;

static void set_up(void)
{
    text = NULL;
    n_seen = 0;
    out = open_memstream(&text, &n_text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
}

static void tear_down(void)
{
    fclose(out);
    free(text);
}

/* What was written since the last call. */
static const char *written(void)
{
    fflush(out);
    const char *from = text + n_seen;
    n_seen = n_text;
    return from;
}

static void start(void)
{
    svg_begin(&svg, out, 200, 100, "a picture");
    (void)written();
}

static void test_picture_has_size_title_and_end(void)
{
    svg_begin(&svg, out, 200, 100, "big & <small>");
    CU_ASSERT_TRUE(svg_end(&svg));
    CU_ASSERT_PTR_EQUAL(strstr(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\""),
                        text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "viewBox=\"0 0 200 100\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<title>big &amp; &lt;small&gt;</title>"));
    CU_ASSERT_STRING_EQUAL(text + n_text - strlen("</svg>\n"), "</svg>\n");
}

static void test_text_is_escaped(void)
{
    static const struct {
        const char *given, *written;
    } rows[] = {
        {"plain", "plain"},
        {"", ""},
        {"a<b>&\"c\"'", "a&lt;b&gt;&amp;&quot;c&quot;'"},
        {"</text><script>", "&lt;/text&gt;&lt;script&gt;"},
        {"\001\n\t\033", "????"},
        {"\303\274 \342\211\244 \360\237\230\200", "\303\274 \342\211\244 \360\237\230\200"},
        {"\377\200", "??"},           /* no lead byte, a lone continuation */
        {"\303", "?"},                /* cut off at the end */
        {"\303x", "?x"},              /* cut off before another character */
        {"\300\274", "??"},           /* '<' in two bytes */
        {"\340\200\274", "???"},      /* '<' in three */
        {"\355\240\200", "???"},      /* half of a pair of UTF-16 */
        {"\357\277\277", "???"},      /* U+FFFF */
        {"\364\220\200\200", "????"}, /* beyond Unicode */
    };

    start();
    for (size_t i = 0; i < COUNT(rows); i++) {
        svg_text(&svg, (struct svg_point){1, 2}, SVG_START, SVG_LABEL, rows[i].given);
        const char *line = written();
        size_t n = strlen(rows[i].written);
        const char *end = strchr(line, '>');
        SUITE_CHECK(end && strncmp(end + 1, rows[i].written, n) == 0 &&
                        strcmp(end + 1 + n, "</text>\n") == 0,
                    "row %zu: %s", i, line);
    }
}

static void test_text_lies_where_it_was_put(void)
{
    start();
    svg_text(&svg, (struct svg_point){10.25, 20}, SVG_END, SVG_HEADING, "x");
    CU_ASSERT_STRING_EQUAL(
        written(), "<text x=\"10.2\" y=\"20.0\" text-anchor=\"end\" class=\"h\">x</text>\n");
    svg_text(&svg, (struct svg_point){0, 0}, SVG_MIDDLE, SVG_SMALL, "x");
    CU_ASSERT_STRING_EQUAL(
        written(), "<text x=\"0.0\" y=\"0.0\" text-anchor=\"middle\" class=\"s\">x</text>\n");
}

static void test_shapes_lie_where_they_were_put(void)
{
    const struct svg_point points[] = {{0, 1}, {2.5, 3}};

    start();
    svg_rect(&svg, (struct svg_box){1, 2, 3, 4}, "#123456", 0);
    CU_ASSERT_STRING_EQUAL(written(), "<rect x=\"1.0\" y=\"2.0\" width=\"3.0\" height=\"4.0\" "
                                      "rx=\"0.0\" fill=\"#123456\"/>\n");
    svg_frame(&svg, (struct svg_box){1, 2, 3, 4}, (struct svg_stroke){"red", 1, false}, 2);
    CU_ASSERT_STRING_EQUAL(written(),
                           "<rect x=\"1.0\" y=\"2.0\" width=\"3.0\" height=\"4.0\" rx=\"2.0\" "
                           "fill=\"none\" stroke=\"red\" stroke-width=\"1.0\"/>\n");
    svg_line(&svg, points[0], points[1], (struct svg_stroke){"red", 2, true});
    CU_ASSERT_STRING_EQUAL(written(), "<line x1=\"0.0\" y1=\"1.0\" x2=\"2.5\" y2=\"3.0\" "
                                      "fill=\"none\" stroke=\"red\" stroke-width=\"2.0\" "
                                      "stroke-dasharray=\"4 3\"/>\n");
    svg_polyline(&svg, points, COUNT(points), (struct svg_stroke){"red", 2, false});
    CU_ASSERT_STRING_EQUAL(written(), "<polyline points=\"0.0,1.0 2.5,3.0\" fill=\"none\" "
                                      "stroke=\"red\" stroke-width=\"2.0\"/>\n");
    svg_circle(&svg, points[1], 3, "red");
    CU_ASSERT_STRING_EQUAL(written(), "<circle cx=\"2.5\" cy=\"3.0\" r=\"3.0\" fill=\"red\"/>\n");
}

static void test_colours_differ_and_go_round(void)
{
    for (size_t i = 0; i < SVG_N_COLOURS; i++) {
        CU_ASSERT_STRING_EQUAL(svg_colour(i), svg_colour(i + SVG_N_COLOURS));
        for (size_t j = 0; j < i; j++)
            SUITE_CHECK(strcmp(svg_colour(i), svg_colour(j)) != 0, "%zu is %zu", i, j);
    }
}

static void test_full_disk_is_reported(void)
{
    FILE *full = fopen("/dev/full", "w");

    if (!full) {
        suite_skip("no /dev/full here");
        return;
    }
    svg_begin(&svg, full, 10, 10, "lost");
    CU_ASSERT_FALSE(svg_end(&svg));
    fclose(full);
}

MMB_SUITE_WITH("tools/svg", set_up, tear_down, T(test_picture_has_size_title_and_end),
               T(test_text_is_escaped), T(test_text_lies_where_it_was_put),
               T(test_shapes_lie_where_they_were_put), T(test_colours_differ_and_go_round),
               T(test_full_disk_is_reported))
