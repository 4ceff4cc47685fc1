/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing array in a shared heap (shared_vector.h): a table whose body is the elements, one
 * behind the other. Owns nothing; each call takes the table's lock.
 *
 * An element behind the last is nobody's, so push writes it and then commits the count; set goes
 * through the log's copy. */
#include <mmb/shared_vector.h>
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/structures/table.h"

static size_t copy_bytes(const uint64_t sizes[2])
{
    return (size_t)sizes[0];
}

static size_t bytes(const struct mmb_shared_segment *segment, const uint64_t sizes[2])
{
    (void)segment;
    return sizes[1] == 0 ? mmb_table_bytes(sizes, copy_bytes) : 0;
}

static size_t body_bytes(const uint64_t sizes[2], uint64_t capacity)
{
    size_t n_bytes;
    return mmb_mul_size((size_t)sizes[0], capacity, &n_bytes) ? n_bytes : 0;
}

static bool move(const struct mmb_table *table, unsigned char *body, uint64_t capacity)
{
    (void)capacity;
    memcpy(body, table->body, (size_t)table->count * table->object.view->sizes[0]);
    return true;
}

static const struct mmb_table_type type = {
    {MMB_OBJECT_VECTOR, "vector", bytes}, copy_bytes, body_bytes, move};

static const mmbSharedObject *view_of(const mmbSharedVector *vector)
{
    return vector ? &vector->object : NULL;
}

mmbError mmb_shared_vector_create(mmbMemInterface *interface, size_t element_bytes,
                                  size_t n_elements, mmbSharedVector *out_vector)
{
    const uint64_t sizes[2] = {element_bytes, 0};
    return mmb_table_create(interface, &type, sizes, n_elements,
                            out_vector ? &out_vector->object : NULL);
}

mmbError mmb_shared_vector_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                mmbSharedVector *out_vector)
{
    return mmb_table_open(interface, &type, pointer, out_vector ? &out_vector->object : NULL);
}

mmbError mmb_shared_vector_destroy(const mmbSharedVector *vector)
{
    return vector ? mmb_table_destroy(&vector->object, &type)
                  : mmb_library_check("shared_vector_destroy");
}

mmbError mmb_shared_vector_count(const mmbSharedVector *vector, size_t *out_count)
{
    return mmb_table_count(view_of(vector), &type, out_count);
}

/* ---- elements ---- */

static size_t element_bytes_of(const struct mmb_table *table)
{
    return (size_t)table->object.view->sizes[0];
}

static unsigned char *element(const struct mmb_table *table, uint64_t index)
{
    return table->body + index * element_bytes_of(table);
}

/* `used` follows `count`: there is no chain of unused elements. */
static void set_count(struct mmb_table *table, uint64_t count)
{
    mmb_table_set(table, &table->head->count, count);
    mmb_table_set(table, &table->head->used, count);
    mmb_table_commit(table);
}

static mmbError append(struct mmb_table *table, const void *from)
{
    if (!from)
        return mmb_object_null(&type.object);
    mmbError error = table->count == table->capacity ? mmb_table_grow(table) : MMB_OK;
    if (error != MMB_OK)
        return error;
    memcpy(element(table, table->count), from, element_bytes_of(table));
    set_count(table, table->count + 1);
    return MMB_OK;
}

mmbError mmb_shared_vector_push(const mmbSharedVector *vector, const void *from)
{
    struct mmb_table table;
    mmbError error = mmb_table_lock(view_of(vector), &type, &table);
    return error == MMB_OK ? mmb_table_unlock(&table, append(&table, from)) : error;
}

mmbError mmb_shared_vector_pop(const mmbSharedVector *vector, void *out_element)
{
    struct mmb_table table;
    mmbError error = mmb_table_lock(view_of(vector), &type, &table);
    if (error != MMB_OK)
        return error;
    if (table.count == 0)
        return mmb_table_unlock(&table, mmb_fail(MMB_NOT_FOUND, "shared vector: it is empty"));
    if (out_element)
        memcpy(out_element, element(&table, table.count - 1), element_bytes_of(&table));
    set_count(&table, table.count - 1);
    return mmb_table_unlock(&table, MMB_OK);
}

/* The table is locked when it succeeds. */
static mmbError lock_at(const mmbSharedVector *vector, size_t index, const void *element,
                        struct mmb_table *out)
{
    mmbError error = mmb_table_lock(view_of(vector), &type, out);
    if (error != MMB_OK)
        return error;
    if (!element)
        return mmb_table_unlock(out, mmb_object_null(&type.object));
    if (index >= out->count)
        return mmb_table_unlock(out, mmb_fail(MMB_INVALID_SIZE, "shared vector: no %zu in %llu",
                                              index, (unsigned long long)out->count));
    return MMB_OK;
}

mmbError mmb_shared_vector_get(const mmbSharedVector *vector, size_t index, void *out_element)
{
    struct mmb_table table;
    mmbError error = lock_at(vector, index, out_element, &table);
    if (error != MMB_OK)
        return error;
    memcpy(out_element, element(&table, index), element_bytes_of(&table));
    return mmb_table_unlock(&table, MMB_OK);
}

mmbError mmb_shared_vector_set(const mmbSharedVector *vector, size_t index, const void *from)
{
    struct mmb_table table;
    mmbError error = lock_at(vector, index, from, &table);
    if (error != MMB_OK)
        return error;
    mmb_table_copy(&table, element(&table, index), from);
    mmb_table_commit(&table);
    return mmb_table_unlock(&table, MMB_OK);
}
