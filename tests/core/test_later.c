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

/* covers: mmb_interface_from_id MMB_UNSUPPORTED, mmb_shm_created MMB_UNSUPPORTED,
   mmb_interface_get_header MMB_UNSUPPORTED, mmb_allocation_get_shared MMB_UNSUPPORTED,
   mmb_shared_offset MMB_UNSUPPORTED, mmb_shm_adopt MMB_UNSUPPORTED, mmb_shm_reclaim MMB_UNSUPPORTED
 */
static void test_later_shared_heaps(void)
{
    mmbMemInterface *found = NULL;
    mmbAllocation *imported = NULL;
    mmbSharedPtr pointer = MMB_SHARED_PTR_NULL;
    mmbOffset offset = MMB_OFFSET_NULL;
    bool created = true;
    void *header = &created;
    size_t n_bytes = 77;
    mmbShmInfo info = MMB_SHM_INFO_INIT;
    const mmbError errors[] = {
        mmb_interface_from_id(1, &found),
        mmb_shm_created(interface, &created),
        mmb_interface_get_header(interface, &header, &n_bytes),
        mmb_allocation_get_shared(allocation, &pointer),
        mmb_allocation_from_shared(pointer, &imported),
        mmb_shared_offset(interface, mmb_allocation_ptr(allocation), &offset),
        mmb_shm_adopt(interface, pointer),
        mmb_shm_reclaim(interface, NULL, NULL, &n_bytes),
        mmb_shm_check("/mmb-test", &info),
        mmb_shm_unlink("/mmb-test"),
    };
    expect(errors, N_ROWS(errors), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("shm_unlink") && control_detail_has("shared heaps"));
    CU_ASSERT_PTR_NULL(mmb_shared_ptr(interface, offset));
    CU_ASSERT_TRUE(control_detail_has("shared_ptr"));
    CU_ASSERT_PTR_NULL(mmb_shared_range(interface, offset, 1));
    CU_ASSERT_TRUE(!found && !imported && created && header == &created && n_bytes == 77);
}

/* covers: mmb_shm_created MMB_INVALID_INTERFACE, mmb_interface_get_header MMB_INVALID_INTERFACE,
   mmb_shared_offset MMB_INVALID_INTERFACE, mmb_shm_adopt MMB_INVALID_INTERFACE, mmb_shm_reclaim
   MMB_INVALID_INTERFACE, mmb_ipc_import MMB_INVALID_INTERFACE */
static void test_later_dead_interfaces(void)
{
    mmbAllocation *imported = NULL;
    mmbOffset offset = MMB_OFFSET_NULL;
    bool created = true;
    void *header = NULL;
    size_t n_bytes = 0;
    const mmbError errors[] = {
        mmb_shm_created(NULL, &created),
        mmb_interface_get_header(NULL, &header, &n_bytes),
        mmb_shared_offset(NULL, &offset, &offset),
        mmb_shm_adopt(NULL, MMB_SHARED_PTR_NULL),
        mmb_shm_reclaim(NULL, NULL, NULL, NULL),
        mmb_ipc_import("", 1, NULL, &imported),
    };
    expect(errors, N_ROWS(errors), MMB_INVALID_INTERFACE);
    CU_ASSERT_PTR_NULL(mmb_shared_ptr(NULL, offset));
    CU_ASSERT_PTR_NULL(mmb_shared_range(NULL, offset, 1));
}

/* covers: mmb_allocation_get_shared MMB_INVALID_ALLOCATION, mmb_ipc_export MMB_INVALID_ALLOCATION
 */
static void test_later_dead_allocations(void)
{
    mmbSharedPtr pointer = MMB_SHARED_PTR_NULL;
    size_t n_bytes = 0;
    const mmbError errors[] = {
        mmb_allocation_get_shared(NULL, &pointer),
        mmb_ipc_export(NULL, NULL, &n_bytes),
    };
    expect(errors, N_ROWS(errors), MMB_INVALID_ALLOCATION);
}

/* covers: mmb_ipc_export MMB_INVALID_ARG, mmb_ipc_import MMB_INVALID_ARG,
   mmb_shm_check MMB_INVALID_ARG, mmb_shm_unlink MMB_INVALID_ARG,
   mmb_allocation_from_shared MMB_INVALID_ARG */
static void test_later_null(void)
{
    const mmbError errors[] = {
        mmb_interface_from_id(1, NULL),
        mmb_shm_created(interface, NULL),
        mmb_allocation_get_shared(allocation, NULL),
        mmb_allocation_from_shared(MMB_SHARED_PTR_NULL, NULL),
        mmb_shm_check(NULL, NULL),
        mmb_shm_unlink(NULL),
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

MMB_SUITE_WITH("core/later", set_up, tear_down, T(test_later_shared_heaps),
               T(test_later_dead_interfaces), T(test_later_dead_allocations), T(test_later_null),
               T(test_later_ipc))
