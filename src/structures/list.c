/* SPDX-License-Identifier: BSD-3-Clause */
/* A doubly linked list in a shared heap (shared_list.h): a table whose body is nodes that are
 * linked by their numbers. Owns nothing; each call takes the table's lock.
 *
 * Node 0 is the end: its links are the first and the last, so no case is special. A position is
 * serial << 32 | number; a node's serial is the one that it got when it was inserted, and 0 while
 * it is unused. A position is stale when the serials differ, until 2^32 - 1 insertions later. */
#include <mmb/shared_list.h>
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/structures/table.h"

struct node {
    uint64_t next; /* first, for mmb_table_take */
    uint64_t previous;
    uint64_t serial;
    unsigned char element[];
};

static size_t copy_bytes(const uint64_t sizes[2])
{
    return (size_t)sizes[0];
}

static size_t bytes(const struct mmb_shared_segment *segment, const uint64_t sizes[2])
{
    (void)segment;
    return sizes[1] == 0 ? mmb_table_bytes(sizes, copy_bytes) : 0;
}

static size_t stride(const uint64_t sizes[2])
{
    return sizeof(struct node) + mmb_round_up((size_t)sizes[0], 8);
}

static size_t body_bytes(const uint64_t sizes[2], uint64_t capacity)
{
    size_t n_bytes;
    bool fits = capacity < UINT32_MAX && mmb_mul_size(stride(sizes), capacity, &n_bytes);
    return fits ? n_bytes : 0;
}

static bool move(const struct mmb_table *table, unsigned char *body, uint64_t capacity)
{
    (void)capacity;
    memcpy(body, table->body, table->body_bytes);
    return true;
}

static const struct mmb_table_type type = {
    {MMB_OBJECT_LIST, "list", bytes}, copy_bytes, body_bytes, move};

static const mmbSharedObject *view_of(const mmbSharedList *list)
{
    return list ? &list->object : NULL;
}

/* ---- life ---- */

/* One more for the end, which is in use from the start. */
mmbError mmb_shared_list_create(mmbMemInterface *interface, size_t element_bytes, size_t n_elements,
                                mmbSharedList *out_list)
{
    const uint64_t sizes[2] = {element_bytes, 0};
    mmbSharedObject view;
    size_t capacity = n_elements < SIZE_MAX ? n_elements + 1 : n_elements;
    mmbError error = mmb_table_create(interface, &type, sizes, capacity, out_list ? &view : NULL);
    if (error != MMB_OK)
        return error;
    ((struct mmb_table_head *)((struct mmb_object_head *)view.address + 1))->used = 1;
    out_list->object = view;
    return MMB_OK;
}

mmbError mmb_shared_list_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                              mmbSharedList *out_list)
{
    return mmb_table_open(interface, &type, pointer, out_list ? &out_list->object : NULL);
}

mmbError mmb_shared_list_destroy(const mmbSharedList *list)
{
    return list ? mmb_table_destroy(&list->object, &type)
                : mmb_library_check("shared_list_destroy");
}

mmbError mmb_shared_list_count(const mmbSharedList *list, size_t *out_count)
{
    return mmb_table_count(view_of(list), &type, out_count);
}

/* ---- nodes ---- */

static struct node *node_at(const struct mmb_table *table, uint64_t number)
{
    return (struct node *)(table->body + number * stride(table->object.view->sizes));
}

static size_t element_bytes_of(const struct mmb_table *table)
{
    return (size_t)table->object.view->sizes[0];
}

static mmbError damaged(const struct mmb_table *table)
{
    return mmb_object_corrupt(&table->object, "its links lead nowhere");
}

/* Position 0 is the end and has a node. */
static mmbError find(const struct mmb_table *table, uint64_t position, struct node **out)
{
    uint64_t number = position & UINT32_MAX, serial = position >> 32;
    if (number < table->used && (number == 0) == (serial == 0) &&
        mmb_object_load(&node_at(table, number)->serial) == serial) {
        *out = node_at(table, number);
        return MMB_OK;
    }
    return mmb_fail(MMB_NOT_FOUND, "shared list: no element has position %llx",
                    (unsigned long long)position);
}

static mmbError find_element(const struct mmb_table *table, uint64_t position, struct node **out)
{
    if (position == 0)
        return mmb_fail(MMB_NOT_FOUND, "shared list: the end is no element");
    return find(table, position, out);
}

static uint64_t number_of(const struct mmb_table *table, const struct node *node)
{
    return (uint64_t)((const unsigned char *)node - table->body) /
           stride(table->object.view->sizes);
}

/* ---- changing ---- */

static uint64_t next_serial(const struct mmb_table *table)
{
    uint64_t serial = (mmb_object_load(&table->head->serial) + 1) & UINT32_MAX;
    return serial ? serial : 1;
}

