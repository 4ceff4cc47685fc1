/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_DEBUG_H
#define MMB_BASE_DEBUG_H
/* Checks of the library's own invariants. They exist in debug builds only (MMB_DEBUG): a release
 * build never aborts the program it lives in. */

/* Writes the message to standard error without malloc and aborts. */
_Noreturn void mmb_assert_failed(const char *condition, const char *file, int line);

#if defined(MMB_DEBUG) && MMB_DEBUG
#define MMB_ASSERT(condition)                                                                      \
    ((condition) ? (void)0 : mmb_assert_failed(#condition, __FILE__, __LINE__))
#else
/* sizeof keeps the operands "used" for the compiler and evaluates nothing. */
#define MMB_ASSERT(condition) ((void)sizeof((condition) ? 1 : 0))
#endif

#endif
