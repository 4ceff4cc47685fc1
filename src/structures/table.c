/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables (table.h). Owns the second blocks and the logs. The table's lock comes before all locks of
 * the heap, which are taken to enlarge it.
 *
 * The lock needs no mark of a dead holder: an open log says all. Ordering: a killed process has
 * executed some prefix of its instructions, and whoever locks next sees what they stored. So only
 * the compiler could spoil the order of notes, log and words; no access moves across the exchange
 * that sets the log. Not a fence: ThreadSanitizer knows none. */
#include "src/structures/table.h"
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"

#define LOG_COPY 0x100u

#define HEAD_BYTES (sizeof(struct mmb_object_head) + sizeof(struct mmb_table_head))

size_t mmb_table_bytes(const uint64_t sizes[2], size_t (*copy_bytes)(const uint64_t sizes[2]))
{
    size_t n_bytes;
    if (sizes[0] == 0 || sizes[0] > SIZE_MAX / 4 || sizes[1] > SIZE_MAX / 4)
        return 0;
    return mmb_add_size(HEAD_BYTES, copy_bytes(sizes), &n_bytes) ? n_bytes : 0;
}

static unsigned char *copy_of(const struct mmb_table *table)
{
    return (unsigned char *)(table->head + 1);
}

static const uint64_t *sizes_of(const struct mmb_table *table)
{
    return table->object.view->sizes;
}

static uint64_t offset_of(const struct mmb_table *table, const void *address)
{
    return (uint64_t)((const unsigned char *)address - table->object.segment->base);
}

/* ---- the log ---- */

/* A word that may be noted: of the head, or of the body. */
static uint64_t *word_at(const struct mmb_table *table, uint64_t offset)
{
    uint64_t from_head = offset - offset_of(table, table->head);
    uint64_t from_body = offset - offset_of(table, table->body);
    bool is_there = from_head < offsetof(struct mmb_table_head, log) ||
                    (from_body < table->body_bytes && table->body_bytes - from_body >= 8);
    return is_there && offset % 8 == 0 ? (uint64_t *)(table->object.segment->base + offset) : NULL;
}

static bool carry_out(const struct mmb_table *table, uint64_t log)
{
    const struct mmb_table_head *head = table->head;
    uint64_t n = log & ~(uint64_t)LOG_COPY;
    size_t copy_bytes = table->type->copy_bytes(sizes_of(table));
    if (n > MMB_TABLE_NOTES)
        return false;
    if (log & LOG_COPY) {
        uint64_t from_body = mmb_object_load(&head->copy_to) - offset_of(table, table->body);
        if (from_body > table->body_bytes || table->body_bytes - from_body < copy_bytes)
            return false;
        memcpy(table->body + from_body, copy_of(table), copy_bytes);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t *word = word_at(table, mmb_object_load(&head->notes[i].at));
        if (!word)
            return false;
        __atomic_store_n(word, mmb_object_load(&head->notes[i].value), __ATOMIC_RELAXED);
    }
    return true;
}

void mmb_table_set(struct mmb_table *table, uint64_t *word, uint64_t value)
{
    struct mmb_table_note *note = &table->head->notes[table->n_notes++];
    MMB_ASSERT(table->n_notes <= MMB_TABLE_NOTES && word_at(table, offset_of(table, word)));
    __atomic_store_n(&note->at, offset_of(table, word), __ATOMIC_RELAXED);
    __atomic_store_n(&note->value, value, __ATOMIC_RELAXED);
}

void mmb_table_copy(struct mmb_table *table, void *to, const void *from)
{
    memcpy(copy_of(table), from, table->type->copy_bytes(sizes_of(table)));
    __atomic_store_n(&table->head->copy_to, offset_of(table, to), __ATOMIC_RELAXED);
    table->has_copy = true;
}

/* What comes before happens before it, what comes after after it. */
static void set_log(struct mmb_table_head *head, uint64_t log)
{
    __atomic_exchange_n(&head->log, log, __ATOMIC_SEQ_CST);
}

void mmb_table_commit(struct mmb_table *table)
{
    uint64_t log = table->n_notes | (table->has_copy ? LOG_COPY : 0);
    set_log(table->head, log);
    carry_out(table, log);
    set_log(table->head, 0);
    table->n_notes = 0;
    table->has_copy = false;
}

/* ---- locking ---- */

/* A kill between the words for a new body and its capacity leaves the new body with the old, lesser
 * capacity: still a range. */
static bool find_body(struct mmb_table *table)
{
    const struct mmb_table_head *head = table->head;
    table->capacity = mmb_object_load(&head->capacity);
    table->body_bytes = table->type->body_bytes(sizes_of(table), table->capacity);
    if (table->body_bytes == 0)
        return false;
    table->body = mmb_object_range(&table->object, mmb_object_load(&head->body), table->body_bytes);
    return table->body != NULL;
}

static bool settle(struct mmb_table *table)
{
    struct mmb_table_head *head = table->head;
    uint64_t log = mmb_object_load(&head->log);
    if (!find_body(table))
        return false;
    if (log != 0) {
        if (!carry_out(table, log) || !find_body(table))
            return false;
        set_log(head, 0);
    }
    table->count = mmb_object_load(&head->count);
    table->used = mmb_object_load(&head->used);
    table->free = mmb_object_load(&head->free);
    return table->count <= table->used && table->used <= table->capacity &&
           table->free <= table->used;
}

