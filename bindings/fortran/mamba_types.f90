! SPDX-License-Identifier: BSD-3-Clause
! Constants and types of the C headers, member by member: programs initialise them positionally,
! mmbMemSpaceConfig(mmbSizeConfig(MMB_SIZE_SET, .false., 8000), MMB_MEMINTERFACE_CONFIG_DEFAULT),
! and what is left out has its default. A test compares every member with C.
module mamba_types
  use, intrinsic :: iso_c_binding
  implicit none
  public

  integer, parameter :: mmbErrorKind = c_int
  integer, parameter :: mmbLayerKind = c_int
  integer, parameter :: mmbSizeKind = c_size_t
  integer, parameter, private :: word = storage_size(0_c_size_t) / 8

  ! mmb/error.h
  enum, bind(c)
    enumerator :: MMB_OK = 0, MMB_ERROR = 1, MMB_INVALID_ARG = 2, MMB_INVALID_SIZE = 3, &
      MMB_INVALID_LAYER = 4, MMB_INVALID_EXECUTION_CONTEXT = 5, MMB_INVALID_SPACE = 6, &
      MMB_INVALID_INTERFACE = 7, MMB_INVALID_ALLOCATION = 8, MMB_OUT_OF_MEMORY = 9, &
      MMB_NOT_FOUND = 10, MMB_UNSUPPORTED = 11, MMB_NOT_INITIALIZED = 12, MMB_BUSY = 13, &
      MMB_EXISTS = 14, MMB_PERMISSION = 15, MMB_CORRUPT = 16, MMB_UNIMPLEMENTED = 17
  end enum
  ! mmb/log.h
  enum, bind(c)
    enumerator :: MMB_LOG_NONE = 0, MMB_LOG_ERROR = 1, MMB_LOG_WARNING = 2, MMB_LOG_INFO = 3, &
      MMB_LOG_DEBUG = 4
  end enum
  ! mmb/layer.h
  enum, bind(c)
    enumerator :: MMB_DRAM = 0, MMB_GDRAM = 1, MMB_HBM = 2, MMB_NVDIMM = 3, MMB_CXL = 4, &
      MMB_NADRAM = 5, MMB_SSD = 6, MMB_LAYER_USER = 64
  end enum
  enum, bind(c)
    enumerator :: MMB_EXECUTION_CONTEXT_DEFAULT = 0, MMB_CPU = 1, MMB_GPU_CUDA = 2, &
      MMB_GPU_HIP = 3, MMB_OPENCL = 4, MMB_OPENACC = 5
  end enum
  ! mmb/backend.h
  enum, bind(c)
    enumerator :: MMB_BACKEND_DEFAULT = 0, MMB_BACKEND_MALLOC = 1, MMB_BACKEND_MMAP = 2, &
      MMB_BACKEND_SHM = 3, MMB_BACKEND_ARRAY = 4, MMB_BACKEND_NUMA = 5, MMB_BACKEND_MEMKIND = 6, &
      MMB_BACKEND_FILE = 7, MMB_BACKEND_CUDA = 8, MMB_BACKEND_CUDA_MANAGED = 9, &
      MMB_BACKEND_CUDA_HOST = 10, MMB_BACKEND_CUDA_SHM = 11, MMB_BACKEND_HIP = 12, &
      MMB_BACKEND_HIP_MANAGED = 13, MMB_BACKEND_HIP_HOST = 14, MMB_BACKEND_HIP_SHM = 15, &
      MMB_BACKEND_OPENCL = 16, MMB_BACKEND_OPENCL_SVM = 17, MMB_BACKEND_OPENACC = 18, &
      MMB_BACKEND_USER = 64
  end enum
  ! mmb/interface_config.h
  enum, bind(c)
    enumerator :: MMB_STRATEGY_DEFAULT = 0, MMB_STRATEGY_PASSTHROUGH = 1, MMB_STRATEGY_NONE = 1, &
      MMB_STRATEGY_STACK = 2, MMB_STRATEGY_SCALABLE_PAGE = 3, MMB_STRATEGY_THREAD_LOCAL = 4
  end enum
  integer(c_int64_t), parameter :: MMB_INTERFACE_FINDABLE = 1, MMB_INTERFACE_OWN_REGION = 2
  ! mmb/space_config.h
  enum, bind(c)
    enumerator :: MMB_SIZE_NONE = 0, MMB_SIZE_ANY = 1, MMB_SIZE_SET = 2
  end enum
  ! mmb/space.h
  enum, bind(c)
    enumerator :: MMB_BEST_BANDWIDTH = 0, MMB_BEST_LATENCY = 1, MMB_MOST_FREE = 2
  end enum
  ! SIZE_MAX, which Fortran reads as a signed number.
  integer(c_size_t), parameter :: MMB_NO_LIMIT = -1

  ! Handles. A null one is none.
  type, bind(c) :: mmbMemSpace
    type(c_ptr) :: handle = c_null_ptr
  end type
  type, bind(c) :: mmbMemInterface
    type(c_ptr) :: handle = c_null_ptr
  end type
  type, bind(c) :: mmbAllocation
    type(c_ptr) :: handle = c_null_ptr
  end type

  type, bind(c) :: mmbOptions
    integer(c_size_t) :: size = 3 * word
    type(c_ptr) :: topology_xml = c_null_ptr
    type(c_ptr) :: thread_model = c_null_ptr
  end type

  ! The second half of C's union, a pointer to one limit per domain, is numa_sizes.
  type, bind(c) :: mmbSizeConfig
    integer(c_int) :: action = MMB_SIZE_NONE
    logical(c_bool) :: is_numa_aware = .false._c_bool
    integer(c_size_t) :: mem_size = 0
    type(c_ptr) :: numa_sizes = c_null_ptr
    integer(c_int64_t) :: reserved(2) = 0
  end type

  type, bind(c) :: mmbStrategyOptions
    integer(c_size_t) :: chunk_bytes = 0
    integer(c_size_t) :: stack_bytes = 0
  end type

  ! backend_opts is C's union as words. name: a C string (mmb_create_interface takes one as text).
  type, bind(c) :: mmbMemInterfaceConfig
    integer(c_int) :: backend = MMB_BACKEND_DEFAULT
    integer(c_int64_t) :: backend_opts(8) = 0
    integer(c_int) :: strategy = MMB_STRATEGY_DEFAULT
    type(c_ptr) :: name = c_null_ptr
    type(mmbStrategyOptions) :: strategy_opts = mmbStrategyOptions(0, 0)
    type(c_ptr) :: region_provider = c_null_ptr
    type(mmbMemInterface) :: fallback = mmbMemInterface(c_null_ptr)
    integer(c_int64_t) :: flags = 0
    integer(c_int64_t) :: reserved(4) = 0
  end type

  type, bind(c) :: mmbMemSpaceConfig
    type(mmbSizeConfig) :: size_opts
    type(mmbMemInterfaceConfig) :: interface_opts
  end type

  type(mmbOptions), parameter :: MMB_INIT_DEFAULT = mmbOptions()
  type(mmbSizeConfig), parameter :: MMB_SIZE_CONFIG_DEFAULT = mmbSizeConfig()
  type(mmbMemInterfaceConfig), parameter :: MMB_MEMINTERFACE_CONFIG_DEFAULT = &
    mmbMemInterfaceConfig()
  type(mmbMemSpaceConfig), parameter :: MMB_MEMSPACE_CONFIG_DEFAULT = &
    mmbMemSpaceConfig(mmbSizeConfig(), mmbMemInterfaceConfig())

  ! What the library tells. Names are C strings of the library's; mmb_layer_name gives text.
  type, bind(c) :: mmbLayerInfo
    integer(c_size_t) :: size = 7 * word
    type(c_ptr) :: name = c_null_ptr
    integer(c_size_t) :: total_bytes = 0
    integer(c_size_t) :: domains = 0
    integer(c_size_t) :: bandwidth_mib_s = 0
    integer(c_size_t) :: latency_ns = 0
    logical(c_bool) :: discovered = .false._c_bool
  end type

  type, bind(c) :: mmbSpaceInfo
    integer(c_size_t) :: size = 7 * word + 8
    integer(c_int) :: layer = MMB_DRAM
    integer(c_int) :: context = MMB_CPU
    integer(c_size_t) :: limit = 0
    integer(c_size_t) :: used = 0
    integer(c_size_t) :: peak = 0
    integer(c_size_t) :: reserved = 0
    integer(c_size_t) :: allocations = 0
    integer(c_size_t) :: domains = 0
  end type

  type, bind(c) :: mmbMemInterfaceStats
    integer(c_size_t) :: size = 9 * word
    integer(c_size_t) :: live_bytes = 0
    integer(c_size_t) :: live_count = 0
    integer(c_size_t) :: peak_bytes = 0
    integer(c_size_t) :: total_allocations = 0
    integer(c_size_t) :: total_frees = 0
    integer(c_size_t) :: refused = 0
    integer(c_size_t) :: chunks = 0
    integer(c_size_t) :: reserved_bytes = 0
  end type

  type, bind(c) :: mmbAllocationInfo
    integer(c_size_t) :: size = 11 * word + 16
    type(c_ptr) :: ptr = c_null_ptr
    type(c_ptr) :: native = c_null_ptr
    integer(c_size_t) :: native_offset = 0
    integer(c_size_t) :: n_bytes = 0
    integer(c_size_t) :: usable_bytes = 0
    integer(c_size_t) :: alignment = 0
    type(mmbMemInterface) :: interface = mmbMemInterface(c_null_ptr)
    type(mmbMemSpace) :: space = mmbMemSpace(c_null_ptr)
    integer(c_int) :: layer = MMB_DRAM
    integer(c_int) :: context = MMB_CPU
    integer(c_int) :: domain = -1
    logical(c_bool) :: owned = .false._c_bool
    type(mmbAllocation) :: parent = mmbAllocation(c_null_ptr)
    integer(c_size_t) :: parent_offset = 0
  end type
end module mamba_types
