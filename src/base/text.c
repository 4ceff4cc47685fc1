/* SPDX-License-Identifier: BSD-3-Clause */
/* Text in buffers of the caller. Owns nothing, takes no lock, allocates nothing. */
#include "src/base/text.h"
#include "src/base/debug.h"
#include <stdio.h>
#include <string.h>

const char *mmb_text_bytes(char buffer[MMB_TEXT_BYTES_MAX], size_t n_bytes)
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t whole = n_bytes, tenths = 0, unit = 0;
    struct mmb_text text;

    /* The decimal comes from the remainder of the last division alone: those before it cannot
     * change a rounding downwards. */
    while (whole >= 1024) {
        tenths = (whole & 1023) * 10 / 1024;
        whole >>= 10;
        unit++;
    }
    mmb_text_init(&text, buffer, MMB_TEXT_BYTES_MAX);
    mmb_text_append(&text, "%zu", whole);
    if (tenths > 0)
        mmb_text_append(&text, ".%zu", tenths);
    mmb_text_append(&text, " %s", units[unit]);
    return buffer;
}

void mmb_text_init(struct mmb_text *text, char *buffer, size_t capacity)
{
    MMB_ASSERT(capacity > 0);
    text->buffer = buffer;
    text->capacity = capacity;
    text->length = 0;
    text->is_cut = false;
    buffer[0] = '\0';
}

void mmb_text_append_args(struct mmb_text *text, const char *format, va_list args)
{
    size_t room = text->capacity - text->length;
    int wanted = vsnprintf(text->buffer + text->length, room, format, args);

    if (wanted < 0) {
        text->buffer[text->length] = '\0';
        text->is_cut = true;
    } else if ((size_t)wanted >= room) {
        text->length = text->capacity - 1;
        text->is_cut = true;
    } else {
        text->length += (size_t)wanted;
    }
}

void mmb_text_append(struct mmb_text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mmb_text_append_args(text, format, args);
    va_end(args);
}

void mmb_text_mark_cut(struct mmb_text *text)
{
    if (text->is_cut && text->length >= 3)
        memcpy(text->buffer + text->length - 3, "...", 3);
}
