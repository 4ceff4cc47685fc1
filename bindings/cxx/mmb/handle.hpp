/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief Owners of handles, and of the library itself.
 *
 * An owner destroys its handle when it goes out of scope. The library may refuse that, say because
 * an allocation has slices; a destructor cannot tell, so the handle then stays alive and
 * mmb_finalize() reports it. Who wants to know calls destroy().
 */
#ifndef MMB_HANDLE_HPP
#define MMB_HANDLE_HPP

#include <cstddef>
#include <utility>
#include <mmb/allocation.h>
#include <mmb/error.hpp>
#include <mmb/interface.h>
#include <mmb/library.h>
#include <mmb/space.h>

namespace mmb
{

/** The only owner of a handle; can be moved, not copied. */
template <class T, mmbError (*Destroy)(T *)> class unique_handle
{
  public:
    unique_handle() noexcept : handle_(nullptr) {}
    explicit unique_handle(T *handle) noexcept : handle_(handle) {}
    unique_handle(unique_handle &&other) noexcept : handle_(other.release()) {}
    unique_handle &operator=(unique_handle &&other) noexcept
    {
        if (this != &other)
            reset(other.release());
        return *this;
    }
    unique_handle(const unique_handle &) = delete;
    unique_handle &operator=(const unique_handle &) = delete;
    ~unique_handle() { reset(); }

    T *get() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /** Gives the handle away. */
    T *release() noexcept
    {
        T *given = handle_;
        handle_ = nullptr;
        return given;
    }
    /** Destroys the handle, and owns another one in its place. */
    void reset(T *handle = nullptr) noexcept
    {
        T *old = handle_;
        handle_ = handle;
        (void)Destroy(old);
    }
    /** Destroys the handle; throws mmb::error and keeps it when the library refuses. */
    void destroy()
    {
        check(Destroy(handle_));
        handle_ = nullptr;
    }
    void swap(unique_handle &other) noexcept { std::swap(handle_, other.handle_); }

  private:
    T *handle_;
};

using unique_allocation = unique_handle<mmbAllocation, mmb_free>;
using unique_interface = unique_handle<mmbMemInterface, mmb_destroy_interface>;
using unique_space = unique_handle<mmbMemSpace, mmb_destroy_space>;

/** The library is initialised while one of these lives. Declare it before every owner. */
class library
{
  public:
    explicit library(const mmbOptions *options = nullptr) { check(mmb_init(options)); }
    library(const library &) = delete;
    library &operator=(const library &) = delete;
    ~library() { (void)mmb_finalize(); }
};

/** Another space in a known layer (mmb_create_space()). */
inline unique_space make_space(mmbMemLayer layer, mmbExecutionContext context,
                               const mmbMemSpaceConfig *config = nullptr)
{
    mmbMemSpace *space = nullptr;
    check(mmb_create_space(layer, context, config, &space));
    return unique_space(space);
}

/** Makes a layer known, and a space in it with a limit in bytes (mmb_register_memory()). */
inline unique_space register_memory(mmbMemLayer layer, mmbExecutionContext context,
                                    std::size_t limit = MMB_NO_LIMIT)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space = nullptr;
    if (limit != MMB_NO_LIMIT) {
        config.size_opts.action = MMB_SIZE_SET;
        config.size_opts.mem_size = limit;
    }
    check(mmb_register_memory(layer, context, &config, &space));
    return unique_space(space);
}

inline unique_interface make_interface(mmbMemSpace *space,
                                       const mmbMemInterfaceConfig *config = nullptr)
{
    mmbMemInterface *interface = nullptr;
    check(mmb_create_interface(space, config, &interface));
    return unique_interface(interface);
}

inline unique_interface make_interface(mmbMemSpace *space, mmbStrategy strategy,
                                       std::uint64_t flags = 0)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.strategy = strategy;
    config.flags = flags;
    return make_interface(space, &config);
}

/** A block that frees itself (mmb_allocate_opts()). */
inline unique_allocation make_allocation(mmbMemInterface *interface, std::size_t n_bytes,
                                         const mmbAllocateOptions *options = nullptr)
{
    mmbAllocation *allocation = nullptr;
    check(mmb_allocate_opts(n_bytes, interface, options, &allocation));
    return unique_allocation(allocation);
}

} // namespace mmb

#endif
