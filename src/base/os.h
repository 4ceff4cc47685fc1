/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_OS_H
#define MMB_BASE_OS_H
/* Pages from the operating system. A failure is NULL or false with errno set, and no detail: these
 * serve the metadata that details live in. */

#include <stdbool.h>
#include <stddef.h>

/* Bytes of an OS page, a power of two. */
size_t mmb_os_page_bytes(void);

/* Addresses only: no access, no memory, nothing charged by the kernel. Given back by mmb_os_unmap.
 */
void *mmb_os_reserve(size_t n_bytes);

/* The same, aligned to their number, a power of two of at least an OS page. For a moment there are
 * twice as many. */
void *mmb_os_reserve_aligned(size_t n_bytes);

/* Makes OS pages of a reservation readable; they read as zero and take no memory. */
bool mmb_os_show(void *start, size_t n_bytes);

/* Makes OS pages of a reservation readable and writable; they read as zero at first. start is
 * aligned to an OS page, a last partial page is committed whole. On failure nothing is promised
 * about the pages' access. */
bool mmb_os_commit(void *start, size_t n_bytes);

/* Private anonymous memory, readable and writable, zero, aligned to an OS page. */
void *mmb_os_map(size_t n_bytes);

/* The whole or, in OS pages, a part of what mmb_os_map or mmb_os_reserve gave. */
bool mmb_os_unmap(void *start, size_t n_bytes);

/* Gives the memory of the OS pages that lie wholly inside the range back; the addresses stay
 * usable. What such a page holds afterwards is zero or, where the kernel declined (locked pages),
 * what it held before. */
void mmb_os_discard(void *start, size_t n_bytes);

#endif
