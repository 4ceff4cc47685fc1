/* SPDX-License-Identifier: BSD-3-Clause */
/* The C side of test_fortran.f90: whether a struct that Fortran filled has each value in the member
 * where C looks for it, and the size that C gives it. */
#include <string.h>
#include <mmb.h>
#include "tests/bindings/fortran_layout.h"

bool layout_options(const mmbOptions *options, size_t n_bytes)
{
    return n_bytes == sizeof *options && options->size == sizeof *options &&
           strcmp(options->topology_xml, "file") == 0 && options->thread_model == NULL;
}

bool layout_interface_config(const mmbMemInterfaceConfig *config, size_t n_bytes)
{
    return n_bytes == sizeof *config && config->backend == MMB_BACKEND_ARRAY &&
           config->backend_opts.reserved[0] == 10 && config->backend_opts.reserved[7] == 17 &&
           config->strategy == MMB_STRATEGY_STACK && strcmp(config->name, "file") == 0 &&
           config->strategy_opts.chunk_bytes == 20 && config->strategy_opts.stack_bytes == 21 &&
           !config->region_provider && (uintptr_t)config->fallback == 22 &&
           config->flags == MMB_INTERFACE_FINDABLE && config->reserved[0] == 30 &&
           config->reserved[3] == 33;
}

bool layout_space_config(const mmbMemSpaceConfig *config, size_t n_bytes)
{
    return n_bytes == sizeof *config && config->size_opts.action == MMB_SIZE_SET &&
           config->size_opts.is_numa_aware && config->size_opts.mem_size == 8000 &&
           config->size_opts.numa_sizes.d_size == 8000 &&
           (uintptr_t)config->size_opts.numa_sizes.sizes == 22 &&
           config->size_opts.reserved[0] == 1 && config->size_opts.reserved[1] == 2 &&
           config->interface_opts.strategy == MMB_STRATEGY_STACK;
}

/* As MMB_..._INIT and _DEFAULT are in C; padding is not compared. */
bool layout_defaults(const mmbMemSpaceConfig *config)
{
    static const mmbMemSpaceConfig wanted = MMB_MEMSPACE_CONFIG_DEFAULT;
    const mmbMemInterfaceConfig *opts = &config->interface_opts;
    return config->size_opts.action == wanted.size_opts.action &&
           !config->size_opts.is_numa_aware && config->size_opts.mem_size == 0 &&
           !config->size_opts.numa_sizes.sizes && !config->size_opts.reserved[0] &&
           opts->backend == wanted.interface_opts.backend && !opts->name && !opts->fallback &&
           memcmp(&opts->backend_opts, &wanted.interface_opts.backend_opts,
                  sizeof opts->backend_opts) == 0 &&
           !opts->flags &&
           memcmp(opts->reserved, wanted.interface_opts.reserved, sizeof opts->reserved) == 0;
}

bool layout_layer_info(mmbLayerInfo *info, size_t n_bytes)
{
    bool is_right = n_bytes == sizeof *info && info->size == sizeof *info && !info->name &&
                    info->total_bytes == 1 && info->domains == 2 && info->bandwidth_mib_s == 3 &&
                    info->latency_ns == 4 && info->discovered;
    *info = (mmbLayerInfo){sizeof *info, NULL, 11, 12, 13, 14, false};
    return is_right;
}

bool layout_space_info(const mmbSpaceInfo *info, size_t n_bytes)
{
    return n_bytes == sizeof *info && info->size == sizeof *info && info->layer == MMB_CXL &&
           info->context == MMB_OPENCL && info->limit == MMB_NO_LIMIT && info->used == 2 &&
           info->peak == 3 && info->reserved == 4 && info->allocations == 5 && info->domains == 6;
}

bool layout_stats(const mmbMemInterfaceStats *stats, size_t n_bytes)
{
    return n_bytes == sizeof *stats && stats->size == sizeof *stats && stats->live_bytes == 1 &&
           stats->live_count == 2 && stats->peak_bytes == 3 && stats->total_allocations == 4 &&
           stats->total_frees == 5 && stats->refused == 6 && stats->chunks == 7 &&
           stats->reserved_bytes == 8;
}

bool layout_allocation_info(const mmbAllocationInfo *info, size_t n_bytes)
{
    return n_bytes == sizeof *info && info->size == sizeof *info && (uintptr_t)info->ptr == 22 &&
           !info->native && info->native_offset == 1 && info->n_bytes == 2 &&
           info->usable_bytes == 3 && info->alignment == 4 && (uintptr_t)info->interface == 22 &&
           !info->space && info->layer == MMB_HBM && info->context == MMB_GPU_HIP &&
           info->domain == 5 && info->owned && (uintptr_t)info->parent == 22 &&
           info->parent_offset == 6;
}
