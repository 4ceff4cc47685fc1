/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Marks of a stack interface.
 *
 * A stack hands out one block after the other and frees many at once: release frees what was
 * allocated since a mark, reset frees everything. A block that is freed alone stays charged until
 * what lies above it is gone. Read examples/strategies.c.
 */
#ifndef MMB_STACK_H
#define MMB_STACK_H

#include <stdint.h>
#include <mmb/error.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The top of a stack at some moment: a plain value that needs no release. */
typedef struct mmbStackMark {
    uint64_t opaque[4];
} mmbStackMark;

/**
 * Notes where the top of the stack is.
 * @param interface  required
 * @param[out] out_mark  the caller's; valid until something below it is released
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED its strategy is not the stack
 * @retval MMB_OUT_OF_MEMORY a shared heap's owner slots are all in use and a fork left this process
 *         none
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_stack_mark(mmbMemInterface *interface, mmbStackMark *out_mark);

/**
 * Frees every block that was allocated after a mark. Their handles are dead afterwards.
 * @param interface  required
 * @param mark  made by mmb_stack_mark() on the same interface; may be released to again
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_ARG the mark is of another interface, or lies above the top
 * @retval MMB_UNSUPPORTED its strategy is not the stack
 * @retval MMB_OUT_OF_MEMORY a shared heap's owner slots are all in use and a fork left this process
 *         none
 * @retval MMB_BUSY a block above the mark has slices, holds or a copy in flight, or its handle was
 *         migrated to another interface, or was allocated before the mark or elsewhere and its
 * bytes moved here; nothing changed
 * @note Caller orders against allocations from the interface.
 * @since 0.1
 */
MMB_API mmbError mmb_stack_release(mmbMemInterface *interface, mmbStackMark mark);

/**
 * Frees every block of the stack. Their handles and all marks are dead afterwards.
 * @param interface  required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED its strategy is not the stack
 * @retval MMB_OUT_OF_MEMORY a shared heap's owner slots are all in use and a fork left this process
 *         none
 * @retval MMB_BUSY as for mmb_stack_release(); nothing changed
 * @note Caller orders against allocations from the interface.
 * @since 0.1
 */
MMB_API mmbError mmb_stack_reset(mmbMemInterface *interface);

#ifdef __cplusplus
}
#endif

#endif
