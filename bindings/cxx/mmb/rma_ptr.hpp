/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A pointer into registered memory that knows how the network reaches what it points to.
 *
 * Its interface has a region provider, see mmb/region.h. Nothing here registers memory or calls the
 * provider. mmb::rma_allocator gives such pointers to containers.
 */
#ifndef MMB_RMA_PTR_HPP
#define MMB_RMA_PTR_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <type_traits>
#include <mmb/allocation.h>
#include <mmb/error.hpp>
#include <mmb/handle.hpp>
#include <mmb/region.h>

namespace mmb
{
namespace detail
{

/* Nothing was held: nothing to end. */
inline mmbError unhold(mmbAllocation *allocation)
{
    return allocation ? mmb_region_unhold(allocation) : MMB_OK;
}

} // namespace detail

/** A transfer that runs: while one lives its allocation cannot be freed or moved (#MMB_BUSY). */
using unique_hold = unique_handle<mmbAllocation, detail::unhold>;

/**
 * Points to an element, computes as a pointer does, and knows how the network reaches the element.
 * It is two words, owns nothing and is copied freely. One made by pointer_to() has the address
 * alone and looks its allocation up when it is asked; that wants an interface made
 * #MMB_INTERFACE_FINDABLE.
 */
template <class T> class rma_ptr
{
    /* For void, to which nothing refers, and which has no size. */
    using referred = typename std::conditional<std::is_void<T>::value, char, T>::type;

  public:
    using element_type = T;
    using value_type = typename std::remove_cv<T>::type;
    using difference_type = std::ptrdiff_t;
    using pointer = rma_ptr;
    using reference = typename std::add_lvalue_reference<T>::type;
    using iterator_category = std::random_access_iterator_tag;
    template <class U> using rebind = rma_ptr<U>;

    rma_ptr() noexcept : ptr_(nullptr), allocation_(nullptr) {}
    rma_ptr(std::nullptr_t) noexcept : rma_ptr() {}
    /** The start of an allocation. */
    explicit rma_ptr(mmbAllocation *allocation) noexcept
        : rma_ptr(static_cast<T *>(allocation ? mmb_allocation_ptr(allocation) : nullptr),
                  allocation)
    {
    }
    /** An address in an allocation that the caller knows. */
    rma_ptr(T *ptr, mmbAllocation *allocation) noexcept : ptr_(ptr), allocation_(allocation) {}
    /** As pointers convert: to a base class, to const, to void. */
    template <class U, class = typename std::enable_if<std::is_convertible<U *, T *>::value>::type>
    rma_ptr(const rma_ptr<U> &other) noexcept : rma_ptr(other.get(), other.known_allocation())
    {
    }
    /** From a pointer to void, as static_cast does it. */
    template <class U,
              class = typename std::enable_if<std::is_void<U>::value &&
                                              !std::is_convertible<U *, T *>::value>::type,
              class = void>
    explicit rma_ptr(const rma_ptr<U> &other) noexcept
        : rma_ptr(static_cast<T *>(other.get()), other.known_allocation())
    {
    }
    static rma_ptr pointer_to(referred &element) noexcept
    {
        return rma_ptr(std::addressof(element), nullptr);
    }

    T *get() const noexcept { return ptr_; }
    explicit operator bool() const noexcept { return ptr_ != nullptr; }
    T *operator->() const noexcept { return ptr_; }
    /* The parameter keeps these from being looked at for void. */
    template <class U = T> typename std::add_lvalue_reference<U>::type operator*() const noexcept
    {
        return *ptr_;
    }
    template <class U = T>
    typename std::add_lvalue_reference<U>::type operator[](difference_type index) const noexcept
    {
        return ptr_[index];
    }

    rma_ptr &operator+=(difference_type n) noexcept
    {
        ptr_ += n;
        return *this;
    }
    rma_ptr &operator-=(difference_type n) noexcept { return *this += -n; }
    rma_ptr &operator++() noexcept { return *this += 1; }
    rma_ptr &operator--() noexcept { return *this += -1; }
    rma_ptr operator++(int) noexcept
    {
        rma_ptr old = *this;
        ++*this;
        return old;
    }
    rma_ptr operator--(int) noexcept
    {
        rma_ptr old = *this;
        --*this;
        return old;
    }
    friend rma_ptr operator+(rma_ptr ptr, difference_type n) noexcept { return ptr += n; }
    friend rma_ptr operator+(difference_type n, rma_ptr ptr) noexcept { return ptr += n; }
    friend rma_ptr operator-(rma_ptr ptr, difference_type n) noexcept { return ptr -= n; }

    /** Its allocation; throws mmb::error when it was made from an address that is in none. */
    mmbAllocation *allocation() const
    {
        mmbAllocation *found = allocation_;
        if (!found)
            check(mmb_allocation_find(ptr_, &found));
        return found;
    }
    /** What the pointer was made with; null when that was an address alone. */
    mmbAllocation *known_allocation() const noexcept { return allocation_; }
    /**
     * How the network reaches `n` elements from this one on: local descriptor, remote key and
     * remote address. Valid while the allocation is neither freed nor moved. Throws mmb::error when
     * they reach beyond the allocation, or its interface has no region provider.
     */
    mmbRegionView region(std::size_t n = 1) const
    {
        mmbRegionView view = MMB_REGION_VIEW_INIT;
        mmbAllocation *of = allocation();
        const std::size_t offset = reinterpret_cast<std::uintptr_t>(ptr_) -
                                   reinterpret_cast<std::uintptr_t>(mmb_allocation_ptr(of));
        const bool fits = n <= SIZE_MAX / sizeof(referred);
        check(mmb_allocation_get_region(of, offset, fits ? n * sizeof(referred) : SIZE_MAX, &view));
        return view;
    }
    /** Begins a transfer, which ends with the owner (mmb_region_hold()). */
    unique_hold hold() const
    {
        mmbAllocation *of = allocation();
        check(mmb_region_hold(of));
        return unique_hold(of);
    }

  private:
    T *ptr_;
    mmbAllocation *allocation_;
};

template <class T, class U>
std::ptrdiff_t operator-(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return left.get() - right.get();
}
template <class T, class U>
bool operator==(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return left.get() == right.get();
}
template <class T, class U>
bool operator!=(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return left.get() != right.get();
}
template <class T> bool operator==(const rma_ptr<T> &ptr, std::nullptr_t) noexcept
{
    return !ptr;
}
template <class T> bool operator!=(const rma_ptr<T> &ptr, std::nullptr_t) noexcept
{
    return static_cast<bool>(ptr);
}
template <class T> bool operator==(std::nullptr_t, const rma_ptr<T> &ptr) noexcept
{
    return !ptr;
}
template <class T> bool operator!=(std::nullptr_t, const rma_ptr<T> &ptr) noexcept
{
    return static_cast<bool>(ptr);
}
template <class T, class U> bool operator<(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return left.get() < right.get();
}
template <class T, class U> bool operator>(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return right < left;
}
template <class T, class U>
bool operator<=(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return !(right < left);
}
template <class T, class U>
bool operator>=(const rma_ptr<T> &left, const rma_ptr<U> &right) noexcept
{
    return !(left < right);
}

} // namespace mmb

#endif
