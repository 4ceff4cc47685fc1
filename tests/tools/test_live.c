/* SPDX-License-Identifier: BSD-3-Clause */
/* The promise under test: what a process published is read as it was written, and whatever stands
 * in such a file, nothing but a refusal comes of it; rates are of the time between two snapshots; a
 * picture is drawn of any state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/suite.h"
#include "tools/info_live.h"

static const char snapshot[] =
    "mmb-stats 1\nprocess\t42\tprogram\t1000\n"
    "layer\tDRAM\t8192\t2\t10\t20\t1\n"
    "space\tDRAM\tCPU\t4000\t1000\t2000\t4096\t3\t0\n"
    "interface\tfields\tMMAP\tTHREAD_LOCAL\t1000\t3\t1500\t10\t7\t1\t1\t4096\n"
    "interface\t-\tARRAY\tSTACK\t0\t0\t0\t0\t0\t0\t0\t0\n"
    "something\tnew\n"
    "space\tDRAM\tCUDA\t18446744073709551615\t0\t0\t0\t0\t0\n"
    "end\t2\n";

static char printed[16384];

static bool parse(const char *text, size_t n_bytes, struct live *out)
{
    char *copy = malloc(n_bytes + 1); /* exactly as long: a byte beyond is seen by sanitizers */
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, text, n_bytes);
    copy[n_bytes] = 0;
    return live_parse(copy, n_bytes, out);
}

static void parse_well(const char *text, struct live *out)
{
    CU_ASSERT_FATAL(parse(text, strlen(text), out));
}

