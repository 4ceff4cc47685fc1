/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what get_region says of any part of any object reaches exactly those bytes,
 * whatever the strategy, and the provider is called once per chunk, never per allocation. */
#include <stdint.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/fake_provider.h"
#include "tests/support/suite.h"

static struct fake_provider fake;
static mmbRegionProvider *provider;
static mmbMemSpace *space;

static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};

static void set_up(void)
{
    control_open();
    space = control_space(64 << 20);
    fake_provider_init(&fake);
    provider = fake_provider_make(&fake);
}

/* Everything is deregistered, once, before the provider is closed. */
static void tear_down(void)
{
    control_close();
    CU_ASSERT_TRUE(fake.live == 0 && fake.closed == 1 && fake.wrong == 0);
}

static mmbMemInterface *make(mmbStrategy strategy, uint64_t flags)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.strategy = strategy;
    config.flags = flags;
    config.region_provider = provider;
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

static mmbRegionView must_view(const mmbAllocation *allocation, size_t offset, size_t n_bytes)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    SUITE_CHECK(mmb_allocation_get_region(allocation, offset, n_bytes, &view) == MMB_OK, "%s",
                mmb_error_detail());
    return view;
}

static void *reach(const mmbRegionView *view)
{
    uint64_t key = 0;
    if (view->remote_key_bytes == sizeof key)
        memcpy(&key, view->remote_key, sizeof key);
    return fake_provider_reach(&fake, key, view->remote_address, view->n_bytes);
}

/* The view of the part names the part's own bytes, here and over the network. */
static void check_part(const mmbAllocation *allocation, size_t offset, size_t n_bytes)
{
    mmbRegionView view = must_view(allocation, offset, n_bytes);
    void *expected = (char *)mmb_allocation_ptr(allocation) + offset;
    CU_ASSERT_TRUE(view.ptr == expected && view.n_bytes == n_bytes && view.native);
    CU_ASSERT_PTR_EQUAL(view.local_desc, view.native);
    SUITE_CHECK(reach(&view) == expected, "%zu B at %zu: %p, not %p", n_bytes, offset, reach(&view),
                expected);
}

static void test_region_of_every_strategy(void)
{
    static const size_t sizes[] = {1, 24, 64, 1000, 4097, 65536, 300000, 3 << 20};
    for (size_t s = 0; s < N_ROWS(strategies); s++) {
        mmbMemInterface *interface = make(strategies[s], 0);
        mmbAllocation *blocks[N_ROWS(sizes)];
        for (size_t i = 0; i < N_ROWS(sizes); i++)
            blocks[i] = control_allocation(interface, sizes[i]);
        for (size_t i = 0; i < N_ROWS(sizes); i++) {
            check_part(blocks[i], 0, sizes[i]);
            check_part(blocks[i], sizes[i] - 1, 1);
            check_part(blocks[i], sizes[i] / 2, (sizes[i] + 1) / 2);
        }
        for (size_t i = N_ROWS(sizes); i-- > 0;)
            CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    }
}

/* 10,000 allocations, as many registrations as chunks. */
static void test_region_one_registration_per_chunk(void)
{
    for (size_t s = 1; s < N_ROWS(strategies); s++) {
        mmbMemInterface *interface = make(strategies[s], 0);
        mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
        long before = fake.calls;
        mmbAllocation *first = control_allocation(interface, 64);
        for (int i = 1; i < 10000; i++)
            if (control_allocation(interface, 64) == NULL)
                break;
        CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
        SUITE_CHECK(fake.calls - before == (long)stats.chunks, "%ld registrations, %zu chunks",
                    fake.calls - before, stats.chunks);
        CU_ASSERT_TRUE(stats.live_count == 10000 && stats.chunks < 20);
        check_part(first, 0, 64);
    }
}

static void test_region_attributes(void)
{
    control_allocation(make(MMB_STRATEGY_PASSTHROUGH, 0), 5000);
    const mmbRegionAttr *attr = &fake.regions[0].attr;
    CU_ASSERT_TRUE(attr->size == sizeof *attr && attr->layer == MMB_DRAM);
    CU_ASSERT_TRUE(attr->context == MMB_CPU && attr->device == -1);
    CU_ASSERT_EQUAL(attr->access, MMB_ACCESS_LOCAL | MMB_ACCESS_REMOTE_READ |
                                      MMB_ACCESS_REMOTE_WRITE | MMB_ACCESS_REMOTE_ATOMIC);
}

static void test_region_of_slices(void)
{
    mmbMemInterface *interface = make(MMB_STRATEGY_SCALABLE_PAGE, 0);
    mmbAllocation *block = control_allocation(interface, 1000);
    mmbAllocation *slice = NULL, *inner = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 100, 500, &slice), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(slice, 50, 50, &inner), MMB_OK);
    check_part(slice, 0, 500);
    check_part(inner, 10, 40);
    mmbRegionView whole = must_view(block, 0, 1000), part = must_view(inner, 0, 50);
    CU_ASSERT_EQUAL(part.remote_address, whole.remote_address + 150);
    CU_ASSERT_PTR_EQUAL(part.remote_key, whole.remote_key);
}

static void test_region_of_moved_and_aligned_blocks(void)
{
    mmbMemInterface *interface = make(MMB_STRATEGY_THREAD_LOCAL, 0);
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *block = NULL;
    options.alignment = 4096;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(100, interface, &options, &block), MMB_OK);
    check_part(block, 0, 100);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 500000), MMB_OK);
    check_part(block, 1, 499999);
    CU_ASSERT_EQUAL(mmb_migrate(block, make(MMB_STRATEGY_PASSTHROUGH, 0)), MMB_OK);
    check_part(block, 0, 500000);
    mmbMemInterface *plain =
        control_interface(space, MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    CU_ASSERT_EQUAL(mmb_migrate(block, plain), MMB_OK);
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 0, 1, &view), MMB_UNSUPPORTED);
}

