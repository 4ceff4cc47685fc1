/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Start and end of the library.
 *
 * Between the first mmb_init() and the last mmb_finalize() the library holds the machine's layers,
 * their spaces and everything made in them. With discovery built in, init finds the layers and
 * makes a default space for each one and context it can serve; without, the program registers
 * them. Read examples/placement.c for the first way and examples/register.c for the second.
 */
#ifndef MMB_LIBRARY_H
#define MMB_LIBRARY_H

#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * User-level threads, for a program whose threads are not POSIX threads: see examples/fibers.c.
 * Every function is required, may run in any thread at any time and must not call the library.
 * A call that waits for something long, such as mmb_event_wait(), yields and then sleeps.
 */
typedef struct mmbThreadModel {
    size_t size;                             /**< sizeof(mmbThreadModel) */
    const char *name;                        /**< for messages; static, required */
    uint64_t (*get_id)(void);                /**< the running thread; never 0 */
    void (*yield)(void);                     /**< lets another thread run */
    void (*sleep_us)(uint64_t microseconds); /**< at least that long, lets others run */
    int (*tls_create)(void **key, void (*destructor)(void *)); /**< 0, or an errno value */
    void *(*tls_get)(void *key);                               /**< NULL where nothing was set */
    int (*tls_set)(void *key, void *value);                    /**< 0, or an errno value */
    void (*tls_destroy)(void *key);                            /**< runs no destructor */
} mmbThreadModel;

/** How to start. */
typedef struct mmbOptions {
    size_t size; /**< sizeof(mmbOptions) */
    /** A file with another machine's topology (hwloc XML), read during init: its layers are
     * reported, nothing is bound to them. NULL: the environment's MMB_TOPOLOGY_XML, else this
     * machine. */
    const char *topology_xml;
    /** Must stay valid until the last mmb_finalize(). NULL: POSIX threads. */
    const mmbThreadModel *thread_model;
} mmbOptions;
/** Initialises an mmbOptions. */
#define MMB_OPTIONS_INIT                                                                           \
    {                                                                                              \
        sizeof(mmbOptions), 0, 0                                                                   \
    }
/** All defaults. */
#define MMB_INIT_DEFAULT ((const mmbOptions *)0)

/**
 * Starts the library, or counts one more user of it. The options of the first call hold until the
 * last mmb_finalize(); later ones are checked and otherwise ignored. A failed call counts nothing
 * and leaves nothing behind. No device runtime is loaded before, and then only one whose device is
 * seen; a runtime that is missing is no failure.
 * @param options  read during the call; NULL: all defaults
 * @retval MMB_INVALID_ARG a thread model lacks its name or a function
 * @retval MMB_NOT_FOUND the topology file does not exist
 * @retval MMB_PERMISSION the topology file may not be read
 * @retval MMB_CORRUPT the topology file is no topology
 * @retval MMB_BUSY this thread is in the midst of another call that changes what exists: in a
 *         callback or, where the library serves malloc, in a plugin that such a call loads
 * @retval MMB_UNSUPPORTED a topology file is named, but discovery is not built in
 * @retval MMB_OUT_OF_MEMORY the system refuses memory or address space for the library's own data
 * @retval MMB_ERROR discovery failed on this machine; the detail has hwloc's or the system's text
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_init(const mmbOptions *options);

/**
 * As mmb_init(), but looks for the host's memory alone: no device, no drive and no runtime of a
 * device is asked, which is quick and leaves drivers unloaded. It is for programs that will not use
 * them, and is undone by the next mmb_init(), which finds what this one left out. A topology file
 * is read whole, since that asks nobody.
 * @param options  read during the call; NULL: all defaults
 * @retval MMB_INVALID_ARG a thread model lacks its name or a function
 * @retval MMB_NOT_FOUND the topology file does not exist
 * @retval MMB_PERMISSION the topology file may not be read
 * @retval MMB_CORRUPT the topology file is no topology
 * @retval MMB_BUSY this thread is in the midst of another call that changes what exists: in a
 *         callback or, where the library serves malloc, in a plugin that such a call loads
 * @retval MMB_UNSUPPORTED a topology file is named, but discovery is not built in
 * @retval MMB_OUT_OF_MEMORY the system refuses memory or address space for the library's own data
 * @retval MMB_ERROR discovery failed on this machine; the detail has hwloc's or the system's text
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_init_host(const mmbOptions *options);

/**
 * Counts one user less. The last one ends the library: live private allocations are freed, and how
 * many and how many bytes per interface is logged as a warning; blocks in shared memory stay.
 * Every handle is dead afterwards. mmb_init() may follow.
 * @retval MMB_NOT_INITIALIZED more calls than mmb_init() had
 * @note Thread-safe, but the last call must not run while another thread is inside the library.
 * @since 0.1
 */
MMB_API mmbError mmb_finalize(void);

#ifdef __cplusplus
}
#endif

#endif
