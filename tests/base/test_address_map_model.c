/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: whatever was inserted and removed before, a lookup agrees with a search through a plain
 * array of the live ranges; and an insertion that lacks memory changes nothing. mmb_meta_alloc is
 * wrapped (tests/Makefile.inc). */
#include "src/base/address_map.h"
#include "src/base/meta.h"
#include "tests/support/suite.h"
#include <string.h>

#define KIB    ((uintptr_t)1 << 10)
#define MIB    ((uintptr_t)1 << 20)
#define GIB    ((uintptr_t)1 << 30)
#define TIB    ((uintptr_t)1 << 40)
#define GRAIN  (64 * KIB)  /* of a leaf */
#define MIDDLE (512 * MIB) /* of a middle node's slot */
#define ROOT   (8 * TIB)   /* of the root's */
#define LIMIT  ((uintptr_t)1 << MMB_ADDRESS_BITS)

static atomic_long meta_left; /* allocations until a refusal; negative: none is refused */

void *__real_mmb_meta_alloc(size_t n_bytes);
void *__wrap_mmb_meta_alloc(size_t n_bytes);

void *__wrap_mmb_meta_alloc(size_t n_bytes)
{
    long left = atomic_load(&meta_left);

    if (left == 0)
        return NULL;
    if (left > 0)
        atomic_store(&meta_left, left - 1);
    return __real_mmb_meta_alloc(n_bytes);
}

static struct mmb_address_map map = MMB_ADDRESS_MAP_INIT;
static size_t meta_before;
static char values[16];

static void set_up(void)
{
    atomic_store(&meta_left, -1);
    mmb_address_map_insert(&map, 0, 0, values); /* fails, and so makes the buffer of the detail */
    meta_before = mmb_meta_bytes();
}

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

/* ---- against the reference ---- */

#define N_MODEL 48
#define N_STEPS 6000

static struct mmb_address_range model[N_MODEL];
static size_t n_model;
static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33 | random_state << 31) % n;
}

/* Near a boundary of some level, more often than not. */
static uintptr_t random_address(void)
{
    static const uintptr_t steps[] = {64, GRAIN, GRAIN, MIDDLE, MIDDLE, ROOT};
    uintptr_t address =
        random_below(6) * steps[random_below(6)] + (random_below(2) ? 0 : ROOT - 2 * GRAIN);

    switch (random_below(4)) {
    case 0:
        return address;
    case 1:
        return address + random_below(3 * GRAIN);
    case 2:
        return address >= 100 ? address - random_below(100) : address;
    default:
        return LIMIT - 1 - address - random_below(GRAIN);
    }
}

static struct mmb_address_range random_range(void)
{
    static const unsigned shifts[] = {0, 4, 6, 12, 16, 17, 20, 29, 31, 43, 50};
    struct mmb_address_range range = {random_address(), 1, NULL};

    range.n_bytes += random_below((uint64_t)1 << shifts[random_below(11)]);
    if (random_below(3) == 0)
        range.base &= ~(GRAIN - 1);
    if (range.n_bytes > LIMIT - range.base)
        range.n_bytes = LIMIT - range.base;
    return range;
}

static bool covers(const struct mmb_address_range *range, uintptr_t address)
{
    return address >= range->base && address - range->base < range->n_bytes;
}

static bool is_same_range(const struct mmb_address_range *a, const struct mmb_address_range *b)
{
    return a->base == b->base && a->n_bytes == b->n_bytes && a->value == b->value;
}

/* The found one must be in the model, cover the address, have no smaller one beside it, and be the
 * last of its equals. The model is in order of insertion. */
static bool agrees(uintptr_t address)
{
    const struct mmb_address_range *last_equal = NULL;
    struct mmb_address_range found;
    size_t smallest = SIZE_MAX;
    bool is_found = mmb_address_map_lookup(&map, address, &found);

    for (size_t i = 0; i < n_model; i++) {
        if (covers(&model[i], address) && model[i].n_bytes < smallest)
            smallest = model[i].n_bytes;
    }
    if (!is_found || smallest == SIZE_MAX)
        return !is_found && smallest == SIZE_MAX;
    for (size_t i = 0; i < n_model; i++) {
        if (model[i].base == found.base && model[i].n_bytes == found.n_bytes)
            last_equal = &model[i];
    }
    return found.n_bytes == smallest && covers(&found, address) && last_equal &&
           is_same_range(last_equal, &found);
}