static void test_region_of_wrapped_memory(void)
{
    static char buffer[3000];
    mmbMemInterface *interface = make(MMB_STRATEGY_SCALABLE_PAGE, MMB_INTERFACE_FINDABLE);
    mmbAllocation *wrapped = NULL, *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(buffer + 1, 2000, interface, &wrapped),
                          MMB_OK);
    CU_ASSERT_TRUE(fake.live == 1 && fake.regions[0].base == buffer + 1);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(wrapped, 7, 100, &slice), MMB_OK);
    check_part(wrapped, 0, 2000);
    check_part(slice, 3, 97);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_BUSY);
    CU_ASSERT_EQUAL(fake.live, 1);
    CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_hold(wrapped), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_BUSY);
    CU_ASSERT_EQUAL(fake.live, 1);
    CU_ASSERT_EQUAL(mmb_region_unhold(wrapped), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(wrapped), MMB_OK);
    CU_ASSERT_EQUAL(fake.live, 0);
}

/* ---- isolation ---- */

static void test_region_own_region(void)
{
    for (size_t s = 0; s < N_ROWS(strategies); s++) {
        mmbMemInterface *interface = make(strategies[s], MMB_INTERFACE_OWN_REGION);
        mmbAllocation *a = control_allocation(interface, 64);
        mmbAllocation *b = control_allocation(interface, 64);
        mmbRegionView of_a = must_view(a, 0, 64), of_b = must_view(b, 0, 64);
        CU_ASSERT_TRUE(of_a.native != of_b.native);
        CU_ASSERT_TRUE(memcmp(of_a.remote_key, of_b.remote_key, FAKE_KEY_BYTES) != 0);
        of_a.remote_address = of_b.remote_address;
        CU_ASSERT_PTR_NULL(reach(&of_a));
        CU_ASSERT_PTR_NOT_NULL(reach(&of_b));
        uint8_t key[FAKE_KEY_BYTES]; /* the view's own goes with the region */
        memcpy(key, of_b.remote_key, sizeof key);
        of_b.remote_key = key;
        CU_ASSERT_PTR_NOT_NULL(reach(&of_b));
        CU_ASSERT_EQUAL(mmb_free(b), MMB_OK);
        CU_ASSERT_PTR_NULL(reach(&of_b)); /* a released region is gone from the network */
        mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_interface_get_info(interface, &info), MMB_OK);
        CU_ASSERT_EQUAL(info.strategy, strategies[s]);
        CU_ASSERT_EQUAL(mmb_free(a), MMB_OK);
    }
}

/* ---- pinned pages stay ---- */

static void test_region_advice_to_drop_pages_is_refused(void)
{
    mmbMemInterface *interface = make(MMB_STRATEGY_SCALABLE_PAGE, 0);
    mmbAllocation *block = control_allocation(interface, 1 << 20);
    CU_ASSERT_EQUAL(mmb_advise(block, 0, 1 << 20, MMB_ADVISE_DONT_NEED), MMB_UNSUPPORTED);
    CU_ASSERT_EQUAL(mmb_advise(block, 0, 1 << 20, MMB_ADVISE_SEQUENTIAL), MMB_OK);
}

/* ---- trim ---- */

static void test_region_trim_deregisters_what_is_empty(void)
{
    mmbMemInterface *interface = make(MMB_STRATEGY_SCALABLE_PAGE, 0);
    mmbAllocation *block = control_allocation(interface, 100000);
    CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
    CU_ASSERT_EQUAL(fake.live, 1);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_trim(interface, 0), MMB_OK);
    CU_ASSERT_TRUE(fake.live == 0 && fake.deregistered == 1);
}

/* ---- refusals ---- */

/* covers: mmb_allocation_get_region MMB_INVALID_ALLOCATION MMB_INVALID_SIZE MMB_UNSUPPORTED
   MMB_INVALID_ARG */
static void test_region_get_refuses(void)
{
    mmbAllocation *block = control_allocation(make(MMB_STRATEGY_PASSTHROUGH, 0), 100);
    mmbAllocation *plain = control_allocation(
        control_interface(space, MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_DEFAULT), 100);
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    CU_ASSERT_EQUAL(mmb_allocation_get_region(NULL, 0, 1, &view), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 0, 0, &view), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 0, 101, &view), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 100, 1, &view), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, SIZE_MAX, 2, &view), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(plain, 0, 1, &view), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("no region provider"));
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 0, 1, NULL), MMB_INVALID_ARG);
    CU_ASSERT_TRUE(!view.ptr && !view.remote_key && view.n_bytes == 0);
    mmb_free(block);
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 0, 1, &view), MMB_INVALID_ALLOCATION);
}

static void test_region_without_keys(void)
{
    mmbAllocation *block = NULL;
    fake.key_bytes = 0;
    block = control_allocation(make(MMB_STRATEGY_PASSTHROUGH, 0), 100);
    mmbRegionView view = must_view(block, 0, 100);
    CU_ASSERT_TRUE(!view.remote_key && view.remote_key_bytes == 0);
}

MMB_SUITE_WITH("core/region", set_up, tear_down, T(test_region_of_every_strategy),
               T(test_region_one_registration_per_chunk), T(test_region_attributes),
               T(test_region_of_slices), T(test_region_of_moved_and_aligned_blocks),
               T(test_region_of_wrapped_memory), T(test_region_own_region),
               T(test_region_advice_to_drop_pages_is_refused),
               T(test_region_trim_deregisters_what_is_empty), T(test_region_get_refuses),
               T(test_region_without_keys))
