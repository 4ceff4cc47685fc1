/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_TEXT_H
#define MMB_BASE_TEXT_H
/* Text in buffers of the caller: nothing here allocates. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Enough for every size_t: "1023.9 EiB" and the final 0. */
#define MMB_TEXT_BYTES_MAX 16

/* "512 B", "64 KiB", "1.5 GiB": at most one decimal, rounded down so that no limit looks larger
 * than it is. Returns buffer, so that it can stand among the arguments of mmb_fail. */
const char *mmb_text_bytes(char buffer[MMB_TEXT_BYTES_MAX], size_t n_bytes);

/* A text that grows at its end. Always terminated: length < capacity. What does not fit is cut off,
 * and is_cut says so from then on. */
struct mmb_text {
    char *buffer;
    size_t capacity, length;
    bool is_cut;
};

/* capacity > 0 */
void mmb_text_init(struct mmb_text *text, char *buffer, size_t capacity);
__attribute__((format(printf, 2, 3))) void mmb_text_append(struct mmb_text *text,
                                                           const char *format, ...);
__attribute__((format(printf, 2, 0))) void mmb_text_append_args(struct mmb_text *text,
                                                                const char *format, va_list args);

/* Puts "..." over the last three characters of a text that was cut off. */
void mmb_text_mark_cut(struct mmb_text *text);

#endif
