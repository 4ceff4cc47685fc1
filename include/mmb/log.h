/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief What the library says, how much of it and where.
 *
 * The library is silent but for errors that no return value can carry, such as a leak found by
 * mmb_finalize(). Messages go to standard error or to the program's callback; failures of calls
 * are logged at debug level, once each. The environment's MMB_LOG_LEVEL (none, error, warning,
 * info, debug, or 0 to 4) sets the first level; examples/placement.c runs well with
 * MMB_LOG_LEVEL=debug.
 */
#ifndef MMB_LOG_H
#define MMB_LOG_H

#include <mmb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How grave a message is; as a threshold, the least grave that is still wanted. */
typedef enum mmbLogLevel {
    MMB_LOG_NONE = 0,    /**< no message at all */
    MMB_LOG_ERROR = 1,   /**< something is lost or broken */
    MMB_LOG_WARNING = 2, /**< something is not as the user may think, leaks among it */
    MMB_LOG_INFO = 3,    /**< what was found and chosen */
    MMB_LOG_DEBUG = 4    /**< every failing call with its detail */
} mmbLogLevel;

/**
 * Takes one message. It may run in any thread that calls the library, one call at a time, and must
 * not call the library.
 * @param level    never #MMB_LOG_NONE
 * @param message  one line without its end; valid during the call
 * @param user     as given to mmb_logging_set_callback()
 */
typedef void (*mmbLogCallback)(mmbLogLevel level, const char *message, void *user);

/**
 * Sets which messages are wanted; wins over MMB_LOG_LEVEL.
 * @param level  the least grave level that is still wanted
 * @retval MMB_INVALID_ARG unknown level; nothing changed
 * @note Thread-safe. Works before mmb_init() and lasts over mmb_finalize().
 * @since 0.1
 */
MMB_API mmbError mmb_logging_set_level(mmbLogLevel level);

/**
 * Sets who takes the messages. When it returns, the previous callback is not running in another
 * thread and is not called again.
 * @param callback  NULL: standard error
 * @param user      passed on to the callback; the caller's, may be NULL
 * @return #MMB_OK; there is no way to fail
 * @note Thread-safe. Works before mmb_init() and lasts over mmb_finalize(). Not from a callback.
 * @since 0.1
 */
MMB_API mmbError mmb_logging_set_callback(mmbLogCallback callback, void *user);

#ifdef __cplusplus
}
#endif

#endif
