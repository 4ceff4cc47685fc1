/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what mmb-info prints of states that a machine is rarely in: full and nearly
 * empty spaces, interfaces in use, names that JSON must escape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/suite.h"
#include "tools/info.h"

static char printed[8192];

static void print_json(const struct info *info)
{
    FILE *out = fmemopen(printed, sizeof printed, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    info_print_json(out, info);
    fclose(out);
}

static void print_text(const struct info *info, bool is_utf8)
{
    const struct info_style style = {.is_utf8 = is_utf8};
    FILE *out = fmemopen(printed, sizeof printed, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    info_print_text(out, info, &style);
    fclose(out);
}

static void test_info_json_of_nothing(void)
{
    const struct info nothing = {0};
    print_json(&nothing);
    CU_ASSERT_STRING_EQUAL(printed, "{\"layers\":[],\"spaces\":[],\"backends\":[]}\n");
}

static void test_info_json_is_the_documented_one(void)
{
    mmbLayerInfo layers[] = {{sizeof(mmbLayerInfo), "DRAM", 4096, 1, 10, 20, true},
                             {sizeof(mmbLayerInfo), "mine", 0, 0, 0, 0, false}};
    struct info_space spaces[] = {{.layer = "DRAM", .context = "CPU"},
                                  {.layer = "mine", .context = "CPU"}};
    spaces[0].info.limit = 8000;
    spaces[0].info.used = 7;
    spaces[1].info.limit = MMB_NO_LIMIT;
    char none[] = "";
    struct info_backend backends[] = {{"MMAP", none, true, true}};
    const struct info info = {layers, 2, spaces, 2, backends, 1};
    print_json(&info);
    CU_ASSERT_STRING_EQUAL(
        printed,
        "{\"layers\":[{\"name\":\"DRAM\",\"total_bytes\":4096,\"domains\":1,\"bandwidth_mib_s\":10,"
        "\"latency_ns\":20,\"discovered\":true},{\"name\":\"mine\",\"total_bytes\":0,\"domains\":0,"
        "\"bandwidth_mib_s\":0,\"latency_ns\":0,\"discovered\":false}],\"spaces\":["
        "{\"layer\":\"DRAM\",\"context\":\"CPU\",\"limit\":8000,\"used\":7},"
        "{\"layer\":\"mine\",\"context\":\"CPU\",\"limit\":null,\"used\":0}],\"backends\":["
        "{\"name\":\"MMAP\",\"built\":true,\"available\":true,\"detail\":\"\"}]}\n");
}

static void test_info_json_escapes_strings(void)
{
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"plain", "\"plain\""},
        {"a \"b\" \\c", "\"a \\\"b\\\" \\\\c\""},
        {"line\nand\ttab", "\"line\\nand\\ttab\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"latin\xe9", "\"latin\\ufffd\""},
        {"\xff\x80 \xc0\xaf", "\"\\ufffd\\ufffd \\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char detail[64], wanted[160];
        snprintf(detail, sizeof detail, "%s", rows[i].text);
        snprintf(wanted, sizeof wanted, "\"detail\":%s}", rows[i].json);
        struct info_backend backend = {"CUDA", detail, true, false};
        const struct info info = {.backends = &backend, .n_backends = 1};
        print_json(&info);
        SUITE_CHECK(strstr(printed, wanted), "row %zu: %s", i, printed);
    }
}

static void test_info_bars_show_what_is_used(void)
{
    static const struct {
        size_t used, limit;
        const char *ascii, *utf8;
    } rows[] = {
        {0, 1000, "[........................]", "[\xc2\xb7\xc2\xb7"},
        {1, 1000000, "[+.......................]", "[\xe2\x96\x8f\xc2\xb7"},
        {500, 1000, "[############............]", "\xe2\x96\x88\xc2\xb7"},
        {520, 1000, "[############+...........]", "\xe2\x96\x88\xe2\x96\x8d\xc2\xb7"},
        {999999, 1000000, "[#######################+]", "\xe2\x96\x88\xe2\x96\x89]"},
        {1000, 1000, "[########################]", "\xe2\x96\x88]"},
        {0, 0, "[........................]", "\xc2\xb7]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct info_space space = {.layer = "DRAM", .context = "CPU"};
        space.info.used = rows[i].used;
        space.info.limit = rows[i].limit;
        const struct info info = {.spaces = &space, .n_spaces = 1};
        print_text(&info, false);
        SUITE_CHECK(strstr(printed, rows[i].ascii), "row %zu: %s", i, printed);
        print_text(&info, true);
        SUITE_CHECK(strstr(printed, rows[i].utf8), "row %zu: %s", i, printed);
    }
}

static void test_info_text_scales_sizes(void)
{
    static const struct {
        size_t n_bytes;
        const char *text;
    } rows[] = {{1, " 1 B "},
                {1023, " 1023 B "},
                {1024, " 1 KiB "},
                {1536, " 1.5 KiB "},
                {(size_t)1 << 30, " 1 GiB "},
                {((size_t)1 << 40) - 1, " 1023.9 GiB "},
                {SIZE_MAX, " 15.9 EiB "}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmbLayerInfo layer = MMB_LAYER_INFO_INIT;
        layer.name = "DRAM";
        layer.total_bytes = rows[i].n_bytes;
        const struct info info = {.layers = &layer, .n_layers = 1};
        print_text(&info, false);
        SUITE_CHECK(strstr(printed, rows[i].text), "%zu: %s", rows[i].n_bytes, printed);
    }
}

static void test_info_text_shows_interfaces_and_reasons(void)
{
    struct info_interface interfaces[] = {{.name = "fields",
                                           .backend = "MMAP",
                                           .strategy = "SCALABLE_PAGE",
                                           .live_bytes = 3 * 1024,
                                           .live_count = 2,
                                           .reserved_bytes = (size_t)4 << 20},
                                          {.backend = "MALLOC", .strategy = "PASSTHROUGH"}};
    struct info_space space = {
        .layer = "DRAM", .context = "CPU", .interfaces = interfaces, .n_interfaces = 2};
    space.info.limit = MMB_NO_LIMIT;
    space.info.used = 3072;
    char reason[] = "no device", other[] = "not built into this version", none[] = "";
    struct info_backend backends[] = {
        {"CUDA", reason, true, false}, {"HIP", other, false, false}, {"MMAP", none, true, true}};
    const struct info info = {
        .spaces = &space, .n_spaces = 1, .backends = backends, .n_backends = 3};
    print_text(&info, false);
    SUITE_CHECK(strstr(printed, "3 KiB used, no limit\n"), "%s", printed);
    SUITE_CHECK(strstr(printed, "fields: SCALABLE_PAGE over MMAP, 3 KiB in 2 blocks, 4 MiB taken"),
                "%s", printed);
    SUITE_CHECK(strstr(printed, "(no name): PASSTHROUGH over MALLOC"), "%s", printed);
    SUITE_CHECK(strstr(printed, "CUDA           built, not available: no device\n"), "%s", printed);
    SUITE_CHECK(strstr(printed, "HIP            not built\n"), "%s", printed);
    SUITE_CHECK(strstr(printed, "MMAP           available\n"), "%s", printed);
}

MMB_SUITE("tools/info", T(test_info_json_of_nothing), T(test_info_json_is_the_documented_one),
          T(test_info_json_escapes_strings), T(test_info_bars_show_what_is_used),
          T(test_info_text_scales_sizes), T(test_info_text_shows_interfaces_and_reasons))
