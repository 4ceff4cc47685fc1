/* SPDX-License-Identifier: BSD-3-Clause */
/* A hash map in a shared heap (shared_map.h): a table whose body is as many buckets as nodes, a
 * power of two, and then the nodes. Owns nothing; each call takes the table's lock.
 *
 * A bucket is the first of a chain of nodes, + 1; so is a node's link. A node's hash has its
 * highest bit set while the node is in use. Nodes keep their numbers when the map grows, so a
 * cursor does too. No chain is followed for longer than there are nodes, whatever it says. */
#include <mmb/shared_map.h>
#include <string.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/core/registry.h"
#include "src/structures/table.h"

#define IN_USE ((uint64_t)1 << 63)

struct node {
    uint64_t next; /* first, for mmb_table_take */
    uint64_t hash;
    unsigned char key[]; /* then the value, at a multiple of 8 */
};

static size_t copy_bytes(const uint64_t sizes[2])
{
    return (size_t)sizes[1];
}

static size_t bytes(const struct mmb_shared_segment *segment, const uint64_t sizes[2])
{
    (void)segment;
    return sizes[1] != 0 ? mmb_table_bytes(sizes, copy_bytes) : 0;
}

static size_t stride(const uint64_t sizes[2])
{
    return sizeof(struct node) + mmb_round_up((size_t)sizes[0], 8) +
           mmb_round_up((size_t)sizes[1], 8);
}

static size_t body_bytes(const uint64_t sizes[2], uint64_t capacity)
{
    size_t n_bytes;
    bool fits = mmb_is_power_of_two(capacity) &&
                mmb_mul_size(sizeof(uint64_t) + stride(sizes), capacity, &n_bytes);
    return fits ? n_bytes : 0;
}

static bool move(const struct mmb_table *table, unsigned char *body, uint64_t capacity);

static const struct mmb_table_type type = {
    {MMB_OBJECT_MAP, "map", bytes}, copy_bytes, body_bytes, move};

static const mmbSharedObject *view_of(const mmbSharedMap *map)
{
    return map ? &map->object : NULL;
}

/* ---- life ---- */

mmbError mmb_shared_map_create(mmbMemInterface *interface, size_t key_bytes, size_t value_bytes,
                               size_t n_elements, mmbSharedMap *out_map)
{
    const uint64_t sizes[2] = {key_bytes, value_bytes};
    size_t capacity = MMB_TABLE_CAPACITY;
    while (capacity < n_elements && capacity <= SIZE_MAX / 4)
        capacity *= 2;
    if (capacity < n_elements)
        return mmb_object_no_size(&type.object);
    return mmb_table_create(interface, &type, sizes, capacity, out_map ? &out_map->object : NULL);
}

mmbError mmb_shared_map_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                             mmbSharedMap *out_map)
{
    return mmb_table_open(interface, &type, pointer, out_map ? &out_map->object : NULL);
}

mmbError mmb_shared_map_destroy(const mmbSharedMap *map)
{
    return map ? mmb_table_destroy(&map->object, &type) : mmb_library_check("shared_map_destroy");
}

mmbError mmb_shared_map_count(const mmbSharedMap *map, size_t *out_count)
{
    return mmb_table_count(view_of(map), &type, out_count);
}

/* ---- nodes ---- */

static unsigned char *nodes_in(unsigned char *body, uint64_t capacity)
{
    return body + capacity * sizeof(uint64_t);
}

static struct node *node_at(const struct mmb_table *table, uint64_t number)
{
    return (struct node *)(nodes_in(table->body, table->capacity) +
                           number * stride(table->object.view->sizes));
}

static uint64_t *bucket_of(const struct mmb_table *table, uint64_t hash)
{
    return (uint64_t *)table->body + (hash & (table->capacity - 1));
}

static unsigned char *value_in(const struct mmb_table *table, struct node *node)
{
    return node->key + mmb_round_up((size_t)table->object.view->sizes[0], 8);
}

/* FNV-1a; buckets are chosen by low bits, which its last multiplication leaves well mixed only
 * after a fold. */
static uint64_t hash_of(const struct mmb_table *table, const unsigned char *key)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (uint64_t i = 0; i < table->object.view->sizes[0]; i++)
        hash = (hash ^ key[i]) * 0x100000001b3ull;
    return (hash ^ hash >> 32) | IN_USE;
}

static mmbError damaged(const struct mmb_table *table)
{
    return mmb_object_corrupt(&table->object, "its chains lead nowhere");
}

/* Where the chain leads to the key, or ends; *out is NULL then. */
static mmbError find(const struct mmb_table *table, const void *key, uint64_t **out_link,
                     struct node **out)
{
    uint64_t hash = hash_of(table, key);
    uint64_t *link = bucket_of(table, hash);
    for (uint64_t steps = 0; steps <= table->used; steps++) {
        uint64_t number = mmb_object_load(link);
        *out_link = link;
        *out = NULL;
        if (number == 0)
            return MMB_OK;
        if (number > table->used)
            break;
        *out = node_at(table, number - 1);
        if (mmb_object_load(&(*out)->hash) == hash &&
            memcmp((*out)->key, key, (size_t)table->object.view->sizes[0]) == 0)
            return MMB_OK;
        link = &(*out)->next;
    }
    return damaged(table);
}

