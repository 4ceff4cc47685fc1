/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_ERROR_H
#define MMB_BASE_ERROR_H
/* Failing with a reason. A function that knows the cause of a failure calls one of these once; its
 * callers pass the code on. None of them allocates with malloc or changes errno; all work before
 * mmb_init and after mmb_finalize.
 *
 * The reason is handed to the log at debug level, and so perhaps to the user's callback: call them
 * without holding a lock wherever the path allows it. */

#include <mmb/error.h>

/* The longest detail that is kept, including the final 0; longer ones end in "...". */
#define MMB_DETAIL_BYTES 512

/* Makes the formatted text this thread's mmb_error_detail(), logs it, and returns code. The
 * arguments may contain mmb_error_detail() itself, to put a lower layer's reason into a wider one.
 */
__attribute__((format(printf, 2, 3), cold)) mmbError mmb_fail(mmbError code, const char *format,
                                                              ...);

/* The same with ": " and the system's text for errnum at the end. */
__attribute__((format(printf, 3, 4), cold)) mmbError mmb_fail_errno(mmbError code, int errnum,
                                                                    const char *format, ...);

#endif
