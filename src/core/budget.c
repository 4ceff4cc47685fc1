/* SPDX-License-Identifier: BSD-3-Clause */
/* What a layer can really give (budget.h). Owns nothing, takes no lock: `reserved` alone decides,
 * since a capacity is set before the first charge and not changed while anything is charged. */
#include "src/core/budget.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "src/base/debug.h"
#include "src/base/error.h"

void mmb_budget_init(struct mmb_budget *budget, size_t capacity, struct mmb_budget *parent,
                     const char *name)
{
    atomic_init(&budget->reserved, 0);
    atomic_init(&budget->overhead, 0);
    atomic_init(&budget->capacity, capacity);
    budget->parent = parent;
    budget->name = name;
    budget->domain = -1;
}

static size_t capacity_of(const struct mmb_budget *budget)
{
    return atomic_load_explicit(&budget->capacity, memory_order_relaxed);
}

/* What there is for backends. */
static size_t usable_of(const struct mmb_budget *budget)
{
    size_t capacity = capacity_of(budget);
    size_t overhead = atomic_load_explicit(&budget->overhead, memory_order_relaxed);
    return capacity == SIZE_MAX ? SIZE_MAX : capacity > overhead ? capacity - overhead : 0;
}

void mmb_budget_set_overhead(struct mmb_budget *budget, size_t n_bytes)
{
    atomic_store_explicit(&budget->overhead, n_bytes, memory_order_relaxed);
}

static bool reserve(struct mmb_budget *budget, size_t n_bytes)
{
    size_t usable = usable_of(budget);
    size_t reserved = mmb_budget_reserved(budget);
    do {
        if (reserved > usable || n_bytes > usable - reserved)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->reserved, &reserved,
                                                    reserved + n_bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void unreserve(struct mmb_budget *budget, size_t n_bytes)
{
    size_t before = atomic_fetch_sub_explicit(&budget->reserved, n_bytes, memory_order_relaxed);
    MMB_ASSERT(before >= n_bytes);
    (void)before;
}

struct mmb_budget *mmb_budget_try(struct mmb_budget *budget, size_t n_bytes)
{
    struct mmb_budget *at = budget;
    while (at && reserve(at, n_bytes))
        at = at->parent;
    if (!at)
        return NULL;
    for (struct mmb_budget *undo = budget; undo != at; undo = undo->parent)
        unreserve(undo, n_bytes);
    return at;
}

mmbError mmb_budget_refuse(const struct mmb_budget *budget, size_t n_bytes)
{
    char domain[32] = "";
    if (budget->domain >= 0)
        snprintf(domain, sizeof domain, ", domain %d,", budget->domain);
    return mmb_fail(MMB_OUT_OF_MEMORY,
                    "%s%s is exhausted: %zu B wanted, %zu B reserved of a capacity of %zu B, %zu B "
                    "needed by the library",
                    budget->name, domain, n_bytes, mmb_budget_reserved(budget), capacity_of(budget),
                    atomic_load_explicit(&budget->overhead, memory_order_relaxed));
}

mmbError mmb_budget_charge(struct mmb_budget *budget, size_t n_bytes)
{
    struct mmb_budget *exhausted = mmb_budget_try(budget, n_bytes);
    return exhausted ? mmb_budget_refuse(exhausted, n_bytes) : MMB_OK;
}

void mmb_budget_uncharge(struct mmb_budget *budget, size_t n_bytes)
{
    for (; budget; budget = budget->parent)
        unreserve(budget, n_bytes);
}

size_t mmb_budget_reserved(const struct mmb_budget *budget)
{
    return atomic_load_explicit(&budget->reserved, memory_order_relaxed);
}

size_t mmb_budget_room(const struct mmb_budget *budget)
{
    size_t least = SIZE_MAX;
    for (; budget; budget = budget->parent) {
        size_t usable = usable_of(budget);
        size_t reserved = mmb_budget_reserved(budget);
        size_t room = usable > reserved ? usable - reserved : 0;
        if (room < least)
            least = room;
    }
    return least;
}
