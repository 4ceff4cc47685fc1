/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a user-level thread that waits for a copy lets the others run. */
#include "tests/support/control.h"
#include "tests/support/copy_world.h"
#include "tests/support/fibers.h"
#include "tests/support/suite.h"

#define N_BYTES 1000u

static mmbAllocation *dst, *src;
static mmbError waited;

static void set_up(void)
{
    const mmbOptions options = {sizeof options, NULL, &fibers_model};
    CU_ASSERT_EQUAL_FATAL(mmb_init(&options), MMB_OK);
    world_open();
}

static void tear_down(void)
{
    world_close();
    control_close();
}

static void copy_and_wait(void)
{
    mmbEvent *event = NULL;
    CU_ASSERT_EQUAL(mmb_copy_async(dst, src, &event), MMB_OK);
    waited = mmb_event_wait(&event);
}

/* With the gate shut the copy cannot end; if the wait did not yield, nobody could ever open it. */
static void test_fibers_run_while_one_waits(void)
{
    dst = world_new(WORLD_LEFT, N_BYTES);
    src = world_new(WORLD_HOST, N_BYTES);
    world_fill(world_bytes(src), N_BYTES, 3);
    waited = MMB_ERROR;
    fake_device_shut_gate(&world.left);
    fibers_make(copy_and_wait);
    for (int i = 0; i < 500; i++)
        CU_ASSERT_TRUE_FATAL(fibers_run(1));
    fake_device_open_gate(&world.left, 1);
    while (fibers_run(1))
        continue;
    CU_ASSERT_EQUAL(waited, MMB_OK);
    CU_ASSERT_TRUE(world_is_filled(world_bytes(dst), N_BYTES, 3));
    fibers_free();
    world_free(dst);
    world_free(src);
}

MMB_SUITE_WITH("core/fibers", set_up, tear_down, T(test_fibers_run_while_one_waits))
