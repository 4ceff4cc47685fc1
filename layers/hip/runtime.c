/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds HIP's runtime (runtime.h). Owns the table of its functions, which is written once, under
 * the library's mutex, and read ever after. */
#include "layers/hip/runtime.h"
#include <hip/hip_version.h>
#include "layers/gpu/library.h"

struct mmb_hip_runtime mmb_hip;

const char *mmb_hip_error_text(int code, char text[MMB_GPU_TEXT_BYTES])
{
    return mmb_gpu_text(text, code, mmb_hip.p_hipGetErrorName((hipError_t)code),
                        mmb_hip.p_hipGetErrorString((hipError_t)code));
}

static int count(int *out_n_devices, const char **out_what)
{
    *out_what = "hipGetDeviceCount";
    return (int)mmb_hip.p_hipGetDeviceCount(out_n_devices);
}

static const struct mmb_gpu_symbol symbols[] = {
#define SYMBOL(name) {#name, &mmb_hip.p_##name},
    MMB_HIP_FUNCTIONS(SYMBOL) SYMBOL(hipMalloc)
#undef SYMBOL
};

static struct mmb_gpu_library library = {
    .backend = "hip",
    .variable = "MMB_HIP_LIBRARY",
    .file = "libamdhip64.so." MMB_GPU_EXPANDED(HIP_VERSION_MAJOR),
    .symbols = symbols,
    .n_symbols = sizeof symbols / sizeof symbols[0],
    .count = count,
    .error_text = mmb_hip_error_text,
    .mutex = MMB_MUTEX_INIT,
};

mmbError mmb_hip_load(size_t *out_n_devices)
{
    return mmb_gpu_library_load(&library, out_n_devices);
}

/* The device through which the kernel's driver takes work for all GPUs. */
bool mmb_hip_is_seen(void)
{
    static const char *const paths[] = {"/dev/kfd", NULL};
    return mmb_gpu_library_is_seen(&library, paths);
}
