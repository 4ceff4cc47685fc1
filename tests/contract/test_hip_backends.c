/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the backends of HIP keep the contract of src/spi/backend.h. The runtime is
 * one over the fake CUDA driver, unless MMB_HIP_LIBRARY names another. */
#include "layers/hip/hip.h"
#include "tests/contract/device_promises.h"
#include "tests/support/fakes.h"

static const struct backend_subject subjects[] = {
    {.name = "hip", .ops = &mmb_hip_backend, .layer = MMB_GDRAM, .context = MMB_GPU_HIP},
    {.name = "hip_managed",
     .ops = &mmb_hip_managed_backend,
     .layer = MMB_GDRAM,
     .context = MMB_GPU_HIP},
    {.name = "hip_host", .ops = &mmb_hip_host_backend, .layer = MMB_DRAM, .context = MMB_GPU_HIP},
    {.name = "hip_shm", .ops = &mmb_hip_shm_backend, .layer = MMB_DRAM, .context = MMB_GPU_HIP},
};

DEVICE_PROMISES

/* The device's memory ends; the host's is exhausted by other means. */
static void test_hip_exhaustion_changes_nothing(void)
{
    backend_suite_each(subjects, 1, backend_exhaustion_changes_nothing);
}

MMB_SUITE_WITH("contract/hip", fakes_use, NULL, DEVICE_PROMISE_TESTS,
               T(test_hip_exhaustion_changes_nothing))
