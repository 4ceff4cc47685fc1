! SPDX-License-Identifier: BSD-3-Clause
! mmb_get_array(allocation, array, shape, err): makes an array pointer of an allocation's memory, for
! integers and reals of the usual kinds, of 1 to 4 dimensions, with lower bounds of 1. The allocation
! must be large enough (else MMB_INVALID_SIZE) and in memory of the host's (else MMB_UNSUPPORTED);
! after an error the pointer is null. It is valid until the allocation is freed, reallocated or
! migrated. Fortran 2008 has no way to write this once for all kinds and ranks.
module mamba_arrays
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit, int8, int16, int32, int64, real32, real64
  use mamba_types
  use mamba_c
  implicit none
  private
  public :: mmb_get_array

  interface mmb_get_array
    module procedure get_int8_1d, get_int8_2d, get_int8_3d, get_int8_4d
    module procedure get_int16_1d, get_int16_2d, get_int16_3d, get_int16_4d
    module procedure get_int32_1d, get_int32_2d, get_int32_3d, get_int32_4d
    module procedure get_int64_1d, get_int64_2d, get_int64_3d, get_int64_4d
    module procedure get_real32_1d, get_real32_2d, get_real32_3d, get_real32_4d
    module procedure get_real64_1d, get_real64_2d, get_real64_3d, get_real64_4d
  end interface

contains

  ! The address of the first of product(shape) elements. Where the allocation is too small for them it
  ! is asked for a slice of that size, so that the library itself says what is wrong.
  subroutine find(allocation, shape, element_bits, address, code)
    type(mmbAllocation), intent(in) :: allocation
    integer, intent(in) :: shape(:), element_bits
    type(c_ptr), intent(out) :: address
    integer(c_int), intent(out) :: code
    type(mmbAllocationInfo) :: info
    type(mmbAllocation) :: slice
    integer(c_size_t) :: n_bytes
    integer :: i
    address = c_null_ptr
    n_bytes = element_bits / 8
    do i = 1, size(shape)
      if (shape(i) < 0) then
        n_bytes = -1
      else if (shape(i) > 0 .and. n_bytes > huge(n_bytes) / max(shape(i), 1)) then
        n_bytes = -1
      else if (n_bytes >= 0) then
        n_bytes = n_bytes * shape(i)
      end if
    end do
    code = c_allocation_get_info(allocation, info)
    if (code /= MMB_OK) return
    if (n_bytes < 0 .or. n_bytes > info%n_bytes) then
      code = c_slice(allocation, 0_c_size_t, n_bytes, slice)
    else if (.not. c_associated(info%ptr)) then
      code = MMB_UNSUPPORTED
    else
      address = info%ptr
    end if
  end subroutine

  subroutine finish(code, err)
    integer(c_int), intent(in) :: code
    integer(mmbErrorKind), intent(out), optional :: err
    if (present(err)) then
      err = code
    else if (code /= MMB_OK) then
      write (error_unit, '(a, i0)') 'libmmb: mmb_get_array: no such array, code ', code
      error stop 1
    end if
  end subroutine

  subroutine get_int8_1d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int8), pointer, intent(out) :: array(:)
    integer, intent(in) :: shape(1)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int8_2d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int8), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: shape(2)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int8_3d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int8), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: shape(3)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int8_4d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int8), pointer, intent(out) :: array(:, :, :, :)
    integer, intent(in) :: shape(4)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int16_1d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int16), pointer, intent(out) :: array(:)
    integer, intent(in) :: shape(1)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int16_2d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int16), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: shape(2)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int16_3d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int16), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: shape(3)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int16_4d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int16), pointer, intent(out) :: array(:, :, :, :)
    integer, intent(in) :: shape(4)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int32_1d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int32), pointer, intent(out) :: array(:)
    integer, intent(in) :: shape(1)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int32_2d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int32), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: shape(2)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int32_3d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int32), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: shape(3)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int32_4d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int32), pointer, intent(out) :: array(:, :, :, :)
    integer, intent(in) :: shape(4)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int64_1d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int64), pointer, intent(out) :: array(:)
    integer, intent(in) :: shape(1)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int64_2d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int64), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: shape(2)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int64_3d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int64), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: shape(3)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_int64_4d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    integer(int64), pointer, intent(out) :: array(:, :, :, :)
    integer, intent(in) :: shape(4)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real32_1d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real32), pointer, intent(out) :: array(:)
    integer, intent(in) :: shape(1)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real32_2d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real32), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: shape(2)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real32_3d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real32), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: shape(3)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real32_4d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real32), pointer, intent(out) :: array(:, :, :, :)
    integer, intent(in) :: shape(4)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real64_1d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real64), pointer, intent(out) :: array(:)
    integer, intent(in) :: shape(1)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real64_2d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real64), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: shape(2)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real64_3d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real64), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: shape(3)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

  subroutine get_real64_4d(allocation, array, shape, err)
    type(mmbAllocation), intent(in) :: allocation
    real(real64), pointer, intent(out) :: array(:, :, :, :)
    integer, intent(in) :: shape(4)
    integer(mmbErrorKind), intent(out), optional :: err
    type(c_ptr) :: address
    integer(c_int) :: code
    array => null()
    call find(allocation, shape, storage_size(array), address, code)
    if (code == MMB_OK) call c_f_pointer(address, array, shape)
    call finish(code, err)
  end subroutine

end module mamba_arrays
