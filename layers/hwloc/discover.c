/* SPDX-License-Identifier: BSD-3-Clause */
/* The probe over hwloc. Owns the topology while it runs, and the report's array until release;
 * takes no lock.
 *
 * The topology is not kept: it is megabytes on a large machine, and what the library needs of it is
 * in the report. Distances and kinds of cores are not read at all; with caches left out as well,
 * finding memory costs no more than a plain hwloc_topology_load. */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <hwloc.h>
#include "layers/hwloc/classify.h"
#include "layers/hwloc/gpu.h"
#include "layers/hwloc/probe.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"

/* ---- loading ---- */

static mmbError check_file(const char *path)
{
    /* Not access(), which asks for the real user and not for the one who reads. */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return MMB_OK;
    }
    mmbError error = errno == EACCES                       ? MMB_PERMISSION
                     : errno == ENOENT || errno == ENOTDIR ? MMB_NOT_FOUND
                                                           : MMB_ERROR;
    return mmb_fail_errno(error, errno, "topology file \"%s\"", path);
}

/* The x86 component moves the calling thread to every processor in turn, to ask each for details
 * that say nothing of memory; on a busy machine it waits for each. The OpenCL component would load
 * every driver there is, a compiler in each, to list devices that the library asks OpenCL for
 * itself where there is a GPU. That there is no such component is fine. */
static void leave_out(hwloc_topology_t topology)
{
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
#ifdef MMB_HAVE_OPENCL
    hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "opencl");
#endif
}

/* Only what is needed, and the PCI devices that can hold memory. */
static bool configure(hwloc_topology_t topology, bool is_host_only)
{
    enum hwloc_type_filter_e devices =
        is_host_only ? HWLOC_TYPE_FILTER_KEEP_NONE : HWLOC_TYPE_FILTER_KEEP_IMPORTANT;
    unsigned long flags = 0;
#if HWLOC_API_VERSION >= 0x00020800
    flags |= HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS;
#endif
    return hwloc_topology_set_flags(topology, flags) == 0 &&
           hwloc_topology_set_cache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE) == 0 &&
           hwloc_topology_set_icache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE) == 0 &&
           hwloc_topology_set_io_types_filter(topology, devices) == 0;
}

static mmbError load_failure(const char *path, int errnum)
{
    if (errnum == ENOMEM)
        return mmb_fail_errno(MMB_OUT_OF_MEMORY, errnum, "hwloc");
    if (path)
        return mmb_fail_errno(MMB_CORRUPT, errnum, "topology file \"%s\": hwloc cannot load it",
                              path);
    return mmb_fail_errno(MMB_ERROR, errnum, "hwloc cannot read this system's topology");
}

static mmbError load(const char *path, bool is_host_only, hwloc_topology_t *out)
{
    hwloc_topology_t topology;
    mmbError error = path ? check_file(path) : MMB_OK;
    if (error != MMB_OK)
        return error;
    if (hwloc_topology_init(&topology) != 0)
        return load_failure(NULL, errno);
    leave_out(topology);
    /* set_xml first: what the file cannot be must not be blamed on the flags. */
    if ((path && hwloc_topology_set_xml(topology, path) != 0) ||
        !configure(topology, is_host_only) || hwloc_topology_load(topology) != 0) {
        error = load_failure(path, errno);
        hwloc_topology_destroy(topology);
        return error;
    }
    *out = topology;
    return MMB_OK;
}

/* ---- the report ---- */

static struct mmb_probe_domain *add(struct mmb_probe_report *report,
                                    const struct mmb_probe_domain *domain)
{
    MMB_ASSERT(report->n_domains < report->capacity);
    report->domains[report->n_domains] = *domain;
    return &report->domains[report->n_domains++];
}

/* Everything but GPUs' memory, which is counted with the devices. */
static void add_node(struct mmb_probe_report *report, struct mmb_hwloc_gpus *gpus,
                     const struct mmb_hwloc_node *node)
{
    if (node->layer == MMB_GDRAM && report->is_host_only)
        return;
    if (node->layer == MMB_GDRAM) {
        struct mmb_hwloc_gpu *gpu = mmb_hwloc_gpu_add_node(gpus, node->object);
        gpu->bandwidth_mib_s = node->bandwidth_mib_s;
        gpu->latency_ns = node->latency_ns;
        return;
    }
    const struct mmb_probe_domain domain = {
        .layer = node->layer,
        .os_index = (int)node->object->os_index,
        .total_bytes = (size_t)node->object->attr->numanode.local_memory,
        .bandwidth_mib_s = node->bandwidth_mib_s,
        .latency_ns = node->latency_ns,
    };
    add(report, &domain);
}

/* NVMe drives are candidates only: whether a file system on one is meant for this is for the user
 * to say, by naming a directory. hwloc's sizes are KiB. */
