/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_STRUCT_SIZE_H
#define MMB_BASE_STRUCT_SIZE_H
/* Public structs that start with "size_t size" and may grow at their end: the caller's sizeof, when
 * it was compiled, says what it knows. what names the struct in the detail. */

#include <mmb/error.h>
#include <stddef.h>

/* No public struct comes near an OS page. A size beyond that is an uninitialised one, and looking
 * for zeros behind it would read whatever memory lies there. */
#define MMB_STRUCT_BYTES_MAX ((size_t)4096)

/* Reads a caller's struct. *known holds the library's defaults and its own size, which stays; the
 * members both sides know are copied over them. from == NULL leaves the defaults. MMB_INVALID_ARG:
 * size is below the first release's, or too large to be the size of any struct. MMB_UNSUPPORTED: a
 * byte that only a newer library knows is not zero. *known is unchanged after either. */
mmbError mmb_struct_in(void *known, size_t known_bytes, const void *from,
                       size_t first_release_bytes, const char *what);

/* Fills a caller's struct with the members both sides know. Its size member stays, as do bytes that
 * only a newer library knows. MMB_INVALID_ARG: to is NULL, or size is below the first release's;
 * nothing is written. */
mmbError mmb_struct_out(void *to, const void *known, size_t known_bytes, size_t first_release_bytes,
                        const char *what);

#endif
