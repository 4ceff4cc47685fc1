/* SPDX-License-Identifier: BSD-3-Clause */
/* An interface: a strategy over a backend in a space. Interfaces are type-stable as spaces are. The
 * allocator is made at creation and never changes, so allocating and freeing take no registry lock.
 */
#ifndef MMB_CORE_INTERFACE_H
#define MMB_CORE_INTERFACE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <mmb/interface.h>
#include "src/base/list.h"
#include "src/core/handles.h"
#include "src/core/space.h"
#include "src/spi/allocator.h"
#include "src/spi/backend.h"

/* What blocks in host memory are aligned to without being asked. */
#define MMB_HOST_ALIGNMENT 16u

#define MMB_INTERFACE_MAGIC 0x6d6d62696e746661ull /* cleared by destroy */

struct mmbMemInterface {
    struct mmb_hot hot; /* first: what allocating reads */
    _Atomic uint64_t magic;
    struct mmb_list link; /* in its space */
    mmbMemSpace *space;
    struct mmb_subheap *heaps; /* owned; one, or one per domain (subheap.h) */
    size_t n_heaps;
    struct mmb_allocator *allocator; /* of heaps[0], as the two below */
    struct mmb_backend *backend;
    struct mmb_source *source;
    char *name; /* owned, or NULL */
    mmbBackend backend_id;
    mmbStrategy strategy;
    uint64_t flags;
    uint64_t id; /* never reused in this process */
    mmbMemInterface *fallback;
    mmbRegionProvider *region_provider; /* registers its chunks; NULL: nobody */
    _Atomic size_t dependents;          /* interfaces and spaces that name this one as fallback */
    _Atomic size_t refused;             /* requests that failed */
    _Atomic size_t wrapped;             /* live wrapped objects */
    bool host_accessible;
    size_t min_alignment; /* of every block that asks for none */
};

extern struct mmb_handles mmb_interface_handles __attribute__((visibility("hidden")));

/* Is this the address of an interface, live or not? Any pointer may be asked. */
static inline bool mmb_interface_is_slot(const mmbMemInterface *interface)
{
    return mmb_handles_own(&mmb_interface_handles, interface);
}

/* Any pointer may be asked. Lock-free; false for all before the first mmb_init. */
static inline bool mmb_interface_is_live(const mmbMemInterface *interface)
{
    return mmb_interface_is_slot(interface) &&
           atomic_load_explicit(&interface->magic, memory_order_acquire) == MMB_INTERFACE_MAGIC;
}

/* Is it a record of the interface's one heap? False where that has no magazines: the record's
 * allocator tells. The interface is a slot, and alive if it has a live record. */
static inline bool mmb_interface_owns(const mmbMemInterface *interface, const mmbAllocation *record)
{
    return (record->home ^ interface->hot.slot_base) < MMB_SLOT_BYTES;
}

/* MMB_NOT_INITIALIZED or MMB_INVALID_INTERFACE with a detail unless it is a live handle. Lock-free.
 */
mmbError mmb_interface_check(const mmbMemInterface *interface, const char *function);

/* Raises what is asked to what every block of the interface has. MMB_UNSUPPORTED: memory without
 * addresses is aligned as its backend promises and no better. Lock-free. */
mmbError mmb_interface_align(const mmbMemInterface *interface, struct mmb_request *request);

/* All below: the registry mutex is held. */

/* Once per process; MMB_OUT_OF_MEMORY. */
mmbError mmb_interfaces_open(void);
/* Makes an interface of a config that was checked (interface_config.h). */
mmbError mmb_interface_open(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                            mmbMemInterface **out_interface);
/* Whatever lives in it is freed. */
void mmb_interface_close(mmbMemInterface *interface);
/* Objects that live in it: blocks and wrapped memory. */
size_t mmb_interface_live(const mmbMemInterface *interface);
/* Logs what lives in it as a warning. */
void mmb_interface_report_leaks(const mmbMemInterface *interface);
/* The space's default interface, made when it is not there yet. */
mmbError mmb_interface_default(mmbMemSpace *space, mmbMemInterface **out_interface);

#endif
