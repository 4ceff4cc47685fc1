/* SPDX-License-Identifier: BSD-3-Clause */
/* What all objects in shared heaps have in common: a block with a head, found by a shared pointer,
 * and a private view of it. The head is written once, before anybody else knows of the object; all
 * that follows is bounded by the sizes in the view, never by the segment. */
#ifndef MMB_STRUCTURES_OBJECT_H
#define MMB_STRUCTURES_OBJECT_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb/shared_object.h>
#include "src/shared/robust.h"

enum mmb_object_kind {
    MMB_OBJECT_RING = 1,
    MMB_OBJECT_VECTOR,
    MMB_OBJECT_LIST,
    MMB_OBJECT_MAP,
    MMB_OBJECT_MUTEX,
    MMB_OBJECT_RWLOCK
};

/* 64 bytes. Only `lock` ever changes. */
struct mmb_object_head {
    uint64_t magic;    /* cleared by destroy */
    uint64_t identity; /* random << 8 | kind */
    uint64_t sizes[2]; /* what they mean is the kind's affair */
    uint64_t sum;
    uint64_t lock; /* robust.h */
    uint64_t unused[2];
};

struct mmb_object_type {
    enum mmb_object_kind kind;
    const char *name;
    /* Of the object's first block, head included; 0: there cannot be such sizes. */
    size_t (*bytes)(const struct mmb_shared_segment *segment, const uint64_t sizes[2]);
};

/* An object that a call works on; the view was checked. */
struct mmb_object {
    const struct mmb_object_type *type;
    struct mmb_shared_segment *segment;
    struct mmb_object_head *head;
    const mmbSharedObject *view;
};

/* A zeroed block with its head. The error, with a detail, of the public create functions. */
mmbError mmb_object_create(mmbMemInterface *interface, const struct mmb_object_type *type,
                           const uint64_t sizes[2], mmbSharedObject *out);
mmbError mmb_object_open(mmbMemInterface *interface, const struct mmb_object_type *type,
                         mmbSharedPtr pointer, mmbSharedObject *out);
/* What each call on a view begins with. */
mmbError mmb_object_enter(const mmbSharedObject *view, const struct mmb_object_type *type,
                          struct mmb_object *out);
/* Frees the block; the object's others have to go before. */
mmbError mmb_object_destroy(const struct mmb_object *object);

mmbError mmb_object_corrupt(const struct mmb_object *object, const char *what);
mmbError mmb_object_null(const struct mmb_object_type *type);
/* MMB_INVALID_SIZE. */
mmbError mmb_object_no_size(const struct mmb_object_type *type);

/* A further block of an object's, zeroed and nobody's; where it starts in the segment. */
mmbError mmb_object_block(mmbMemInterface *interface, const struct mmb_object_type *type,
                          size_t n_bytes, uint64_t *out_offset);
/* What cannot be freed any more was freed before. */
void mmb_object_free_block(const mmbSharedObject *view, uint64_t offset);
/* The address of a range in the segment's data, aligned to 8; NULL: it is not there. */
void *mmb_object_range(const struct mmb_object *object, uint64_t offset, size_t n_bytes);

/* Words of a segment change under our hands: each is read once. */
static inline uint64_t mmb_object_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

#endif
