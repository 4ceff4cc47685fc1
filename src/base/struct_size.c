/* SPDX-License-Identifier: BSD-3-Clause */
/* Structs that grow between releases. Owns nothing, takes no lock.
 *
 * The sizes are read with memcpy: a caller's struct is of a type this file does not know, and only
 * its first member is promised. */
#include "src/base/struct_size.h"
#include "src/base/error.h"
#include <stdbool.h>
#include <string.h>

static size_t claimed_size(const void *caller)
{
    size_t size;

    memcpy(&size, caller, sizeof(size));
    return size;
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Everything but the size member, of which each side keeps its own. */
static void copy_members(void *to, const void *from, size_t n_bytes)
{
    memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
           n_bytes - sizeof(size_t));
}

mmbError mmb_struct_in(void *known, size_t known_bytes, const void *from,
                       size_t first_release_bytes, const char *what)
{
    size_t size, common;

    if (!from)
        return MMB_OK;
    size = claimed_size(from);
    if (size < first_release_bytes)
        return mmb_fail(MMB_INVALID_ARG, "%s: size %zu is below %zu, was it initialised?", what,
                        size, first_release_bytes);
    if (size > known_bytes && size > MMB_STRUCT_BYTES_MAX)
        return mmb_fail(MMB_INVALID_ARG, "%s: size %zu is too large, was it initialised?", what,
                        size);
    common = size < known_bytes ? size : known_bytes;
    if (!is_zero((const unsigned char *)from + common, size - common))
        return mmb_fail(MMB_UNSUPPORTED,
                        "%s: set beyond the %zu bytes that this release of the library knows", what,
                        known_bytes);
    copy_members(known, from, common);
    return MMB_OK;
}

mmbError mmb_struct_out(void *to, const void *known, size_t known_bytes, size_t first_release_bytes,
                        const char *what)
{
    size_t size;

    if (!to)
        return mmb_fail(MMB_INVALID_ARG, "%s: NULL", what);
    size = claimed_size(to);
    if (size < first_release_bytes)
        return mmb_fail(MMB_INVALID_ARG, "%s: size %zu is below %zu, was it initialised?", what,
                        size, first_release_bytes);
    copy_members(to, known, size < known_bytes ? size : known_bytes);
    return MMB_OK;
}