static void print_columns(const struct live *before, const struct live *now, size_t columns)
{
    const struct info_style style = {.is_utf8 = false, .columns = columns};
    FILE *out = fmemopen(printed, sizeof printed, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    live_print(out, before, now, &style);
    fclose(out);
}

static void print_live(const struct live *before, const struct live *now)
{
    print_columns(before, now, 0);
}

static void test_live_reads_what_was_written(void)
{
    struct live live;
    parse_well(snapshot, &live);
    CU_ASSERT_EQUAL(live.pid, 42);
    CU_ASSERT_STRING_EQUAL(live.program, "program");
    CU_ASSERT_EQUAL(live.n_left_out, 2);
    CU_ASSERT_EQUAL(live.info.n_layers, 1);
    CU_ASSERT_EQUAL(live.info.layers[0].domains, 2);
    CU_ASSERT_EQUAL_FATAL(live.info.n_spaces, 2);
    CU_ASSERT_EQUAL(live.info.spaces[0].info.peak, 2000);
    CU_ASSERT_EQUAL(live.info.spaces[1].info.limit, MMB_NO_LIMIT);
    CU_ASSERT_EQUAL_FATAL(live.info.spaces[0].n_interfaces, 2);
    CU_ASSERT_STRING_EQUAL(live.info.spaces[0].interfaces[0].name, "fields");
    CU_ASSERT_EQUAL(live.info.spaces[0].interfaces[0].n_freed, 7);
    CU_ASSERT_PTR_NULL(live.info.spaces[0].interfaces[1].name);
    live_drop(&live);
}

static void test_live_refuses_every_part_of_a_snapshot(void)
{
    struct live live;
    for (size_t n = 0; n < strlen(snapshot); n++)
        SUITE_CHECK(!parse(snapshot, n, &live), "the first %zu bytes are refused", n);
}

/* A changed byte may still make a snapshot; what must not happen is told by the sanitizers. */
static void test_live_survives_every_changed_byte(void)
{
    static const char changes[] = {0, '\n', '\t', '-', '9', 'x', (char)0xff};
    char text[sizeof snapshot];
    struct live live;
    size_t n_read = 0;
    for (size_t i = 0; i < sizeof snapshot - 1; i++)
        for (size_t k = 0; k < sizeof changes; k++) {
            memcpy(text, snapshot, sizeof snapshot);
            text[i] = changes[k];
            if (!parse(text, sizeof snapshot - 1, &live))
                continue;
            print_live(NULL, &live);
            n_read++;
            live_drop(&live);
        }
    CU_ASSERT(n_read > 0);
}

static void test_live_refuses_what_does_not_fit(void)
{
    static const char *const texts[] = {
        "mmb-stats 2\nprocess\t1\tp\t1\nend\t0\n",
        "mmb-stats 1\nend\t0\n",
        "mmb-stats 1\nprocess\t1\tp\nend\t0\n",
        "mmb-stats 1\nprocess\t99999999999\tp\t1\nend\t0\n",
        "mmb-stats 1\nprocess\t1\tp\t1\ninterface\ta\tb\tc\t0\t0\t0\t0\t0\t0\t0\t0\nend\t0\n",
        "mmb-stats 1\nprocess\t1\tp\t1\nspace\tA\tB\t18446744073709551616\t0\t0\t0\t0\t0\nend\t0\n",
        "mmb-stats 1\nprocess\t1\tp\t1\nlayer\tA\t-1\t0\t0\t0\t0\nend\t0\n",
        "mmb-stats 1\nprocess\t1\tp\t1\nlayer\tA\t1\t0\t0\nend\t0\n",
    };
    struct live live;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        SUITE_CHECK(!parse(texts[i], strlen(texts[i]), &live), "text %zu is refused", i);
}

static void test_live_refuses_more_rows_than_a_library_writes(void)
{
    static const char row[] = "layer\tL\t1\t1\t1\t1\t1\n";
    static const char start[] = "mmb-stats 1\nprocess\t1\tp\t1\n", end[] = "end\t0\n";
    const size_t n_rows = 5000, n_bytes = sizeof start + n_rows * sizeof row + sizeof end;
    char *text = calloc(1, n_bytes), *at = text;
    struct live live;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    at = stpcpy(at, start);
    for (size_t i = 0; i < n_rows; i++)
        at = stpcpy(at, row);
    stpcpy(at, end);
    CU_ASSERT(!live_parse(text, strlen(text), &live));
}

static void test_live_shows_no_control_characters(void)
{
    struct live live;
    parse_well("mmb-stats 1\nprocess\t1\ta\033[31mb\xc2\x9b\t1\nend\t0\n", &live);
    print_live(NULL, &live);
    CU_ASSERT_STRING_EQUAL(printed, "a?[31mb??, process 1\n");
    live_drop(&live);
}

static void test_live_rates_are_of_the_time_between(void)
{
    static const char form[] = "mmb-stats 1\nprocess\t1\tp\t%d\n"
                               "space\tDRAM\tCPU\t4000\t0\t0\t0\t0\t0\n"
                               "interface\tf\tMMAP\tSTACK\t0\t0\t0\t%d\t%d\t0\t0\t0\nend\t0\n";
    char text[512];
    struct live before, now;
    snprintf(text, sizeof text, form, 1000, 10, 5);
    parse_well(text, &before);
    snprintf(text, sizeof text, form, 3000, 5010, 25);
    parse_well(text, &now);
    print_live(&before, &now);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "    2.5k       10 "));
    print_live(NULL, &now);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "       -        - "));
    /* Less than before: another interface took the place. */
    print_live(&now, &before);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "       -        - "));
    live_drop(&before);
    live_drop(&now);
}

static size_t longest_line(const char *text)
{
    size_t longest = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        longest = strcspn(text, "\n") > longest ? strcspn(text, "\n") : longest;
    return longest;
}

