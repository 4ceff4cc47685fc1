/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_LAYERS_HWLOC_GPU_H
#define MMB_LAYERS_HWLOC_GPU_H
/* GPUs with memory of their own. One GPU can be seen several times: as a NUMA node, by CUDA or
 * RSMI, by the vendor's management library, by OpenCL. What has the same PCI id is one. */
#include <stddef.h>
#include <hwloc.h>
#include "src/spi/probe.h"

/* Who says something of a GPU; the first that does is believed. */
enum mmb_gpu_source {
    MMB_GPU_BY_NODE,
    MMB_GPU_BY_CUDA,
    MMB_GPU_BY_RSMI,
    MMB_GPU_BY_LEVEL_ZERO,
    MMB_GPU_BY_OPENCL,
    MMB_GPU_BY_NOBODY
};

struct mmb_hwloc_gpu {
    char pci_id[MMB_PCI_ID_BYTES]; /* empty: unknown */
    size_t total_bytes;
    size_t bandwidth_mib_s, latency_ns; /* as a NUMA node, else 0 */
    int number;                         /* as its runtime counts, -1: unknown */
    enum mmb_gpu_source total_source, number_source;
};

/* The array is the caller's, with room for all that is added. */
struct mmb_hwloc_gpus {
    struct mmb_hwloc_gpu *gpus;
    size_t n_gpus;
};

/* A NUMA node on a GPU; gives back its GPU. */
struct mmb_hwloc_gpu *mmb_hwloc_gpu_add_node(struct mmb_hwloc_gpus *gpus, hwloc_obj_t node);
/* An OS device; does nothing where it is no GPU with known memory. */
void mmb_hwloc_gpu_add_device(struct mmb_hwloc_gpus *gpus, hwloc_obj_t device);
/* Whose number it has; MMB_EXECUTION_CONTEXT_DEFAULT where no runtime that is ours numbered it. */
mmbExecutionContext mmb_hwloc_gpu_context(const struct mmb_hwloc_gpu *gpu);
/* In order of PCI id; where no runtime has numbered them, they get the numbers that are left. */
void mmb_hwloc_gpu_sort(struct mmb_hwloc_gpus *gpus);

#endif
