/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: reserved <= capacity for a budget and all its parents, under any number of
 * threads; a refusal names both and charges nothing anywhere. */
#include <pthread.h>
#include <stdint.h>
#include "src/core/budget.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static struct mmb_budget layer, left, right;

static void open_budgets(size_t layer_capacity, size_t left_capacity, size_t right_capacity)
{
    mmb_budget_init(&layer, layer_capacity, NULL, "the layer");
    mmb_budget_init(&left, left_capacity, &layer, "the left");
    mmb_budget_init(&right, right_capacity, &layer, "the right");
}

static void test_budget_charges_its_parents(void)
{
    open_budgets(1000, 600, 600);
    CU_ASSERT_EQUAL(mmb_budget_charge(&left, 600), MMB_OK);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&left), 600);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&layer), 600);
    CU_ASSERT_EQUAL(mmb_budget_room(&right), 400);
    mmb_budget_uncharge(&left, 100);
    CU_ASSERT_EQUAL(mmb_budget_room(&right), 500);
    CU_ASSERT_EQUAL(mmb_budget_room(&left), 100);
}

static void test_budget_refusal_names_who_is_exhausted(void)
{
    open_budgets(1000, 600, 600);
    CU_ASSERT_EQUAL(mmb_budget_charge(&left, 601), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("the left"));
    CU_ASSERT_EQUAL(mmb_budget_charge(&left, 600), MMB_OK);
    CU_ASSERT_EQUAL(mmb_budget_charge(&right, 401), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("the layer") && control_detail_has("401 B") &&
                   control_detail_has("600 B reserved") && control_detail_has("of 1000 B"));
    CU_ASSERT_EQUAL(mmb_budget_reserved(&right), 0);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&layer), 600);
    CU_ASSERT_PTR_EQUAL(mmb_budget_try(&right, 401), &layer);
    CU_ASSERT_PTR_NULL(mmb_budget_try(&right, 400));
}

static void test_budget_none_is_endless(void)
{
    CU_ASSERT_PTR_NULL(mmb_budget_try(NULL, SIZE_MAX));
    CU_ASSERT_EQUAL(mmb_budget_room(NULL), SIZE_MAX);
    mmb_budget_uncharge(NULL, 1);
    open_budgets(SIZE_MAX, SIZE_MAX, SIZE_MAX);
    CU_ASSERT_EQUAL(mmb_budget_charge(&left, SIZE_MAX), MMB_OK);
    CU_ASSERT_EQUAL(mmb_budget_charge(&right, 1), MMB_OUT_OF_MEMORY);
}

#define ROUNDS 50000

struct charger {
    struct mmb_budget *budget;
    size_t n_bytes, n_wrong;
};

static void *charge_and_uncharge(void *argument)
{
    struct charger *charger = argument;
    for (int i = 0; i < ROUNDS; i++) {
        if (mmb_budget_try(charger->budget, charger->n_bytes))
            continue;
        charger->n_wrong += mmb_budget_reserved(&layer) > 1000;
        mmb_budget_uncharge(charger->budget, charger->n_bytes);
    }
    return NULL;
}

static void test_budget_is_exact_under_threads(void)
{
    struct charger chargers[] = {{&left, 400, 0}, {&right, 400, 0}, {&left, 201, 0}};
    pthread_t threads[N_ROWS(chargers)];
    open_budgets(1000, 600, 600);
    for (size_t i = 0; i < N_ROWS(chargers); i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, charge_and_uncharge, &chargers[i]),
                              0);
    for (size_t i = 0; i < N_ROWS(chargers); i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(chargers[i].n_wrong, 0);
    }
    CU_ASSERT_EQUAL(mmb_budget_reserved(&layer), 0);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&left), 0);
    CU_ASSERT_EQUAL(mmb_budget_reserved(&right), 0);
}

MMB_SUITE("core/budget", T(test_budget_charges_its_parents),
          T(test_budget_refusal_names_who_is_exhausted), T(test_budget_none_is_endless),
          T(test_budget_is_exact_under_threads))
