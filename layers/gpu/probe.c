/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a GPU's runtime, as discovery wants to know them (spi/probe.h). Owns nothing,
 * takes no lock but the runtime's library's. */
#include "layers/gpu/runtime.h"
#include "src/base/log.h"

mmbError mmb_gpu_list(const struct mmb_gpu_runtime *runtime, struct mmb_probe_device *devices,
                      size_t capacity, size_t *out_n_devices)
{
    size_t n_devices, n = 0;
    mmbError error = runtime->load(&n_devices);
    if (error != MMB_OK)
        return error;
    for (size_t i = 0; i < n_devices && n < capacity; i++) {
        struct mmb_probe_device device = {.number = (int)i};
        int code = runtime->describe(device.number, device.pci_id, &device.total_bytes);
        if (code != 0)
            mmb_log(MMB_LOG_WARNING, "init: %s device %zu is left out: %s", runtime->name, i,
                    runtime->error_text(code, (char[MMB_GPU_TEXT_BYTES]){0}));
        else if (device.total_bytes != 0)
            devices[n++] = device;
    }
    *out_n_devices = n;
    return MMB_OK;
}
