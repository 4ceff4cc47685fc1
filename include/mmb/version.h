/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The version, at compile time and at run time.
 *
 * The macros say which headers a program was compiled with. mmb_version() says which library it
 * runs with, and may be asked before anything else. examples/register.c prints both.
 */
#ifndef MMB_VERSION_H
#define MMB_VERSION_H

#include <mmb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMB_VERSION_MAJOR 0 /**< changes when a program must be changed */
#define MMB_VERSION_MINOR 1 /**< changes when something is added */
#define MMB_VERSION_PATCH 0 /**< changes when something is mended */

/**
 * The version of the library that the program runs with.
 * @param[out] major  caller's, required
 * @param[out] minor  caller's, required
 * @param[out] patch  caller's, required
 * @retval MMB_INVALID_ARG an output is NULL
 * @note Thread-safe. Works before mmb_init().
 * @since 0.1
 */
MMB_API mmbError mmb_version(int *major, int *minor, int *patch);

#ifdef __cplusplus
}
#endif

#endif
