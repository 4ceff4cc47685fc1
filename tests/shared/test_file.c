/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the heap of a segment in a file of the user's. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static char path[100];

static void set_up(void)
{
    control_open();
    space = control_space(MMB_NO_LIMIT);
    snprintf(path, sizeof path, "/tmp%s.heap", segment_url());
    unlink(path);
}

static void tear_down(void)
{
    control_close();
    unlink(path);
}

static mmbError open_file(mmbShmMode mode, mmbMemInterface **out)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_FILE;
    config.backend_opts.file.path = path;
    config.backend_opts.file.bytes = 1 << 20;
    config.backend_opts.file.mode = mode;
    return segment_open(space, &config, out);
}

static void test_file_heap_outlives_its_interface(void)
{
    mmbMemInterface *heap;
    CU_ASSERT_EQUAL(open_file(MMB_SHM_ATTACH, &heap), MMB_NOT_FOUND);
    mmbError error = open_file(MMB_SHM_CREATE, &heap);
    if (error == MMB_UNSUPPORTED) {
        suite_skip("/tmp has no files without a name");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(error, MMB_OK);
    mmbAllocation *block = control_allocation(heap, 100);
    strcpy(mmb_allocation_ptr(block), "in a file");
    mmbSharedPtr pointer = segment_pointer(block);
    CU_ASSERT_EQUAL(mmb_destroy_interface(heap), MMB_OK);
    CU_ASSERT_EQUAL(open_file(MMB_SHM_CREATE, &heap), MMB_EXISTS);
    CU_ASSERT_EQUAL_FATAL(open_file(MMB_SHM_ATTACH, &heap), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &block), MMB_OK);
    CU_ASSERT_STRING_EQUAL(mmb_allocation_ptr(block), "in a file");
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(segment_live_bytes(heap), 0);
}

MMB_SUITE_WITH("shared/file", set_up, tear_down, T(test_file_heap_outlives_its_interface))
