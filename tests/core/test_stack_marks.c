/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: marks belong to stacks; everything else refuses them and says why. */
#include "tests/support/control.h"
#include "tests/support/suite.h"

/* covers: mmb_stack_mark MMB_UNSUPPORTED, mmb_stack_release MMB_UNSUPPORTED, mmb_stack_reset
   MMB_UNSUPPORTED */
static void test_marks_of_other_strategies(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_SCALABLE_PAGE};
    mmbMemSpace *space = control_space(1000);
    for (size_t i = 0; i < N_ROWS(strategies); i++) {
        mmbMemInterface *interface = control_interface(space, strategies[i], MMB_BACKEND_DEFAULT);
        mmbStackMark mark = {{1, 2, 3, 4}};
        CU_ASSERT_EQUAL(mmb_stack_mark(interface, &mark), MMB_UNSUPPORTED);
        CU_ASSERT_TRUE(control_detail_has(mmb_strategy_name(strategies[i])));
        CU_ASSERT_EQUAL(mmb_stack_release(interface, mark), MMB_UNSUPPORTED);
        CU_ASSERT_EQUAL(mmb_stack_reset(interface), MMB_UNSUPPORTED);
        CU_ASSERT_EQUAL(mark.opaque[0], 1);
    }
}

/* covers: mmb_stack_mark MMB_INVALID_INTERFACE, mmb_stack_release MMB_INVALID_INTERFACE,
   mmb_stack_reset MMB_INVALID_INTERFACE */
static void test_marks_of_dead_interfaces(void)
{
    mmbMemInterface *dead =
        control_interface(control_space(1000), MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT);
    mmb_destroy_interface(dead);
    mmbMemInterface *rows[] = {NULL, dead, (mmbMemInterface *)1};
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbStackMark mark = {{0}};
        CU_ASSERT_EQUAL(mmb_stack_mark(rows[i], &mark), MMB_INVALID_INTERFACE);
        CU_ASSERT_EQUAL(mmb_stack_release(rows[i], mark), MMB_INVALID_INTERFACE);
        CU_ASSERT_EQUAL(mmb_stack_reset(rows[i]), MMB_INVALID_INTERFACE);
    }
}

static void test_marks_of_a_stack(void)
{
    mmbMemInterface *stack =
        control_interface(control_space(1000), MMB_STRATEGY_STACK, MMB_BACKEND_DEFAULT);
    mmbStackMark mark;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL(mmb_stack_mark(stack, NULL), MMB_INVALID_ARG);
    control_allocation(stack, 100);
    CU_ASSERT_EQUAL(mmb_stack_mark(stack, &mark), MMB_OK);
    control_allocation(stack, 200);
    CU_ASSERT_EQUAL(mmb_stack_release(stack, mark), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_get_stats(stack, &stats), MMB_OK);
    CU_ASSERT_TRUE(stats.live_bytes == 100 && stats.live_count == 1);
    CU_ASSERT_EQUAL(mmb_stack_reset(stack), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_get_stats(stack, &stats), MMB_OK);
    CU_ASSERT_EQUAL(stats.live_bytes, 0);
}

MMB_SUITE_WITH("core/stack_marks", control_open, control_close, T(test_marks_of_other_strategies),
               T(test_marks_of_dead_interfaces), T(test_marks_of_a_stack))
