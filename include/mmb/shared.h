/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Heaps shared by processes: the backends _SHM, _FILE and _ARRAY with a mode.
 *
 * One process creates an interface over a segment, others attach to it by URL, and all allocate
 * and free in one heap; a block allocated by one can be used and freed by another. No process owns
 * the heap: it survives the death of any, and destroying an interface detaches and never unlinks.
 * The interface's options are in backend.h; read examples/strategies.c first for interfaces.
 *
 * A build without shared memory answers #MMB_UNSUPPORTED to all of these, with a detail.
 */
#ifndef MMB_SHARED_H
#define MMB_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include <mmb/shared_pointer.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a segment holds. */
typedef struct mmbShmInfo {
    size_t size;        /**< sizeof(mmbShmInfo) */
    size_t bytes;       /**< of the segment */
    size_t live_bytes;  /**< bytes of live blocks */
    size_t live_count;  /**< live blocks */
    size_t owners;      /**< processes that have it attached and live */
    size_t dead_owners; /**< processes that died and left blocks */
} mmbShmInfo;
/** Initialises an mmbShmInfo. */
#define MMB_SHM_INFO_INIT                                                                          \
    {                                                                                              \
        sizeof(mmbShmInfo), 0, 0, 0, 0, 0                                                          \
    }

/**
 * Decides on one block of a dead process. It must not call the library.
 * @param user     as given to mmb_shm_reclaim()
 * @param pointer  the block
 * @param n_bytes  of the block
 * @return true spares it
 */
typedef bool (*mmbShmKeep)(void *user, mmbSharedPtr pointer, size_t n_bytes);

/**
 * Whether this interface created its segment or attached to it (#MMB_SHM_CREATE_OR_ATTACH).
 * @param interface  required
 * @param[out] out_created  required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED it is not over a shared heap
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shm_created(mmbMemInterface *interface, bool *out_created);

/**
 * The custom header in the segment, for the program's own use; zero-filled at creation.
 * @param interface  required
 * @param[out] out_header  stays valid until the interface is destroyed; required
 * @param[out] out_n_bytes  as given at creation; required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED it is not over a shared heap
 * @retval MMB_NOT_FOUND the segment was created without one
 * @note Thread-safe; access to the header itself is the program's to order.
 * @since 0.1
 */
MMB_API mmbError mmb_interface_get_header(mmbMemInterface *interface, void **out_header,
                                          size_t *out_n_bytes);

