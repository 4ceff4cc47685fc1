! SPDX-License-Identifier: BSD-3-Clause
!
! Fortran: an array in the memory of a chosen layer, a limit, a copy across two interfaces, and
! where a block came from.
!
!     gfortran placement.f90 $(pkg-config --cflags --libs mmb-fortran) -o placement
!
program placement
  use mamba
  use, intrinsic :: iso_fortran_env, only: int64, real64
  implicit none
  integer, parameter :: n = 1000
  integer(mmbErrorKind) :: err
  integer(mmbLayerKind) :: layer
  type(mmbMemSpaceConfig) :: config
  type(mmbMemInterfaceConfig) :: page
  type(mmbMemSpace) :: space
  type(mmbMemInterface) :: fast, other
  type(mmbAllocation) :: field, copy, one_more
  type(mmbAllocationInfo) :: info
  real(real64), pointer :: a(:), b(:, :)

  call mmb_logging_set_level(MMB_LOG_WARNING)
  call mmb_init(MMB_INIT_DEFAULT, err)
  if (err /= MMB_OK) error stop 'mmb_init'
  layer = fastest_layer()

  ! [array]
  ! Room for two arrays, and not a byte more. Without err= a failure would stop the program.
  config = mmbMemSpaceConfig(mmbSizeConfig(MMB_SIZE_SET, .false., 16000), &
                             MMB_MEMINTERFACE_CONFIG_DEFAULT)
  call mmb_register_memory(layer, MMB_CPU, config, new_space=space)
  call mmb_request_interface(space, new_interface=fast)
  page%strategy = MMB_STRATEGY_SCALABLE_PAGE
  call mmb_create_interface(space, page, new_interface=other, name='pages')

  call mmb_allocate(8 * n, fast, new_allocation=field)
  call mmb_get_array(field, a, [n])
  a = 1.5_real64
  ! [array]
  call mmb_allocate(8 * n, other, new_allocation=copy)
  call mmb_copy(copy, field)
  call mmb_get_array(copy, b, [n / 10, 10])
  print '(a, f0.1)', 'sum of the copy: ', sum(b)

  call mmb_allocation_get_info(copy, info)
  print '(a, i0, 2a)', 'a block of ', info%n_bytes, ' bytes in layer ', mmb_layer_name(info%layer)

  call mmb_allocate(1, fast, new_allocation=one_more, err=err)
  print '(4a)', 'refused with ', mmb_error_name(err), ': ', mmb_error_detail()

  call mmb_free(copy)
  call mmb_free(field)
  call mmb_destroy_space(space)
  call mmb_finalize(err)

contains

  ! [fastest layer]
  ! The layer with the highest bandwidth: HBM where there is any. Without discovery there is no
  ! space yet, and the program's word counts.
  integer(mmbLayerKind) function fastest_layer()
    type(mmbMemSpace) :: best
    type(mmbSpaceInfo) :: about
    call mmb_request_best_space(MMB_BEST_BANDWIDTH, MMB_CPU, 16000_mmbSizeKind, new_space=best, &
                                err=err)
    if (err == MMB_NOT_FOUND) then
      fastest_layer = MMB_DRAM
    else
      call mmb_space_get_info(best, about)
      fastest_layer = about%layer
    end if
  end function
  ! [fastest layer]
end program placement
