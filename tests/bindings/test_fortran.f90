! SPDX-License-Identifier: BSD-3-Clause
! The promise: the Fortran module's types are C's, its calls are C's with optional and keyword
! arguments, and array pointers lie in the allocation. Prints TAP.
module messages
  implicit none
  integer :: n_messages = 0, last_level = -1
contains
  subroutine count_message(level, message)
    integer, intent(in) :: level
    character(len=*), intent(in) :: message
    if (len(message) > 0) n_messages = n_messages + 1
    last_level = level
  end subroutine
end module messages

program test_fortran
  use mamba
  use messages
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: int8, int16, int32, int64, real32, real64
  implicit none

  interface
    logical(c_bool) function layout_options(options, n) bind(c)
      import
      type(mmbOptions), intent(in) :: options
      integer(c_size_t), value :: n
    end function
    logical(c_bool) function layout_interface_config(config, n) bind(c)
      import
      type(mmbMemInterfaceConfig), intent(in) :: config
      integer(c_size_t), value :: n
    end function
    logical(c_bool) function layout_space_config(config, n) bind(c)
      import
      type(mmbMemSpaceConfig), intent(in) :: config
      integer(c_size_t), value :: n
    end function
    logical(c_bool) function layout_defaults(config) bind(c)
      import
      type(mmbMemSpaceConfig), intent(in) :: config
    end function
    logical(c_bool) function layout_layer_info(info, n) bind(c)
      import
      type(mmbLayerInfo), intent(inout) :: info
      integer(c_size_t), value :: n
    end function
    logical(c_bool) function layout_space_info(info, n) bind(c)
      import
      type(mmbSpaceInfo), intent(in) :: info
      integer(c_size_t), value :: n
    end function
    logical(c_bool) function layout_stats(stats, n) bind(c)
      import
      type(mmbMemInterfaceStats), intent(in) :: stats
      integer(c_size_t), value :: n
    end function
    logical(c_bool) function layout_allocation_info(info, n) bind(c)
      import
      type(mmbAllocationInfo), intent(in) :: info
      integer(c_size_t), value :: n
    end function
  end interface

  integer :: n_tests = 0, n_failed = 0
  logical :: failed
  integer(mmbErrorKind) :: err
  character(kind=c_char), target :: file(5) = ['f', 'i', 'l', 'e', c_null_char]

  call test_layout()
  call test_errors_before_init()
  call mmb_init(MMB_INIT_DEFAULT, err)
  call expect(err == MMB_OK, 'init')
  call done('init with the default options')
  call test_seed_calls()
  call test_interfaces_by_keyword()
  call test_arrays_of_each_kind()
  call test_arrays_of_each_rank()
  call test_array_refusals()
  call test_allocations()
  call test_copies()
  call test_layers()
  call test_logging()
  call mmb_finalize(err)
  call expect(err == MMB_OK, 'finalize')
  call done('finalize')
  print '(a, i0)', '1..', n_tests
  if (n_failed > 0) error stop 1

