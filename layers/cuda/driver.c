/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the CUDA driver (driver.h). Owns the table of its functions, which is written once, under
 * the library's mutex, and read ever after. */
#include "layers/cuda/driver.h"
#include "layers/gpu/library.h"

struct mmb_cuda_driver mmb_cuda;

const char *mmb_cuda_error_text(int code, char text[MMB_GPU_TEXT_BYTES])
{
    const char *name = NULL, *words = NULL;
    mmb_cuda.p_cuGetErrorName((CUresult)code, &name);
    mmb_cuda.p_cuGetErrorString((CUresult)code, &words);
    return mmb_gpu_text(text, code, name, words);
}

static int count(int *out_n_devices, const char **out_what)
{
    *out_what = "cuInit";
    CUresult code = mmb_cuda.p_cuInit(0);
    if (code != CUDA_SUCCESS)
        return (int)code;
    *out_what = "cuDeviceGetCount";
    return (int)mmb_cuda.p_cuDeviceGetCount(out_n_devices);
}

static const struct mmb_gpu_symbol symbols[] = {
#define SYMBOL(name) {MMB_GPU_EXPANDED(name), &mmb_cuda.p_##name, false},
    MMB_CUDA_FUNCTIONS(SYMBOL)
#undef SYMBOL
};

static struct mmb_gpu_library library = {
    .backend = "cuda",
    .variable = "MMB_CUDA_LIBRARY",
    .file = "libcuda.so.1",
    .symbols = symbols,
    .n_symbols = sizeof symbols / sizeof symbols[0],
    .count = count,
    .error_text = mmb_cuda_error_text,
    .mutex = MMB_MUTEX_INIT,
};

mmbError mmb_cuda_load(size_t *out_n_devices)
{
    return mmb_gpu_library_load(&library, out_n_devices);
}

/* The driver's control device; on Windows' kernel the one through which its driver is reached. */
bool mmb_cuda_is_seen(void)
{
    static const char *const paths[] = {"/dev/nvidiactl", "/dev/dxg", NULL};
    return mmb_gpu_library_is_seen(&library, paths);
}
