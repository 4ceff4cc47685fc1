/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: registered memory is locked in RAM until the last registration that covers it
 * is gone, the system's limit is honoured, and its refusal leaves everything usable. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/suite.h"

#define NOBODY 65534

static mmbMemSpace *space;
static mmbRegionProvider *provider;

/* Locked memory of this process, in KiB. */
static long locked_kib(void)
{
    char line[200];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmLck: %ld", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib;
}

static mmbMemInterface *make(mmbStrategy strategy)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.strategy = strategy;
    config.backend = MMB_BACKEND_MMAP;
    config.region_provider = provider;
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    return interface;
}

/* The sanitizers keep mlock from the kernel. */
static bool cannot_be_seen(void)
{
    static char page[4096];
    long before = locked_kib();
    bool is_seen = mlock(page, sizeof page) == 0 && locked_kib() > before;
    munlock(page, sizeof page);
    if (!is_seen)
        suite_skip("locked memory is not counted here");
    return !is_seen;
}

static void set_up(void)
{
    control_open();
    space = control_space(16 << 20);
    provider = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_region_provider_create_mlock(&provider), MMB_OK);
}

static void test_mlock_locks_chunks(void)
{
    if (cannot_be_seen())
        return;
    long before = locked_kib();
    mmbMemInterface *interface = make(MMB_STRATEGY_PASSTHROUGH);
    mmbAllocation *block = control_allocation(interface, 256 << 10);
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    CU_ASSERT_EQUAL(locked_kib() - before, 256);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 5, 10, &view), MMB_OK);
    CU_ASSERT_TRUE(!view.remote_key && !view.local_desc && view.n_bytes == 10);
    CU_ASSERT_PTR_EQUAL(view.ptr, (char *)mmb_allocation_ptr(block) + 5);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(locked_kib(), before);
}

/* The kernel's locks do not nest; ours look as if they did. */
static void test_mlock_overlapping_user_buffers(void)
{
    if (cannot_be_seen())
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    long page_kib = (long)(page / 1024), before = locked_kib();
    mmbMemInterface *interface = make(MMB_STRATEGY_PASSTHROUGH);
    char *pages = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mmbAllocation *all = NULL, *middle = NULL, *within = NULL;
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(pages, 8 * page, interface, &all), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(pages + 2 * page, page + 1, interface, &middle),
                    MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(pages + 2 * page + 9, 5, interface, &within),
                    MMB_OK);
    CU_ASSERT_EQUAL(locked_kib() - before, 8 * page_kib);
    CU_ASSERT_EQUAL(mmb_free(all), MMB_OK);
    CU_ASSERT_EQUAL(locked_kib() - before, 2 * page_kib);
    CU_ASSERT_EQUAL(mmb_free(middle), MMB_OK);
    CU_ASSERT_EQUAL(locked_kib() - before, page_kib);
    CU_ASSERT_EQUAL(mmb_free(within), MMB_OK);
    CU_ASSERT_EQUAL(locked_kib(), before);
    munmap(pages, 8 * page);
}

static void test_mlock_refuses_what_is_not_there(void)
{
    if (cannot_be_seen())
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *hole = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mmbAllocation *wrapped = NULL;
    munmap(hole, page);
    CU_ASSERT_EQUAL(
        mmb_allocation_create_wrapped(hole, page, make(MMB_STRATEGY_PASSTHROUGH), &wrapped),
        MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("mlock") && control_detail_has("RLIMIT_MEMLOCK"));
    CU_ASSERT_PTR_NULL(wrapped);
}

/* ---- the limit ---- */

static int with_limit(size_t n_bytes)
{
    const struct rlimit limit = {n_bytes, n_bytes};
    return setrlimit(RLIMIT_MEMLOCK, &limit) || (geteuid() == 0 && setuid(NOBODY)) ||
           geteuid() == 0;
}

/* 256 KiB may be locked: what fits is served, what does not is refused, and afterwards what fits is
 * served again. Each number is a check that failed. */
static int under_the_limit(void *argument)
{
    mmbMemInterface *page = argument;
    mmbAllocation *small = NULL, *large = NULL;
    if (with_limit(256 << 10))
        return 100;
    if (mmb_allocate(1000, page, &small) != MMB_OK)
        return 1; /* the chunk that it wants first is larger than what may be locked */
    if (mmb_allocate(1 << 20, page, &large) != MMB_OUT_OF_MEMORY || large)
        return 2;
    if (!control_detail_has("RLIMIT_MEMLOCK is 262144 B"))
        return 3;
    if (mmb_free(small) != MMB_OK || mmb_allocate(2000, page, &small) != MMB_OK)
        return 4;
    return mmb_free(small) == MMB_OK && locked_kib() <= 256 ? 0 : 5;
}

/* Nothing at all may be locked: EPERM, which is the limit too. */
static int nothing_may_be_locked(void *argument)
{
    mmbAllocation *block = NULL;
    if (with_limit(0))
        return 100;
    if (mmb_allocate(1000, argument, &block) != MMB_OUT_OF_MEMORY)
        return 1;
    return block ? 2 : 0;
}

/* The child makes everything itself: what was made before a fork is the parent's. */
static int fresh_then(int (*body)(void *argument))
{
    control_close();
    control_open();
    space = control_space(16 << 20);
    if (mmb_region_provider_create_mlock(&provider) != MMB_OK)
        return 101;
    return body(make(MMB_STRATEGY_SCALABLE_PAGE));
}

static int child(void *argument)
{
    return fresh_then(argument ? under_the_limit : nothing_may_be_locked);
}

/* covers: mmb_allocate MMB_OUT_OF_MEMORY, mmb_allocation_create_wrapped MMB_OUT_OF_MEMORY */
static void test_mlock_honours_the_limit(void)
{
    if (cannot_be_seen())
        return;
    struct suite_child some = suite_run_child(child, space, 10);
    struct suite_child none = suite_run_child(child, NULL, 10);
    if (some.exited && some.code == 100) {
        suite_skip("this process may neither lower the limit nor become another user");
        return;
    }
    SUITE_CHECK(some.exited && some.code == 0, "256 KiB: exited %d, %d", some.exited, some.code);
    SUITE_CHECK(none.exited && none.code == 0, "nothing: exited %d, %d", none.exited, none.code);
}

MMB_SUITE_WITH("layers/mlock", set_up, control_close, T(test_mlock_locks_chunks),
               T(test_mlock_overlapping_user_buffers), T(test_mlock_refuses_what_is_not_there),
               T(test_mlock_honours_the_limit))
