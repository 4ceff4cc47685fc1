/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A std::pmr::memory_resource over an interface. C++17; nothing before.
 */
#ifndef MMB_MEMORY_RESOURCE_HPP
#define MMB_MEMORY_RESOURCE_HPP

#include <mmb/allocator.hpp>

#if __cplusplus >= 201703L && defined(__has_include)
#if __has_include(<memory_resource>)
#include <memory_resource>
/** Defined where mmb::memory_resource exists. */
#define MMB_HAS_MEMORY_RESOURCE 1

namespace mmb
{

/**
 * Serves polymorphic containers from an interface, which must outlive it. Throws mmb::bad_alloc
 * when the memory or the space's limit is exhausted.
 */
class memory_resource : public std::pmr::memory_resource
{
  public:
    /** Throws mmb::error when it is no live interface or none of host memory. */
    explicit memory_resource(mmbMemInterface *interface)
        : interface_(detail::host_interface(interface))
    {
    }
    mmbMemInterface *interface() const noexcept { return interface_; }

  private:
    void *do_allocate(std::size_t n_bytes, std::size_t alignment) override
    {
        return detail::take(interface_, n_bytes, alignment);
    }
    void do_deallocate(void *ptr, std::size_t, std::size_t) override
    {
        (void)mmb_free_ptr(interface_, ptr);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        if (this == &other)
            return true;
#ifdef __cpp_rtti
        auto *same = dynamic_cast<const memory_resource *>(&other);
        return same && same->interface_ == interface_;
#else
        return false;
#endif
    }

    mmbMemInterface *interface_;
};

} // namespace mmb

#endif
#endif
#endif
