/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A standard allocator over registered memory.
 *
 *     std::vector<double, mmb::rma_allocator<double>> field(n, 0.0, interface);
 *     mmb::rma_ptr<double> from = mmb::rma_ptr<double>::pointer_to(field[200]);
 *     mmbRegionView view = from.region(100); // local descriptor, remote key, remote address
 *
 * The interface has a region provider, which registers each chunk once, and is made
 * #MMB_INTERFACE_FINDABLE for the second line: containers show references and plain pointers to
 * their elements, and the pointer that the allocator gave only to the allocator.
 */
#ifndef MMB_RMA_ALLOCATOR_HPP
#define MMB_RMA_ALLOCATOR_HPP

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <mmb/allocation.h>
#include <mmb/allocator.hpp>
#include <mmb/error.hpp>
#include <mmb/pointer.h>
#include <mmb/rma_ptr.hpp>

namespace mmb
{

/**
 * Allocates for a container from an interface with a region provider, and gives pointers that know
 * their region. Otherwise as mmb::allocator. std::vector, std::deque, std::forward_list and the
 * unordered containers work with such pointers everywhere. The others want plain pointers in some
 * standard libraries, libstdc++ 12 among them: give those an mmb::allocator over the same
 * interface, rma_ptr::pointer_to() serves their elements alike.
 */
template <class T> class rma_allocator
{
  public:
    using value_type = T;
    using pointer = rma_ptr<T>;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    /** Throws mmb::error when it is no live interface or none of host memory. */
    rma_allocator(mmbMemInterface *interface) : interface_(detail::host_interface(interface)) {}
    rma_allocator(const rma_allocator &) noexcept = default;
    rma_allocator &operator=(const rma_allocator &) noexcept = default;
    template <class U>
    rma_allocator(const rma_allocator<U> &other) noexcept : interface_(other.interface())
    {
    }

    /** Throws mmb::bad_alloc with the library's reason. */
    pointer allocate(std::size_t n)
    {
        mmbAllocation *block = nullptr;
        mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
        if (n > SIZE_MAX / sizeof(T))
            throw std::bad_array_new_length();
        if (alignof(T) > detail::default_alignment)
            options.alignment = alignof(T);
        /* C++ may ask for 0 bytes, the library refuses them. */
        if (mmb_allocate_opts(n ? n * sizeof(T) : 1, interface_, &options, &block) != MMB_OK)
            throw bad_alloc();
        return pointer(block);
    }
    /** A block that a transfer holds stays, and mmb_finalize() reports it. */
    void deallocate(pointer ptr, std::size_t) noexcept
    {
        if (ptr.known_allocation())
            (void)mmb_free(ptr.known_allocation());
        else
            (void)mmb_free_ptr(interface_, ptr.get());
    }
    mmbMemInterface *interface() const noexcept { return interface_; }

  private:
    mmbMemInterface *interface_;
};

template <class T, class U>
bool operator==(const rma_allocator<T> &left, const rma_allocator<U> &right) noexcept
{
    return left.interface() == right.interface();
}

template <class T, class U>
bool operator!=(const rma_allocator<T> &left, const rma_allocator<U> &right) noexcept
{
    return !(left == right);
}

} // namespace mmb

#endif
