/* SPDX-License-Identifier: BSD-3-Clause */
/* GPUs out of the NUMA nodes and OS devices that show them (gpu.h). Owns nothing, takes no lock.
 *
 * The GPU's number is the one a backend opens it by, so it comes from the runtime's own device
 * names (cuda0, rsmi0); only where none is known, as on a login node's view of NUMA nodes, the
 * order on the PCI bus stands in. */
#include "layers/hwloc/gpu.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "src/base/checked.h"

/* An info of a device in KiB, in bytes; 0 where there is none. */
static size_t info_kib(hwloc_obj_t device, const char *name)
{
    const char *text = hwloc_obj_get_info_by_name(device, name);
    size_t n_bytes = 0;
    if (text && !mmb_mul_size((size_t)strtoull(text, NULL, 10), 1024, &n_bytes))
        return SIZE_MAX;
    return n_bytes;
}

static size_t add_saturated(size_t a, size_t b)
{
    size_t sum;
    return mmb_add_size(a, b, &sum) ? sum : SIZE_MAX;
}

static size_t level_zero_bytes(hwloc_obj_t device)
{
    size_t n_bytes = info_kib(device, "LevelZeroMemorySize");
    if (n_bytes != 0)
        return n_bytes;
    return add_saturated(info_kib(device, "LevelZeroHBMSize"),
                         info_kib(device, "LevelZeroDDRSize"));
}

/* OpenCL also has CPUs and accelerators, whose global memory is the host's or not memory at all. */
static size_t opencl_bytes(hwloc_obj_t device)
{
    const char *type = hwloc_obj_get_info_by_name(device, "OpenCLDeviceType");
    return type && strcmp(type, "GPU") == 0 ? info_kib(device, "OpenCLGlobalMemorySize") : 0;
}

/* The device's memory, who says so, and the number in its name. 0: it has none that is known. */
static size_t device_bytes(hwloc_obj_t device, enum mmb_gpu_source *out_source, int *out_number)
{
    const char *name = device->name ? device->name : "";
    int platform;
    size_t n_bytes;
    *out_number = -1;
    if ((n_bytes = info_kib(device, "CUDAGlobalMemorySize")) != 0) {
        *out_source = MMB_GPU_BY_CUDA;
        sscanf(name, "cuda%d", out_number);
    } else if ((n_bytes = info_kib(device, "RSMIVRAMSize")) != 0) {
        *out_source = MMB_GPU_BY_RSMI;
        sscanf(name, "rsmi%d", out_number);
    } else if ((n_bytes = level_zero_bytes(device)) != 0) {
        *out_source = MMB_GPU_BY_LEVEL_ZERO;
        sscanf(name, "ze%d", out_number);
    } else if ((n_bytes = opencl_bytes(device)) != 0) {
        *out_source = MMB_GPU_BY_OPENCL;
        sscanf(name, "opencl%dd%d", &platform, out_number);
    }
    return n_bytes;
}

static void read_pci_id(hwloc_obj_t device, char out[MMB_PCI_ID_BYTES])
{
    hwloc_obj_t pci = device->parent;
    while (pci && pci->type != HWLOC_OBJ_PCI_DEVICE)
        pci = pci->parent;
    out[0] = '\0';
    if (pci)
        snprintf(out, MMB_PCI_ID_BYTES, "%04x:%02x:%02x.%01x", pci->attr->pcidev.domain,
                 pci->attr->pcidev.bus, pci->attr->pcidev.dev, pci->attr->pcidev.func);
}

/* The GPU of that PCI id, a new one where there is none or the id is unknown. */
static struct mmb_hwloc_gpu *find_or_add(struct mmb_hwloc_gpus *gpus, const char *pci_id)
{
    for (size_t i = 0; i < gpus->n_gpus; i++)
        if (pci_id[0] && strcasecmp(gpus->gpus[i].pci_id, pci_id) == 0)
            return &gpus->gpus[i];
    struct mmb_hwloc_gpu *gpu = &gpus->gpus[gpus->n_gpus++];
    *gpu = (struct mmb_hwloc_gpu){
        .number = -1, .total_source = MMB_GPU_BY_NOBODY, .number_source = MMB_GPU_BY_NOBODY};
    snprintf(gpu->pci_id, sizeof gpu->pci_id, "%s", pci_id);
    return gpu;
}

/* Parts of one device (two stacks of a Level Zero GPU) appear beside the whole: the largest counts.
 */
static void set_total(struct mmb_hwloc_gpu *gpu, enum mmb_gpu_source source, size_t n_bytes)
{
    if (source > gpu->total_source || (source == gpu->total_source && n_bytes <= gpu->total_bytes))
        return;
    gpu->total_source = source;
    gpu->total_bytes = n_bytes;
}

struct mmb_hwloc_gpu *mmb_hwloc_gpu_add_node(struct mmb_hwloc_gpus *gpus, hwloc_obj_t node)
{
    const char *pci_id = hwloc_obj_get_info_by_name(node, "PCIBusID");
    struct mmb_hwloc_gpu *gpu = find_or_add(gpus, pci_id ? pci_id : "");
    set_total(gpu, MMB_GPU_BY_NODE, (size_t)node->attr->numanode.local_memory);
    return gpu;
}

void mmb_hwloc_gpu_add_device(struct mmb_hwloc_gpus *gpus, hwloc_obj_t device)
{
    enum mmb_gpu_source source = MMB_GPU_BY_NOBODY;
    char pci_id[MMB_PCI_ID_BYTES];
    int number;
    size_t n_bytes = device_bytes(device, &source, &number);
    if (n_bytes == 0)
        return;
    read_pci_id(device, pci_id);
    struct mmb_hwloc_gpu *gpu = find_or_add(gpus, pci_id);
    set_total(gpu, source, n_bytes);
    if (number >= 0 && source < gpu->number_source) {
        gpu->number_source = source;
        gpu->number = number;
    }
}

mmbExecutionContext mmb_hwloc_gpu_context(const struct mmb_hwloc_gpu *gpu)
{
    switch (gpu->number_source) {
    case MMB_GPU_BY_CUDA:
        return MMB_GPU_CUDA;
    case MMB_GPU_BY_RSMI:
        return MMB_GPU_HIP;
    default:
        return MMB_EXECUTION_CONTEXT_DEFAULT;
    }
}

static int compare_pci_ids(const void *a, const void *b)
{
    return strcasecmp(((const struct mmb_hwloc_gpu *)a)->pci_id,
                      ((const struct mmb_hwloc_gpu *)b)->pci_id);
}

static bool is_taken(const struct mmb_hwloc_gpus *gpus, int number)
{
    for (size_t i = 0; i < gpus->n_gpus; i++)
        if (gpus->gpus[i].number == number)
            return true;
    return false;
}

void mmb_hwloc_gpu_sort(struct mmb_hwloc_gpus *gpus)
{
    if (gpus->n_gpus == 0)
        return;
    qsort(gpus->gpus, gpus->n_gpus, sizeof *gpus->gpus, compare_pci_ids);
    int next = 0;
    for (size_t i = 0; i < gpus->n_gpus; i++) {
        if (gpus->gpus[i].number >= 0)
            continue;
        while (is_taken(gpus, next))
            next++;
        gpus->gpus[i].number = next;
    }
}
