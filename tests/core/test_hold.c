/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what is held can be neither freed, reallocated nor migrated until the last
 * hold is gone. */
#include <stdint.h>
#include "tests/support/control.h"
#include "tests/support/suite.h"

static mmbMemInterface *interface;
static mmbAllocation *allocation;

static void set_up(void)
{
    control_open();
    interface =
        control_interface(control_space(1 << 20), MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    allocation = control_allocation(interface, 100);
}

static void test_hold_counts(void)
{
    CU_ASSERT_EQUAL(mmb_region_hold(allocation), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_hold(allocation), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_unhold(allocation), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_reallocate(allocation, 200), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_migrate(allocation, interface), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_unhold(allocation), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_size(allocation), 100);
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_OK);
}

/* The parent of a held slice is as busy as the slice. */
static void test_hold_on_a_slice(void)
{
    mmbAllocation *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(allocation, 10, 20, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_hold(slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_unhold(slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_OK);
}

/* covers: mmb_region_hold MMB_INVALID_ALLOCATION, mmb_region_unhold MMB_INVALID_ALLOCATION
   MMB_INVALID_ARG */
static void test_hold_refuses(void)
{
    CU_ASSERT_EQUAL(mmb_region_unhold(allocation), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_hold(NULL), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_region_unhold(NULL), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free(allocation), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_hold(allocation), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_region_unhold(allocation), MMB_INVALID_ALLOCATION);
}

MMB_SUITE_WITH("core/hold", set_up, control_close, T(test_hold_counts), T(test_hold_on_a_slice),
               T(test_hold_refuses))
