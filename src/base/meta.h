/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_META_H
#define MMB_BASE_META_H
/* Memory for the library's own records. It never comes from malloc, because the library must be
 * able to serve malloc, and never lies in memory that a user can reach by overrunning a block.
 * Thread-safe; NULL means that the system refused, and leaves errno and this thread's detail alone:
 * the caller knows what it wanted the memory for. */

#include <stddef.h>

/* n_bytes > 0, zeroed, aligned to 64 bytes. Blocks of more than 64 KiB are mappings of their own.
 */
void *mmb_meta_alloc(size_t n_bytes);

/* The n_bytes of the allocation; NULL does nothing. Up to 64 KiB the memory stays with the library
 * for the next request of that size, so that writing to a freed record can never hit a stranger's
 * mapping. */
void mmb_meta_free(void *block, size_t n_bytes);

/* NULL for NULL. The copy must not be shortened or lengthened before it is freed. */
char *mmb_meta_strdup(const char *text);
void mmb_meta_strfree(char *text);

/* Bytes handed out and not freed, as rounded to their size class: back to its old value means that
 * nothing leaked. */
size_t mmb_meta_bytes(void);

/* Bytes taken from the system, at least mmb_meta_bytes. */
size_t mmb_meta_reserved_bytes(void);

/* Around fork: the lock is held from prepare to parent or child, and nothing may be allocated
 * between. Take it after every lock under which metadata is allocated. */
void mmb_meta_fork_prepare(void);
void mmb_meta_fork_parent(void);
void mmb_meta_fork_child(void);

#endif
