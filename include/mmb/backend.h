/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Backends: where memory comes from.
 *
 * A backend supplies raw memory to an interface, whose strategy hands it out. The default one
 * matches the space's layer and context; the others are named in an interface's config, with
 * options for those that need some, and a program can bring its own. Read examples/register.c
 * for _MALLOC and _ARRAY.
 */
#ifndef MMB_BACKEND_H
#define MMB_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mmbCudaOptions mmbCudaOptions;     /**< device and stream: <mmb/cuda.h> */
typedef struct mmbHipOptions mmbHipOptions;       /**< device and stream: <mmb/hip.h> */
typedef struct mmbOpenCLOptions mmbOpenCLOptions; /**< context, queue, device: <mmb/opencl.h> */

/**
 * Where memory comes from. A backend serves some pairs of layer and context, listed in the manual.
 * Values from #MMB_BACKEND_USER on come from mmb_backend_register().
 */
typedef enum mmbBackend {
    MMB_BACKEND_DEFAULT = 0,      /**< what matches layer and context */
    MMB_BACKEND_MALLOC = 1,       /**< the C library's malloc; binds to no node */
    MMB_BACKEND_MMAP = 2,         /**< private anonymous mappings; binds to no node */
    MMB_BACKEND_SHM = 3,          /**< POSIX shared memory by URL */
    MMB_BACKEND_ARRAY = 4,        /**< a buffer that the user brings */
    MMB_BACKEND_NUMA = 5,         /**< mappings bound to the layer's domains */
    MMB_BACKEND_MEMKIND = 6,      /**< a kind of libmemkind */
    MMB_BACKEND_FILE = 7,         /**< a mapped file: SSD, DAX */
    MMB_BACKEND_CUDA = 8,         /**< CUDA device memory */
    MMB_BACKEND_CUDA_MANAGED = 9, /**< CUDA managed memory */
    MMB_BACKEND_CUDA_HOST = 10,   /**< host memory pinned by CUDA */
    MMB_BACKEND_CUDA_SHM = 11,    /**< shared memory registered with CUDA */
    MMB_BACKEND_HIP = 12,         /**< HIP device memory */
    MMB_BACKEND_HIP_MANAGED = 13, /**< HIP managed memory */
    MMB_BACKEND_HIP_HOST = 14,    /**< host memory pinned by HIP */
    MMB_BACKEND_HIP_SHM = 15,     /**< shared memory registered with HIP */
    MMB_BACKEND_OPENCL = 16,      /**< cl_mem buffers */
    MMB_BACKEND_OPENCL_SVM = 17,  /**< OpenCL shared virtual memory */
    MMB_BACKEND_OPENACC = 18,     /**< acc_malloc of the device current at creation; no options */
    MMB_BACKEND_USER = 64,
    MMB_BACKEND_MAX = 0x7fffffff
} mmbBackend;

/** Create or attach a shared heap. 0 in an array's or a file's options: a private heap. */
typedef enum mmbShmMode {
    MMB_SHM_CREATE = 1,          /**< it must not exist */
    MMB_SHM_ATTACH = 2,          /**< it must exist */
    MMB_SHM_CREATE_OR_ATTACH = 3 /**< mmb_shm_created() says which it was */
} mmbShmMode;

/** How a NUMA backend places pages. In a NUMA-aware space only BIND is supported. */
typedef enum mmbNumaPolicy {
    MMB_NUMA_BIND = 0,       /**< only on the domains */
    MMB_NUMA_INTERLEAVE = 1, /**< page by page over the domains */
    MMB_NUMA_PREFERRED = 2,  /**< the domains first, others when they are full */
    MMB_NUMA_LOCAL = 3       /**< the domain of the thread that touches first */
} mmbNumaPolicy;

/** How a range of memory will be used (mmb_advise()). A hint, but for DONT_NEED. */
typedef enum mmbAdvice {
    MMB_ADVISE_NORMAL = 0,     /**< takes earlier advice back */
    MMB_ADVISE_SEQUENTIAL = 1, /**< from low to high addresses */
    MMB_ADVISE_RANDOM = 2,     /**< in no order */
    MMB_ADVISE_WILL_NEED = 3,  /**< soon: bring it in */
    MMB_ADVISE_DONT_NEED = 4,  /**< the contents may be lost: give the pages back */
    MMB_ADVISE_HUGE_PAGES = 5  /**< use huge pages where there are any */
} mmbAdvice;

/**
 * Options of the backend an interface names; the default backend ignores them. Read during create.
 * Sizes are bytes. What a backend does not use must be zero.
 */
