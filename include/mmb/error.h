/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Error codes, their names and texts, and the detail of a failure.
 *
 * A function that can fail returns an mmbError, and a code says what kind of failure it was. The
 * detail says in words what happened in this very case, with the native cause (errno, a driver's
 * code) where there is one. examples/placement.c prints both where it hits a limit.
 *
 * @section common_errors Common errors
 * These rules hold for every function and are not repeated at each, unless a function has more
 * causes of its own for the same code:
 * - Before mmb_init() and after the last mmb_finalize() every call answers #MMB_NOT_INITIALIZED,
 *   whatever its arguments. Functions of error.h, log.h and version.h always work, as does what is
 *   inline: it asks nobody.
 * - Destroying or freeing NULL does nothing and answers #MMB_OK.
 * - NULL where an argument's description does not allow it gives #MMB_INVALID_ARG; for a handle it
 *   gives the code of its type: #MMB_INVALID_SPACE, #MMB_INVALID_INTERFACE or
 *   #MMB_INVALID_ALLOCATION. So does a handle that was destroyed, where the library can tell.
 * - A member or bytes named `reserved` that are not zero, or a value outside its enumeration, give
 *   #MMB_INVALID_ARG. Layers and contexts have codes of their own.
 * - A struct that starts with `size` is filled by its _INIT macro. A size smaller than the first
 *   release's gives #MMB_INVALID_ARG. Members an older program does not know take their defaults.
 *   Bytes of a newer program that this library does not know must be zero, else #MMB_UNSUPPORTED.
 * - #MMB_OUT_OF_MEMORY also when the library's own metadata cannot grow.
 * - A function of a part that this build lacks gives #MMB_UNSUPPORTED and names the part.
 *
 * Outputs are written last and only on success: after an error they are as they were. A function
 * that returns a pointer, a size or a name gives NULL or 0 and leaves the reason in the detail.
 * No function aborts, writes to standard output or installs a signal handler.
 *
 * Every function is thread-safe unless its description says otherwise. "Caller orders" means that
 * calls that change the one object named must not run at the same time.
 */
#ifndef MMB_ERROR_H
#define MMB_ERROR_H

#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Every code with its value and text, as X(name, value, text). The only list: the enumeration and
 * the functions below are made from it. A value is never reused.
 */
#define MMB_ERROR_LIST(X)                                                                          \
    X(MMB_OK, 0, "success")                                                                        \
    X(MMB_ERROR, 1, "unspecified failure")                                                         \
    X(MMB_INVALID_ARG, 2, "invalid argument")                                                      \
    X(MMB_INVALID_SIZE, 3, "invalid size or range")                                                \
    X(MMB_INVALID_LAYER, 4, "unknown memory layer")                                                \
    X(MMB_INVALID_EXECUTION_CONTEXT, 5, "unknown execution context")                               \
    X(MMB_INVALID_SPACE, 6, "not a live memory space")                                             \
    X(MMB_INVALID_INTERFACE, 7, "not a live memory interface")                                     \
    X(MMB_INVALID_ALLOCATION, 8, "not a live allocation, or not one this call can take")           \
    X(MMB_OUT_OF_MEMORY, 9, "limit or memory exhausted")                                           \
    X(MMB_NOT_FOUND, 10, "not found")                                                              \
    X(MMB_UNSUPPORTED, 11, "not supported by this build, machine or backend")                      \
    X(MMB_NOT_INITIALIZED, 12, "library not initialized")                                          \
    X(MMB_BUSY, 13, "still in use")                                                                \
    X(MMB_EXISTS, 14, "exists already")                                                            \
    X(MMB_PERMISSION, 15, "permission denied")                                                     \
    X(MMB_CORRUPT, 16, "damaged or foreign data")                                                  \
    X(MMB_UNIMPLEMENTED, 17, "not implemented")

/** What a call answers. The text of each code stands in #MMB_ERROR_LIST. */
typedef enum mmbError {
#define MMB_ERROR_ENUM(name, value, text) name = value,
    MMB_ERROR_LIST(MMB_ERROR_ENUM)
#undef MMB_ERROR_ENUM
} mmbError;

/**
 * The name of a code, such as "MMB_BUSY".
 * @param error  any value
 * @return a static string; NULL when it is no code. The detail stays as it is.
 * @note Thread-safe. Works before mmb_init().
 * @since 0.1
 */
MMB_API const char *mmb_error_name(mmbError error);

/**
 * What a code means, in a few words.
 * @param error  any value
 * @return a static string; NULL when it is no code. The detail stays as it is.
 * @note Thread-safe. Works before mmb_init().
 * @since 0.1
 */
MMB_API const char *mmb_error_description(mmbError error);

/**
 * The last failure of the calling thread in words, such as "allocate 8001 B: limit 8000, used 0".
 * A call that succeeds leaves it as it is.
 * @return never NULL, "" before the first failure; owned by the library, overwritten by the
 *         thread's next failure, gone when the thread ends
 * @note Thread-safe: each thread has its own. Works before mmb_init().
 * @since 0.1
 */
MMB_API const char *mmb_error_detail(void);

#ifdef __cplusplus
}
#endif

#endif
