! SPDX-License-Identifier: BSD-3-Clause
! The C functions as they are; module mamba makes Fortran of them. Configs are passed as addresses,
! since none at all is legal.
module mamba_c
  use, intrinsic :: iso_c_binding
  use mamba_types
  implicit none
  public

  interface
    integer(c_int) function c_init(options) bind(c, name='mmb_init')
      import
      type(c_ptr), value :: options
    end function
    integer(c_int) function c_finalize() bind(c, name='mmb_finalize')
      import
    end function
    integer(c_int) function c_version(major, minor, patch) bind(c, name='mmb_version')
      import
      integer(c_int), intent(out) :: major, minor, patch
    end function
    type(c_ptr) function c_error_name(error) bind(c, name='mmb_error_name')
      import
      integer(c_int), value :: error
    end function
    type(c_ptr) function c_error_description(error) bind(c, name='mmb_error_description')
      import
      integer(c_int), value :: error
    end function
    type(c_ptr) function c_error_detail() bind(c, name='mmb_error_detail')
      import
    end function
    integer(c_int) function c_logging_set_level(level) bind(c, name='mmb_logging_set_level')
      import
      integer(c_int), value :: level
    end function
    integer(c_int) function c_logging_set_callback(callback, user) &
        bind(c, name='mmb_logging_set_callback')
      import
      type(c_funptr), value :: callback
      type(c_ptr), value :: user
    end function

    integer(c_size_t) function c_layer_count() bind(c, name='mmb_layer_count')
      import
    end function
    integer(c_int) function c_layer_at(index, layer) bind(c, name='mmb_layer_at')
      import
      integer(c_size_t), value :: index
      integer(c_int), intent(out) :: layer
    end function
    type(c_ptr) function c_layer_name(layer) bind(c, name='mmb_layer_name')
      import
      integer(c_int), value :: layer
    end function
    integer(c_int) function c_layer_from_name(name, layer) bind(c, name='mmb_layer_from_name')
      import
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int), intent(out) :: layer
    end function
    integer(c_int) function c_layer_define(name, info, layer) bind(c, name='mmb_layer_define')
      import
      character(kind=c_char), intent(in) :: name(*)
      type(c_ptr), value :: info
      integer(c_int), intent(out) :: layer
    end function
    integer(c_int) function c_layer_get_info(layer, info) bind(c, name='mmb_layer_get_info')
      import
      integer(c_int), value :: layer
      type(mmbLayerInfo), intent(inout) :: info
    end function
    integer(c_int) function c_layer_set_info(layer, info) bind(c, name='mmb_layer_set_info')
      import
      integer(c_int), value :: layer
      type(mmbLayerInfo), intent(in) :: info
    end function

    integer(c_int) function c_register_memory(layer, context, config, space) &
        bind(c, name='mmb_register_memory')
      import
      integer(c_int), value :: layer, context
      type(c_ptr), value :: config, space
    end function
    integer(c_int) function c_create_space(layer, context, config, space) &
        bind(c, name='mmb_create_space')
      import
      integer(c_int), value :: layer, context
      type(c_ptr), value :: config, space
    end function
    integer(c_int) function c_request_space(layer, context, config, space) &
        bind(c, name='mmb_request_space')
      import
      integer(c_int), value :: layer, context
      type(c_ptr), value :: config, space
    end function
    integer(c_int) function c_request_best_space(rank, context, n_bytes, space) &
        bind(c, name='mmb_request_best_space')
      import
      integer(c_int), value :: rank, context
      integer(c_size_t), value :: n_bytes
      type(mmbMemSpace), intent(inout) :: space
    end function
    integer(c_int) function c_memspace_configure(config, space) &
        bind(c, name='mmb_memspace_configure')
      import
      type(mmbMemSpaceConfig), intent(in) :: config
      type(mmbMemSpace), value :: space
    end function
    integer(c_int) function c_destroy_space(space) bind(c, name='mmb_destroy_space')
      import
      type(mmbMemSpace), value :: space
    end function
    integer(c_int) function c_space_get_info(space, info) bind(c, name='mmb_space_get_info')
      import
      type(mmbMemSpace), value :: space
      type(mmbSpaceInfo), intent(inout) :: info
    end function

    integer(c_int) function c_create_interface(space, config, interface) &
        bind(c, name='mmb_create_interface')
      import
      type(mmbMemSpace), value :: space
      type(c_ptr), value :: config
      type(mmbMemInterface), intent(inout) :: interface
    end function
    integer(c_int) function c_request_interface(space, config, interface) &
        bind(c, name='mmb_request_interface')
      import
      type(mmbMemSpace), value :: space
      type(c_ptr), value :: config
      type(mmbMemInterface), intent(inout) :: interface
    end function
    integer(c_int) function c_get_interface(layer, context, interface) &
        bind(c, name='mmb_get_interface')
      import
      integer(c_int), value :: layer, context
      type(mmbMemInterface), intent(inout) :: interface
    end function
    integer(c_int) function c_destroy_interface(interface) bind(c, name='mmb_destroy_interface')
      import
      type(mmbMemInterface), value :: interface
    end function
    integer(c_int) function c_interface_get_stats(interface, stats) &
        bind(c, name='mmb_interface_get_stats')
      import
      type(mmbMemInterface), value :: interface
      type(mmbMemInterfaceStats), intent(inout) :: stats
    end function

    integer(c_int) function c_allocate(n_bytes, interface, allocation) &
        bind(c, name='mmb_allocate')
      import
      integer(c_size_t), value :: n_bytes
      type(mmbMemInterface), value :: interface
      type(mmbAllocation), intent(inout) :: allocation
    end function
    integer(c_int) function c_wrap(ptr, n_bytes, interface, allocation) &
        bind(c, name='mmb_allocation_create_wrapped')
      import
      type(c_ptr), value :: ptr
      integer(c_size_t), value :: n_bytes
      type(mmbMemInterface), value :: interface
      type(mmbAllocation), intent(inout) :: allocation
    end function
    integer(c_int) function c_slice(parent, offset, n_bytes, allocation) &
        bind(c, name='mmb_allocation_slice')
      import
      type(mmbAllocation), value :: parent
      integer(c_size_t), value :: offset, n_bytes
      type(mmbAllocation), intent(inout) :: allocation
    end function
    integer(c_int) function c_reallocate(allocation, n_bytes) bind(c, name='mmb_reallocate')
      import
      type(mmbAllocation), value :: allocation
      integer(c_size_t), value :: n_bytes
    end function
    integer(c_int) function c_migrate(allocation, to) bind(c, name='mmb_migrate')
      import
      type(mmbAllocation), value :: allocation
      type(mmbMemInterface), value :: to
    end function
    integer(c_int) function c_free(allocation) bind(c, name='mmb_free')
      import
      type(mmbAllocation), value :: allocation
    end function
    integer(c_int) function c_allocation_get_info(allocation, info) &
        bind(c, name='mmb_allocation_get_info')
      import
      type(mmbAllocation), value :: allocation
      type(mmbAllocationInfo), intent(inout) :: info
    end function

    integer(c_int) function c_copy(dst, src) bind(c, name='mmb_copy')
      import
      type(mmbAllocation), value :: dst, src
    end function
    integer(c_int) function c_copy_1d(dst, doffset, src, soffset, n_bytes) &
        bind(c, name='mmb_copy_1d')
      import
      type(mmbAllocation), value :: dst, src
      integer(c_size_t), value :: doffset, soffset, n_bytes
    end function
    integer(c_int) function c_copy_2d(dst, dx, dy, dpitch, src, sx, sy, spitch, width, height) &
        bind(c, name='mmb_copy_2d')
      import
      type(mmbAllocation), value :: dst, src
      integer(c_size_t), value :: dx, dy, dpitch, sx, sy, spitch, width, height
    end function
    integer(c_int) function c_memset(allocation, offset, value, n_bytes) &
        bind(c, name='mmb_memset')
      import
      type(mmbAllocation), value :: allocation
      integer(c_size_t), value :: offset, n_bytes
      integer(c_int), value :: value
    end function
    integer(c_size_t) function c_strlen(text) bind(c, name='strlen')
      import
      type(c_ptr), value :: text
    end function
  end interface
end module mamba_c
