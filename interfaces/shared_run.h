/* SPDX-License-Identifier: BSD-3-Clause */
/* The operation of a cache's runner (shared.h): what it does between the two marks nobody sees
 * half. */
#ifndef MMB_INTERFACES_SHARED_RUN_H
#define MMB_INTERFACES_SHARED_RUN_H
#include "interfaces/shared.h"
#include "src/base/owned.h"

static inline void mmb_shared_run_begin(struct mmb_shared_cache *cache)
{
    __atomic_store_n(&cache->busy, 1, __ATOMIC_RELAXED);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void mmb_shared_run_end(struct mmb_shared_cache *cache)
{
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n(&cache->busy, 0, __ATOMIC_RELEASE);
}

#endif
