/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: mmb-info --shm tells what a segment holds, for people and for programs, and
 * fails for what is none. */
#include "tools/info_shm.h"
#include <stdlib.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

static char *shown;

/* The tool's exit status; what it printed is in `shown`. */
static int show(const char *url, bool as_json)
{
    size_t n_bytes = 0;
    free(shown);
    FILE *out = open_memstream(&shown, &n_bytes);
    int status = info_show_shm(out, url, as_json);
    fclose(out);
    return status;
}

static void test_info_shm_tells_what_it_holds(void)
{
    mmbMemInterface *heap =
        segment_interface(control_space(MMB_NO_LIMIT), MMB_STRATEGY_STACK, (size_t)1 << 20);
    control_allocation(heap, 96);
    CU_ASSERT_EQUAL(show(segment_url(), false), EXIT_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(shown, ": 1048576 bytes\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(shown, "live    1 blocks, 96 bytes\n"));
    CU_ASSERT_EQUAL(show(segment_url(), true), EXIT_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(shown, "\"live_bytes\":96,\"live_count\":1,\"owners\":1,\"dead_owners\":0}\n"));
}

static void test_info_shm_fails(void)
{
    CU_ASSERT_EQUAL(show("/mmb-test-none", false), EXIT_FAILURE);
    CU_ASSERT_STRING_EQUAL(shown, "");
    CU_ASSERT_EQUAL(show("no slash", true), EXIT_FAILURE);
    free(shown);
    shown = NULL;
}

MMB_SUITE_WITH("tools/info_shm", segment_set_up, segment_tear_down,
               T(test_info_shm_tells_what_it_holds), T(test_info_shm_fails))
