/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds OpenACC's runtime (runtime.h). Owns the table of its functions, which is written once,
 * under the library's mutex, and read ever after. */
#include "layers/openacc/runtime.h"
#include "layers/gpu/library.h"

struct mmb_openacc_runtime mmb_openacc;

/* Its calls give no codes: what fails, fails without a word. */
static const char *error_text(int code, char text[MMB_GPU_TEXT_BYTES])
{
    return mmb_gpu_text(text, code, NULL, NULL);
}

static int count(int *out_n_devices, const char **out_what)
{
    *out_what = "acc_get_num_devices";
    *out_n_devices = mmb_openacc.get_num_devices(mmb_openacc.get_device_type());
    return 0;
}

static const struct mmb_gpu_symbol symbols[] = {
    {"acc_get_device_type", &mmb_openacc.get_device_type, false},
    {"acc_get_num_devices", &mmb_openacc.get_num_devices, false},
    {"acc_get_device_num", &mmb_openacc.get_device_num, false},
    {"acc_set_device_num", &mmb_openacc.set_device_num, false},
    {"acc_malloc", &mmb_openacc.allocate, false},
    {"acc_free", &mmb_openacc.free, false},
    {"acc_memcpy_to_device", &mmb_openacc.copy_in, false},
    {"acc_memcpy_from_device", &mmb_openacc.copy_out, false},
    {"acc_memcpy_to_device_async", &mmb_openacc.copy_in_async, true},
    {"acc_memcpy_from_device_async", &mmb_openacc.copy_out_async, true},
    {"acc_memcpy_device_async", &mmb_openacc.copy_inside_async, true},
    {"acc_async_test", &mmb_openacc.test, true},
    {"acc_wait", &mmb_openacc.wait, true},
    {"acc_wait_async", &mmb_openacc.order, true},
};

static struct mmb_gpu_library library = {
    .backend = "openacc",
    .variable = "MMB_OPENACC_LIBRARY",
    .file = "libgomp.so.1",
    .symbols = symbols,
    .n_symbols = sizeof symbols / sizeof symbols[0],
    .count = count,
    .error_text = error_text,
    .mutex = MMB_MUTEX_INIT,
};

mmbError mmb_openacc_load(size_t *out_n_devices)
{
    return mmb_gpu_library_load(&library, out_n_devices);
}

bool mmb_openacc_has_queues(void)
{
    return mmb_openacc.copy_in_async && mmb_openacc.copy_out_async && mmb_openacc.test &&
           mmb_openacc.wait && mmb_openacc.order;
}