/**
 * An allocation's pointer for every process.
 * @param allocation  required
 * @param[out] out_pointer  required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_UNSUPPORTED it does not lie in a shared heap
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_get_shared(const mmbAllocation *allocation,
                                           mmbSharedPtr *out_pointer);

/**
 * This process's handle to a shared block. However often it is asked for, the handle is the same,
 * and it needs no release; its size is the block's.
 * @param pointer  of a heap that this process has attached
 * @param[out] out_allocation  required
 * @retval MMB_INVALID_ARG the pointer is null, or out_allocation is NULL
 * @retval MMB_NOT_FOUND the heap is not attached, or was created anew since the pointer was made
 * @retval MMB_INVALID_ALLOCATION no live block starts at the offset
 * @retval MMB_CORRUPT the segment contradicts itself there
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_from_shared(mmbSharedPtr pointer, mmbAllocation **out_allocation);

/**
 * The address of an offset in this process.
 * @param interface  over a shared heap; required
 * @param offset  any value
 * @return NULL with a detail when the offset is null or not in the segment's data
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void *mmb_shared_ptr(mmbMemInterface *interface, mmbOffset offset);

/**
 * The address of a range in this process.
 * @param interface  over a shared heap; required
 * @param offset  any value
 * @param n_bytes  of the range
 * @return NULL with a detail unless the whole range lies in the segment's data
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API void *mmb_shared_range(mmbMemInterface *interface, mmbOffset offset, size_t n_bytes);

/**
 * The offset of an address.
 * @param interface  over a shared heap; required
 * @param ptr  an address in the segment's data; NULL gives the null offset
 * @param[out] out_offset  required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED it is not over a shared heap
 * @retval MMB_NOT_FOUND ptr is not in the segment's data
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shared_offset(mmbMemInterface *interface, const void *ptr,
                                   mmbOffset *out_offset);

/**
 * Makes a block this process's: it is charged here and no longer counts as a dead process's.
 * @param interface  over a shared heap; required
 * @param pointer  to the start of a live block of it
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED it is not over a shared heap
 * @retval MMB_INVALID_ARG the pointer is null or names another heap
 * @retval MMB_INVALID_ALLOCATION no live block starts there
 * @retval MMB_OUT_OF_MEMORY the space's limit is exhausted, or after a fork: all owner slots are in
 *         use
 * @retval MMB_BUSY its owner lives
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shm_adopt(mmbMemInterface *interface, mmbSharedPtr pointer);

/**
 * Frees the blocks that dead processes allocated and nobody adopted. Until then they stay valid,
 * since they may have been handed over.
 * @param interface  over a shared heap; required
 * @param keep  see #mmbShmKeep; NULL: nothing is spared
 * @param user  passed on to keep; the caller's, may be NULL
 * @param[out] out_n_bytes_freed  bytes of blocks; NULL: not wanted
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_UNSUPPORTED it is not over a shared heap
 * @retval MMB_CORRUPT the segment contradicts itself; what was freed until then stays freed
 * @retval MMB_OUT_OF_MEMORY after a fork: all owner slots are in use
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shm_reclaim(mmbMemInterface *interface, mmbShmKeep keep, void *user,
                                 size_t *out_n_bytes_freed);

/**
 * Verifies a segment without attaching to it.
 * @param url  "/name"; required
 * @param[out] out_info  filled by MMB_SHM_INFO_INIT before; NULL: not wanted
 * @retval MMB_INVALID_ARG url is NULL or no URL of a segment
 * @retval MMB_NOT_FOUND no such segment
 * @retval MMB_PERMISSION it belongs to another user
 * @retval MMB_CORRUPT it is damaged, too short or not the library's; the detail says where
 * @note Thread-safe; exact when no process is inside a call.
 * @since 0.1
 */
MMB_API mmbError mmb_shm_check(const char *url, mmbShmInfo *out_info);

/**
 * Removes a segment's name. Who has it attached keeps it; its memory goes with the last of them.
 * @param url  "/name"; required
 * @retval MMB_INVALID_ARG url is NULL or no URL of a segment
 * @retval MMB_NOT_FOUND no such segment
 * @retval MMB_PERMISSION it belongs to another user
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_shm_unlink(const char *url);

/**
 * Writes what another process needs to reach an allocation: a block of a shared heap, or device
 * memory of the backends CUDA and HIP. Of device memory the other process opens the whole range
 * that the block lies in.
 * @param allocation  stays as it is, and must outlive the import; required
 * @param buffer  the caller's; NULL: only the size is asked for
 * @param[in,out] n_bytes  of the buffer; afterwards the bytes needed or written; required
 * @retval MMB_INVALID_ALLOCATION not a live allocation, or a slice or wrapped object
 * @retval MMB_INVALID_ARG n_bytes is NULL
 * @retval MMB_INVALID_SIZE the buffer is too small; n_bytes is unchanged
 * @retval MMB_UNSUPPORTED its backend cannot; the detail says why
 * @retval MMB_ERROR the backend's runtime failed; its text is in the detail
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_ipc_export(const mmbAllocation *allocation, void *buffer, size_t *n_bytes);

/**
 * Makes an object for an allocation of another process. Free it with mmb_free(): a shared block is
 * then freed for all, of device memory only the object goes. That one is not owned and not charged,
 * like a wrapped one, and must go before the exporter frees the block.
 * @param buffer  as exported, in the same release; required
 * @param n_bytes  of it
 * @param interface  of the same backend, over the same heap or device; required
 * @param[out] out_allocation  required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_ARG buffer or out_allocation is NULL, or the export is of another backend or
 *         device
 * @retval MMB_CORRUPT the buffer is no export
 * @retval MMB_NOT_FOUND the heap, file or block is gone
 * @retval MMB_UNSUPPORTED its backend cannot, or the export came from this very process and it
 *         must not
 * @retval MMB_OUT_OF_MEMORY no room for the object
 * @retval MMB_ERROR the backend's runtime failed; its text is in the detail
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_ipc_import(const void *buffer, size_t n_bytes, mmbMemInterface *interface,
                                mmbAllocation **out_allocation);

#ifdef __cplusplus
}
#endif

#endif
