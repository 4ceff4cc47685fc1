/* SPDX-License-Identifier: BSD-3-Clause */
/* What a layer (or one domain of it) can really give, in bytes taken from backends, shared by all
 * spaces on it. reserved <= capacity at every moment. What the library needs for itself out of the
 * same memory is told as overhead: it may bring both over the capacity, and then nothing more is
 * given. */
#ifndef MMB_CORE_BUDGET_H
#define MMB_CORE_BUDGET_H
#include <stdatomic.h>
#include <stddef.h>
#include <mmb/error.h>

struct mmb_budget {
    _Atomic size_t reserved;
    _Atomic size_t overhead;
    _Atomic size_t capacity;   /* SIZE_MAX: unknown; set before the first charge */
    struct mmb_budget *parent; /* the layer's, for a domain's; charged as well */
    const char *name;          /* for details; not owned */
    int domain;                /* for details: of the layer's, or -1 */
};

void mmb_budget_init(struct mmb_budget *budget, size_t capacity, struct mmb_budget *parent,
                     const char *name);
/* MMB_OUT_OF_MEMORY naming reserved and capacity; then nothing is charged. */
mmbError mmb_budget_charge(struct mmb_budget *budget, size_t n_bytes);
/* The same without words: NULL when it is charged, else the budget that is exhausted, this one or a
 * parent. For those who can still do something about it. */
struct mmb_budget *mmb_budget_try(struct mmb_budget *budget, size_t n_bytes);
/* MMB_OUT_OF_MEMORY in the words of a failed charge. */
mmbError mmb_budget_refuse(const struct mmb_budget *budget, size_t n_bytes);
/* The overhead from now on. */
void mmb_budget_set_overhead(struct mmb_budget *budget, size_t n_bytes);
void mmb_budget_uncharge(struct mmb_budget *budget, size_t n_bytes);
size_t mmb_budget_reserved(const struct mmb_budget *budget);
/* What could still be charged here and in every parent. */
size_t mmb_budget_room(const struct mmb_budget *budget);

#endif
