/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief DMA regions: memory registered for the network.
 *
 * A region provider registers memory with a network library or locks it. An interface that names
 * one registers each chunk once, so that every allocation has a local descriptor, a remote key and
 * a remote address at no further cost. Hold an allocation while a transfer runs; read
 * examples/strategies.c first for interfaces, then doc/regions.md.
 *
 * With #MMB_INTERFACE_OWN_REGION every allocation is a chunk and a region of its own, whatever the
 * strategy; the strategy then only names the interface, and a stack has no marks.
 *
 * In a child of fork the regions are the parent's: no provider is called, its allocations can be
 * freed, and everything else here answers #MMB_UNSUPPORTED.
 */
#ifndef MMB_REGION_H
#define MMB_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>
#include <mmb/layer.h>
#include <mmb/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One registered chunk, as the provider's functions fill it. */
typedef struct mmbRegion {
    void *native;              /**< the provider's own handle */
    void *local_desc;          /**< for local operations; NULL: none needed */
    uint64_t remote_base;      /**< the remote address of the chunk's first byte */
    uint16_t remote_key_bytes; /**< 0: no remote access */
    uint8_t remote_key[256];   /**< an 8-byte key is the native uint64_t */
    int native_error;          /**< on failure, for error_text */
} mmbRegion;

/** What is to be registered. */
typedef struct mmbRegionAttr {
    size_t size; /**< sizeof(mmbRegionAttr) */
    mmbMemLayer layer;
    mmbExecutionContext context;
    int device;      /**< of device memory; -1: host memory */
    uint64_t access; /**< or-ed #mmbRegionAccess */
} mmbRegionAttr;

/** What a provider can do. */
typedef struct mmbRegionCaps {
    size_t size;             /**< sizeof(mmbRegionCaps) */
    bool virtual_address;    /**< remote addresses are virtual ones, else they start at 0 */
    bool provider_keys;      /**< the provider chooses the keys */
    bool concurrent;         /**< its functions may run in several threads at a time */
    size_t max_regions;      /**< at a time; 0: no bound */
    size_t max_bytes;        /**< over all regions; 0: no bound */
    size_t remote_key_bytes; /**< at most 256 */
    size_t alignment;        /**< of a region's start and size, bytes; 0: any */
} mmbRegionCaps;

/** What may be done with a region. */
typedef enum mmbRegionAccess {
    MMB_ACCESS_LOCAL = 1,
    MMB_ACCESS_REMOTE_READ = 2,
    MMB_ACCESS_REMOTE_WRITE = 4,
    MMB_ACCESS_REMOTE_ATOMIC = 8
} mmbRegionAccess;

/** What the network needs to reach some bytes. What it points to stays the library's. */
typedef struct mmbRegionView {
    size_t size;               /**< sizeof(mmbRegionView) */
    void *ptr;                 /**< the first byte, here; NULL in an imported view */
    size_t n_bytes;            /**< of the part */
    void *native;              /**< the provider's handle of the chunk */
    void *local_desc;          /**< for local operations */
    const uint8_t *remote_key; /**< for the peer; NULL: no remote access */
    size_t remote_key_bytes;
    uint64_t remote_address; /**< of the first byte */
} mmbRegionView;
/** Initialises an mmbRegionView. */
#define MMB_REGION_VIEW_INIT                                                                       \
    {                                                                                              \
        sizeof(mmbRegionView), 0, 0, 0, 0, 0, 0, 0                                                 \
    }

/**
 * A provider of the user's own. Functions return #MMB_OK or the code that the failing call shall
 * return, and must not call the library. `user` is what was given to mmb_region_provider_create().
 * Unless the provider says that it is concurrent they are called by one thread at a time.
 */
typedef struct mmbRegionProviderOps {
    size_t size;      /**< sizeof(mmbRegionProviderOps) */
    const char *name; /**< copied; 1 to 255 bytes; exports name it; required */
    /** Called once, at creation. out_caps is zero but for its size; NULL: no bounds, no keys. When
     * it fails, error_text is asked with 0 for the reason. */
    mmbError (*open)(void *user, mmbRegionCaps *out_caps);
    /** Registers a chunk; required. A refusal for want of slots or bytes is #MMB_OUT_OF_MEMORY. */
    mmbError (*register_region)(void *user, void *base, size_t n_bytes, const mmbRegionAttr *attr,
                                mmbRegion *out_region);
    /** Pair of register_region; required. No block of the chunk lives. On failure the memory stays
     * mapped, and this is asked once more when the provider is closed. */
    mmbError (*deregister_region)(void *user, mmbRegion *region);
    /** The text of a native_error, valid until the next call; NULL: none. */
    const char *(*error_text)(void *user, int native_error);
    /** Pair of open; NULL: nothing to do. */
    void (*close)(void *user);
} mmbRegionProviderOps;

