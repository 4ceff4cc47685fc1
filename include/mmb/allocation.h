/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Allocations: from allocate to free.
 *
 * An allocation is a handle to a block of memory that knows where it came from: its interface,
 * space, layer and context. A slice is a part of another allocation, and a wrapped object stands
 * for memory of the user's own; neither owns its data. Read examples/placement.c.
 *
 * For any one allocation, the caller orders the calls that change it: reallocate, migrate, free,
 * and hold against those. Debug builds detect violations. An allocation with slices, holds or a
 * copy in flight answers #MMB_BUSY to what would move or free it. Device work on the memory must
 * have finished before it is freed.
 */
#ifndef MMB_ALLOCATION_H
#define MMB_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/allocation_info.h>
#include <mmb/backend.h>
#include <mmb/error.h>
#include <mmb/pointer.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to allocate. */
typedef struct mmbAllocateOptions {
    size_t size;      /**< sizeof(mmbAllocateOptions) */
    size_t alignment; /**< bytes, a power of two; 0: the default */
    int domain; /**< position in the layer's list; -1: by nearness, or what the interface says */
    bool zero;  /**< zero-filled; pages that come from the system as zeros are not touched */
    uint64_t thread;   /**< whose cache serves, in a shared heap; 0: the caller's */
    const char *label; /**< static, shown by mmb_for_each_allocation(); NULL: none */
    void *stream;      /**< reserved; NULL */
} mmbAllocateOptions;
/** Initialises an mmbAllocateOptions. */
#define MMB_ALLOCATE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(mmbAllocateOptions), 0, -1, false, 0, 0, 0                                          \
    }

/** Allocates n elements of type T. See mmb_allocate_array(). */
#define MMB_NEW(interface, T, n, out) mmb_allocate_array((n), sizeof(T), (interface), (out))

/**
 * Allocates a block with all defaults: aligned to 16 bytes, on devices to what the backend
 * promises.
 * @param n_bytes  at least 1
 * @param interface  required
 * @param[out] out_allocation  required; freed with mmb_free()
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_SIZE n_bytes is 0, or too large to be rounded up
 * @retval MMB_INVALID_ARG out_allocation is NULL
 * @retval MMB_OUT_OF_MEMORY the space's limit, the layer's memory or the backend is exhausted; the
 *         detail says which, with requested, used and limit
 * @retval MMB_ERROR the backend's runtime failed otherwise; a user's backend: its own code
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocate(size_t n_bytes, mmbMemInterface *interface,
                              mmbAllocation **out_allocation);

/**
 * Allocates a block with options.
 * @param n_bytes  at least 1
 * @param interface  required
 * @param options  read during the call; NULL: as mmb_allocate()
 * @param[out] out_allocation  required; freed with mmb_free()
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_SIZE n_bytes is 0, or too large to be rounded up
 * @retval MMB_INVALID_ARG alignment is no power of two, domain is neither -1 nor one of the
 *         layer's, stream is not NULL, or out_allocation is NULL
 * @retval MMB_UNSUPPORTED the backend cannot give this alignment or domain, or the interface
 *         serves no named threads
 * @retval MMB_OUT_OF_MEMORY the space's limit, the layer's or domain's memory or the backend is
 *         exhausted; the detail says which, with requested, used and limit
 * @retval MMB_ERROR the backend's runtime failed otherwise; a user's backend: its own code
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocate_opts(size_t n_bytes, mmbMemInterface *interface,
                                   const mmbAllocateOptions *options,
                                   mmbAllocation **out_allocation);

/**
 * Allocates a block for an array. #MMB_NEW is the typed form.
 * @param count  elements, at least 1
 * @param n_bytes  of one element, at least 1
 * @param interface  required
 * @param[out] out_allocation  required; freed with mmb_free()
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_SIZE count or n_bytes is 0, or the product is more than a size_t can count
 * @retval MMB_INVALID_ARG out_allocation is NULL
 * @retval MMB_OUT_OF_MEMORY as for mmb_allocate()
 * @retval MMB_ERROR as for mmb_allocate()
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocate_array(size_t count, size_t n_bytes, mmbMemInterface *interface,
                                    mmbAllocation **out_allocation);

/**
 * Makes an object for memory that the user has, so that it can be sliced, copied and found. It is
 * not charged, and can be neither reallocated nor migrated. Free it with mmb_free(): the data
 * stays.
 * @param ptr  stays the caller's and must outlive the object; a device address where the
 *         interface's memory is a device's; required
 * @param n_bytes  of it, at least 1
 * @param interface  says what kind of memory it is; required
 * @param[out] out_allocation  required
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_ARG ptr or out_allocation is NULL
 * @retval MMB_INVALID_SIZE n_bytes is 0, or the memory would end beyond the last address
 * @retval MMB_UNSUPPORTED the interface's memory has no pointers (cl_mem)
 * @retval MMB_OUT_OF_MEMORY no room for the object, or for its region where the interface
 *         registers
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_create_wrapped(void *ptr, size_t n_bytes,
                                               mmbMemInterface *interface,
                                               mmbAllocation **out_allocation);

/**
 * Makes an object for a part of an allocation. Free it with mmb_free() before its parent: the data
 * stays. Slices may overlap and be sliced.
 * @param parent  BUSY to what would move or free it while the slice lives; required
 * @param offset  bytes from the parent's start
 * @param n_bytes  at least 1
 * @param[out] out_allocation  required
 * @retval MMB_INVALID_ALLOCATION parent is not a live allocation
 * @retval MMB_INVALID_SIZE n_bytes is 0, or the part reaches beyond the parent
 * @retval MMB_INVALID_ARG out_allocation is NULL
 * @retval MMB_OUT_OF_MEMORY no room for the object
 * @note Thread-safe, several at a time on one parent too.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_slice(mmbAllocation *parent, size_t offset, size_t n_bytes,
                                      mmbAllocation **out_allocation);

/**
 * Changes an allocation's size; its contents are kept up to the smaller one, its pointer may
 * change. Only the difference is charged. After an error nothing has changed.
 * @param allocation  required
 * @param n_bytes  at least 1
 * @retval MMB_INVALID_ALLOCATION not a live allocation, or a slice or wrapped object
 * @retval MMB_INVALID_SIZE n_bytes is 0, or too large to be rounded up
 * @retval MMB_BUSY it has slices, holds or a copy in flight; debug builds: another thread changes
 * it at the same time
 * @retval MMB_OUT_OF_MEMORY the space's limit, the layer's memory or the backend is exhausted
 * @retval MMB_ERROR the backend's runtime failed otherwise; a user's backend: its own code
 * @note Caller orders, per allocation.
 * @since 0.1
 */