contains

  subroutine expect(claim, what)
    logical, intent(in) :: claim
    character(len=*), intent(in) :: what
    if (claim) return
    print '(2a)', '# does not hold: ', what
    failed = .true.
  end subroutine

  subroutine done(name)
    character(len=*), intent(in) :: name
    n_tests = n_tests + 1
    if (failed) n_failed = n_failed + 1
    print '(a, i0, 2a)', trim(merge('not ok ', 'ok     ', failed))//' ', n_tests, ' - ', name
    failed = .false.
  end subroutine

  subroutine test_layout()
    type(c_ptr) :: odd
    type(mmbOptions) :: options
    type(mmbMemInterfaceConfig) :: config
    type(mmbMemSpaceConfig) :: space
    type(mmbLayerInfo) :: layer
    type(mmbSpaceInfo) :: about
    type(mmbMemInterfaceStats) :: stats
    type(mmbAllocationInfo) :: info
    odd = transfer(22_c_intptr_t, odd)
    failed = .false.
    options%topology_xml = c_loc(file)
    call expect(logical(layout_options(options, c_sizeof(options))), 'mmbOptions')
    config = mmbMemInterfaceConfig(MMB_BACKEND_ARRAY, [10_c_int64_t, 11_c_int64_t, 12_c_int64_t, &
      13_c_int64_t, 14_c_int64_t, 15_c_int64_t, 16_c_int64_t, 17_c_int64_t], MMB_STRATEGY_STACK, &
      c_loc(file), mmbStrategyOptions(20, 21), c_null_ptr, mmbMemInterface(odd), &
      MMB_INTERFACE_FINDABLE, [30_c_int64_t, 31_c_int64_t, 32_c_int64_t, 33_c_int64_t])
    call expect(logical(layout_interface_config(config, c_sizeof(config))), 'mmbMemInterfaceConfig')
    space = mmbMemSpaceConfig(mmbSizeConfig(MMB_SIZE_SET, .true., 8000, odd, &
      [1_c_int64_t, 2_c_int64_t]), config)
    call expect(logical(layout_space_config(space, c_sizeof(space))), 'mmbMemSpaceConfig')
    call expect(logical(layout_defaults(MMB_MEMSPACE_CONFIG_DEFAULT)), 'the default config')
    space = mmbMemSpaceConfig(MMB_SIZE_CONFIG_DEFAULT, MMB_MEMINTERFACE_CONFIG_DEFAULT)
    call expect(logical(layout_defaults(space)), 'the default parts')
    layer%total_bytes = 1
    layer%domains = 2
    layer%bandwidth_mib_s = 3
    layer%latency_ns = 4
    layer%discovered = .true.
    call expect(logical(layout_layer_info(layer, c_sizeof(layer))), 'mmbLayerInfo')
    call expect(layer%latency_ns == 14 .and. .not. layer%discovered, 'mmbLayerInfo back')
    about = mmbSpaceInfo(about%size, MMB_CXL, MMB_OPENCL, MMB_NO_LIMIT, 2, 3, 4, 5, 6)
    call expect(logical(layout_space_info(about, c_sizeof(about))), 'mmbSpaceInfo')
    stats = mmbMemInterfaceStats(stats%size, 1, 2, 3, 4, 5, 6, 7, 8)
    call expect(logical(layout_stats(stats, c_sizeof(stats))), 'mmbMemInterfaceStats')
    info = mmbAllocationInfo(info%size, odd, c_null_ptr, 1, 2, 3, 4, mmbMemInterface(odd), &
      mmbMemSpace(c_null_ptr), MMB_HBM, MMB_GPU_HIP, 5, .true., mmbAllocation(odd), 6)
    call expect(logical(layout_allocation_info(info, c_sizeof(info))), 'mmbAllocationInfo')
    call done('the types have C''s members')
  end subroutine

  subroutine test_errors_before_init()
    type(mmbMemSpace) :: space
    integer(c_int) :: major, minor, patch
    call mmb_request_space(MMB_DRAM, MMB_CPU, new_space=space, err=err)
    call expect(err == MMB_NOT_INITIALIZED, 'the code')
    call expect(mmb_error_name(err) == 'MMB_NOT_INITIALIZED', 'its name')
    call expect(len(mmb_error_description(err)) > 0 .and. len(mmb_error_detail()) > 0, 'its text')
    call expect(mmb_error_name(4711) /= 'MMB_OK', 'an unknown code')
    call mmb_version(major, minor, patch, err)
    call expect(err == MMB_OK .and. major >= 0 .and. minor + patch >= 0, 'the version')
    call done('a call before init')
  end subroutine

  ! As programs for Mamba write it.
  subroutine test_seed_calls()
    type(mmbMemSpaceConfig) :: dram_config
    type(mmbMemSpace) :: dram_space, same_space, new_space
    type(mmbMemInterface) :: dram_interface
    type(mmbAllocation) :: allocation, refused
    type(mmbSpaceInfo) :: info
    dram_config = mmbMemSpaceConfig(mmbSizeConfig(MMB_SIZE_SET, .false., 8000), &
                                    MMB_MEMINTERFACE_CONFIG_DEFAULT)
    call mmb_register_memory(MMB_DRAM, MMB_CPU, dram_config, err=err)
    call expect(err == MMB_OK, 'register without a space')
    call mmb_register_memory(MMB_DRAM, MMB_CPU, dram_config, new_space=dram_space, err=err)
    call expect(err == MMB_OK .and. c_associated(dram_space%handle), 'register with a space')
    call mmb_request_space(MMB_DRAM, MMB_CPU, config_opts=dram_config, new_space=same_space, err=err)
    call expect(err == MMB_OK, 'request a space')
    call mmb_create_space(MMB_DRAM, MMB_CPU, dram_config, new_space, err)
    call expect(err == MMB_OK, 'create a space')
    call mmb_request_interface(dram_space, new_interface=dram_interface, err=err)
    call expect(err == MMB_OK .and. c_associated(dram_interface%handle), 'request an interface')
    call mmb_allocate(8000, dram_interface, allocation, err)
    call expect(err == MMB_OK .and. mmb_allocation_size(allocation) == 8000, 'allocate')
    call mmb_allocate(1_int64, dram_interface, refused, err)
    call expect(err == MMB_OUT_OF_MEMORY .and. .not. c_associated(refused%handle), 'the limit')
    call expect(index(mmb_error_detail(), 'limit 8000') > 0, 'the detail')
    call mmb_space_get_info(dram_space, info, err)
    call expect(err == MMB_OK .and. info%limit == 8000 .and. info%used == 8000, 'the account')
    dram_config%size_opts%mem_size = 100
    call mmb_memspace_configure(dram_config, dram_space, err)
    call expect(err == MMB_BUSY, 'a limit below what is used')
    call mmb_destroy_space(dram_space, err)
    call expect(err == MMB_BUSY .and. c_associated(dram_space%handle), 'a space in use')
    call mmb_free(allocation, err)
    call expect(err == MMB_OK .and. .not. c_associated(allocation%handle), 'free')
    call mmb_free(allocation)
    call mmb_destroy_interface(dram_interface)
    call mmb_destroy_space(dram_space)
    call mmb_destroy_space(new_space, err)
    call expect(err == MMB_OK .and. .not. c_associated(new_space%handle), 'destroy')
    call done('the calls of the seed')
  end subroutine

  subroutine test_interfaces_by_keyword()
    type(mmbMemSpace) :: space
    type(mmbMemInterface) :: page, found, got
    type(mmbMemInterfaceConfig) :: config
    type(mmbMemInterfaceStats) :: stats
    type(mmbAllocation) :: block
    call mmb_register_memory(MMB_DRAM, MMB_CPU, new_space=space)
    config%strategy = MMB_STRATEGY_SCALABLE_PAGE
    call mmb_create_interface(new_interface=page, space=space, config_opts=config, name='pages')
    call mmb_request_interface(space, name='pages  ', new_interface=found, err=err)
    call expect(err == MMB_OK .and. c_associated(found%handle, page%handle), 'found by name')
    call mmb_request_interface(space, name='others', new_interface=found, err=err)
    call expect(err == MMB_NOT_FOUND, 'no such name')
    config%reserved(4) = 1
    call mmb_create_interface(space, config, got, err)
    call expect(err == MMB_UNSUPPORTED .or. err == MMB_INVALID_ARG, 'reserved bytes are checked')
    call mmb_get_interface(MMB_DRAM, MMB_CPU, new_interface=got, err=err)
    call expect(err == MMB_OK .and. c_associated(got%handle), 'the short way')
    call mmb_allocate(100, page, new_allocation=block)
    call mmb_interface_get_stats(page, stats)
    call expect(stats%live_count == 1 .and. stats%live_bytes == 100, 'statistics')
    call mmb_destroy_interface(page, err)
    call expect(err == MMB_BUSY, 'an interface in use')
    call mmb_free(block)
    call mmb_destroy_interface(page)
    call done('interfaces by keyword')
  end subroutine

  subroutine with_block(n_bytes, block)
    integer, intent(in) :: n_bytes
    type(mmbAllocation), intent(out) :: block
    type(mmbMemInterface) :: interface
    call mmb_get_interface(MMB_DRAM, MMB_CPU, new_interface=interface)
    call mmb_allocate(n_bytes, interface, new_allocation=block)
  end subroutine

  subroutine test_arrays_of_each_kind()
    type(mmbAllocation) :: block
    integer(int8), pointer :: i8(:)
    integer(int16), pointer :: i16(:)
    integer(int32), pointer :: i32(:)
    integer(int64), pointer :: i64(:)
    real(real32), pointer :: r32(:)
    real(real64), pointer :: r64(:)
    call with_block(64, block)
    call mmb_get_array(block, i8, [64])
    call mmb_get_array(block, i16, [32])
    call mmb_get_array(block, i32, [16])
    call mmb_get_array(block, i64, [8])
    call mmb_get_array(block, r32, [16])
    call mmb_get_array(block, r64, [8])
    r64 = 1.0_real64
    call expect(i64(8) == transfer(1.0_real64, 1_int64), 'the same memory')
    r32 = 1.0_real32
    call expect(all(i32 == transfer(1.0_real32, 1_int32)), 'all of it')
    i8 = 1_int8
    call expect(all(i16 == 257_int16), 'smaller kinds')
    call expect(c_associated(c_loc(i8), mmb_allocation_ptr(block)), 'from its start')
    call mmb_free(block)
    call done('arrays of each kind')
  end subroutine

  subroutine test_arrays_of_each_rank()
    type(mmbAllocation) :: block
    integer(int32), pointer :: flat(:), a2(:, :), a3(:, :, :), a4(:, :, :, :)
    integer :: i
    call with_block(4 * 120, block)
    call mmb_get_array(block, flat, [120], err)
    call expect(err == MMB_OK .and. lbound(flat, 1) == 1, 'one dimension')
    flat = [(i, i = 1, 120)]
    call mmb_get_array(block, a2, [10, 12])
    call mmb_get_array(block, a3, [4, 5, 6])
    call mmb_get_array(block, a4, [2, 3, 4, 5])
    call expect(a2(3, 2) == 13 .and. all(shape(a2) == [10, 12]), 'two')
    call expect(a3(1, 1, 2) == 21 .and. a3(4, 5, 6) == 120, 'three')
    call expect(a4(2, 3, 4, 5) == 120 .and. a4(1, 1, 1, 2) == 25, 'four')
    call mmb_free(block)
    call done('arrays of each rank')
  end subroutine

  subroutine test_array_refusals()
    type(mmbAllocation) :: block
    real(real64), pointer :: a(:), b(:, :)
    call with_block(80, block)
    call mmb_get_array(block, a, [11], err)
    call expect(err == MMB_INVALID_SIZE .and. .not. associated(a), 'too large')
    call expect(len(mmb_error_detail()) > 0, 'the detail')
    call mmb_get_array(block, b, [huge(1), huge(1)], err)
    call expect(err == MMB_INVALID_SIZE .and. .not. associated(b), 'overflow')
    call mmb_get_array(block, a, [-1], err)
    call expect(err == MMB_INVALID_SIZE .and. .not. associated(a), 'negative')
    call mmb_get_array(block, a, [10], err)
    call expect(err == MMB_OK .and. size(a) == 10, 'what fits')
    call mmb_get_array(block, a, [0], err)
    call expect(err == MMB_OK .and. size(a) == 0, 'nothing')
    call mmb_free(block)
    call mmb_get_array(block, a, [1], err)
    call expect(err == MMB_INVALID_ALLOCATION .and. .not. associated(a), 'a null handle')
    call done('arrays that cannot be')
  end subroutine

  subroutine test_allocations()
    type(mmbAllocation) :: block, slice, wrapped
    type(mmbMemInterface) :: interface
    type(mmbMemSpace) :: other
    type(mmbMemInterface) :: elsewhere
    type(mmbAllocationInfo) :: info
    integer(int32), pointer :: numbers(:)
    integer(int32), target :: own(10)
    call mmb_get_interface(MMB_DRAM, MMB_CPU, interface)
    call mmb_allocate(40, interface, block)
    call mmb_get_array(block, numbers, [10])
    numbers = 7
    call mmb_reallocate(block, 4000, err)
    call expect(err == MMB_OK .and. mmb_allocation_size(block) == 4000, 'reallocate')
    call mmb_get_array(block, numbers, [1000])
    call expect(all(numbers(1:10) == 7), 'the contents')
    call mmb_allocation_slice(block, 4_mmbSizeKind, 36_mmbSizeKind, slice, err)
    call expect(err == MMB_OK, 'slice')
    call mmb_allocation_get_info(slice, info)
    call expect(info%parent_offset == 4 .and. c_associated(info%parent%handle, block%handle), &
                'its parent')
    call mmb_free(block, err)
    call expect(err == MMB_BUSY .and. c_associated(block%handle), 'a parent stays')
    call mmb_free(slice)
    call mmb_create_space(MMB_DRAM, MMB_CPU, new_space=other)
    call mmb_request_interface(other, new_interface=elsewhere)
    call mmb_migrate(block, elsewhere, err)
    call mmb_allocation_get_info(block, info)
    call expect(err == MMB_OK .and. c_associated(info%interface%handle, elsewhere%handle), 'migrate')
    call mmb_free(block)
    call mmb_allocation_create_wrapped(c_loc(own), 40_mmbSizeKind, interface, wrapped, err)
    call expect(err == MMB_OK, 'wrap')
    call mmb_get_array(wrapped, numbers, [10])
    numbers = 3
    call expect(all(own == 3), 'the program''s own array')
    call mmb_free(wrapped)
    call expect(mmb_allocation_size(wrapped) == 0, 'the size of none')
    call mmb_destroy_space(other)
    call done('allocations')
  end subroutine

  subroutine test_copies()
    type(mmbAllocation) :: a, b
    integer(int32), pointer :: from(:, :), to(:, :)
    call with_block(400, a)
    call with_block(400, b)
    call mmb_get_array(a, from, [10, 10])
    call mmb_get_array(b, to, [10, 10])
    from = 5
    call mmb_copy(b, a, err)
    call expect(err == MMB_OK .and. all(to == 5), 'whole')
    call mmb_memset(a, 0_mmbSizeKind, 0, 400_mmbSizeKind)
    call mmb_copy_1d(b, 40_mmbSizeKind, a, 0_mmbSizeKind, 40_mmbSizeKind, err)
    call expect(err == MMB_OK .and. all(to(:, 2) == 0) .and. all(to(:, 3) == 5), 'a column')
    from = 9
    call mmb_copy_2d(b, 4_mmbSizeKind, 1_mmbSizeKind, 40_mmbSizeKind, a, 0_mmbSizeKind, &
                     0_mmbSizeKind, 40_mmbSizeKind, 8_mmbSizeKind, 3_mmbSizeKind, err)
    call expect(err == MMB_OK .and. all(to(2:3, 2:4) == 9) .and. count(to == 9) == 6, 'a part')
    call mmb_copy_1d(b, 400_mmbSizeKind, a, 0_mmbSizeKind, 1_mmbSizeKind, err)
    call expect(err == MMB_INVALID_SIZE, 'out of range')
    call mmb_free(a)
    call mmb_free(b)
    call done('copies')
  end subroutine

  subroutine test_layers()
    integer(mmbLayerKind) :: layer, found
    type(mmbLayerInfo) :: info
    integer :: i
    logical :: has_dram
    has_dram = .false.
    do i = 1, int(mmb_layer_count())
      call mmb_layer_at(i, layer)
      has_dram = has_dram .or. mmb_layer_name(layer) == 'DRAM'
    end do
    call expect(has_dram, 'DRAM is there')
    info%bandwidth_mib_s = 12345
    call mmb_layer_define('FORTRAN_STORE', info, layer, err)
    call expect(err == MMB_OK .and. layer >= MMB_LAYER_USER, 'define')
    call mmb_layer_from_name('FORTRAN_STORE', found, err)
    call expect(err == MMB_OK .and. found == layer, 'from its name')
    info%latency_ns = 77
    call mmb_layer_set_info(layer, info)
    info = mmbLayerInfo()
    call mmb_layer_get_info(layer, info)
    call expect(info%bandwidth_mib_s == 12345 .and. info%latency_ns == 77, 'what is known of it')
    call mmb_layer_from_name('no such layer', found, err)
    call expect(err /= MMB_OK, 'an unknown name')
    call done('layers')
  end subroutine

  subroutine test_logging()
    type(mmbMemSpace) :: space
    call mmb_logging_set_callback(count_message)
    call mmb_logging_set_level(MMB_LOG_DEBUG, err)
    call expect(err == MMB_OK, 'the level')
    call mmb_create_space(4711, MMB_CPU, new_space=space, err=err)
    call expect(err == MMB_INVALID_LAYER .and. n_messages > 0 .and. last_level == MMB_LOG_DEBUG, &
                'a message for each failing call')
    n_messages = 0
    call mmb_logging_set_level(MMB_LOG_NONE)
    call mmb_create_space(4711, MMB_CPU, new_space=space, err=err)
    call expect(n_messages == 0, 'none any more')
    call mmb_logging_set_callback()
    call mmb_logging_set_level(MMB_LOG_WARNING)
    call done('logging')
  end subroutine
end program test_fortran
