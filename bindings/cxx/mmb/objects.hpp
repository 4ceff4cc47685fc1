/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Objects and arrays of objects in the memory of an interface.
 *
 * All throw mmb::error with the library's reason, or what a constructor threw: then nothing is
 * left behind. The functions that end something check first that the pointer is the start of a live
 * allocation, and set it to null. Where the library then refuses to free, because the allocation
 * has slices or holds, the objects have ended all the same and the handle is the owner's of these.
 */
#ifndef MMB_OBJECTS_HPP
#define MMB_OBJECTS_HPP

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <mmb/allocation.h>
#include <mmb/allocator.hpp>
#include <mmb/full_ptr.hpp>
#include <mmb/handle.hpp>

namespace mmb
{
namespace detail
{

/* Destroys what was constructed, last first, unless it is told to keep it. */
template <class T> class construction
{
  public:
    explicit construction(T *first) noexcept : first_(first), n_(0) {}
    construction(const construction &) = delete;
    construction &operator=(const construction &) = delete;
    ~construction()
    {
        while (n_ > 0)
            first_[--n_].~T();
    }
    template <class... Args> void add(Args &&...args)
    {
        ::new (static_cast<void *>(first_ + n_)) T(std::forward<Args>(args)...);
        n_++;
    }
    void add_until(std::size_t n)
    {
        while (n_ < n)
            add();
    }
    void keep() noexcept { n_ = 0; }

  private:
    T *first_;
    std::size_t n_;
};

template <class T> std::size_t bytes_of(std::size_t count)
{
    if (count > SIZE_MAX / sizeof(T))
        throw error(MMB_INVALID_SIZE, "the array is larger than the address space");
    return count * sizeof(T);
}

template <class T> unique_allocation room_for(mmbMemInterface *interface, std::size_t count)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    if (alignof(T) > default_alignment)
        options.alignment = alignof(T);
    return make_allocation(host_interface(interface), bytes_of<T>(count), &options);
}

/* That the objects exist is looked at before their destructors run: afterwards it is too late. */
template <class T> mmbAllocationInfo check_start(const full_ptr<T> &ptr)
{
    mmbAllocationInfo info = ptr.info();
    if (info.ptr != static_cast<const void *>(ptr.get()))
        throw error(MMB_INVALID_ALLOCATION, "the pointer is not the start of its allocation");
    return info;
}

template <class T> mmbAllocationInfo check_array(const full_ptr<T> &ptr, std::size_t count)
{
    mmbAllocationInfo info = check_start(ptr);
    if (bytes_of<T>(count) > info.n_bytes)
        throw error(MMB_INVALID_SIZE, "the allocation holds fewer objects");
    return info;
}

template <class T> void destroy_and_free(full_ptr<T> &ptr, std::size_t count)
{
    T *first = ptr.get();
    mmbAllocation *allocation = ptr.allocation();
    ptr = nullptr;
    while (count > 0)
        first[--count].~T();
    check(mmb_free(allocation));
}

} // namespace detail

/** A block of bytes; T is only the pointer's type. */
template <class T = void>
full_ptr<T> allocate(mmbMemInterface *interface, std::size_t n_bytes,
                     const mmbAllocateOptions *options = nullptr)
{
    return full_ptr<T>(make_allocation(interface, n_bytes, options).release());
}

/** Changes the size of a block of bytes; the pointer may change. After an error nothing has. */
template <class T> void reallocate(full_ptr<T> &ptr, std::size_t n_bytes)
{
    static_assert(std::is_void<T>::value || std::is_trivially_copyable<T>::value,
                  "objects move by reallocate_objects()");
    check(mmb_reallocate(ptr.allocation(), n_bytes));
    ptr = full_ptr<T>(ptr.allocation());
}

/** Frees a block of bytes, running no destructor. Null: nothing to do. */
template <class T> void deallocate(full_ptr<T> &ptr)
{
    check(mmb_free(ptr.allocation()));
    ptr = nullptr;
}

/** Makes one object. */
template <class T, class... Args> full_ptr<T> new_object(mmbMemInterface *interface, Args &&...args)
{
    unique_allocation room = detail::room_for<T>(interface, 1);
    T *object = ::new (mmb_allocation_ptr(room.get())) T(std::forward<Args>(args)...);
    return full_ptr<T>(object, room.release());
}

/** Ends an object that new_object() made. Null: nothing to do. */
template <class T> void delete_object(full_ptr<T> &ptr)
{
    if (ptr.is_null())
        return;
    detail::check_array(ptr, 1);
    detail::destroy_and_free(ptr, 1);
}

/** Makes an array of value-initialised objects: numbers are 0. */
template <class T> full_ptr<T> new_objects(mmbMemInterface *interface, std::size_t count)
{
    unique_allocation room = detail::room_for<T>(interface, count);
    detail::construction<T> objects(static_cast<T *>(mmb_allocation_ptr(room.get())));
    objects.add_until(count);
    objects.keep();
    return full_ptr<T>(room.release());
}

/** Ends an array of that many objects. Null: nothing to do. */
template <class T> void delete_objects(full_ptr<T> &ptr, std::size_t count)
{
    if (ptr.is_null())
        return;
    detail::check_array(ptr, count);
    detail::destroy_and_free(ptr, count);
}

/**
 * Changes the number of objects in an array: more are value-initialised, fewer are ended. Objects
 * that may be copied as bytes grow in place where there is room. Others are moved, or copied where
 * moving may throw, into a new block, so for a while both count against the space's limit. After an
 * exception the array is as it was.
 */
template <class T>
typename std::enable_if<std::is_trivially_copyable<T>::value>::type
reallocate_objects(full_ptr<T> &ptr, std::size_t old_count, std::size_t new_count)
{
    detail::check_array(ptr, old_count);
    reallocate(ptr, detail::bytes_of<T>(new_count));
    for (std::size_t i = old_count; i < new_count; i++)
        ::new (static_cast<void *>(ptr.get() + i)) T();
}

template <class T>
typename std::enable_if<!std::is_trivially_copyable<T>::value>::type
reallocate_objects(full_ptr<T> &ptr, std::size_t old_count, std::size_t new_count)
{
    mmbAllocationInfo info = detail::check_array(ptr, old_count);
    unique_allocation room = detail::room_for<T>(info.interface, new_count);
    detail::construction<T> objects(static_cast<T *>(mmb_allocation_ptr(room.get())));
    for (std::size_t i = 0; i < old_count && i < new_count; i++)
        objects.add(std::move_if_noexcept(ptr.get()[i]));
    objects.add_until(new_count);
    objects.keep();
    full_ptr<T> old = ptr;
    ptr = full_ptr<T>(room.release());
    detail::destroy_and_free(old, old_count);
}

} // namespace mmb

#endif
