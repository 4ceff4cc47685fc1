/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: a lookup that one range answers is not disturbed by others that come and go in other
 * threads, in the same slots and with the same entries; and a forked child can go on. */
#include "src/base/address_map.h"
#include "src/base/meta.h"
#include "tests/support/suite.h"
#include <pthread.h>
#include <stdatomic.h>

#define KIB    ((uintptr_t)1 << 10)
#define MIB    ((uintptr_t)1 << 20)
#define GIB    ((uintptr_t)1 << 30)
#define TIB    ((uintptr_t)1 << 40)
#define GRAIN  (64 * KIB)  /* of a leaf */
#define MIDDLE (512 * MIB) /* of a middle node's slot */
#define ROOT   (8 * TIB)   /* of the root's */
#define LIMIT  ((uintptr_t)1 << MMB_ADDRESS_BITS)

static struct mmb_address_map map = MMB_ADDRESS_MAP_INIT;
static char values[16];

static void tear_down(void)
{
    mmb_address_map_reset(&map);
}

static void *value_at(uintptr_t address)
{
    struct mmb_address_range range;

    return mmb_address_map_lookup(&map, address, &range) ? range.value : NULL;
}

static mmbError insert(uintptr_t base, size_t n_bytes, void *value)
{
    return mmb_address_map_insert(&map, base, n_bytes, value);
}

/* One range that stays and is looked up, and others that come and go beside it: in its slot, above
 * it and below. Each probe's answer is the same at all times. */
struct probe {
    uintptr_t address;
    void *value;
};

#define HERE (6 * MIDDLE + 20 * GRAIN)

static const struct mmb_address_range staying[] = {
    {4 * MIDDLE, 8 * MIDDLE, &values[0]},       /* two levels up */
    {HERE + 100, 200, &values[1]},              /* small, in a busy grain */
    {HERE + 8 * GRAIN - 50, 100, &values[2]},   /* over a boundary */
    {HERE + 16 * GRAIN, 4 * GRAIN, &values[3]}, /* whole grains */
};

static const struct probe probes[] = {
    {HERE + 50, &values[0]},
    {HERE + 100, &values[1]},
    {HERE + 299, &values[1]},
    {HERE + 300, &values[0]},
    {HERE + 0x4000, &values[0]}, /* the gap between two that share an entry, see below */
    {HERE + 8 * GRAIN - 1, &values[2]},
    {HERE + 8 * GRAIN, &values[2]},
    {HERE + 17 * GRAIN, &values[3]},
    {HERE + 18 * GRAIN - 1, &values[3]},
    {HERE + 24 * GRAIN + 0x4000, &values[0]},
    {3 * MIDDLE, NULL},
};

/* None covers a probe unless a smaller one that stays does. The first two of a row are never there
 * together, so that the second reuses the first one's entry: members of both, mixed, would cover
 * the probe between them. */
static const struct mmb_address_range passing[][3] = {
    {{HERE + 24 * GRAIN, 64, &values[8]},
     {HERE + 24 * GRAIN + 0x8000, 0x7000, &values[8]},
     {HERE + 32 * GRAIN, 3 * GRAIN, &values[8]}},
    {{HERE + 310, 64, &values[9]},
     {HERE + 0x8000, 0x7000, &values[9]},
     {HERE + 60, 300 - 60, &values[9]}},
    {{HERE + 8 * GRAIN - 100, 200, &values[10]},
     {HERE + 15 * GRAIN, 6 * GRAIN, &values[10]},
     {3 * MIDDLE + 5, 10 * MIDDLE, &values[10]}},
};
#define N_WRITERS (sizeof(passing) / sizeof(passing[0]))
#define N_READERS 2
#define N_PASSES  3000

static atomic_size_t n_wrong, last_wrong, n_writing;

static void *write_passing(void *argument)
{
    const struct mmb_address_range *row = argument;

    for (int i = 0; i < N_PASSES; i++) {
        const struct mmb_address_range *one = &row[i % 2];

        if (insert(one->base, one->n_bytes, one->value) != MMB_OK ||
            insert(row[2].base, row[2].n_bytes, row[2].value) != MMB_OK)
            atomic_fetch_add(&n_wrong, 1);
        mmb_address_map_remove(&map, one->base, one->n_bytes, one->value);
        mmb_address_map_remove(&map, row[2].base, row[2].n_bytes, row[2].value);
    }
    atomic_fetch_sub(&n_writing, 1);
    return NULL;
}

