/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A mutex and a reader-writer lock between processes (shared_object.h).
 *
 * They survive their holders: when a process is killed with a lock, the next one gets it and is
 * told that a holder died, as pthread's EOWNERDEAD tells. Everybody who locks is told, until
 * somebody who holds the lock has repaired what it guards and says so. A process that detaches
 * counts as dead for what it holds. A thread that ends is not its process: its locks stay locked.
 *
 * A lock belongs to the process: any of its threads may unlock. Locking twice waits for ever.
 * Nobody is woken in any order. A reader that dies has changed nothing, and nobody is told.
 */
#ifndef MMB_SHARED_LOCK_H
#define MMB_SHARED_LOCK_H

#include <stdbool.h>
#include <mmb/shared_object.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view of a mutex. */
typedef struct mmbSharedMutex {
    mmbSharedObject object;
} mmbSharedMutex;

/** A view of a reader-writer lock. */
typedef struct mmbSharedRwlock {
    mmbSharedObject object;
} mmbSharedRwlock;

/**
 * Makes a mutex that nobody holds.
 * @param interface  over a shared heap; required
 * @param[out] out_mutex  required
 * @retval MMB_OUT_OF_MEMORY heap or space are full
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_create(mmbMemInterface *interface, mmbSharedMutex *out_mutex);

/**
 * Finds a mutex that another process made.
 * @param interface  over the same heap; required
 * @param pointer  the mutex's `object.pointer`
 * @param[out] out_mutex  required
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_CORRUPT what lies there is no mutex, or a damaged one
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                       mmbSharedMutex *out_mutex);

/**
 * Frees a mutex for all.
 * @param mutex  NULL: nothing to do
 * @note Caller orders: nobody holds or uses it any more, in whatever process.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_destroy(const mmbSharedMutex *mutex);

/**
 * Waits for a mutex and takes it.
 * @param mutex  required
 * @param[out] out_holder_died  what it guards may be half changed; NULL: not wanted
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_lock(const mmbSharedMutex *mutex, bool *out_holder_died);

/**
 * Takes a mutex if no living process has it.
 * @param mutex  required
 * @param[out] out_holder_died  what it guards may be half changed; NULL: not wanted
 * @retval MMB_BUSY somebody has it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_try_lock(const mmbSharedMutex *mutex, bool *out_holder_died);

/**
 * Gives a mutex back.
 * @param mutex  required
 * @retval MMB_NOT_FOUND this process does not hold it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_unlock(const mmbSharedMutex *mutex);

/**
 * Says that what a mutex guards is right again: nobody is told of the dead holder any more.
 * @param mutex  that this process holds; required
 * @retval MMB_NOT_FOUND this process does not hold it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_mutex_repaired(const mmbSharedMutex *mutex);

/**
 * Makes a reader-writer lock that nobody holds.
 * @param interface  over a shared heap; required
 * @param[out] out_lock  required
 * @retval MMB_OUT_OF_MEMORY heap or space are full
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_create(mmbMemInterface *interface, mmbSharedRwlock *out_lock);

/**
 * Finds a reader-writer lock that another process made.
 * @param interface  over the same heap; required
 * @param pointer  the lock's `object.pointer`
 * @param[out] out_lock  required
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_CORRUPT what lies there is no such lock, or a damaged one
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_open(mmbMemInterface *interface, mmbSharedPtr pointer,
                                        mmbSharedRwlock *out_lock);

/**
 * Frees a reader-writer lock for all.
 * @param lock  NULL: nothing to do
 * @note Caller orders: nobody holds or uses it any more, in whatever process.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_destroy(const mmbSharedRwlock *lock);

/**
 * Waits for a lock and takes it together with other readers.
 * @param lock  required
 * @param[out] out_holder_died  a writer left what it guards half changed; NULL: not wanted
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_read_lock(const mmbSharedRwlock *lock, bool *out_holder_died);

/**
 * Takes a lock together with other readers if no living process writes or waits to write.
 * @param lock  required
 * @param[out] out_holder_died  a writer left what it guards half changed; NULL: not wanted
 * @retval MMB_BUSY a writer has it or waits for it
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_try_read_lock(const mmbSharedRwlock *lock,
                                                 bool *out_holder_died);

/**
 * Gives a reader's lock back.
 * @param lock  required
 * @retval MMB_NOT_FOUND no thread of this process reads
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_read_unlock(const mmbSharedRwlock *lock);

/**
 * Waits for a lock and takes it alone. From then on no reader gets in before it.
 * @param lock  required
 * @param[out] out_holder_died  a writer left what it guards half changed; NULL: not wanted
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_write_lock(const mmbSharedRwlock *lock, bool *out_holder_died);

/**
 * Takes a lock alone if no living process has it.
 * @param lock  required
 * @param[out] out_holder_died  a writer left what it guards half changed; NULL: not wanted
 * @retval MMB_BUSY somebody reads or writes
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_try_write_lock(const mmbSharedRwlock *lock,
                                                  bool *out_holder_died);

/**
 * Gives a writer's lock back.
 * @param lock  required
 * @retval MMB_NOT_FOUND this process does not write
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_write_unlock(const mmbSharedRwlock *lock);

/**
 * Says that what a lock guards is right again: nobody is told of the dead writer any more.
 * @param lock  that this process has alone; required
 * @retval MMB_NOT_FOUND this process does not write
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_rwlock_repaired(const mmbSharedRwlock *lock);

#ifdef __cplusplus
}
#endif

#endif