mmbError mmb_table_lock(const mmbSharedObject *view, const struct mmb_table_type *type,
                        struct mmb_table *out)
{
    struct mmb_object object;
    mmbError error = mmb_object_enter(view, &type->object, &object);
    if (error != MMB_OK)
        return error;
    *out = (struct mmb_table){
        .object = object, .type = type, .head = (struct mmb_table_head *)(object.head + 1)};
    mmb_robust_lock(object.segment, &object.head->lock, 0, 0);
    if (settle(out))
        return MMB_OK;
    return mmb_table_unlock(out, mmb_object_corrupt(&object, "what it says of itself cannot be"));
}

mmbError mmb_table_unlock(struct mmb_table *table, mmbError error)
{
    mmb_robust_unlock(table->object.segment, &table->object.head->lock, 0);
    return error;
}

/* ---- life ---- */

/* Nobody else knows of the object yet. */
static mmbError give_body(const mmbSharedObject *view, const struct mmb_table_type *type,
                          size_t capacity)
{
    struct mmb_table_head *head =
        (struct mmb_table_head *)((struct mmb_object_head *)view->address + 1);
    size_t n_bytes = type->body_bytes(view->sizes, capacity);
    head->capacity = capacity;
    if (n_bytes == 0)
        return mmb_object_no_size(&type->object);
    return mmb_object_block(view->interface, &type->object, n_bytes, &head->body);
}

mmbError mmb_table_create(mmbMemInterface *interface, const struct mmb_table_type *type,
                          const uint64_t sizes[2], size_t capacity, mmbSharedObject *out)
{
    mmbSharedObject view;
    struct mmb_object object;
    mmbError error = mmb_object_create(interface, &type->object, sizes, out ? &view : NULL);
    if (error != MMB_OK)
        return error;
    error = give_body(&view, type, capacity > MMB_TABLE_CAPACITY ? capacity : MMB_TABLE_CAPACITY);
    if (error == MMB_OK)
        *out = view;
    else if (mmb_object_enter(&view, &type->object, &object) == MMB_OK)
        mmb_object_destroy(&object);
    return error;
}

mmbError mmb_table_open(mmbMemInterface *interface, const struct mmb_table_type *type,
                        mmbSharedPtr pointer, mmbSharedObject *out)
{
    return mmb_object_open(interface, &type->object, pointer, out);
}

mmbError mmb_table_destroy(const mmbSharedObject *view, const struct mmb_table_type *type)
{
    struct mmb_table table;
    mmbError error = mmb_table_lock(view, type, &table);
    if (error != MMB_OK)
        return error;
    uint64_t body = mmb_object_load(&table.head->body);
    error = mmb_object_destroy(&table.object);
    if (error != MMB_OK)
        return mmb_table_unlock(&table, error);
    mmb_object_free_block(view, body);
    return MMB_OK;
}

mmbError mmb_table_count(const mmbSharedObject *view, const struct mmb_table_type *type,
                         size_t *out_count)
{
    struct mmb_table table;
    mmbError error = mmb_table_lock(view, type, &table);
    if (error != MMB_OK)
        return error;
    if (!out_count)
        return mmb_table_unlock(&table, mmb_object_null(&type->object));
    *out_count = (size_t)table.count;
    return mmb_table_unlock(&table, MMB_OK);
}

/* ---- growing and taking ---- */

mmbError mmb_table_grow(struct mmb_table *table)
{
    const struct mmb_table_type *type = table->type;
    const mmbSharedObject *view = table->object.view;
    uint64_t old = offset_of(table, table->body), fresh = 0, capacity = table->capacity * 2;
    size_t n_bytes = type->body_bytes(sizes_of(table), capacity);
    if (n_bytes == 0)
        return mmb_fail(MMB_OUT_OF_MEMORY, "shared %s: it cannot be larger", type->object.name);
    mmbError error = mmb_object_block(view->interface, &type->object, n_bytes, &fresh);
    if (error != MMB_OK)
        return error;
    unsigned char *body = table->object.segment->base + fresh;
    if (!type->move(table, body, capacity)) {
        mmb_object_free_block(view, fresh);
        return mmb_object_corrupt(&table->object, "its elements contradict themselves");
    }
    mmb_table_set(table, &table->head->body, fresh);
    mmb_table_set(table, &table->head->capacity, capacity);
    mmb_table_commit(table);
    table->body = body;
    table->body_bytes = n_bytes;
    table->capacity = capacity;
    mmb_object_free_block(view, old);
    return MMB_OK;
}

uint64_t mmb_table_take(struct mmb_table *table, unsigned char *first, size_t stride)
{
    uint64_t index = table->free - 1;
    if (table->free == 0) {
        mmb_table_set(table, &table->head->used, table->used + 1);
        return table->used < table->capacity ? table->used : UINT64_MAX;
    }
    uint64_t next = mmb_object_load((uint64_t *)(first + index * stride));
    mmb_table_set(table, &table->head->free, next);
    return next <= table->used ? index : UINT64_MAX;
}
