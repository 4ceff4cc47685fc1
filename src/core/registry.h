/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's one mutable root: is it initialised, the layers, the spaces, the allocator table.
 * One mutex guards all lists and configuration; it is never taken by allocate and free.
 * Lock order: registry mutex -> allocator lock -> quota -> chunk and metadata locks. */
#ifndef MMB_CORE_REGISTRY_H
#define MMB_CORE_REGISTRY_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <mmb/error.h>
#include "src/base/list.h"
#include "src/base/lock.h"
#include "src/base/address_map.h"

struct mmb_allocator;

struct mmb_registry {
    struct mmb_mutex mutex;
    size_t references; /* mmb_init calls not yet finalized */
    struct mmb_list spaces;
    size_t n_spaces;
};
extern struct mmb_registry mmb_registry;
extern _Atomic bool mmb_library_ready;         /* between the first init and the last finalize */
extern struct mmb_address_map mmb_chunk_map;   /* chunks of every interface */
extern struct mmb_address_map mmb_wrapped_map; /* wrapped pointers -> mmbAllocation */

/* MMB_OK, or MMB_NOT_INITIALIZED with a detail naming the public function. */
mmbError mmb_library_check(const char *function);

/* Takes the mutex of an initialised library. MMB_NOT_INITIALIZED with a detail naming the public
 * function: then it is not taken. */
mmbError mmb_registry_enter(const char *function);
/* Takes the mutex of an initialised library if nobody has it: for a thread that whoever has it may
 * be waiting for. */
bool mmb_registry_try_enter(void);
/* As enter without the question, for init, finalize and what works before them. */
void mmb_registry_lock(void);
void mmb_registry_unlock(void);
/* True when this very thread holds it: a chunk may be wanted while an interface is being made. */
bool mmb_registry_is_mine(void);

/* Allocator table: slot 0 is never given. MMB_OUT_OF_MEMORY when metadata is exhausted. */
mmbError mmb_allocator_slot_take(uint32_t *out_slot);
/* Every allocator there is. The caller keeps them from coming and going. */
void mmb_allocators_visit(void (*visit)(struct mmb_allocator *allocator));
void mmb_allocator_slot_set(uint32_t slot,
                            struct mmb_allocator *allocator); /* NULL: gives it back */

void mmb_allocator_table_fork_lock(void);
void mmb_allocator_table_fork_unlock(void);

#endif
