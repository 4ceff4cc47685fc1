/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the backend of OpenACC keeps the contract of src/spi/backend.h on the device
 * that is current, which without an accelerator is the host. */
#include "layers/openacc/openacc.h"
#include "tests/contract/device_promises.h"

static const struct backend_subject subjects[] = {
    {.name = "openacc", .ops = &mmb_openacc_backend, .layer = MMB_GDRAM, .context = MMB_OPENACC},
};

DEVICE_PROMISES

MMB_SUITE("contract/openacc", DEVICE_PROMISE_TESTS)
