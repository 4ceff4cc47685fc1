/* SPDX-License-Identifier: BSD-3-Clause */
/* A text that is shown again and again in a terminal: in place, without flicker, and no more of it
 * than there is room for. Owns nothing. */
#include <string.h>
#include "tools/info_live.h"

/* Bytes of the line's first characters, as many as there are columns. Every character that mmb-info
 * prints is one column wide. */
static size_t bytes_of_columns(const char *line, size_t n_bytes, size_t columns)
{
    size_t n_characters = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        bool is_first = ((unsigned char)line[i] & 0xc0) != 0x80;
        if (is_first && n_characters++ == columns)
            return i;
    }
    return n_bytes;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        n++;
    return n;
}

/* The last row stays empty: the cursor stands there. */
void info_put_screen(FILE *out, const char *text, size_t columns, size_t rows)
{
    size_t n_lines = count_lines(text), n_room = rows > 2 ? rows - 1 : 1;
    size_t n_shown = n_lines <= n_room ? n_lines : n_room - 1;
    fputs("\033[H", out);
    for (size_t i = 0; i < n_shown; i++) {
        size_t n_bytes = strcspn(text, "\n");
        fwrite(text, 1, bytes_of_columns(text, n_bytes, columns), out);
        fputs("\033[K\n", out);
        text += n_bytes + (text[n_bytes] == '\n');
    }
    if (n_shown < n_lines)
        fprintf(out, "... %zu more lines than the terminal has\033[K\n", n_lines - n_shown);
    fputs("\033[J", out);
}
