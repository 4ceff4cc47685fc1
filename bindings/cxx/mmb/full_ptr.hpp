/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief A typed pointer that knows its allocation, and its shared pointer where it has one.
 *
 * It is two words, owns nothing and is copied freely. Made from either side alone: from an address
 * (of an interface made #MMB_INTERFACE_FINDABLE), or from a shared pointer that another process
 * sent. In private memory there is no shared side; everything else works the same.
 */
#ifndef MMB_FULL_PTR_HPP
#define MMB_FULL_PTR_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <mmb/allocation.h>
#include <mmb/error.hpp>
#include <mmb/shared.h>

namespace mmb
{

template <class T = void> class full_ptr
{
  public:
    using element_type = T;

    full_ptr() noexcept : ptr_(nullptr), allocation_(nullptr) {}
    full_ptr(std::nullptr_t) noexcept : full_ptr() {}
    /** The start of an allocation. */
    explicit full_ptr(mmbAllocation *allocation) noexcept
        : ptr_(static_cast<T *>(allocation ? mmb_allocation_ptr(allocation) : nullptr)),
          allocation_(allocation)
    {
    }
    /** An address, interior ones too; throws mmb::error when it is in no findable allocation. */
    explicit full_ptr(T *ptr) : ptr_(ptr), allocation_(nullptr)
    {
        if (ptr)
            check(mmb_allocation_find(ptr, &allocation_));
    }
    /** A block of a heap that this process has attached; throws mmb::error when there is none. */
    explicit full_ptr(mmbSharedPtr shared) : full_ptr()
    {
        if (mmb_shared_ptr_is_null(shared))
            return;
        check(mmb_allocation_from_shared(shared, &allocation_));
        ptr_ = static_cast<T *>(mmb_allocation_ptr(allocation_));
    }
    /** An address in an allocation that the caller knows. */
    full_ptr(T *ptr, mmbAllocation *allocation) noexcept : ptr_(ptr), allocation_(allocation) {}
    /** As pointers convert: to a base class, to const, to void. */
    template <class U, class = typename std::enable_if<std::is_convertible<U *, T *>::value>::type>
    full_ptr(const full_ptr<U> &other) noexcept : ptr_(other.get()), allocation_(other.allocation())
    {
    }

    T *get() const noexcept { return ptr_; }
    mmbAllocation *allocation() const noexcept { return allocation_; }
    bool is_null() const noexcept { return ptr_ == nullptr; }
    explicit operator bool() const noexcept { return ptr_ != nullptr; }
    T *operator->() const noexcept { return ptr_; }
    /* The parameter keeps these from being looked at for void. */
    template <class U = T> typename std::add_lvalue_reference<U>::type operator*() const noexcept
    {
        return *ptr_;
    }
    template <class U = T>
    typename std::add_lvalue_reference<U>::type operator[](std::size_t index) const noexcept
    {
        return ptr_[index];
    }

    /** The same address as another type, as static_cast does it. */
    template <class U> full_ptr<U> cast() const noexcept
    {
        return full_ptr<U>(static_cast<U *>(ptr_), allocation_);
    }
    /** The same as cast() for types that have nothing to do with each other. */
    template <class U> full_ptr<U> reinterpret() const noexcept
    {
        return full_ptr<U>(reinterpret_cast<U *>(ptr_), allocation_);
    }

    /** Bytes from the start of the allocation. */
    std::size_t offset() const noexcept
    {
        const void *base = allocation_ ? mmb_allocation_ptr(allocation_) : nullptr;
        return reinterpret_cast<std::uintptr_t>(ptr_) - reinterpret_cast<std::uintptr_t>(base);
    }
    /** What another process can use; throws mmb::error when the memory is private. Null is null. */
    mmbSharedPtr shared() const
    {
        mmbSharedPtr shared = {0, 0};
        if (!ptr_)
            return shared;
        check(mmb_allocation_get_shared(allocation_, &shared));
        shared.offset += offset();
        return shared;
    }
    mmbAllocationInfo info() const
    {
        mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
        check(mmb_allocation_get_info(allocation_, &info));
        return info;
    }

  private:
    T *ptr_;
    mmbAllocation *allocation_;
};

template <class T, class U>
bool operator==(const full_ptr<T> &left, const full_ptr<U> &right) noexcept
{
    return left.get() == right.get();
}

template <class T, class U>
bool operator!=(const full_ptr<T> &left, const full_ptr<U> &right) noexcept
{
    return left.get() != right.get();
}

} // namespace mmb

#endif
