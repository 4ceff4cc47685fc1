/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief The exceptions: a code of the C interface with its detail.
 *
 * Functions of this binding throw mmb::error. What stands behind a standard allocator throws
 * mmb::bad_alloc, which is a std::bad_alloc, since containers and their users expect that one.
 */
#ifndef MMB_ERROR_HPP
#define MMB_ERROR_HPP

#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <mmb/error.h>

namespace mmb
{

/** A call of the library that failed: the code, and what mmb_error_detail() said. */
class error : public std::runtime_error
{
  public:
    explicit error(mmbError code) : error(code, mmb_error_detail()) {}
    error(mmbError code, const std::string &detail)
        : std::runtime_error(std::string(mmb_error_name(code)) + ": " + detail), code_(code),
          name_length_(std::string(mmb_error_name(code)).size() + 2)
    {
    }
    mmbError code() const noexcept { return code_; }
    /** Why, in words; what() is the code's name and this. */
    const char *detail() const noexcept { return what() + name_length_; }

  private:
    mmbError code_;
    std::size_t name_length_;
};

/** An allocation that failed behind a standard allocator. It holds its text itself, since there may
 * be no memory for it elsewhere. */
class bad_alloc : public std::bad_alloc
{
  public:
    bad_alloc() noexcept { std::snprintf(detail_, sizeof detail_, "%s", mmb_error_detail()); }
    const char *what() const noexcept override { return detail_; }

  private:
    char detail_[256];
};

/** Throws unless a call succeeded: mmb::check(mmb_init(nullptr)). */
inline void check(mmbError code)
{
    if (code != MMB_OK)
        throw error(code);
}

} // namespace mmb

#endif
