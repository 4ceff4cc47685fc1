/* SPDX-License-Identifier: BSD-3-Clause */
/* Which parts are compiled in: the only file that names them all. Owns nothing, takes no lock. */
#include "config.h"
#include "interfaces/page.h"
#include "interfaces/passthrough.h"
#include "interfaces/stack.h"
#include "interfaces/thread.h"
#include "layers/host/array.h"
#include "layers/host/file.h"
#include "layers/host/malloc.h"
#include "layers/host/mmap.h"
#include "layers/shm/shm.h"
#ifdef MMB_HAVE_HWLOC
#include "layers/hwloc/probe.h"
#endif
#ifdef MMB_HAVE_MEMKIND
#include "layers/memkind/memkind.h"
#endif
#ifdef MMB_HAVE_NUMA
#include "layers/numa/numa.h"
#endif
#ifdef MMB_HAVE_CUDA
#include "layers/cuda/cuda.h"
#endif
#ifdef MMB_HAVE_HIP
#include "layers/hip/hip.h"
#endif
#ifdef MMB_HAVE_OPENCL
#include "layers/opencl/opencl.h"
#endif
#ifdef MMB_HAVE_OPENACC
#include "layers/openacc/openacc.h"
#endif
#include "src/spi/allocator.h"
#include "src/spi/backend.h"
#include "src/spi/probe.h"

const struct mmb_backend_ops *const mmb_builtin_backends[] = {
    &mmb_malloc_backend,
    &mmb_mmap_backend,
    &mmb_array_backend,
    &mmb_shm_backend,
    &mmb_file_backend,
#ifdef MMB_HAVE_NUMA
    &mmb_numa_backend,
#endif
#ifdef MMB_HAVE_MEMKIND
    &mmb_memkind_backend,
#endif
#ifdef MMB_HAVE_CUDA
    &mmb_cuda_backend,
    &mmb_cuda_managed_backend,
    &mmb_cuda_host_backend,
    &mmb_cuda_shm_backend,
#endif
#ifdef MMB_HAVE_HIP
    &mmb_hip_backend,
    &mmb_hip_managed_backend,
    &mmb_hip_host_backend,
    &mmb_hip_shm_backend,
#endif
#ifdef MMB_HAVE_OPENCL
    &mmb_opencl_backend,
    &mmb_opencl_svm_backend,
#endif
#ifdef MMB_HAVE_OPENACC
    &mmb_openacc_backend,
#endif
    NULL,
};

const struct mmb_allocator_ops *const mmb_builtin_allocators[] = {
    &mmb_passthrough_allocator,
    &mmb_stack_allocator,
    &mmb_page_allocator,
    &mmb_thread_allocator_ops,
    NULL,
};

const struct mmb_probe_ops *const mmb_builtin_probes[] = {
#ifdef MMB_HAVE_HWLOC
    &mmb_hwloc_probe,
#endif
    NULL,
};

const struct mmb_device_probe_ops *const mmb_builtin_device_probes[] = {
#ifdef MMB_HAVE_CUDA
    &mmb_cuda_probe,
#endif
#ifdef MMB_HAVE_HIP
    &mmb_hip_probe,
#endif
#ifdef MMB_HAVE_OPENCL
    &mmb_opencl_probe,
#endif
    NULL,
};
