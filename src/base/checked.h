/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_CHECKED_H
#define MMB_BASE_CHECKED_H
/* Arithmetic on sizes that says when the result does not fit. The functions that return bool give
 * true when it fits and write *out only then. */

#include "src/base/debug.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool mmb_add_size(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool mmb_mul_size(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

static inline bool mmb_is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* For n that is known to be small enough: the result wraps to 0 when it is not. */
static inline size_t mmb_round_up(size_t n, size_t power_of_two)
{
    MMB_ASSERT(mmb_is_power_of_two(power_of_two));
    return (n + (power_of_two - 1)) & ~(power_of_two - 1);
}

static inline size_t mmb_round_down(size_t n, size_t power_of_two)
{
    MMB_ASSERT(mmb_is_power_of_two(power_of_two));
    return n & ~(power_of_two - 1);
}

static inline bool mmb_round_up_size(size_t n, size_t power_of_two, size_t *out)
{
    MMB_ASSERT(mmb_is_power_of_two(power_of_two));
    if (n > (SIZE_MAX & ~(power_of_two - 1)))
        return false;
    *out = mmb_round_up(n, power_of_two);
    return true;
}

#endif
