/* SPDX-License-Identifier: BSD-3-Clause */
/* Around fork every lock of the library is taken, in the order in which it is taken elsewhere, and
 * every thread cache is stopped, so that the child, in which only the forking thread exists, finds
 * nothing half done. It then takes what the caches of the other threads held.
 *
 * Order: registry mutex -> thread caches -> all quotas (stopped) -> allocators -> backends ->
 * region providers' counts -> allocator table -> record pool, slabs, extensions -> address maps ->
 * metadata. The worker's own handler was installed later and so runs before. The log's comes last:
 * with debug messages on, what runs above may still log. */
#include "src/core/fork.h"
#include <pthread.h>
#include "interfaces/thread_cache.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/core/interface.h"
#include "src/core/region.h"
#include "src/core/registry.h"

static bool installed;

static void stop_quota(struct mmb_allocator *allocator)
{
    if (allocator->quota->is_stopped)
        return;
    mmb_quota_stop(allocator->quota);
    allocator->quota->is_stopped = true;
}

static void start_quota(struct mmb_allocator *allocator)
{
    if (!allocator->quota->is_stopped)
        return;
    allocator->quota->is_stopped = false;
    mmb_quota_go(allocator->quota);
}

static void lock_allocator(struct mmb_allocator *allocator)
{
    if (allocator->ops->fork_lock)
        allocator->ops->fork_lock(allocator);
}

static void unlock_allocator(struct mmb_allocator *allocator)
{
    if (allocator->ops->fork_unlock)
        allocator->ops->fork_unlock(allocator);
}

static void lock_backend(struct mmb_allocator *allocator)
{
    struct mmb_backend *backend = mmb_source_backend(allocator->source);
    if (backend->ops->fork_lock)
        backend->ops->fork_lock(backend);
}

static void unlock_backend(struct mmb_allocator *allocator)
{
    struct mmb_backend *backend = mmb_source_backend(allocator->source);
    if (backend->ops->fork_unlock)
        backend->ops->fork_unlock(backend);
}

static void prepare(void)
{
    mmb_registry_lock();
    mmb_caches_lock();
    mmb_allocators_visit(stop_quota);
    mmb_allocators_visit(lock_allocator);
    mmb_allocators_visit(lock_backend);
    mmb_region_providers_fork_lock();
    mmb_allocator_table_fork_lock();
    mmb_record_pool_lock();
    mmb_record_slabs_lock();
    mmb_extensions_lock();
    mmb_address_map_fork_prepare(&mmb_chunk_map);
    mmb_address_map_fork_prepare(&mmb_wrapped_map);
    mmb_log_fork_prepare();
    mmb_meta_fork_prepare();
}

/* Everything up to the thread caches. */
static void release(void)
{
    mmb_extensions_unlock();
    mmb_record_slabs_unlock();
    mmb_record_pool_unlock();
    mmb_allocator_table_fork_unlock();
    mmb_region_providers_fork_unlock();
    mmb_allocators_visit(unlock_backend);
    mmb_allocators_visit(unlock_allocator);
    mmb_allocators_visit(start_quota);
}

static void parent(void)
{
    mmb_meta_fork_parent();
    mmb_log_fork_parent();
    mmb_address_map_fork_parent(&mmb_wrapped_map);
    mmb_address_map_fork_parent(&mmb_chunk_map);
    release();
    mmb_caches_unlock();
    mmb_registry_unlock();
}

static void child(void)
{
    mmb_meta_fork_child();
    mmb_log_fork_child();
    mmb_address_map_fork_child(&mmb_wrapped_map);
    mmb_address_map_fork_child(&mmb_chunk_map);
    release();
    mmb_region_providers_fork_child();
    mmb_caches_fork_child();
    mmb_registry_unlock();
}

mmbError mmb_fork_open(void)
{
    if (installed)
        return MMB_OK;
    if (pthread_atfork(prepare, parent, child))
        return mmb_fail(MMB_OUT_OF_MEMORY, "init: no room for the fork handlers");
    installed = true;
    return MMB_OK;
}
