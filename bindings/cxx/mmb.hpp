/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief libmmb for C++11 and later: allocators, owners of handles, objects in any host memory.
 *
 * Header-only, over the C interface alone: whatever is missing here is called as in C. Programs
 * link libmmb (`pkg-config --libs mmb`, or `find_package(mmb CONFIG)` and the target mmb::mmb).
 * Read examples/containers.cc.
 */
#ifndef MMB_HPP
#define MMB_HPP

#include <mmb.h>
#include <mmb/error.hpp>
#include <mmb/handle.hpp>
#include <mmb/allocator.hpp>
#include <mmb/memory_resource.hpp>
#include <mmb/full_ptr.hpp>
#include <mmb/objects.hpp>
#include <mmb/rma_ptr.hpp>
#include <mmb/rma_allocator.hpp>

#endif
