/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the backends of CUDA keep the contract of src/spi/backend.h. The driver is
 * the fake one, whose device memory the host cannot touch, unless MMB_CUDA_LIBRARY names another.
 */
#include "layers/cuda/cuda.h"
#include "tests/contract/device_promises.h"
#include "tests/support/fakes.h"

static const struct backend_subject subjects[] = {
    {.name = "cuda", .ops = &mmb_cuda_backend, .layer = MMB_GDRAM, .context = MMB_GPU_CUDA},
    {.name = "cuda_managed",
     .ops = &mmb_cuda_managed_backend,
     .layer = MMB_GDRAM,
     .context = MMB_GPU_CUDA},
    {.name = "cuda_host",
     .ops = &mmb_cuda_host_backend,
     .layer = MMB_DRAM,
     .context = MMB_GPU_CUDA},
    {.name = "cuda_shm", .ops = &mmb_cuda_shm_backend, .layer = MMB_DRAM, .context = MMB_GPU_CUDA},
};

DEVICE_PROMISES

/* The device's memory ends; the host's is exhausted by other means. */
static void test_cuda_exhaustion_changes_nothing(void)
{
    backend_suite_each(subjects, 1, backend_exhaustion_changes_nothing);
}

MMB_SUITE_WITH("contract/cuda", fakes_use, NULL, DEVICE_PROMISE_TESTS,
               T(test_cuda_exhaustion_changes_nothing))