static void *read_probes(void *argument)
{
    (void)argument;
    do {
        for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
            if (value_at(probes[i].address) != probes[i].value) {
                atomic_fetch_add(&n_wrong, 1);
                atomic_store(&last_wrong, i);
            }
        }
    } while (atomic_load(&n_writing) > 0);
    return NULL;
}

static void test_address_map_lookups_are_not_disturbed(void)
{
    pthread_t writers[N_WRITERS], readers[N_READERS];

    for (size_t i = 0; i < sizeof(staying) / sizeof(staying[0]); i++)
        CU_ASSERT_EQUAL_FATAL(insert(staying[i].base, staying[i].n_bytes, staying[i].value),
                              MMB_OK);
    atomic_store(&n_wrong, 0);
    atomic_store(&n_writing, N_WRITERS);
    for (size_t i = 0; i < N_READERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&readers[i], NULL, read_probes, NULL), 0);
    for (size_t i = 0; i < N_WRITERS; i++)
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&writers[i], NULL, write_passing, (void *)(uintptr_t)passing[i]), 0);
    for (size_t i = 0; i < N_WRITERS; i++)
        pthread_join(writers[i], NULL);
    for (size_t i = 0; i < N_READERS; i++)
        pthread_join(readers[i], NULL);
    SUITE_CHECK(atomic_load(&n_wrong) == 0, "%zu wrong, probe %zu last", atomic_load(&n_wrong),
                atomic_load(&last_wrong));
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), sizeof(staying) / sizeof(staying[0]));
}

/* A thread inserts and removes its own ranges, tightly packed among those of others, and finds each
 * while it is there. */
static void *churn_own(void *argument)
{
    size_t mine = (size_t)((char *)argument - values);
    size_t wrong = 0;

    for (int i = 0; i < 2000; i++) {
        uintptr_t base = HERE + ((uintptr_t)(i % 50) * 4 + mine) * 16 * KIB;
        size_t n_bytes = i % 7 == 0 ? 16 * KIB : 1 + (size_t)i;

        wrong += insert(base, n_bytes, argument) != MMB_OK;
        wrong += value_at(base) != argument || value_at(base + n_bytes - 1) != argument;
        mmb_address_map_remove(&map, base, n_bytes, argument);
        wrong += value_at(base) == argument;
    }
    atomic_fetch_add(&n_wrong, wrong);
    return NULL;
}

static void test_address_map_serves_threads(void)
{
    pthread_t threads[4];

    atomic_store(&n_wrong, 0);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn_own, &values[i]), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&n_wrong), 0);
    CU_ASSERT_EQUAL(mmb_address_map_count(&map), 0);
}

static int use_in_child(void *argument)
{
    (void)argument;
    mmb_meta_fork_child();
    mmb_address_map_fork_child(&map);
    if (insert(9 * MIDDLE, MIB, &values[7]) != MMB_OK)
        return 1;
    return value_at(9 * MIDDLE) == &values[7] ? 0 : 2;
}

static atomic_bool stop_writing;

static void *write_until_stopped(void *argument)
{
    const struct mmb_address_range *row = argument;

    while (!atomic_load(&stop_writing)) {
        if (insert(row[1].base, row[1].n_bytes, row[1].value) != MMB_OK)
            return "no memory";
        mmb_address_map_remove(&map, row[1].base, row[1].n_bytes, row[1].value);
    }
    return NULL;
}

static void test_address_map_works_in_a_forked_child(void)
{
    pthread_t writer;
    void *wrong;

    CU_ASSERT_EQUAL_FATAL(
        pthread_create(&writer, NULL, write_until_stopped, (void *)(uintptr_t)passing[0]), 0);
    for (int i = 0; i < 30; i++) {
        struct suite_child child;

        mmb_address_map_fork_prepare(&map);
        mmb_meta_fork_prepare();
        child = suite_run_child(use_in_child, NULL, 60);
        mmb_meta_fork_parent();
        mmb_address_map_fork_parent(&map);
        SUITE_CHECK(child.exited && child.code == 0, "fork %d: %d", i, child.code);
    }
    atomic_store(&stop_writing, true);
    pthread_join(writer, &wrong);
    CU_ASSERT_PTR_NULL(wrong);
}

MMB_SUITE_WITH("base/address_map_threads", NULL, tear_down,
               T(test_address_map_lookups_are_not_disturbed), T(test_address_map_serves_threads),
               T(test_address_map_works_in_a_forked_child))
