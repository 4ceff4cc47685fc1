/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: both OpenCL backends keep the contract of src/spi/backend.h on whatever
 * device is here, which on a machine without a GPU is PoCL's. */
#include "layers/opencl/opencl.h"
#include "tests/contract/device_promises.h"

static const struct backend_subject subjects[] = {
    {.name = "opencl", .ops = &mmb_opencl_backend, .layer = MMB_GDRAM, .context = MMB_OPENCL},
    {.name = "opencl_svm",
     .ops = &mmb_opencl_svm_backend,
     .layer = MMB_GDRAM,
     .context = MMB_OPENCL},
};

DEVICE_PROMISES

MMB_SUITE("contract/opencl", DEVICE_PROMISE_TESTS)