static mmbError link_before(struct mmb_table *table, struct node *next, const void *element,
                            uint64_t *out_position)
{
    uint64_t before = mmb_object_load(&next->previous), serial = next_serial(table);
    uint64_t number = mmb_table_take(table, table->body, stride(table->object.view->sizes));
    if (before >= table->used || number >= table->capacity)
        return damaged(table);
    struct node *node = node_at(table, number), *previous = node_at(table, before);
    memcpy(node->element, element, element_bytes_of(table));
    mmb_table_set(table, &node->next, number_of(table, next));
    mmb_table_set(table, &node->previous, before);
    mmb_table_set(table, &node->serial, serial);
    mmb_table_set(table, &previous->next, number);
    mmb_table_set(table, &next->previous, number);
    mmb_table_set(table, &table->head->count, table->count + 1);
    mmb_table_set(table, &table->head->serial, serial);
    mmb_table_commit(table);
    if (out_position)
        *out_position = serial << 32 | number;
    return MMB_OK;
}

/* One element is the end. */
static bool is_full(const struct mmb_table *table)
{
    return table->free == 0 && table->used == table->capacity;
}

mmbError mmb_shared_list_insert(const mmbSharedList *list, uint64_t before, const void *element,
                                uint64_t *out_position)
{
    struct mmb_table table;
    struct node *next;
    mmbError error = mmb_table_lock(view_of(list), &type, &table);
    if (error != MMB_OK)
        return error;
    if (!element)
        return mmb_table_unlock(&table, mmb_object_null(&type.object));
    error = find(&table, before, &next);
    if (error == MMB_OK && is_full(&table)) {
        error = mmb_table_grow(&table);
        next = node_at(&table, before & UINT32_MAX);
    }
    if (error == MMB_OK)
        error = link_before(&table, next, element, out_position);
    return mmb_table_unlock(&table, error);
}

static mmbError unlink_node(struct mmb_table *table, struct node *node)
{
    uint64_t before = mmb_object_load(&node->previous), behind = mmb_object_load(&node->next);
    if (before >= table->used || behind >= table->used || table->count == 0)
        return damaged(table);
    mmb_table_set(table, &node_at(table, before)->next, behind);
    mmb_table_set(table, &node_at(table, behind)->previous, before);
    mmb_table_set(table, &node->next, table->free);
    mmb_table_set(table, &node->serial, 0);
    mmb_table_set(table, &table->head->free, number_of(table, node) + 1);
    mmb_table_set(table, &table->head->count, table->count - 1);
    mmb_table_commit(table);
    return MMB_OK;
}

mmbError mmb_shared_list_remove(const mmbSharedList *list, uint64_t position, void *out_element)
{
    struct mmb_table table;
    struct node *node;
    mmbError error = mmb_table_lock(view_of(list), &type, &table);
    if (error != MMB_OK)
        return error;
    error = find_element(&table, position, &node);
    if (error == MMB_OK)
        error = unlink_node(&table, node);
    if (error == MMB_OK && out_element)
        memcpy(out_element, node->element, element_bytes_of(&table));
    return mmb_table_unlock(&table, error);
}

/* ---- reading ---- */

/* The table is locked when it succeeds. */
static mmbError lock_at(const mmbSharedList *list, uint64_t position, const void *element,
                        struct mmb_table *table, struct node **out)
{
    mmbError error = mmb_table_lock(view_of(list), &type, table);
    if (error != MMB_OK)
        return error;
    error = element ? find_element(table, position, out) : mmb_object_null(&type.object);
    return error == MMB_OK ? MMB_OK : mmb_table_unlock(table, error);
}

mmbError mmb_shared_list_get(const mmbSharedList *list, uint64_t position, void *out_element)
{
    struct mmb_table table;
    struct node *node;
    mmbError error = lock_at(list, position, out_element, &table, &node);
    if (error != MMB_OK)
        return error;
    memcpy(out_element, node->element, element_bytes_of(&table));
    return mmb_table_unlock(&table, MMB_OK);
}

mmbError mmb_shared_list_set(const mmbSharedList *list, uint64_t position, const void *element)
{
    struct mmb_table table;
    struct node *node;
    mmbError error = lock_at(list, position, element, &table, &node);
    if (error != MMB_OK)
        return error;
    mmb_table_copy(&table, node->element, element);
    mmb_table_commit(&table);
    return mmb_table_unlock(&table, MMB_OK);
}

static mmbError position_of(const struct mmb_table *table, uint64_t number, uint64_t *out)
{
    if (number == 0)
        return mmb_fail(MMB_NOT_FOUND, "shared list: there is no further element");
    if (number >= table->used)
        return damaged(table);
    *out = mmb_object_load(&node_at(table, number)->serial) << 32 | number;
    return MMB_OK;
}

static mmbError step(const mmbSharedList *list, uint64_t position, bool forward,
                     uint64_t *out_position)
{
    struct mmb_table table;
    struct node *node;
    mmbError error = mmb_table_lock(view_of(list), &type, &table);
    if (error != MMB_OK)
        return error;
    error = out_position ? find(&table, position, &node) : mmb_object_null(&type.object);
    if (error == MMB_OK)
        error = position_of(&table, mmb_object_load(forward ? &node->next : &node->previous),
                            out_position);
    return mmb_table_unlock(&table, error);
}

mmbError mmb_shared_list_next(const mmbSharedList *list, uint64_t position, uint64_t *out_position)
{
    return step(list, position, true, out_position);
}

mmbError mmb_shared_list_previous(const mmbSharedList *list, uint64_t position,
                                  uint64_t *out_position)
{
    return step(list, position, false, out_position);
}