MMB_API mmbError mmb_reallocate(mmbAllocation *allocation, size_t n_bytes);

/**
 * Moves an allocation to another interface: the same object, its contents moved, its provenance
 * new. After an error nothing has changed.
 * @param allocation  required
 * @param to  the interface that has it afterwards; required
 * @retval MMB_INVALID_ALLOCATION not a live allocation, or a slice or wrapped object
 * @retval MMB_INVALID_INTERFACE to is not a live interface
 * @retval MMB_BUSY it has slices, holds or a copy in flight; debug builds: another thread changes
 * it at the same time
 * @retval MMB_OUT_OF_MEMORY the new space's limit, its layer's memory or backend is exhausted
 * @retval MMB_ERROR a backend's runtime failed otherwise; a user's backend: its own code
 * @return MMB_UNSUPPORTED where the new backend cannot give the block's alignment
 * @note Caller orders, per allocation.
 * @since 0.1
 */
MMB_API mmbError mmb_migrate(mmbAllocation *allocation, mmbMemInterface *to);

/**
 * Tells how a part of an allocation will be used. Whole OS pages inside the range are advised.
 * @param allocation  required
 * @param offset  bytes from its start
 * @param n_bytes  0: nothing to do
 * @param advice  see #mmbAdvice
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_INVALID_SIZE the range reaches beyond the allocation
 * @retval MMB_INVALID_ARG unknown advice
 * @retval MMB_UNSUPPORTED the backend or the kernel does not take this advice
 * @retval MMB_ERROR the system refused; its text is in the detail
 * @note Caller orders #MMB_ADVISE_DONT_NEED against use of the contents.
 * @since 0.1
 */
MMB_API mmbError mmb_advise(mmbAllocation *allocation, size_t offset, size_t n_bytes,
                            mmbAdvice advice);

/**
 * Frees a block, or the object of a slice or wrapped pointer. The handle is dead afterwards;
 * freeing it again is refused until it is handed out again, in debug builds always.
 * @param allocation  NULL: nothing to do
 * @retval MMB_INVALID_ALLOCATION not a live allocation: freed already, a raw pointer, or no handle
 *         of the library; or a shared block that another process freed
 * @retval MMB_BUSY it has slices, holds or a copy in flight; debug builds: another thread changes
 * it at the same time; nothing changed
 * @note Any thread may free; caller orders, per allocation.
 * @since 0.1
 */
MMB_API mmbError mmb_free(mmbAllocation *allocation);

/**
 * Frees as mmb_free(), for the thread that the options name: its cache takes the block.
 * @param allocation  NULL: nothing to do
 * @param options  only thread is looked at; NULL: the caller
 * @retval MMB_INVALID_ALLOCATION as for mmb_free()
 * @retval MMB_BUSY it has slices, holds or a copy in flight; debug builds: another thread changes
 * it at the same time; nothing changed
 * @retval MMB_UNSUPPORTED a thread is named, but the interface serves no named threads
 * @note Any thread may free; caller orders, per allocation.
 * @since 0.1
 */
MMB_API mmbError mmb_free_opts(mmbAllocation *allocation, const mmbAllocateOptions *options);

#ifdef __cplusplus
}
#endif

#endif
