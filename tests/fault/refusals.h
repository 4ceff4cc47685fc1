/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_FAULT_REFUSALS_H
#define MMB_TESTS_FAULT_REFUSALS_H
/* Calls that the library makes and a test program refuses by their number. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum kind { NOTHING, SYSTEM, METADATA, BACKEND };

/* The call of that kind with this number is refused, all later ones too where it `lasts`. Counted
 * by all threads, set by one while no other runs. */
struct order {
    enum kind kind;
    bool lasts;
    size_t at;
    _Atomic size_t n_calls;
    _Atomic size_t n_refused;
};
extern struct order order;

/* Sets the order, and starts to count anew. */
void refuse(enum kind kind, size_t at, bool lasts);
/* Counts a call of that kind. */
bool is_refused(enum kind kind);

#endif
