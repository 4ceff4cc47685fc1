/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: a list holds what was pushed and not removed, in order, and nodes know nothing but their
 * neighbours. */
#include "src/base/list.h"
#include "tests/support/suite.h"
#include <stdio.h>
#include <string.h>

struct item {
    char name;
    struct mmb_list node; /* not the first member, so that MMB_CONTAINER_OF has to subtract */
};

static struct mmb_list list;
static struct item items[4];

static void set_up(void)
{
    mmb_list_init(&list);
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        items[i].name = (char)('a' + i);
        mmb_list_init(&items[i].node);
    }
}

/* The names in order, and checked against the order backwards. */
static const char *names(void)
{
    static char forwards[8];
    size_t n = 0;

    MMB_LIST_FOR_EACH (node, &list)
        forwards[n++] = MMB_CONTAINER_OF(node, struct item, node)->name;
    forwards[n] = '\0';
    for (struct mmb_list *node = list.prev; node != &list; node = node->prev) {
        if (n == 0 || forwards[--n] != MMB_CONTAINER_OF(node, struct item, node)->name)
            return "backwards differs";
    }
    return n == 0 ? forwards : "backwards is shorter";
}

static void test_list_starts_empty(void)
{
    static struct mmb_list fixed = MMB_LIST_INIT(fixed);

    CU_ASSERT_TRUE(mmb_list_is_empty(&list));
    CU_ASSERT_TRUE(mmb_list_is_empty(&fixed));
    CU_ASSERT_STRING_EQUAL(names(), "");
}

static void test_list_push_front_puts_first(void)
{
    mmb_list_push_front(&list, &items[0].node);
    mmb_list_push_front(&list, &items[1].node);
    CU_ASSERT_FALSE(mmb_list_is_empty(&list));
    CU_ASSERT_STRING_EQUAL(names(), "ba");
}

static void test_list_push_back_puts_last(void)
{
    mmb_list_push_back(&list, &items[0].node);
    mmb_list_push_back(&list, &items[1].node);
    mmb_list_push_front(&list, &items[2].node);
    CU_ASSERT_STRING_EQUAL(names(), "cab");
}

static void test_list_remove_unlinks(void)
{
    static const char *const left[] = {"bcd", "acd", "abd", "abc"};

    for (size_t gone = 0; gone < 4; gone++) {
        set_up();
        for (size_t i = 0; i < 4; i++)
            mmb_list_push_back(&list, &items[i].node);
        mmb_list_remove(&items[gone].node);
        CU_ASSERT_STRING_EQUAL(names(), left[gone]);
        CU_ASSERT_TRUE(mmb_list_is_empty(&items[gone].node));
    }
}

static void test_list_remove_twice_does_nothing(void)
{
    mmb_list_push_back(&list, &items[0].node);
    mmb_list_push_back(&list, &items[1].node);
    mmb_list_remove(&items[0].node);
    mmb_list_remove(&items[0].node);
    CU_ASSERT_STRING_EQUAL(names(), "b");
    mmb_list_push_back(&list, &items[0].node);
    CU_ASSERT_STRING_EQUAL(names(), "ba");
}

static void test_list_safe_walk_may_remove_its_node(void)
{
    for (size_t i = 0; i < 4; i++)
        mmb_list_push_back(&list, &items[i].node);
    MMB_LIST_FOR_EACH_SAFE (node, next, &list) {
        struct item *item = MMB_CONTAINER_OF(node, struct item, node);

        if (item->name != 'c') {
            mmb_list_remove(node);
            memset(item, 0x5a, sizeof(*item)); /* the walk must not look at it again */
        }
    }
    CU_ASSERT_STRING_EQUAL(names(), "c");
}

MMB_SUITE_WITH("base/list", set_up, NULL, T(test_list_starts_empty),
               T(test_list_push_front_puts_first), T(test_list_push_back_puts_last),
               T(test_list_remove_unlinks), T(test_list_remove_twice_does_nothing),
               T(test_list_safe_walk_may_remove_its_node))
