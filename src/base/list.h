/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_LIST_H
#define MMB_BASE_LIST_H
/* Intrusive circular doubly linked list: the head is a struct mmb_list, and so is the node inside
 * each member. For every node n of a list: n->next->prev == n and n->prev->next == n; an empty
 * head, and a node in no list, point to themselves, so that removing twice does nothing. The caller
 * locks. */

#include "src/base/debug.h"
#include <stdbool.h>
#include <stddef.h>

struct mmb_list {
    struct mmb_list *next, *prev;
};

/* For a static head, which needs its own address: static struct mmb_list all = MMB_LIST_INIT(all);
 */
#define MMB_LIST_INIT(head)                                                                        \
    {                                                                                              \
        &(head), &(head)                                                                           \
    }

/* The struct of which ptr is that member. The comparison makes the compiler check that the types
 * agree; nothing inside sizeof is evaluated. */
#define MMB_CONTAINER_OF(ptr, type, member)                                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member) +                                       \
                      0 * sizeof((ptr) == &((type *)0)->member)))

#define MMB_LIST_FOR_EACH(node, list)                                                              \
    for (struct mmb_list *node = (list)->next; node != (list); node = node->next)

/* The body may remove node, but no other node of the list. */
#define MMB_LIST_FOR_EACH_SAFE(node, following, list)                                              \
    for (struct mmb_list *node = (list)->next, *following = node->next; node != (list);            \
         node = following, following = node->next)

static inline void mmb_list_init(struct mmb_list *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool mmb_list_is_empty(const struct mmb_list *list)
{
    return list->next == list;
}

static inline void mmb_list_push_front(struct mmb_list *list, struct mmb_list *node)
{
    node->next = list->next;
    node->prev = list;
    list->next->prev = node;
    list->next = node;
}

static inline void mmb_list_push_back(struct mmb_list *list, struct mmb_list *node)
{
    mmb_list_push_front(list->prev, node);
}

static inline void mmb_list_remove(struct mmb_list *node)
{
    MMB_ASSERT(node->prev->next == node && node->next->prev == node);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    mmb_list_init(node);
}

#endif
