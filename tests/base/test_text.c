/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: sizes read well and never larger than they are; a builder's text is terminated whatever
 * is appended, and says when something is missing. */
#include "src/base/text.h"
#include "tests/support/suite.h"
#include <stdint.h>
#include <string.h>

#define KIB ((size_t)1024)

static void test_text_bytes(void)
{
    static const struct {
        size_t n_bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {KIB, "1 KiB"},
        {KIB + 102, "1 KiB"},
        {KIB + 103, "1.1 KiB"},
        {1536, "1.5 KiB"},
        {8000, "7.8 KiB"},
        {2 * KIB - 1, "1.9 KiB"},
        {KIB * KIB - 1, "1023.9 KiB"},
        {KIB * KIB, "1 MiB"},
        {KIB * KIB * KIB * 3 / 2, "1.5 GiB"},
        {KIB * KIB * KIB * KIB, "1 TiB"},
        {KIB * KIB * KIB * KIB * KIB * 7, "7 PiB"},
        {SIZE_MAX, "15.9 EiB"},
    };
    char buffer[MMB_TEXT_BYTES_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text = mmb_text_bytes(buffer, rows[i].n_bytes);

        CU_ASSERT_PTR_EQUAL(text, buffer);
        SUITE_CHECK(strcmp(text, rows[i].text) == 0, "%zu: %s", rows[i].n_bytes, text);
    }
}

static void test_text_append_adds_at_the_end(void)
{
    char buffer[32] = "old";
    struct mmb_text text;

    mmb_text_init(&text, buffer, sizeof(buffer));
    CU_ASSERT_STRING_EQUAL(buffer, "");
    mmb_text_append(&text, "%s %d", "one", 1);
    mmb_text_append(&text, ", %s", "two");
    CU_ASSERT_STRING_EQUAL(buffer, "one 1, two");
    CU_ASSERT_EQUAL(text.length, strlen(buffer));
    CU_ASSERT_FALSE(text.is_cut);
}

static void test_text_append_exactly_fills(void)
{
    char buffer[8];
    struct mmb_text text;

    mmb_text_init(&text, buffer, sizeof(buffer));
    mmb_text_append(&text, "1234567");
    CU_ASSERT_STRING_EQUAL(buffer, "1234567");
    CU_ASSERT_FALSE(text.is_cut);
    mmb_text_append(&text, "%s", "");
    CU_ASSERT_FALSE(text.is_cut);
    mmb_text_append(&text, "8");
    CU_ASSERT_STRING_EQUAL(buffer, "1234567");
    CU_ASSERT_TRUE(text.is_cut);
}

static void test_text_append_cuts_at_capacity(void)
{
    char memory[12];
    struct mmb_text text;

    memset(memory, '#', sizeof(memory));
    mmb_text_init(&text, memory, 8);
    mmb_text_append(&text, "abc");
    mmb_text_append(&text, "%s", "defghijklmnop");
    mmb_text_append(&text, "more");
    CU_ASSERT_STRING_EQUAL(memory, "abcdefg");
    CU_ASSERT_TRUE(text.is_cut);
    CU_ASSERT_EQUAL(text.length, 7);
    CU_ASSERT_NSTRING_EQUAL(memory + 8, "####", 4);
}

static void test_text_mark_cut_only_marks_what_was_cut(void)
{
    char buffer[8];
    struct mmb_text text;

    mmb_text_init(&text, buffer, sizeof(buffer));
    mmb_text_append(&text, "1234567");
    mmb_text_mark_cut(&text);
    CU_ASSERT_STRING_EQUAL(buffer, "1234567");
    mmb_text_append(&text, "8");
    mmb_text_mark_cut(&text);
    CU_ASSERT_STRING_EQUAL(buffer, "1234...");
}

static void test_text_mark_cut_leaves_a_tiny_buffer(void)
{
    char buffer[3];
    struct mmb_text text;

    mmb_text_init(&text, buffer, sizeof(buffer));
    mmb_text_append(&text, "abcdef");
    mmb_text_mark_cut(&text);
    CU_ASSERT_STRING_EQUAL(buffer, "ab");
}

MMB_SUITE("base/text", T(test_text_bytes), T(test_text_append_adds_at_the_end),
          T(test_text_append_exactly_fills), T(test_text_append_cuts_at_capacity),
          T(test_text_mark_cut_only_marks_what_was_cut), T(test_text_mark_cut_leaves_a_tiny_buffer))
