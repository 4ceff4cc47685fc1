/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the functions of parts that this version lacks link, check their handles,
 * write nothing, and name the part. */
#include <stdint.h>
#include <string.h>
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

static void tear_down(void)
{
    mmb_free(allocation);
    control_close();
}

static void expect(const mmbError *errors, size_t n_errors, mmbError expected)
{
    for (size_t i = 0; i < n_errors; i++)
        SUITE_CHECK(errors[i] == expected, "row %zu: %s", i, mmb_error_name(errors[i]));
}

/* covers: mmb_ipc_export MMB_INVALID_ALLOCATION, mmb_ipc_import MMB_INVALID_INTERFACE */
static void test_later_dead(void)
{
    mmbAllocation *imported = NULL;
    size_t n_bytes = 0;
    CU_ASSERT_EQUAL(mmb_ipc_export(NULL, NULL, &n_bytes), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_ipc_import("", 1, NULL, &imported), MMB_INVALID_INTERFACE);
}

/* covers: mmb_ipc_export MMB_INVALID_ARG, mmb_ipc_import MMB_INVALID_ARG */
static void test_later_null(void)
{
    const mmbError errors[] = {
        mmb_ipc_export(allocation, NULL, NULL),
        mmb_ipc_import(NULL, 1, interface, &allocation),
        mmb_ipc_import("", 1, interface, NULL),
    };
    expect(errors, N_ROWS(errors), MMB_INVALID_ARG);
}

/* covers: mmb_ipc_export MMB_UNSUPPORTED, mmb_ipc_import MMB_UNSUPPORTED */
static void test_later_ipc(void)
{
    mmbAllocation *imported = NULL;
    size_t n_bytes = 77;
    const mmbError errors[] = {
        mmb_ipc_export(allocation, NULL, &n_bytes),
        mmb_ipc_import("", 1, interface, &imported),
    };
    expect(errors, N_ROWS(errors), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("export to other processes"));
    CU_ASSERT_TRUE(!imported && n_bytes == 77);
}

MMB_SUITE_WITH("core/later", set_up, tear_down, T(test_later_dead), T(test_later_null),
               T(test_later_ipc))
