! SPDX-License-Identifier: BSD-3-Clause
! libmmb for Fortran 2008, by Mamba's names: `use mamba`. Read examples/placement.f90.
!
! Arguments stand in C's order, the result before the last, `err` last; all may be given by keyword
! (new_space=, new_interface=, new_allocation=, err=). A config that is left out means defaults.
! With err a call returns a code, MMB_OK = 0, and mmb_error_detail() says more; without, a failure
! stops the program with that text, as a Fortran statement without stat= does.
module mamba
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit, int32, int64
  use mamba_types
  use mamba_c
  use mamba_arrays, only: mmb_get_array
  implicit none
  private

  public :: mmb_init, mmb_finalize, mmb_version
  public :: mmb_error_name, mmb_error_description, mmb_error_detail
  public :: mmb_logging_set_level, mmb_logging_set_callback, mmb_log_procedure
  public :: mmb_layer_count, mmb_layer_at, mmb_layer_name, mmb_layer_from_name, mmb_layer_define
  public :: mmb_layer_get_info, mmb_layer_set_info
  public :: mmb_register_memory, mmb_create_space, mmb_request_space, mmb_request_best_space
  public :: mmb_memspace_configure, mmb_destroy_space, mmb_space_get_info
  public :: mmb_create_interface, mmb_request_interface, mmb_get_interface, mmb_destroy_interface
  public :: mmb_interface_get_stats
  public :: mmb_allocate, mmb_allocation_create_wrapped, mmb_allocation_slice, mmb_reallocate
  public :: mmb_migrate, mmb_free, mmb_allocation_get_info, mmb_allocation_size, mmb_allocation_ptr
  public :: mmb_get_array
  public :: mmb_copy, mmb_copy_1d, mmb_copy_2d, mmb_memset

  ! mamba_types whole, and of C what programs need to know addresses and kinds.
  public :: mmbErrorKind, mmbLayerKind, mmbSizeKind
  public :: mmbMemSpace, mmbMemInterface, mmbAllocation, mmbOptions, mmbSizeConfig
  public :: mmbStrategyOptions, mmbMemInterfaceConfig, mmbMemSpaceConfig
  public :: mmbLayerInfo, mmbSpaceInfo, mmbMemInterfaceStats, mmbAllocationInfo
  public :: MMB_INIT_DEFAULT, MMB_SIZE_CONFIG_DEFAULT, MMB_MEMINTERFACE_CONFIG_DEFAULT
  public :: MMB_MEMSPACE_CONFIG_DEFAULT, MMB_NO_LIMIT
  public :: MMB_OK, MMB_ERROR, MMB_INVALID_ARG, MMB_INVALID_SIZE, MMB_INVALID_LAYER
  public :: MMB_INVALID_EXECUTION_CONTEXT, MMB_INVALID_SPACE, MMB_INVALID_INTERFACE
  public :: MMB_INVALID_ALLOCATION, MMB_OUT_OF_MEMORY, MMB_NOT_FOUND, MMB_UNSUPPORTED
  public :: MMB_NOT_INITIALIZED, MMB_BUSY, MMB_EXISTS, MMB_PERMISSION, MMB_CORRUPT
  public :: MMB_UNIMPLEMENTED
  public :: MMB_LOG_NONE, MMB_LOG_ERROR, MMB_LOG_WARNING, MMB_LOG_INFO, MMB_LOG_DEBUG
  public :: MMB_DRAM, MMB_GDRAM, MMB_HBM, MMB_NVDIMM, MMB_CXL, MMB_NADRAM, MMB_SSD, MMB_LAYER_USER
  public :: MMB_EXECUTION_CONTEXT_DEFAULT, MMB_CPU, MMB_GPU_CUDA, MMB_GPU_HIP, MMB_OPENCL
  public :: MMB_OPENACC
  public :: MMB_BACKEND_DEFAULT, MMB_BACKEND_MALLOC, MMB_BACKEND_MMAP, MMB_BACKEND_SHM
  public :: MMB_BACKEND_ARRAY, MMB_BACKEND_NUMA, MMB_BACKEND_MEMKIND, MMB_BACKEND_FILE
  public :: MMB_BACKEND_CUDA, MMB_BACKEND_CUDA_MANAGED, MMB_BACKEND_CUDA_HOST
  public :: MMB_BACKEND_CUDA_SHM, MMB_BACKEND_HIP, MMB_BACKEND_HIP_MANAGED, MMB_BACKEND_HIP_HOST
  public :: MMB_BACKEND_HIP_SHM, MMB_BACKEND_OPENCL, MMB_BACKEND_OPENCL_SVM, MMB_BACKEND_OPENACC
  public :: MMB_BACKEND_USER
  public :: MMB_STRATEGY_DEFAULT, MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_NONE, MMB_STRATEGY_STACK
  public :: MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL
  public :: MMB_INTERFACE_FINDABLE, MMB_INTERFACE_OWN_REGION
  public :: MMB_SIZE_NONE, MMB_SIZE_ANY, MMB_SIZE_SET
  public :: MMB_BEST_BANDWIDTH, MMB_BEST_LATENCY, MMB_MOST_FREE

  abstract interface
    ! Must not call the library.
    subroutine mmb_log_procedure(level, message)
      integer, intent(in) :: level
      character(len=*), intent(in) :: message
    end subroutine
  end interface
  procedure(mmb_log_procedure), pointer :: log_procedure => null()

  ! Sizes and offsets in bytes are of any usual kind.
  interface mmb_allocate
    module procedure allocate_int32, allocate_int64
  end interface
  interface mmb_reallocate
    module procedure reallocate_int32, reallocate_int64
  end interface

