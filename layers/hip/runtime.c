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

bool mmb_hip_has_no_error(void)
{
    return mmb_hip.p_hipPeekAtLastError() == hipSuccess;
}

void mmb_hip_drop_error(bool had_no_error)
{
    if (had_no_error && !mmb_hip_has_no_error())
        (void)mmb_hip.p_hipGetLastError();
}

static int count(int *out_n_devices, const char **out_what)
{
    bool had_no_error = mmb_hip_has_no_error();
    *out_what = "hipGetDeviceCount";
    hipError_t code = mmb_hip.p_hipGetDeviceCount(out_n_devices);
    mmb_hip_drop_error(had_no_error);
    return (int)code;
}

static const struct mmb_gpu_symbol symbols[] = {
#define SYMBOL(name) {#name, &mmb_hip.p_##name, false},
    MMB_HIP_FUNCTIONS(SYMBOL)
        SYMBOL(hipMalloc){"hipStreamGetDevice", &mmb_hip.p_hipStreamGetDevice, true},
#undef SYMBOL
};

/* What is used of the runtime is the same in all of them (runtime.h). */
static const char *const others[] = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5",
                                     "libamdhip64.so.4", NULL};

static struct mmb_gpu_library library = {
    .backend = "hip",
    .variable = "MMB_HIP_LIBRARY",
    .file = "libamdhip64.so." MMB_GPU_EXPANDED(HIP_VERSION_MAJOR),
    .others = others,
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
