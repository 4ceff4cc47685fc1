/* SPDX-License-Identifier: BSD-3-Clause */
/* Type-stable memory for handles: slots of one size in one reserved range. A slot is only ever
 * reused for the same type and the range is kept for the life of the process, so that any pointer
 * can be told from a handle without being followed, and a stale handle can be followed to its
 * magic. */
#ifndef MMB_CORE_HANDLES_H
#define MMB_CORE_HANDLES_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mmb/error.h>

/* Slots lie at base, base + slot_bytes, ...; those below n_bytes are readable and writable. */
struct mmb_handles {
    uintptr_t base;
    size_t n_slots; /* n_bytes / slot_bytes */
    _Atomic size_t n_bytes;
    size_t slot_bytes; /* a power of two */
    size_t n_reserved;
    void *free; /* given back before; linked through their last words */
    size_t n_used_bytes;
};

#define MMB_HANDLES_INIT(bytes)                                                                    \
    {                                                                                              \
        .slot_bytes = (bytes)                                                                      \
    }

/* Reserves the range at the first call. The caller orders this and the two below. */
mmbError mmb_handles_open(struct mmb_handles *handles, const char *what);
/* A zeroed slot, or NULL: no memory, or all slots are in use. */
void *mmb_handles_take(struct mmb_handles *handles);
void mmb_handles_give(struct mmb_handles *handles, void *slot);

/* Is this the address of a slot that was handed out before? Lock-free. */
static inline bool mmb_handles_own(const struct mmb_handles *handles, const void *pointer)
{
    uintptr_t distance = (uintptr_t)pointer - handles->base;
    return distance < atomic_load_explicit(&handles->n_bytes, memory_order_relaxed) &&
           (distance & (handles->slot_bytes - 1)) == 0;
}

#endif