contains

  ! ---- errors, text, log, library ----

  subroutine finish(code, err)
    integer(c_int), intent(in) :: code
    integer(mmbErrorKind), intent(out), optional :: err
    if (present(err)) then
      err = code
    else if (code /= MMB_OK) then
      write (error_unit, '(4a)') 'libmmb: ', mmb_error_name(code), ': ', mmb_error_detail()
      error stop 1
    end if
  end subroutine

  function text_of(address) result(text)
    type(c_ptr), intent(in) :: address
    character(len=:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    integer :: i
    if (.not. c_associated(address)) then
      text = ''
      return
    end if
    call c_f_pointer(address, letters, [c_strlen(address)])
    allocate (character(len=size(letters)) :: text)
    do i = 1, size(letters)
      text(i:i) = letters(i)
    end do
  end function

  ! Blanks at the end are padding.
  function c_text(text) result(letters)
    character(len=*), intent(in) :: text
    character(kind=c_char) :: letters(len_trim(text) + 1)
    integer :: i
    do i = 1, len_trim(text)
      letters(i) = text(i:i)
    end do
    letters(size(letters)) = c_null_char
  end function

  function mmb_error_name(error) result(text)
    integer(mmbErrorKind), intent(in) :: error
    character(len=:), allocatable :: text
    text = text_of(c_error_name(error))
  end function

  function mmb_error_description(error) result(text)
    integer(mmbErrorKind), intent(in) :: error
    character(len=:), allocatable :: text
    text = text_of(c_error_description(error))
  end function

  function mmb_error_detail() result(text)
    character(len=:), allocatable :: text
    text = text_of(c_error_detail())
  end function

  subroutine mmb_logging_set_level(level, err)
    integer(c_int), intent(in) :: level
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_logging_set_level(level), err)
  end subroutine

  subroutine pass_message(level, message, user) bind(c)
    integer(c_int), value :: level
    type(c_ptr), value :: message, user
    if (associated(log_procedure) .and. .not. c_associated(user)) &
      call log_procedure(int(level), text_of(message))
  end subroutine

  ! Without a procedure: messages go to the error unit again.
  subroutine mmb_logging_set_callback(callback, err)
    procedure(mmb_log_procedure), optional :: callback
    integer(mmbErrorKind), intent(out), optional :: err
    if (present(callback)) then
      log_procedure => callback
      call finish(c_logging_set_callback(c_funloc(pass_message), c_null_ptr), err)
    else
      call finish(c_logging_set_callback(c_null_funptr, c_null_ptr), err)
      log_procedure => null()
    end if
  end subroutine

  subroutine mmb_init(options, err)
    type(mmbOptions), intent(in), optional :: options
    integer(mmbErrorKind), intent(out), optional :: err
    type(mmbOptions), target :: given
    if (present(options)) given = options
    call finish(c_init(c_loc(given)), err)
  end subroutine

  subroutine mmb_finalize(err)
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_finalize(), err)
  end subroutine

  subroutine mmb_version(major, minor, patch, err)
    integer(c_int), intent(out) :: major, minor, patch
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_version(major, minor, patch), err)
  end subroutine

  ! ---- layers ----

  function mmb_layer_count() result(n)
    integer(c_size_t) :: n
    n = c_layer_count()
  end function

  ! Counts from 1, as Fortran does.
  subroutine mmb_layer_at(index, layer, err)
    integer, intent(in) :: index
    integer(mmbLayerKind), intent(out) :: layer
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_layer_at(int(index, c_size_t) - 1_c_size_t, layer), err)
  end subroutine

  function mmb_layer_name(layer) result(text)
    integer(mmbLayerKind), intent(in) :: layer
    character(len=:), allocatable :: text
    text = text_of(c_layer_name(layer))
  end function

  subroutine mmb_layer_from_name(name, layer, err)
    character(len=*), intent(in) :: name
    integer(mmbLayerKind), intent(out) :: layer
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_layer_from_name(c_text(name), layer), err)
  end subroutine

  subroutine mmb_layer_define(name, info, layer, err)
    character(len=*), intent(in) :: name
    type(mmbLayerInfo), intent(in), optional :: info
    integer(mmbLayerKind), intent(out) :: layer
    integer(mmbErrorKind), intent(out), optional :: err
    type(mmbLayerInfo), target :: given
    if (present(info)) given = info
    call finish(c_layer_define(c_text(name), c_loc(given), layer), err)
  end subroutine

  subroutine mmb_layer_get_info(layer, info, err)
    integer(mmbLayerKind), intent(in) :: layer
    type(mmbLayerInfo), intent(inout) :: info
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_layer_get_info(layer, info), err)
  end subroutine

  subroutine mmb_layer_set_info(layer, info, err)
    integer(mmbLayerKind), intent(in) :: layer
    type(mmbLayerInfo), intent(in) :: info
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_layer_set_info(layer, info), err)
  end subroutine

  ! ---- spaces ----

  subroutine mmb_register_memory(layer, ex_context, config_opts, new_space, err)
    integer(mmbLayerKind), intent(in) :: layer
    integer(c_int), intent(in) :: ex_context
    type(mmbMemSpaceConfig), intent(in), optional, target :: config_opts
    type(mmbMemSpace), intent(inout), optional, target :: new_space
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: config, space
    config = c_null_ptr
    space = c_null_ptr
    if (present(config_opts)) config = c_loc(config_opts)
    if (present(new_space)) space = c_loc(new_space)
    call finish(c_register_memory(layer, ex_context, config, space), err)
  end subroutine

  subroutine mmb_create_space(layer, ex_con, config_opts, new_space, err)
    integer(mmbLayerKind), intent(in) :: layer
    integer(c_int), intent(in) :: ex_con
    type(mmbMemSpaceConfig), intent(in), optional, target :: config_opts
    type(mmbMemSpace), intent(inout), target :: new_space
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: config
    config = c_null_ptr
    if (present(config_opts)) config = c_loc(config_opts)
    call finish(c_create_space(layer, ex_con, config, c_loc(new_space)), err)
  end subroutine

  subroutine mmb_request_space(layer, ex_con, config_opts, new_space, err)
    integer(mmbLayerKind), intent(in) :: layer
    integer(c_int), intent(in) :: ex_con
    type(mmbMemSpaceConfig), intent(in), optional, target :: config_opts
    type(mmbMemSpace), intent(inout), target :: new_space
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: config
    config = c_null_ptr
    if (present(config_opts)) config = c_loc(config_opts)
    call finish(c_request_space(layer, ex_con, config, c_loc(new_space)), err)
  end subroutine

  subroutine mmb_request_best_space(rank, ex_con, n_bytes, new_space, err)
    integer(c_int), intent(in) :: rank, ex_con
    integer(mmbSizeKind), intent(in) :: n_bytes
    type(mmbMemSpace), intent(inout) :: new_space
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_request_best_space(rank, ex_con, n_bytes, new_space), err)
  end subroutine

  subroutine mmb_memspace_configure(config_opts, space, err)
    type(mmbMemSpaceConfig), intent(in) :: config_opts
    type(mmbMemSpace), intent(in) :: space
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_memspace_configure(config_opts, space), err)
  end subroutine

  ! The handles that something destroys become null, where it succeeded.
  subroutine mmb_destroy_space(space, err)
    type(mmbMemSpace), intent(inout) :: space
    integer(mmbErrorKind), intent(out), optional :: err
    integer(c_int) :: code
    code = c_destroy_space(space)
    if (code == MMB_OK) space%handle = c_null_ptr
    call finish(code, err)
  end subroutine

  subroutine mmb_space_get_info(space, info, err)
    type(mmbMemSpace), intent(in) :: space
    type(mmbSpaceInfo), intent(inout) :: info
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_space_get_info(space, info), err)
  end subroutine

  ! ---- interfaces ----

  ! Puts a name into a config; the letters are the caller's to keep during the call.
  subroutine put_name(config, name, letters)
    type(mmbMemInterfaceConfig), intent(inout) :: config
    character(len=*), intent(in), optional :: name
    character(kind=c_char), allocatable, target, intent(out) :: letters(:)
    if (.not. present(name)) return
    allocate (letters(len_trim(name) + 1))
    letters(:) = c_text(name)
    config%name = c_loc(letters)
  end subroutine

  subroutine mmb_create_interface(space, config_opts, new_interface, err, name)
    type(mmbMemSpace), intent(in) :: space
    type(mmbMemInterfaceConfig), intent(in), optional :: config_opts
    type(mmbMemInterface), intent(inout) :: new_interface
    integer(mmbErrorKind), intent(out), optional :: err
    character(len=*), intent(in), optional :: name
    type(mmbMemInterfaceConfig), target :: config
    character(kind=c_char), allocatable, target :: letters(:)
    if (present(config_opts)) config = config_opts
    call put_name(config, name, letters)
    call finish(c_create_interface(space, c_loc(config), new_interface), err)
  end subroutine

  subroutine mmb_request_interface(space, config_opts, new_interface, err, name)
    type(mmbMemSpace), intent(in) :: space
    type(mmbMemInterfaceConfig), intent(in), optional :: config_opts
    type(mmbMemInterface), intent(inout) :: new_interface
    integer(mmbErrorKind), intent(out), optional :: err
    character(len=*), intent(in), optional :: name
    type(mmbMemInterfaceConfig), target :: config
    character(kind=c_char), allocatable, target :: letters(:)
    type(c_ptr) :: wanted
    if (present(config_opts)) config = config_opts
    call put_name(config, name, letters)
    wanted = c_null_ptr
    if (present(config_opts) .or. present(name)) wanted = c_loc(config)
    call finish(c_request_interface(space, wanted, new_interface), err)
  end subroutine

  subroutine mmb_get_interface(layer, ex_con, new_interface, err)
    integer(mmbLayerKind), intent(in) :: layer
    integer(c_int), intent(in) :: ex_con
    type(mmbMemInterface), intent(inout) :: new_interface
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_get_interface(layer, ex_con, new_interface), err)
  end subroutine

  subroutine mmb_destroy_interface(interface, err)
    type(mmbMemInterface), intent(inout) :: interface
    integer(mmbErrorKind), intent(out), optional :: err
    integer(c_int) :: code
    code = c_destroy_interface(interface)
    if (code == MMB_OK) interface%handle = c_null_ptr
    call finish(code, err)
  end subroutine

  subroutine mmb_interface_get_stats(interface, stats, err)
    type(mmbMemInterface), intent(in) :: interface
    type(mmbMemInterfaceStats), intent(inout) :: stats
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_interface_get_stats(interface, stats), err)
  end subroutine

  ! ---- allocations ----

  subroutine allocate_int64(n_bytes, interface, new_allocation, err)
    integer(int64), intent(in) :: n_bytes
    type(mmbMemInterface), intent(in) :: interface
    type(mmbAllocation), intent(inout) :: new_allocation
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_allocate(int(n_bytes, c_size_t), interface, new_allocation), err)
  end subroutine

  subroutine allocate_int32(n_bytes, interface, new_allocation, err)
    integer(int32), intent(in) :: n_bytes
    type(mmbMemInterface), intent(in) :: interface
    type(mmbAllocation), intent(inout) :: new_allocation
    integer(mmbErrorKind), intent(out), optional :: err
    call allocate_int64(int(n_bytes, int64), interface, new_allocation, err)
  end subroutine

  subroutine mmb_allocation_create_wrapped(ptr, n_bytes, interface, new_allocation, err)
    type(c_ptr), intent(in) :: ptr
    integer(mmbSizeKind), intent(in) :: n_bytes
    type(mmbMemInterface), intent(in) :: interface
    type(mmbAllocation), intent(inout) :: new_allocation
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_wrap(ptr, n_bytes, interface, new_allocation), err)
  end subroutine

  subroutine mmb_allocation_slice(parent, offset, n_bytes, new_allocation, err)
    type(mmbAllocation), intent(in) :: parent
    integer(mmbSizeKind), intent(in) :: offset, n_bytes
    type(mmbAllocation), intent(inout) :: new_allocation
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_slice(parent, offset, n_bytes, new_allocation), err)
  end subroutine

  ! Array pointers into the allocation are to be taken anew.
  subroutine reallocate_int64(allocation, n_bytes, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int64), intent(in) :: n_bytes
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_reallocate(allocation, int(n_bytes, c_size_t)), err)
  end subroutine

  subroutine reallocate_int32(allocation, n_bytes, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int32), intent(in) :: n_bytes
    integer(mmbErrorKind), intent(out), optional :: err
    call reallocate_int64(allocation, int(n_bytes, int64), err)
  end subroutine

  subroutine mmb_migrate(allocation, to, err)
    type(mmbAllocation), intent(in) :: allocation
    type(mmbMemInterface), intent(in) :: to
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_migrate(allocation, to), err)
  end subroutine

  subroutine mmb_free(allocation, err)
    type(mmbAllocation), intent(inout) :: allocation
    integer(mmbErrorKind), intent(out), optional :: err
    integer(c_int) :: code
    code = c_free(allocation)
    if (code == MMB_OK) allocation%handle = c_null_ptr
    call finish(code, err)
  end subroutine

  subroutine mmb_allocation_get_info(allocation, info, err)
    type(mmbAllocation), intent(in) :: allocation
    type(mmbAllocationInfo), intent(inout) :: info
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_allocation_get_info(allocation, info), err)
  end subroutine

  ! 0, or a null address, where there is no live allocation.
  function mmb_allocation_size(allocation) result(n_bytes)
    type(mmbAllocation), intent(in) :: allocation
    integer(mmbSizeKind) :: n_bytes
    type(mmbAllocationInfo) :: info
    n_bytes = 0
    if (c_allocation_get_info(allocation, info) == MMB_OK) n_bytes = info%n_bytes
  end function

  function mmb_allocation_ptr(allocation) result(ptr)
    type(mmbAllocation), intent(in) :: allocation
    type(c_ptr) :: ptr
    type(mmbAllocationInfo) :: info
    ptr = c_null_ptr
    if (c_allocation_get_info(allocation, info) == MMB_OK) ptr = info%ptr
  end function

  ! ---- copying ----

  subroutine mmb_copy(dst, src, err)
    type(mmbAllocation), intent(in) :: dst, src
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_copy(dst, src), err)
  end subroutine

  subroutine mmb_copy_1d(dst, doffset, src, soffset, n_bytes, err)
    type(mmbAllocation), intent(in) :: dst, src
    integer(mmbSizeKind), intent(in) :: doffset, soffset, n_bytes
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_copy_1d(dst, doffset, src, soffset, n_bytes), err)
  end subroutine

  subroutine mmb_copy_2d(dst, dx, dy, dpitch, src, sx, sy, spitch, width, height, err)
    type(mmbAllocation), intent(in) :: dst, src
    integer(mmbSizeKind), intent(in) :: dx, dy, dpitch, sx, sy, spitch, width, height
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_copy_2d(dst, dx, dy, dpitch, src, sx, sy, spitch, width, height), err)
  end subroutine

  subroutine mmb_memset(allocation, offset, value, n_bytes, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(mmbSizeKind), intent(in) :: offset, n_bytes
    integer(c_int), intent(in) :: value
    integer(mmbErrorKind), intent(out), optional :: err
    call finish(c_memset(allocation, offset, value, n_bytes), err)
  end subroutine
end module mamba
