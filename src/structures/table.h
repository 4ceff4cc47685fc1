/* SPDX-License-Identifier: BSD-3-Clause */
/* What vector, list and map are built of: an object with a lock, a second block of elements that is
 * replaced by a larger one, and a log that makes a call's changes one.
 *
 * A call reads what it needs, writes what nobody can reach yet, notes the words that are to change
 * and commits: the notes are in the segment before the one store that makes them count, then they
 * are carried out, then struck. Whoever locks next after a kill carries them out again, which does
 * no harm, so a change happened wholly when that store did, and else not at all. */
#ifndef MMB_STRUCTURES_TABLE_H
#define MMB_STRUCTURES_TABLE_H
#include "src/structures/object.h"

#define MMB_TABLE_NOTES    8u
#define MMB_TABLE_CAPACITY 16u /* of a new one, unless more is asked for */

struct mmb_table_note {
    uint64_t at; /* in the segment */
    uint64_t value;
};

/* After the object's head. count <= used <= capacity and free <= used, whatever uses them. */
struct mmb_table_head {
    uint64_t body; /* of the second block, in the segment */
    uint64_t capacity;
    uint64_t count;
    uint64_t used;    /* elements that were ever in use: those behind are as they were made */
    uint64_t free;    /* first of a chain of unused ones, + 1 */
    uint64_t serial;  /* of the element that was last made */
    uint64_t log;     /* how many notes count, and whether the copy does; 0: nothing is going on */
    uint64_t copy_to; /* where the copy belongs, in the segment */
    struct mmb_table_note notes[MMB_TABLE_NOTES];
    /* then the copy: an element that takes another's place */
};

struct mmb_table;

struct mmb_table_type {
    struct mmb_object_type object;
    size_t (*copy_bytes)(const uint64_t sizes[2]);
    /* Of a body; 0: too large. */
    size_t (*body_bytes)(const uint64_t sizes[2], uint64_t capacity);
    /* Fills a larger body, which is zeroed. False: the one there is contradicts itself. */
    bool (*move)(const struct mmb_table *table, unsigned char *body, uint64_t capacity);
};

/* A table that is locked. The numbers are private copies that hold together. */
struct mmb_table {
    struct mmb_object object;
    const struct mmb_table_type *type;
    struct mmb_table_head *head;
    unsigned char *body;
    size_t body_bytes;
    uint64_t capacity, count, used, free;
    uint64_t n_notes;
    bool has_copy;
};

/* Two sizes as a size that a table of the type may have, or 0. */
size_t mmb_table_bytes(const uint64_t sizes[2], size_t (*copy_bytes)(const uint64_t sizes[2]));
mmbError mmb_table_create(mmbMemInterface *interface, const struct mmb_table_type *type,
                          const uint64_t sizes[2], size_t capacity, mmbSharedObject *out);
mmbError mmb_table_open(mmbMemInterface *interface, const struct mmb_table_type *type,
                        mmbSharedPtr pointer, mmbSharedObject *out);
mmbError mmb_table_destroy(const mmbSharedObject *view, const struct mmb_table_type *type);
mmbError mmb_table_count(const mmbSharedObject *view, const struct mmb_table_type *type,
                         size_t *out_count);

/* Locks it and finishes what a killed holder began. */
mmbError mmb_table_lock(const mmbSharedObject *view, const struct mmb_table_type *type,
                        struct mmb_table *out);
/* Passes the error on. */
mmbError mmb_table_unlock(struct mmb_table *table, mmbError error);

/* Makes room for twice as many. On failure nothing has changed. */
mmbError mmb_table_grow(struct mmb_table *table);
/* Notes a word of the head or the body, at most MMB_TABLE_NOTES; a copy to the body, at most one.
 */
void mmb_table_set(struct mmb_table *table, uint64_t *word, uint64_t value);
void mmb_table_copy(struct mmb_table *table, void *to, const void *from);
void mmb_table_commit(struct mmb_table *table);

/* An element that is in no use: from the chain, else one that never was; its link stands at the
 * start of the element's `stride` bytes behind `first`. Notes what changes by taking it.
 * UINT64_MAX: the chain is damaged. The table is not full. */
uint64_t mmb_table_take(struct mmb_table *table, unsigned char *first, size_t stride);

#endif
