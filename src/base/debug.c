/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a debug build whose own invariants do not hold. Owns nothing, takes no lock: it may be
 * called under any. */
#include "src/base/debug.h"
#include "src/base/text.h"
#include <stdlib.h>
#include <unistd.h>

_Noreturn void mmb_assert_failed(const char *condition, const char *file, int line)
{
    char buffer[256];
    struct mmb_text text;

    mmb_text_init(&text, buffer, sizeof(buffer));
    mmb_text_append(&text, "libmmb: %s:%d: broken: %s\n", file, line, condition);
    if (write(STDERR_FILENO, buffer, text.length) < 0)
        abort(); /* nothing better is left; gcc wants the result used */
    abort();
}