/* Nodes go as they are; the chains of those in use are made anew. */
static bool move(const struct mmb_table *table, unsigned char *body, uint64_t capacity)
{
    size_t n_bytes = stride(table->object.view->sizes);
    unsigned char *nodes = nodes_in(body, capacity);
    uint64_t *buckets = (uint64_t *)body;
    memcpy(nodes, nodes_in(table->body, table->capacity), (size_t)table->used * n_bytes);
    for (uint64_t i = 0; i < table->used; i++) {
        struct node *node = (struct node *)(nodes + i * n_bytes);
        uint64_t *bucket = &buckets[node->hash & (capacity - 1)];
        if (!(node->hash & IN_USE))
            return false;
        node->next = *bucket;
        *bucket = i + 1;
    }
    return true;
}

/* ---- changing ---- */

static mmbError add(struct mmb_table *table, const void *key, const void *value)
{
    const uint64_t *sizes = table->object.view->sizes;
    uint64_t hash = hash_of(table, key);
    uint64_t *bucket = bucket_of(table, hash);
    uint64_t number = mmb_table_take(table, nodes_in(table->body, table->capacity), stride(sizes));
    if (number >= table->capacity)
        return damaged(table);
    struct node *node = node_at(table, number);
    memcpy(node->key, key, (size_t)sizes[0]);
    memcpy(value_in(table, node), value, (size_t)sizes[1]);
    mmb_table_set(table, &node->next, mmb_object_load(bucket));
    mmb_table_set(table, &node->hash, hash);
    mmb_table_set(table, bucket, number + 1);
    mmb_table_set(table, &table->head->count, table->count + 1);
    mmb_table_commit(table);
    return MMB_OK;
}

static mmbError put(struct mmb_table *table, const void *key, const void *value)
{
    uint64_t *link;
    struct node *node;
    mmbError error = find(table, key, &link, &node);
    if (error != MMB_OK)
        return error;
    if (node) {
        mmb_table_copy(table, value_in(table, node), value);
        mmb_table_commit(table);
        return MMB_OK;
    }
    if (table->free == 0 && table->used == table->capacity)
        error = mmb_table_grow(table);
    return error == MMB_OK ? add(table, key, value) : error;
}

mmbError mmb_shared_map_put(const mmbSharedMap *map, const void *key, const void *value)
{
    struct mmb_table table;
    mmbError error = mmb_table_lock(view_of(map), &type, &table);
    if (error != MMB_OK)
        return error;
    error = key && value ? put(&table, key, value) : mmb_object_null(&type.object);
    return mmb_table_unlock(&table, error);
}

/* The table is locked when it succeeds, and *out is the key's node. */
static mmbError lock_at(const mmbSharedMap *map, const void *key, struct mmb_table *table,
                        uint64_t **out_link, struct node **out)
{
    mmbError error = mmb_table_lock(view_of(map), &type, table);
    if (error != MMB_OK)
        return error;
    error = key ? find(table, key, out_link, out) : mmb_object_null(&type.object);
    if (error == MMB_OK && !*out)
        error = mmb_fail(MMB_NOT_FOUND, "shared map: no such key");
    return error == MMB_OK ? MMB_OK : mmb_table_unlock(table, error);
}

mmbError mmb_shared_map_get(const mmbSharedMap *map, const void *key, void *out_value)
{
    struct mmb_table table;
    uint64_t *link;
    struct node *node;
    mmbError error = lock_at(map, key, &table, &link, &node);
    if (error != MMB_OK)
        return error;
    if (out_value)
        memcpy(out_value, value_in(&table, node), (size_t)map->object.sizes[1]);
    return mmb_table_unlock(&table, MMB_OK);
}

mmbError mmb_shared_map_remove(const mmbSharedMap *map, const void *key, void *out_value)
{
    struct mmb_table table;
    uint64_t *link;
    struct node *node;
    mmbError error = lock_at(map, key, &table, &link, &node);
    if (error != MMB_OK)
        return error;
    uint64_t number = mmb_object_load(link), behind = mmb_object_load(&node->next);
    if (table.count == 0 || behind > table.used)
        return mmb_table_unlock(&table, damaged(&table));
    if (out_value)
        memcpy(out_value, value_in(&table, node), (size_t)map->object.sizes[1]);
    mmb_table_set(&table, link, behind);
    mmb_table_set(&table, &node->next, table.free);
    mmb_table_set(&table, &node->hash, 0);
    mmb_table_set(&table, &table.head->free, number);
    mmb_table_set(&table, &table.head->count, table.count - 1);
    mmb_table_commit(&table);
    return mmb_table_unlock(&table, MMB_OK);
}

/* ---- going through ---- */

static mmbError go_on(struct mmb_table *table, uint64_t *cursor, void *out_key, void *out_value)
{
    const uint64_t *sizes = table->object.view->sizes;
    uint64_t number = *cursor;
    while (number < table->used && !(mmb_object_load(&node_at(table, number)->hash) & IN_USE))
        number++;
    if (number >= table->used)
        return mmb_fail(MMB_NOT_FOUND, "shared map: there are no more keys");
    struct node *node = node_at(table, number);
    if (out_key)
        memcpy(out_key, node->key, (size_t)sizes[0]);
    if (out_value)
        memcpy(out_value, value_in(table, node), (size_t)sizes[1]);
    *cursor = number + 1;
    return MMB_OK;
}

mmbError mmb_shared_map_next(const mmbSharedMap *map, uint64_t *cursor, void *out_key,
                             void *out_value)
{
    struct mmb_table table;
    mmbError error = mmb_table_lock(view_of(map), &type, &table);
    if (error != MMB_OK)
        return error;
    error = cursor ? go_on(&table, cursor, out_key, out_value) : mmb_object_null(&type.object);
    return mmb_table_unlock(&table, error);
}