static size_t count_disagreements(void)
{
    size_t n = 0;

    for (size_t i = 0; i < n_model; i++) {
        const uintptr_t base = model[i].base, end = base + model[i].n_bytes;
        const uintptr_t addresses[] = {base > 0 ? base - 1 : 0, base, end - 1, end,
                                       base + random_below(end - base)};

        for (size_t j = 0; j < sizeof(addresses) / sizeof(addresses[0]); j++)
            n += agrees(addresses[j]) ? 0 : 1;
    }
    for (int i = 0; i < 8; i++)
        n += agrees(random_address()) ? 0 : 1;
    return n;
}

static void remove_from_model(size_t i)
{
    memmove(&model[i], &model[i + 1], (n_model - i - 1) * sizeof(model[0]));
    n_model--;
}

static void step_model(void)
{
    struct mmb_address_range range;

    if (n_model < N_MODEL && random_below(N_MODEL) >= n_model) {
        range = n_model && random_below(8) == 0 ? model[random_below(n_model)] : random_range();
        range.value = &values[random_below(sizeof(values))];
        CU_ASSERT_EQUAL(insert(range.base, range.n_bytes, range.value), MMB_OK);
        model[n_model++] = range;
    } else {
        size_t i = random_below(n_model);

        /* of equals the last one goes, in the map as here */
        for (size_t j = i + 1; j < n_model; j++) {
            if (is_same_range(&model[j], &model[i]))
                i = j;
        }
        mmb_address_map_remove(&map, model[i].base, model[i].n_bytes, model[i].value);
        remove_from_model(i);
    }
}

static void test_address_map_agrees_with_a_search(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        random_state = seed;
        n_model = 0;
        for (int step = 0; step < N_STEPS / 3; step++) {
            step_model();
            if (!SUITE_CHECK(count_disagreements() == 0, "seed %d step %d", (int)seed, step))
                break;
        }
        CU_ASSERT_EQUAL(mmb_address_map_count(&map), n_model);
        mmb_address_map_reset(&map);
    }
}

/* ---- refusals ---- */

/* Ranges that need nodes of every level, entries, and cells for thousands of shared slots. */
static void test_address_map_refused_insertion_changes_nothing(void)
{
    const struct mmb_address_range ranges[] = {
        {3 * MIDDLE - 5 * GRAIN - 1, 2 * MIDDLE + GRAIN, &values[0]},
        {3 * MIDDLE - 900 * GRAIN, 2 * MIDDLE + 1200 * GRAIN, &values[1]},
        {ROOT - MIDDLE - 1, MIDDLE + 2, &values[2]},
        {3 * MIDDLE - 800 * GRAIN, 1900 * GRAIN, &values[3]},
    };
    size_t n_refused = 0;

    random_state = 1;
    n_model = 0;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (long n = 0;; n++) {
            mmbError result;

            atomic_store(&meta_left, n);
            result = insert(ranges[i].base, ranges[i].n_bytes, ranges[i].value);
            atomic_store(&meta_left, -1);
            if (result == MMB_OK)
                break;
            n_refused++;
            SUITE_CHECK(result == MMB_OUT_OF_MEMORY, "range %zu, allocation %ld", i, n);
            SUITE_CHECK(!value_at(ranges[i].base) || n_model > 0, "range %zu", i);
            SUITE_CHECK(count_disagreements() == 0, "range %zu, allocation %ld", i, n);
            CU_ASSERT_EQUAL(mmb_address_map_count(&map), n_model);
        }
        model[n_model++] = ranges[i];
        SUITE_CHECK(count_disagreements() == 0, "range %zu entered", i);
    }
    CU_ASSERT_TRUE(n_refused >= 10);
    mmb_address_map_reset(&map);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), meta_before);
}

MMB_SUITE_WITH("base/address_map_model", set_up, tear_down,
               T(test_address_map_agrees_with_a_search),
               T(test_address_map_refused_insertion_changes_nothing))
