/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: an array between processes keeps every element whole while others push, pop
 * and set, grows without losing any, is as it was when it cannot, and outlives who is killed. */
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/suite.h"

#define N_EACH     2000
#define N_CHILDREN 3

struct element {
    uint64_t value;
    uint64_t again[7];
};

static mmbSharedVector vector;

static void make(void)
{
    CU_ASSERT_EQUAL_FATAL(
        mmb_shared_vector_create(objects_heap, sizeof(struct element), 0, &vector), MMB_OK);
    objects_talk->pointer[0] = vector.object.pointer;
}

static struct element element(uint64_t value)
{
    struct element made = {value, {value, value, value, value, value, value, value}};
    return made;
}

static bool is_whole(const struct element *element)
{
    for (size_t i = 0; i < N_ROWS(element->again); i++)
        if (element->again[i] != element->value)
            return false;
    return true;
}

static size_t count(void)
{
    size_t n = SIZE_MAX;
    CU_ASSERT_EQUAL(mmb_shared_vector_count(&vector, &n), MMB_OK);
    return n;
}

/* covers: mmb_shared_vector_pop MMB_NOT_FOUND, mmb_shared_vector_get MMB_INVALID_SIZE,
   mmb_shared_vector_set MMB_INVALID_SIZE */
static void test_vector_grows_and_shrinks(void)
{
    struct element in, out;
    make();
    CU_ASSERT_EQUAL(mmb_shared_vector_pop(&vector, &out), MMB_NOT_FOUND);
    for (uint64_t i = 0; i < 1000; i++) {
        in = element(i);
        CU_ASSERT_EQUAL(mmb_shared_vector_push(&vector, &in), MMB_OK);
    }
    CU_ASSERT_EQUAL(count(), 1000);
    CU_ASSERT_EQUAL(mmb_shared_vector_get(&vector, 1000, &out), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_shared_vector_set(&vector, 1000, &in), MMB_INVALID_SIZE);
    for (uint64_t i = 0; i < 1000; i += 2) {
        in = element(i + 5000);
        CU_ASSERT_EQUAL(mmb_shared_vector_set(&vector, i, &in), MMB_OK);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        CU_ASSERT_EQUAL(mmb_shared_vector_get(&vector, i, &out), MMB_OK);
        CU_ASSERT_TRUE(is_whole(&out) && out.value == (i % 2 ? i : i + 5000));
    }
    CU_ASSERT_EQUAL(mmb_shared_vector_pop(&vector, NULL), MMB_OK);
    for (uint64_t i = 999; i-- > 0;) {
        CU_ASSERT_EQUAL(mmb_shared_vector_pop(&vector, &out), MMB_OK);
        CU_ASSERT_EQUAL(out.value, i % 2 ? i : i + 5000);
    }
    CU_ASSERT_EQUAL(count(), 0);
    CU_ASSERT_EQUAL(objects_live_count(), 2);
    CU_ASSERT_EQUAL(mmb_shared_vector_destroy(&vector), MMB_OK);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

/* covers: mmb_shared_vector_push MMB_OUT_OF_MEMORY */
static void test_vector_of_a_full_heap_is_as_it_was(void)
{
    struct element in = element(1), out;
    mmbError error = MMB_OK;
    uint64_t n = 0;
    objects_remake(MMB_STRATEGY_SCALABLE_PAGE, (size_t)128 << 10);
    make();
    while ((error = mmb_shared_vector_push(&vector, &in)) == MMB_OK)
        in = element(++n + 1);
    CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(count(), n);
    CU_ASSERT_EQUAL(objects_live_count(), 2);
    for (uint64_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(mmb_shared_vector_get(&vector, i, &out), MMB_OK);
        CU_ASSERT_TRUE(is_whole(&out) && out.value == i + 1);
    }
    CU_ASSERT_EQUAL(mmb_shared_vector_pop(&vector, &out), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shared_vector_push(&vector, &in), MMB_OK);
}

static int push_and_set(void *argument)
{
    uint64_t self = *(uint64_t *)argument;
    mmbMemInterface *mine = objects_attach();
    mmbSharedVector own;
    struct element out;
    if (!mine || mmb_shared_vector_open(mine, objects_talk->pointer[0], &own) != MMB_OK)
        return 1;
    for (uint64_t i = 0; i < N_EACH; i++) {
        struct element in = element(self * N_EACH + i), other = element(self);
        if (mmb_shared_vector_push(&own, &in) != MMB_OK ||
            mmb_shared_vector_set(&own, 0, &other) != MMB_OK)
            return 2;
        if (mmb_shared_vector_get(&own, 0, &out) != MMB_OK || !is_whole(&out) ||
            out.value >= N_CHILDREN)
            return 3;
    }
    return 0;
}

static void test_vector_between_processes(void)
{
    uint64_t numbers[N_CHILDREN] = {0, 1, 2};
    pid_t pids[N_CHILDREN];
    struct element first = element(0), out;
    unsigned char seen[N_CHILDREN * N_EACH] = {0};
    size_t n_wrong = 0;
    make();
    CU_ASSERT_EQUAL(mmb_shared_vector_push(&vector, &first), MMB_OK);
    for (size_t i = 0; i < N_CHILDREN; i++)
        pids[i] = objects_spawn(push_and_set, &numbers[i]);
    for (size_t i = 0; i < N_CHILDREN; i++)
        objects_ended(pids[i]);
    CU_ASSERT_EQUAL(count(), N_CHILDREN * N_EACH + 1);
    for (uint64_t i = 1; i <= N_CHILDREN * N_EACH; i++) {
        mmb_shared_vector_get(&vector, i, &out);
        if (is_whole(&out) && out.value < N_ROWS(seen))
            seen[out.value]++;
    }
    for (size_t i = 0; i < N_ROWS(seen); i++)
        n_wrong += seen[i] != 1;
    CU_ASSERT_EQUAL(n_wrong, 0);
}

/* ---- kills ---- */

/* Element i has value i modulo 2^32; what is above says how often it was set. */
static int work(void *seed)
{
    uint32_t state = *(uint32_t *)seed;
    struct element out;
    for (;;) {
        size_t n = 0;
        mmbError error = mmb_shared_vector_count(&vector, &n);
        bool shrinks = n > 40 && objects_random(&state) % 8 == 0;
        for (size_t i = 0; shrinks && error == MMB_OK && i < 30; i++)
            error = mmb_shared_vector_pop(&vector, &out);
        n -= shrinks ? 30 : 0;
        struct element in = element(n);
        if (error == MMB_OK)
            error = mmb_shared_vector_push(&vector, &in);
        size_t at = objects_random(&state) % (n + 1);
        in = element((uint64_t)objects_random(&state) << 32 | at);
        if (error == MMB_OK)
            error = mmb_shared_vector_set(&vector, at, &in);
        if (error != MMB_OK)
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
    }
}

static bool is_right(void)
{
    struct element out;
    size_t n = count();
    for (size_t i = 0; i < n; i++)
        if (mmb_shared_vector_get(&vector, i, &out) != MMB_OK || !is_whole(&out) ||
            (uint32_t)out.value != i)
            return false;
    return true;
}

static void test_vector_survives_random_kills(void)
{
    size_t freed = 0;
    make();
    objects_kill_many(work, is_right);
    /* What the dead made larger stays: it is nobody's. */
    CU_ASSERT_EQUAL(mmb_shm_reclaim(objects_heap, NULL, NULL, &freed), MMB_OK);
    CU_ASSERT_TRUE(is_right());
    CU_ASSERT_EQUAL(mmb_shared_vector_destroy(&vector), MMB_OK);
}

MMB_SUITE_WITH("structures/vector", objects_set_up, objects_tear_down,
               T(test_vector_grows_and_shrinks), T(test_vector_of_a_full_heap_is_as_it_was),
               T(test_vector_between_processes), T(test_vector_survives_random_kills))