static void add_drive(struct mmb_probe_report *report, hwloc_obj_t device, int *number)
{
    const char *size = hwloc_obj_get_info_by_name(device, "Size");
    size_t n_bytes = 0;
    if (!device->name || strncmp(device->name, "nvme", 4) != 0 || !size ||
        !mmb_mul_size((size_t)strtoull(size, NULL, 10), 1024, &n_bytes) || n_bytes == 0)
        return;
    const struct mmb_probe_domain domain = {
        .layer = MMB_SSD, .os_index = (*number)++, .total_bytes = n_bytes};
    add(report, &domain);
}

static void add_devices(struct mmb_probe_report *report, struct mmb_hwloc_gpus *gpus,
                        hwloc_topology_t topology)
{
    int n_drives = 0;
    hwloc_obj_t device = NULL;
    while ((device = hwloc_get_next_osdev(topology, device)) != NULL) {
        hwloc_obj_osdev_type_t type = device->attr->osdev.type;
        if (type == HWLOC_OBJ_OSDEV_GPU || type == HWLOC_OBJ_OSDEV_COPROC)
            mmb_hwloc_gpu_add_device(gpus, device);
        else if (type == HWLOC_OBJ_OSDEV_BLOCK)
            add_drive(report, device, &n_drives);
    }
    mmb_hwloc_gpu_sort(gpus);
    for (size_t i = 0; i < gpus->n_gpus; i++) {
        const struct mmb_hwloc_gpu *gpu = &gpus->gpus[i];
        const struct mmb_probe_domain domain = {
            .layer = MMB_GDRAM,
            .os_index = gpu->number,
            .total_bytes = gpu->total_bytes,
            .bandwidth_mib_s = gpu->bandwidth_mib_s,
            .latency_ns = gpu->latency_ns,
            .numbered_by = mmb_hwloc_gpu_context(gpu),
        };
        struct mmb_probe_domain *added = add(report, &domain);
        memcpy(added->pci_id, gpu->pci_id, sizeof added->pci_id);
    }
}

static int compare_domains(const void *a, const void *b)
{
    const struct mmb_probe_domain *left = a, *right = b;
    if (left->layer != right->layer)
        return left->layer < right->layer ? -1 : 1;
    return (left->os_index > right->os_index) - (left->os_index < right->os_index);
}

/* ---- the table ---- */

static void release(struct mmb_probe_report *report)
{
    mmb_meta_free(report->domains, report->capacity * sizeof *report->domains);
}

/* Room for every node and every device, whatever they turn out to be. */
static mmbError make_report(hwloc_topology_t topology, struct mmb_probe_report *report)
{
    size_t n_nodes = (size_t)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    size_t n_devices = (size_t)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_OS_DEVICE);
    size_t n = n_nodes + n_devices;
    struct mmb_hwloc_node *nodes = mmb_meta_alloc(n * sizeof *nodes);
    struct mmb_hwloc_gpus gpus = {.gpus = mmb_meta_alloc(n * sizeof *gpus.gpus)};
    report->domains = mmb_meta_alloc(n * sizeof *report->domains);
    report->capacity = n;
    mmbError error = MMB_OK;
    if (nodes && gpus.gpus && report->domains) {
        size_t n_usable = mmb_hwloc_classify(topology, nodes);
        for (size_t i = 0; i < n_usable; i++)
            add_node(report, &gpus, &nodes[i]);
        add_devices(report, &gpus, topology);
        qsort(report->domains, report->n_domains, sizeof *report->domains, compare_domains);
    } else {
        error = mmb_fail(MMB_OUT_OF_MEMORY, "discovery: no memory for a report on %zu objects", n);
        release(report);
    }
    mmb_meta_free(gpus.gpus, n * sizeof *gpus.gpus);
    mmb_meta_free(nodes, n * sizeof *nodes);
    return error;
}

static mmbError run(const char *topology_xml, bool is_host_only, struct mmb_probe_report *out)
{
    hwloc_topology_t topology = NULL;
    mmbError error = load(topology_xml, is_host_only, &topology);
    if (error != MMB_OK)
        return error;
    /* HWLOC_THISSYSTEM may claim otherwise: a file that was named is never believed to be here. */
    struct mmb_probe_report report = {.is_this_system =
                                          !topology_xml && hwloc_topology_is_thissystem(topology),
                                      .is_host_only = is_host_only};
    error = make_report(topology, &report);
    hwloc_topology_destroy(topology);
    if (error == MMB_OK)
        *out = report;
    return error;
}

const struct mmb_probe_ops mmb_hwloc_probe = {
    .size = sizeof(struct mmb_probe_ops),
    .name = "hwloc",
    .run = run,
    .release = release,
};
