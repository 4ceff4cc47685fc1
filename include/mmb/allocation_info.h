/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief What an allocation says of itself, and how to find one.
 *
 * Every allocation can tell its pointer, sizes and provenance; pointer and size cost next to
 * nothing. What lives in an interface can be listed, and in a findable one an address leads back
 * to its allocation. Read examples/placement.c, which prints the provenance of a block.
 */
#ifndef MMB_ALLOCATION_INFO_H
#define MMB_ALLOCATION_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>
#include <mmb/layer.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an allocation is and where it came from. */
typedef struct mmbAllocationInfo {
    size_t size;                /**< sizeof(mmbAllocationInfo) */
    void *ptr;                  /**< for the host; NULL where it has none */
    void *native;               /**< the runtime's handle: the address, or a cl_mem */
    size_t native_offset;       /**< bytes in a cl_mem, else 0 */
    size_t n_bytes;             /**< as asked for; of an imported shared block, its size */
    size_t usable_bytes;        /**< that may be used, at least n_bytes */
    size_t alignment;           /**< bytes, that it was promised */
    mmbMemInterface *interface; /**< that has the memory: a fallback, where one served */
    mmbMemSpace *space;
    mmbMemLayer layer;
    mmbExecutionContext context;
    int domain;            /**< position in the layer's list; -1: unknown */
    bool owned;            /**< freeing it frees the data: no slice, not wrapped */
    mmbAllocation *parent; /**< what was sliced; NULL: no slice */
    size_t parent_offset;  /**< bytes in the parent */
} mmbAllocationInfo;
/** Initialises an mmbAllocationInfo. */
#define MMB_ALLOCATION_INFO_INIT                                                                   \
    {                                                                                              \
        sizeof(mmbAllocationInfo), 0, 0, 0, 0, 0, 0, 0, 0, MMB_DRAM, MMB_CPU, -1, false, 0, 0      \
    }

/**
 * Sees one live allocation. It must not call back into the interface.
 * @param user   as given to mmb_for_each_allocation()
 * @param info   valid during the call
 * @param label  as given at allocation; NULL: none
 * @return false ends the walk
 */
typedef bool (*mmbAllocationVisitor)(void *user, const mmbAllocationInfo *info, const char *label);

/** The host pointer as a T *. See mmb_allocation_ptr(). */
#define MMB_PTR(allocation, T) ((T *)mmb_allocation_ptr(allocation))
/** The device pointer as a T *. See mmb_device_ptr(). */
#define MMB_DEVICE_PTR(allocation, T) ((T *)mmb_device_ptr(allocation))

/**
 * Everything an allocation knows of itself.
 * @param allocation  required
 * @param[out] out_info  filled by MMB_ALLOCATION_INFO_INIT before; required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @note Caller orders against what moves or frees it.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_get_info(const mmbAllocation *allocation,
                                         mmbAllocationInfo *out_info);

/**
 * The address at which the host reaches an allocation: one load, inline, and nothing is checked.
 * #MMB_PTR is the typed form.
 * @param allocation  a live allocation, or NULL
 * @return NULL where the host has no address, and for NULL
 * @note Caller orders against what moves or frees it.
 * @since 0.1
 */
MMB_API void *mmb_allocation_ptr(const mmbAllocation *allocation);

/**
 * The bytes that were asked for; of an imported shared block, those of the block.
 * @param allocation  required
 * @return 0 with a detail when it is not a live allocation
 * @note Caller orders against what moves or frees it.
 * @since 0.1
 */
MMB_API size_t mmb_allocation_size(const mmbAllocation *allocation);

/**
 * What the backend's runtime calls this memory: the address and 0; of a cl_mem the handle and the
 * offset in it.
 * @param allocation  required
 * @param[out] out_native  stays the library's; required
 * @param[out] out_offset  bytes; required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @note Caller orders against what moves or frees it.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_native(const mmbAllocation *allocation, void **out_native,
                                       size_t *out_offset);

/**
 * The address that a kernel in the allocation's context may use; for CPU memory the host's.
 * @param allocation  required
 * @return NULL with a detail when there is none (cl_mem) or it is not a live allocation
 * @note Caller orders against what moves or frees it.
 * @since 0.1
 */
MMB_API void *mmb_device_ptr(const mmbAllocation *allocation);

/**
 * The allocation that an address lies in: interior addresses too, wrapped objects too, slices not.
 * Of wrapped objects that overlap the smallest is found, of equal ones the last.
 * @param ptr  any address; required
 * @param[out] out_allocation  required
 * @retval MMB_NOT_FOUND no live allocation of an interface with #MMB_INTERFACE_FINDABLE has it
 * @retval MMB_INVALID_ARG ptr or out_allocation is NULL
 * @note Caller orders against the free of the very allocation.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_find(const void *ptr, mmbAllocation **out_allocation);

/**
 * Shows every live allocation of an interface to a visitor, in no order.
 * @param interface  required
 * @param visitor  see #mmbAllocationVisitor; required
 * @param user  passed on; the caller's, may be NULL
 * @retval MMB_INVALID_INTERFACE interface is not a live interface
 * @retval MMB_INVALID_ARG visitor is NULL
 * @retval MMB_OUT_OF_MEMORY no room to list them
 * @note Thread-safe; what other threads allocate or free meanwhile may be shown or not.
 * @since 0.1
 */
MMB_API mmbError mmb_for_each_allocation(mmbMemInterface *interface, mmbAllocationVisitor visitor,
                                         void *user);

#ifdef MMB_INLINE
MMB_INLINE void *mmb_allocation_ptr(const mmbAllocation *allocation)
{
    return allocation ? *(void *const *)(const void *)allocation : (void *)0;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