static void test_live_fits_into_80_columns(void)
{
    struct live live;
    parse_well("mmb-stats 1\nprocess\t1\tp\t1\n"
               "space\tNVDIMM\tCPU\t1048000000\t104800000\t0\t0\t0\t0\n"
               "interface\ta name that is much too long\tCUDA_MANAGED\tTHREAD_LOCAL\t"
               "1048000000\t999999999\t1\t1\t1\t99999999\t1\t1048000000\nend\t0\n",
               &live);
    print_columns(&live, &live, 80);
    SUITE_CHECK(longest_line(printed) <= 80, "%zu:\n%s", longest_line(printed), printed);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "a name that..."));
    print_columns(&live, &live, 117);
    SUITE_CHECK(longest_line(printed) <= 117, "%zu:\n%s", longest_line(printed), printed);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "a name that is ... THREAD_LOCAL"));
    live_drop(&live);
}

static void put(const char *text, size_t columns, size_t rows)
{
    FILE *out = fmemopen(printed, sizeof printed, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    info_put_screen(out, text, columns, rows);
    fclose(out);
}

/* Each character is one column, however many bytes it has. */
static void test_screen_is_cut_to_the_terminal(void)
{
    put("abcdef\n\xe2\x96\x88\xe2\x96\x89\xc2\xb7xyz\n", 3, 3);
    CU_ASSERT_STRING_EQUAL(printed,
                           "\033[Habc\033[K\n\xe2\x96\x88\xe2\x96\x89\xc2\xb7\033[K\n\033[J");
    put("1\n2\n3\n4", 80, 4);
    CU_ASSERT_STRING_EQUAL(printed, "\033[H1\033[K\n2\033[K\n"
                                    "... 2 more lines than the terminal has\033[K\n\033[J");
    put("1\n2\n3\n4", 80, 5);
    CU_ASSERT_STRING_EQUAL(printed, "\033[H1\033[K\n2\033[K\n3\033[K\n4\033[K\n\033[J");
    put("", 80, 24);
    CU_ASSERT_STRING_EQUAL(printed, "\033[H\033[J");
    put("1\n2\n", 80, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "2 more lines"));
}

static void draw(const struct info *info)
{
    memset(printed, 0, sizeof printed);
    FILE *out = fmemopen(printed, sizeof printed, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(info_print_svg(out, info, "a <title>"));
    fclose(out);
    CU_ASSERT_EQUAL(strncmp(printed, "<svg ", 5), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "a &lt;title&gt;"));
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "</svg>"));
    CU_ASSERT_PTR_NULL(strstr(printed, "nan"));
    CU_ASSERT_PTR_NULL(strstr(printed, "inf"));
}

static void test_svg_of_nothing(void)
{
    const struct info nothing = {0};
    draw(&nothing);
    CU_ASSERT_PTR_NOT_NULL(strstr(printed, "no memory layer is known"));
}

static void test_svg_has_every_object(void)
{
    struct live live;
    parse_well(snapshot, &live);
    draw(&live.info);
    static const char *const words[] = {">DRAM<",
                                        ">domain 1<",
                                        ">CPU<",
                                        ">CUDA<",
                                        "fields: THREAD_LOCAL over MMAP",
                                        "no limit",
                                        "(no name): STACK over ARRAY"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        SUITE_CHECK(strstr(printed, words[i]) != NULL, "%s is drawn", words[i]);
    live_drop(&live);
}

static void test_svg_failure_is_told(void)
{
    const struct info nothing = {0};
    FILE *full = fopen("/dev/full", "w");
    if (!full) {
        suite_skip("no /dev/full here");
        return;
    }
    CU_ASSERT(!info_print_svg(full, &nothing, "t"));
    fclose(full);
}

MMB_SUITE("tools/live", T(test_live_reads_what_was_written),
          T(test_live_refuses_every_part_of_a_snapshot), T(test_live_survives_every_changed_byte),
          T(test_live_refuses_what_does_not_fit),
          T(test_live_refuses_more_rows_than_a_library_writes),
          T(test_live_shows_no_control_characters), T(test_live_rates_are_of_the_time_between),
          T(test_live_fits_into_80_columns), T(test_screen_is_cut_to_the_terminal),
          T(test_svg_of_nothing), T(test_svg_has_every_object), T(test_svg_failure_is_told))