typedef union mmbBackendOptions {
    uint64_t reserved[8]; /**< first, so that an initialiser clears all of it */
    /** #MMB_BACKEND_ARRAY: `base` and `bytes` are required. The memory stays the user's and must
     * outlive the interface. With a mode it holds a heap that processes can share. */
    struct {
        void *base;
        size_t bytes;
        size_t header_bytes; /**< the custom header's (mmb_interface_get_header()) */
        mmbShmMode mode;     /**< 0: private */
        uint32_t id;         /**< of the shared heap; 0: derived */
    } array;
    /** #MMB_BACKEND_SHM. On attach bytes, header and permissions are ignored. */
    struct {
        const char *url;      /**< "/name", or "memfd:name"; required */
        size_t bytes;         /**< of the segment; required to create */
        size_t header_bytes;  /**< the custom header's */
        mmbShmMode mode;      /**< required */
        uint32_t id;          /**< 0: derived from the URL */
        uint32_t permissions; /**< 0: 0600 */
        bool other_users;     /**< else only the creator's uid may attach */
    } shm;
    /** #MMB_BACKEND_FILE. */
    struct {
        const char *path;    /**< a directory, or a file's name; required */
        size_t bytes;        /**< of the file; required to create a shared one */
        size_t header_bytes; /**< the custom header's */
        mmbShmMode mode;     /**< 0: private */
        uint32_t id;         /**< of the shared heap; 0: derived from the path */
        bool keep;           /**< else a private file is unlinked at once */
    } file;
    /** #MMB_BACKEND_NUMA. */
    struct {
        mmbNumaPolicy policy;
        uint32_t reserved;
        uint64_t domains; /**< bits are positions in the layer's list of domains; 0: all */
    } numa;
    /** #MMB_BACKEND_MEMKIND. */
    struct {
        const char *kind; /**< such as "hbw_preferred"; NULL: what matches the layer */
    } memkind;
    const mmbCudaOptions *cuda; /**< all CUDA backends; NULL: device 0 */
    const mmbHipOptions *hip;   /**< all HIP backends; NULL: device 0 */
    const mmbOpenCLOptions
        *opencl;      /**< both OpenCL backends, objects are retained; NULL: own ones */
    const void *user; /**< not looked at by the library */
} mmbBackendOptions;

/**
 * A backend of the user's own. Functions return #MMB_OK or the code that the failing call shall
 * return. They run in any thread, several at a time, and must not call the library. `user` is what
 * was given to mmb_backend_register().
 */
typedef struct mmbBackendOps {
    size_t size;          /**< sizeof(mmbBackendOps) */
    const char *name;     /**< copied; required */
    bool host_accessible; /**< the CPU may read and write at the addresses */
    size_t min_alignment; /**< of every address, bytes, a power of two; 0: 16 */
    /** Gives a range of at least n_bytes; required. domain: position in the layer's list, or -1. */
    mmbError (*map)(void *user, size_t n_bytes, int domain, void **address);
    /** Takes back a whole range with the n_bytes of its map; required. */
    mmbError (*unmap)(void *user, void *address, size_t n_bytes);
    /** Host to here. With copy_out required where the memory is not host-accessible. */
    mmbError (*copy_in)(void *user, void *dst, const void *host_src, size_t n);
    /** From here to the host. */
    mmbError (*copy_out)(void *user, void *host_dst, const void *src, size_t n);
    /** Both here; NULL: staged through the host. */
    mmbError (*copy)(void *user, void *dst, const void *src, size_t n);
    /** Fills with a byte; NULL: copied in from the host. */
    mmbError (*set)(void *user, void *dst, int value, size_t n);
} mmbBackendOps;

/** Whether a backend can be used here (mmb_backend_get_info()). */
typedef struct mmbBackendInfo {
    size_t size;         /**< sizeof(mmbBackendInfo) */
    const char *name;    /**< as mmb_backend_name() gives it */
    const char *detail;  /**< "", or why it cannot be used: until this thread's next failure */
    bool built;          /**< compiled in, or registered by the user */
    bool available;      /**< built, and the runtime and the device that it needs are here */
    uint8_t reserved[6]; /**< 0 */
} mmbBackendInfo;
/** Initialises an mmbBackendInfo. */
#define MMB_BACKEND_INFO_INIT                                                                      \
    {                                                                                              \
        sizeof(mmbBackendInfo), 0, 0, false, false,                                                \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/**
 * A backend's name, such as "MMAP"; a user's backend has the name it was registered with.
 * @param backend  any value
 * @return owned by the library, a user backend's until the last mmb_finalize(); NULL with a detail
 *         when there is no such backend
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API const char *mmb_backend_name(mmbBackend backend);

/**
 * Tells whether a backend is built in and usable on this machine. A backend that needs a runtime
 * looks for it and for a device.
 * @param backend  any value but DEFAULT
 * @param[out] out_info  required; its `size` is set by the caller
 * @retval MMB_INVALID_ARG no such backend, or DEFAULT; or out_info is NULL or its size is below the
 *         first release's
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_backend_get_info(mmbBackend backend, mmbBackendInfo *out_info);

/**
 * Makes a backend of the user's own known, until the last mmb_finalize(). It serves every layer and
 * the contexts CPU and DEFAULT; other contexts where it is not host-accessible.
 * @param ops               the table is read during the call and not kept; required
 * @param user              passed on to every function; the caller's until finalize, may be NULL
 * @param[out] out_backend  the value to name it by; required
 * @retval MMB_INVALID_ARG ops is NULL or lacks name, map or unmap; one of copy_in and copy_out is
 *         missing, or both where the memory is not host-accessible; min_alignment is no power of
 * two
 * @retval MMB_EXISTS a backend has this name
 * @retval MMB_OUT_OF_MEMORY no room for another backend
 * @note Thread-safe.
 * @since 0.1
 */
MMB_API mmbError mmb_backend_register(const mmbBackendOps *ops, void *user,
                                      mmbBackend *out_backend);

#ifdef __cplusplus
}
#endif

#endif
