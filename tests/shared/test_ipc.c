/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: an export names a block in every process that has its heap, and nothing else
 * is taken for one. */
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

static mmbMemSpace *space;
static mmbMemInterface *heap, *plain;
static unsigned char buffer[256];
static size_t n_bytes;

static void set_up(void)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
    heap = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, MIB);
    plain = control_interface(space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    n_bytes = sizeof buffer;
}

static int import_and_free(void *unused)
{
    (void)unused;
    mmbMemInterface *mine = segment_attach_anew();
    mmbAllocation *block = NULL;
    if (!mine || mmb_ipc_import(buffer, n_bytes, mine, &block) != MMB_OK)
        return 1;
    if (strcmp(mmb_allocation_ptr(block), "exported") != 0)
        return 2;
    return mmb_free(block) == MMB_OK ? 0 : 3;
}

static void test_ipc_a_block_reaches_another_process(void)
{
    mmbAllocation *block = control_allocation(heap, 100), *same = NULL;
    size_t wanted = 0;
    strcpy(mmb_allocation_ptr(block), "exported");
    CU_ASSERT_EQUAL(mmb_ipc_export(block, NULL, &wanted), MMB_OK);
    CU_ASSERT_EQUAL(mmb_ipc_export(block, buffer, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(n_bytes, wanted);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, heap, &same), MMB_OK);
    CU_ASSERT_PTR_EQUAL(same, block);
    struct suite_child child = suite_run_child(import_and_free, NULL, 30);
    CU_ASSERT_TRUE(child.exited && child.code == 0);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, heap, &same), MMB_NOT_FOUND);
}

/* covers: mmb_ipc_export MMB_INVALID_ALLOCATION MMB_INVALID_ARG MMB_INVALID_SIZE MMB_UNSUPPORTED */
static void test_ipc_export_refuses(void)
{
    mmbAllocation *block = control_allocation(heap, 100), *slice = NULL;
    mmbAllocation *other = control_allocation(plain, 100);
    size_t few = 3;
    CU_ASSERT_EQUAL(mmb_ipc_export(NULL, buffer, &n_bytes), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_ipc_export(block, buffer, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_ipc_export(block, buffer, &few), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(few, 3);
    CU_ASSERT_EQUAL(mmb_ipc_export(other, buffer, &n_bytes), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_allocation_slice(block, 0, 10, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_ipc_export(slice, buffer, &n_bytes), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(other), MMB_OK);
}

/* covers: mmb_ipc_import MMB_INVALID_INTERFACE MMB_INVALID_ARG MMB_CORRUPT MMB_NOT_FOUND
   MMB_UNSUPPORTED */
static void test_ipc_import_refuses(void)
{
    mmbAllocation *block = control_allocation(heap, 100), *found = NULL;
    CU_ASSERT_EQUAL(mmb_ipc_export(block, buffer, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, NULL, &found), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_ipc_import(NULL, n_bytes, heap, &found), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, heap, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, plain, &found), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes - 1, heap, &found), MMB_CORRUPT);
    buffer[0] ^= 1;
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, heap, &found), MMB_CORRUPT);
    buffer[0] ^= 1;
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, heap, &found), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    heap = segment_interface(space, MMB_STRATEGY_DEFAULT, MIB);
    CU_ASSERT_EQUAL(mmb_ipc_import(buffer, n_bytes, heap, &found), MMB_NOT_FOUND);
}

MMB_SUITE_WITH("shared/ipc", set_up, segment_tear_down, T(test_ipc_a_block_reaches_another_process),
               T(test_ipc_export_refuses), T(test_ipc_import_refuses))
