/* SPDX-License-Identifier: BSD-3-Clause */
/* GPUs of OpenCL, as discovery wants to know them (spi/probe.h). Owns nothing, takes no lock. A CPU
 * or an accelerator is no device here: its global memory is the host's, or not memory at all. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "layers/opencl/native.h"
#include "layers/opencl/opencl.h"

#define DEVICES_MAX 64u

/* The kernel's render nodes, and the control devices of drivers that have none. */
static bool is_seen(void)
{
    static const char *const paths[] = {"/dev/nvidiactl", "/dev/kfd", "/dev/dxg"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (access(paths[i], F_OK) == 0)
            return true;
    DIR *folder = opendir("/dev/dri");
    bool is_found = false;
    for (const struct dirent *entry; folder && !is_found && (entry = readdir(folder)) != NULL;)
        is_found = strncmp(entry->d_name, "renderD", 7) == 0;
    if (folder)
        closedir(folder);
    return is_found;
}

/* By their numbers: older headers lack the names. */
#define PCI_BUS_INFO_KHR ((cl_device_info)0x410f)
#define PCI_BUS_ID_NV    ((cl_device_info)0x4008)
#define PCI_SLOT_ID_NV   ((cl_device_info)0x4009)
#define PCI_DOMAIN_ID_NV ((cl_device_info)0x400a)

struct pci_address {
    cl_uint domain, bus, device, function;
};

static bool read_khr(cl_device_id device, struct pci_address *out)
{
    size_t n_bytes = 0;
    return clGetDeviceInfo(device, PCI_BUS_INFO_KHR, sizeof *out, out, &n_bytes) == CL_SUCCESS &&
           n_bytes == sizeof *out;
}

/* A slot is a device and a function. Drivers that do not tell the domain know only one. */
static bool read_nv(cl_device_id device, struct pci_address *out)
{
    cl_uint slot = 0;
    size_t n = sizeof slot;
    *out = (struct pci_address){0, 0, 0, 0};
    if (clGetDeviceInfo(device, PCI_BUS_ID_NV, n, &out->bus, NULL) != CL_SUCCESS ||
        clGetDeviceInfo(device, PCI_SLOT_ID_NV, n, &slot, NULL) != CL_SUCCESS)
        return false;
    if (clGetDeviceInfo(device, PCI_DOMAIN_ID_NV, n, &out->domain, NULL) != CL_SUCCESS)
        out->domain = 0;
    out->device = slot >> 3;
    out->function = slot & 7;
    return true;
}

static void read_pci_id(cl_device_id device, char out[MMB_PCI_ID_BYTES])
{
    struct pci_address at;
    if (read_khr(device, &at) || read_nv(device, &at))
        snprintf(out, MMB_PCI_ID_BYTES, "%04x:%02x:%02x.%01x", at.domain & 0xffffu, at.bus & 0xffu,
                 at.device & 0xffu, at.function & 0xfu);
}

/* 0: its memory is the host's. */
static size_t own_bytes(cl_device_id device)
{
    cl_bool is_unified = CL_FALSE;
    cl_ulong n_bytes = 0;
    clGetDeviceInfo(device, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof is_unified, &is_unified, NULL);
    clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof n_bytes, &n_bytes, NULL);
    return is_unified ? 0 : (size_t)n_bytes;
}

static mmbError list(struct mmb_probe_device *devices, size_t capacity, size_t *out_n_devices)
{
    cl_device_id gpus[DEVICES_MAX];
    size_t n_gpus = 0, n = 0;
    mmbError error = mmb_opencl_list_gpus(gpus, DEVICES_MAX, &n_gpus);
    if (error != MMB_OK)
        return error;
    for (size_t i = 0; i < n_gpus && n < capacity; i++) {
        struct mmb_probe_device device = {.number = (int)i, .total_bytes = own_bytes(gpus[i])};
        read_pci_id(gpus[i], device.pci_id);
        if (device.total_bytes != 0)
            devices[n++] = device;
    }
    *out_n_devices = n;
    return MMB_OK;
}

const struct mmb_device_probe_ops mmb_opencl_probe = {.size = sizeof(struct mmb_device_probe_ops),
                                                      .name = "opencl",
                                                      .context = MMB_OPENCL,
                                                      .is_seen = is_seen,
                                                      .list = list};