/**
 * Makes a provider from the user's functions and opens it.
 * @param ops  read during the call and not kept; required
 * @param user  passed on to every function; the caller's until the provider is destroyed, may be
 *         NULL
 * @param[out] out_provider  required; destroyed with mmb_region_provider_destroy()
 * @retval MMB_INVALID_ARG ops is NULL, too small, or lacks its name, register_region or
 *         deregister_region; open told of impossible capabilities; or out_provider is NULL
 * @retval MMB_UNSUPPORTED ops asks for what only a later release has
 * @retval MMB_OUT_OF_MEMORY no room for the provider
 * @retval MMB_ERROR open failed; the provider's own code, its text in the detail
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_provider_create(const mmbRegionProviderOps *ops, void *user,
                                            mmbRegionProvider **out_provider);

/**
 * Makes a provider that locks memory in RAM and has no keys. RLIMIT_MEMLOCK counts.
 * @param[out] out_provider  required; destroyed with mmb_region_provider_destroy()
 * @retval MMB_INVALID_ARG out_provider is NULL
 * @retval MMB_OUT_OF_MEMORY no room for the provider
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_provider_create_mlock(mmbRegionProvider **out_provider);

/**
 * Closes a provider. What it was made from (domain, context, window) must have outlived it.
 * @param provider  dead afterwards; NULL: nothing to do
 * @retval MMB_INVALID_ARG provider is not a live provider
 * @retval MMB_BUSY an interface or a view still refers to it
 * @note Caller orders: no other thread uses the provider.
 * @since 0.1
 */
MMB_API mmbError mmb_region_provider_destroy(mmbRegionProvider *provider);

/**
 * What the network needs to reach a part of an allocation or slice. No lock and no call to the
 * provider; the view needs no release.
 * @param allocation  of an interface with a region provider; required
 * @param offset  bytes from its start
 * @param n_bytes  at least 1
 * @param[out] out_view  filled by MMB_REGION_VIEW_INIT before; valid while the allocation is
 *         neither freed nor moved; required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_INVALID_ARG out_view is NULL
 * @retval MMB_INVALID_SIZE n_bytes is 0, or the part reaches beyond the allocation
 * @retval MMB_UNSUPPORTED its interface has no region provider
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_get_region(const mmbAllocation *allocation, size_t offset,
                                           size_t n_bytes, mmbRegionView *out_view);

/**
 * Writes what a peer needs to reach an allocation: remote key and remote address, in wire form.
 * @param allocation  of an interface with a region provider; required
 * @param buffer  the caller's; NULL: only the size is asked for
 * @param[in,out] n_bytes  of the buffer; afterwards the bytes needed or written; required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_INVALID_ARG n_bytes is NULL
 * @retval MMB_INVALID_SIZE the buffer is too small; n_bytes is unchanged
 * @retval MMB_UNSUPPORTED its interface has no region provider, or the provider no remote keys
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_allocation_export_region(const mmbAllocation *allocation, void *buffer,
                                              size_t *n_bytes);

/**
 * The peer's side of export: a view with the remote key and address; ptr and local_desc are NULL.
 * @param buffer  as exported; required
 * @param n_bytes  of it
 * @param provider  of the same kind as the exporter's; required
 * @param[in,out] out_view  filled by MMB_REGION_VIEW_INIT before; released with
 *         mmb_region_release(); required
 * @retval MMB_INVALID_ARG buffer or out_view is NULL, or provider is not a live provider
 * @retval MMB_CORRUPT the buffer is no export
 * @retval MMB_UNSUPPORTED the export is of another kind of provider, or of a later version
 * @retval MMB_OUT_OF_MEMORY no room for the key
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_import(const void *buffer, size_t n_bytes, mmbRegionProvider *provider,
                                   mmbRegionView *out_view);

/**
 * Releases an imported view and clears it. A view of mmb_allocation_get_region() is only cleared.
 * @param[in,out] view  NULL: nothing to do
 * @retval MMB_INVALID_ARG an imported view whose provider is gone
 * @note Caller orders, per view.
 * @since 0.1
 */
MMB_API mmbError mmb_region_release(mmbRegionView *view);

/**
 * Begins a transfer: until the matching unhold the allocation answers #MMB_BUSY to free,
 * reallocate and migrate. A hold on a slice holds its parent too. Holds count.
 * @param allocation  required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_OUT_OF_MEMORY no room to count
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_hold(mmbAllocation *allocation);

/**
 * Ends a transfer.
 * @param allocation  required
 * @retval MMB_INVALID_ALLOCATION not a live allocation
 * @retval MMB_INVALID_ARG it has no hold
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_region_unhold(mmbAllocation *allocation);

#ifdef __cplusplus
}
#endif

#endif
