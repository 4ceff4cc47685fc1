/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a provider is checked and opened once, lives as long as anything refers to
 * it, and is closed exactly once. */
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/fake_provider.h"
#include "tests/support/suite.h"

static struct fake_provider fake;
static mmbMemSpace *space;

static void set_up(void)
{
    control_open();
    space = control_space(1 << 20);
    fake_provider_init(&fake);
}

static void test_provider_opens_and_closes_once(void)
{
    mmbRegionProvider *provider = fake_provider_make(&fake);
    CU_ASSERT_TRUE(fake.opened == 1 && fake.closed == 0);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
    CU_ASSERT_TRUE(fake.opened == 1 && fake.closed == 1 && fake.calls == 0);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(fake.closed, 1);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(NULL), MMB_OK);
}

static void drop_name(mmbRegionProviderOps *ops)
{
    ops->name = NULL;
}
static void empty_name(mmbRegionProviderOps *ops)
{
    ops->name = "";
}
static void long_name(mmbRegionProviderOps *ops)
{
    static char name[400];
    memset(name, 'n', sizeof name - 1);
    ops->name = name;
}
static void drop_register(mmbRegionProviderOps *ops)
{
    ops->register_region = NULL;
}
static void drop_deregister(mmbRegionProviderOps *ops)
{
    ops->deregister_region = NULL;
}
static void shrink(mmbRegionProviderOps *ops)
{
    ops->size = sizeof ops->size;
}

/* covers: mmb_region_provider_create MMB_INVALID_ARG, mmb_region_provider_create_mlock
   MMB_INVALID_ARG, mmb_region_provider_destroy MMB_INVALID_ARG */
static void test_provider_create_refuses(void)
{
    void (*const spoil[])(mmbRegionProviderOps *) = {drop_name,     empty_name,      long_name,
                                                     drop_register, drop_deregister, shrink};
    mmbRegionProvider *provider = NULL;
    for (size_t i = 0; i < N_ROWS(spoil); i++) {
        mmbRegionProviderOps ops = fake_provider_ops;
        spoil[i](&ops);
        mmbError error = mmb_region_provider_create(&ops, &fake, &provider);
        SUITE_CHECK(error == MMB_INVALID_ARG && !provider, "row %zu: %s", i, mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_region_provider_create(NULL, &fake, &provider), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_provider_create(&fake_provider_ops, &fake, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_provider_create_mlock(NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy((mmbRegionProvider *)(void *)space),
                    MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(fake.opened, 0);
}

/* A later release's functions that are asked for cannot be left out. */
static void test_provider_of_a_later_release(void)
{
    struct {
        mmbRegionProviderOps ops;
        void *later;
    } ops = {fake_provider_ops, &ops};
    mmbRegionProvider *provider = NULL;
    ops.ops.size = sizeof ops;
    CU_ASSERT_EQUAL(mmb_region_provider_create(&ops.ops, &fake, &provider), MMB_UNSUPPORTED);
    ops.later = NULL;
    CU_ASSERT_EQUAL(mmb_region_provider_create(&ops.ops, &fake, &provider), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
}

/* covers: mmb_region_provider_create MMB_ERROR MMB_UNSUPPORTED */
static void test_provider_open_fails(void)
{
    mmbRegionProvider *provider = NULL;
    fake.open_error = MMB_PERMISSION;
    CU_ASSERT_EQUAL(mmb_region_provider_create(&fake_provider_ops, &fake, &provider),
                    MMB_PERMISSION);
    CU_ASSERT_TRUE(control_detail_has("the fake network says no"));
    fake.open_error = (mmbError)4711;
    CU_ASSERT_EQUAL(mmb_region_provider_create(&fake_provider_ops, &fake, &provider), MMB_ERROR);
    CU_ASSERT_TRUE(!provider && fake.closed == 0);
}

static void test_provider_with_impossible_caps(void)
{
    mmbRegionProvider *provider = NULL;
    fake.caps.remote_key_bytes = 257;
    CU_ASSERT_EQUAL(mmb_region_provider_create(&fake_provider_ops, &fake, &provider),
                    MMB_INVALID_ARG);
    fake.caps.remote_key_bytes = 8;
    fake.caps.alignment = 3;
    CU_ASSERT_EQUAL(mmb_region_provider_create(&fake_provider_ops, &fake, &provider),
                    MMB_INVALID_ARG);
    CU_ASSERT_TRUE(!provider && fake.opened == 2 && fake.closed == 2);
}

static mmbMemInterface *must_create(mmbRegionProvider *provider)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.region_provider = provider;
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    return interface;
}

/* covers: mmb_region_provider_destroy MMB_BUSY */
static void test_provider_busy_while_an_interface_refers(void)
{
    mmbRegionProvider *provider = fake_provider_make(&fake);
    mmbMemInterface *interface = must_create(provider);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
    CU_ASSERT_EQUAL(fake.closed, 1);
}

static void test_provider_busy_while_a_space_refers(void)
{
    mmbRegionProvider *provider = fake_provider_make(&fake);
    mmbMemSpaceConfig config = control_limit(1 << 20);
    mmbMemSpace *other = NULL;
    config.interface_opts.region_provider = provider;
    CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_DRAM, MMB_CPU, &config, &other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_BUSY);
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL(mmb_create_interface(other, NULL, &interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(control_allocation(interface, 100)), MMB_OK);
    CU_ASSERT_TRUE(fake.calls > 0);
    CU_ASSERT_EQUAL(mmb_destroy_space(other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
    CU_ASSERT_TRUE(fake.live == 0 && fake.wrong == 0);
}

/* An interface that could not be made refers to nothing. */
static void test_provider_after_a_failed_interface(void)
{
    mmbRegionProvider *provider = fake_provider_make(&fake);
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *interface = NULL;
    config.region_provider = provider;
    config.strategy = MMB_STRATEGY_STACK;
    config.strategy_opts.stack_bytes = 65536;
    fake.refuse_from = 1;
    fake.refuse_to = 9;
    CU_ASSERT_EQUAL(mmb_create_interface(space, &config, &interface), MMB_PERMISSION);
    CU_ASSERT_PTR_NULL(interface);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_OK);
}

/* What is forgotten is deregistered and closed at the end. */
static void test_provider_forgotten(void)
{
    static char buffer[100];
    mmbRegionProvider *provider = fake_provider_make(&fake);
    mmbMemInterface *interface = must_create(provider);
    mmbAllocation *wrapped = NULL;
    control_allocation(interface, 100);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(buffer, sizeof buffer, interface, &wrapped),
                    MMB_OK);
    CU_ASSERT_EQUAL(fake.live, 2);
    control_close();
    CU_ASSERT_TRUE(fake.live == 0 && fake.closed == 1 && fake.wrong == 0);
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_NOT_INITIALIZED);
    control_open();
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(provider), MMB_INVALID_ARG);
}

MMB_SUITE_WITH("core/region_provider", set_up, control_close,
               T(test_provider_opens_and_closes_once), T(test_provider_create_refuses),
               T(test_provider_of_a_later_release), T(test_provider_open_fails),
               T(test_provider_with_impossible_caps),
               T(test_provider_busy_while_an_interface_refers),
               T(test_provider_busy_while_a_space_refers),
               T(test_provider_after_a_failed_interface), T(test_provider_forgotten))
