/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A standard allocator over an interface.
 *
 *     std::vector<double, mmb::allocator<double>> field(n, 0.0, mmb::allocator<double>(interface));
 *
 * A container takes its memory from the interface and stays below the limit of its space:
 * beyond it an insertion throws mmb::bad_alloc. The interface must outlive the container, and the
 * CPU must be able to use its memory.
 */
#ifndef MMB_ALLOCATOR_HPP
#define MMB_ALLOCATOR_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <mmb/error.hpp>
#include <mmb/interface.h>
#include <mmb/pointer.h>

namespace mmb
{
namespace detail
{

/* What mmb_malloc() gives without being asked. */
constexpr std::size_t default_alignment = 16;

/* C++ may ask for 0 bytes, the library refuses them. */
inline void *take(mmbMemInterface *interface, std::size_t n_bytes, std::size_t alignment)
{
    if (n_bytes == 0)
        n_bytes = 1;
    void *ptr = alignment <= default_alignment ? mmb_malloc(interface, n_bytes)
                                               : mmb_aligned_alloc(interface, alignment, n_bytes);
    if (!ptr)
        throw bad_alloc();
    return ptr;
}

/* Constructing objects in memory that the CPU cannot write would crash far from the cause. */
inline mmbMemInterface *host_interface(mmbMemInterface *interface)
{
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    check(mmb_interface_get_info(interface, &info));
    if (!info.host_accessible)
        throw error(MMB_UNSUPPORTED, "C++ objects need memory that the CPU can use");
    return interface;
}

} // namespace detail

/**
 * Allocates for a container from an interface. Two are equal when they have the same interface. The
 * allocator goes along when a container is moved or swapped, so that neither copies elements; a
 * container that is assigned a copy keeps its own interface.
 */
template <class T> class allocator
{
  public:
    using value_type = T;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::false_type;

    /** Throws mmb::error when it is no live interface or none of host memory. */
    allocator(mmbMemInterface *interface) : interface_(detail::host_interface(interface)) {}
    allocator(const allocator &) noexcept = default;
    allocator &operator=(const allocator &) noexcept = default;
    template <class U> allocator(const allocator<U> &other) noexcept : interface_(other.interface())
    {
    }

    /** Throws mmb::bad_alloc with the library's reason. */
    T *allocate(std::size_t n)
    {
        if (n > SIZE_MAX / sizeof(T))
            throw std::bad_array_new_length();
        return static_cast<T *>(detail::take(interface_, n * sizeof(T), alignof(T)));
    }
    void deallocate(T *ptr, std::size_t) noexcept { (void)mmb_free_ptr(interface_, ptr); }
    mmbMemInterface *interface() const noexcept { return interface_; }

  private:
    mmbMemInterface *interface_;
};

template <class T, class U>
bool operator==(const allocator<T> &left, const allocator<U> &right) noexcept
{
    return left.interface() == right.interface();
}

template <class T, class U>
bool operator!=(const allocator<T> &left, const allocator<U> &right) noexcept
{
    return !(left == right);
}

} // namespace mmb

#endif
