/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * @brief All of libmmb: every public header but those of the device runtimes.
 *
 * A machine has layers of memory; a space is a size-limited part of a layer; an interface hands
 * out a space's memory; an allocation is a block that knows all of these. The headers below come
 * in this order, each with its concept and the example to read; start with examples/placement.c.
 * What holds for every function stands in mmb/error.h, and structs with foreign handles stand in
 * mmb/cuda.h, mmb/hip.h and mmb/opencl.h, which are never included from here.
 */
#ifndef MMB_MMB_H
#define MMB_MMB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/version.h>
#include <mmb/types.h>
#include <mmb/error.h>
#include <mmb/log.h>
#include <mmb/library.h>
#include <mmb/layer.h>
#include <mmb/backend.h>
#include <mmb/interface_config.h>
#include <mmb/space_config.h>
#include <mmb/space.h>
#include <mmb/interface.h>
#include <mmb/stack.h>
#include <mmb/allocation.h>
#include <mmb/allocation_info.h>
#include <mmb/pointer.h>
#include <mmb/copy.h>
#include <mmb/copy_async.h>
#include <mmb/shared_pointer.h>
#include <mmb/shared.h>
#include <mmb/shared_object.h>
#include <mmb/shared_ring.h>
#include <mmb/shared_vector.h>
#include <mmb/shared_list.h>
#include <mmb/shared_map.h>
#include <mmb/shared_lock.h>
#include <mmb/region.h>

#endif
