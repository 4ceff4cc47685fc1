/* SPDX-License-Identifier: BSD-3-Clause */
/* What the backends have in common whose memory carries its heap: shared memory by URL, files,
 * arrays. Each finds or makes the memory; the rest is here. */
#ifndef MMB_SHARED_BACKEND_H
#define MMB_SHARED_BACKEND_H
#include "src/shared/segment.h"
#include "src/spi/backend.h"

/* An instance. ops->map gives the whole segment as one range, once. */
struct mmb_shared_backend {
    struct mmb_backend base;
    struct mmb_shared_segment segment;
    void *mapping; /* NULL: the user's memory */
    size_t mapping_bytes;
};

/* What to make, or what an existing one must be. */
struct mmb_shared_plan {
    uint64_t n_bytes, header_bytes;
    mmbStrategy strategy; /* DEFAULT: on attaching any */
    uint32_t id;          /* 0: derived_id to create, any to attach */
    uint32_t derived_id;
    uint32_t permissions;
    bool other_users;
    mmbShmMode mode;
    bool (*id_is_taken)(uint32_t id);
    const char *what; /* the URL or path, for details */
};

/* MMB_UNSUPPORTED for passthrough, MMB_INVALID_ARG for no mode. */
mmbError mmb_shared_plan_check(const struct mmb_shared_plan *plan);
/* To create: MMB_EXISTS: this process has a heap of that id. */
mmbError mmb_shared_plan_check_id(const struct mmb_shared_plan *plan, uint32_t id);
/* To attach: that, and MMB_INVALID_ARG: another strategy or id than planned. */
mmbError mmb_shared_plan_matches(const struct mmb_shared_plan *plan,
                                 const struct mmb_shared_head *head);
uint32_t mmb_shared_id_of(const char *text);
/* The strategy to create with. */
mmbStrategy mmb_shared_plan_strategy(const struct mmb_shared_plan *plan);

/* The file a segment lies in; fd -1: none. */
struct mmb_shared_place {
    int fd;
    uint64_t fd_offset;
};

/* An instance over mapped memory; on failure fd is closed and the memory the caller's. */
mmbError mmb_shared_backend_make(const struct mmb_backend_ops *ops, void *base,
                                 const struct mmb_shared_head *head, struct mmb_shared_place place,
                                 struct mmb_shared_backend **out);

mmbError mmb_shared_backend_map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                                size_t alignment, struct mmb_memory *out);
mmbError mmb_shared_backend_unmap(struct mmb_backend *backend, const struct mmb_memory *memory);
void mmb_shared_backend_close(struct mmb_backend *backend);

/* ---- segments in files (file.c) ---- */

/* Makes, or attaches to, the segment in the file of that name, as the plan's mode says. Nobody sees
 * it before it is whole. MMB_EXISTS, MMB_NOT_FOUND, MMB_PERMISSION, MMB_CORRUPT, MMB_OUT_OF_MEMORY.
 */
mmbError mmb_shared_file_open(const struct mmb_backend_ops *ops, const char *path,
                              const struct mmb_shared_plan *plan, struct mmb_shared_backend **out);
/* The same over an unnamed file of the caller's: fill it (publish is then a no-op), or attach. The
 * descriptor is closed in any case. */
mmbError mmb_shared_fd_create(const struct mmb_backend_ops *ops, int fd,
                              const struct mmb_shared_plan *plan, struct mmb_shared_backend **out);
mmbError mmb_shared_fd_attach(const struct mmb_backend_ops *ops, int fd,
                              const struct mmb_shared_plan *plan, struct mmb_shared_backend **out);
/* Reads and checks the head of a file; *out_bytes is its length. */
mmbError mmb_shared_fd_head(int fd, const char *what, struct mmb_shared_head *out_head);
/* Opens a file that must be there. -1 with *out_error. */
int mmb_shared_file_find(const char *path, mmbError *out_error);
/* A mapping that is aligned alike in every process; NULL with errno. */
void *mmb_shared_map(int fd, size_t n_bytes, bool writable);

#endif
