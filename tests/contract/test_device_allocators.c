/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: every strategy keeps the contract of src/spi/allocator.h over the memory of
 * every device runtime that is here, which may be a fake: the very suite that it passes over host
 * memory. Bytes that the host cannot touch are reached by copies. */
#include <stdlib.h>
#include "tests/contract/allocator_promises.h"

ALLOCATOR_PROMISES(allocator_suite_each_place)

/* The fake device has room for the largest blocks of a promise and what is cached beside them. */
static void set_up(void)
{
    setenv("MMB_FAKE_CUDA_BYTES", "268435456", 0);
    places_open();
    lab_open();
}

static void tear_down(void)
{
    lab_close();
    places_close();
}

MMB_SUITE_WITH("contract/device_allocators", set_up, tear_down, ALLOCATOR_PROMISE_TESTS)
